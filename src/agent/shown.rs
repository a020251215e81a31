//! What the agent shows: its status, and the same signed.

use super::{
    Agent, Clock,
    publish::{heard, in_seconds},
};
use crate::{
    api::{Problem, Prover, Published, PublishedLicense},
    codes::ActivationCode,
    entitlement::{
        EnvironmentStatus, Evaluation, HardwareStatus, LicenseStatus, Role, Status, UpstreamStatus,
    },
    license::{KeyPair, LicenseClaims, ProofClaims, StatementClaims, VerifiedLicense, sign},
    store::AgentState,
};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, PoisonError, RwLock};

impl Agent {
    pub(super) fn status(
        &self,
        state: &AgentState,
        evaluation: &Evaluation,
        now: Timestamp,
    ) -> Status {
        let license = self.holdings.license.as_ref().filter(|_| !state.released);
        let claims = license.map(VerifiedLicense::claims);
        let message = match (&self.mint_error, &self.holdings.problem) {
            (_, Some(problem)) => problem.clone(),
            (Some(error), None) if state.enrolled.is_none() => error.to_string(),
            _ => evaluation.message.clone(),
        };
        let message = match &state.signpost {
            Some(post) if state.released && now < post.until => format!(
                "{message}; members are shown the way to {} until {}",
                post.controllers.join(", "),
                post.until
            ),
            _ => message,
        };
        Status {
            serial_number: state.enrolled.as_ref().map(|enrolled| enrolled.serial_number),
            role: Role::Controller,
            state: evaluation.state,
            entitled: evaluation.state.entitled(),
            reason: evaluation.reason,
            message,
            generation: state.status.generation,
            since: state.status.since.unwrap_or(now),
            environment: claims.map(|claims| EnvironmentStatus {
                id: claims.environment.id,
                name: claims.environment.name.clone(),
                purpose: claims.environment.purpose,
            }),
            license: claims.and_then(|claims| self.license_status(state, claims, evaluation)),
            features: claims.map(|claims| claims.features.clone()).unwrap_or_default(),
            limits: evaluation.limits.clone(),
            conditions: Vec::new(),
            upstream: self.upstream_status(state, now),
            hardware: state.hardware.map(|hardware| HardwareStatus {
                verdict: hardware.verdict,
                score: hardware.score,
            }),
        }
    }

    fn license_status(
        &self,
        state: &AgentState,
        claims: &LicenseClaims,
        evaluation: &Evaluation,
    ) -> Option<LicenseStatus> {
        let held = state.license.as_ref()?;
        let subscription = &claims.subscription;
        Some(LicenseStatus {
            id: claims.jti,
            sequence: claims.seq,
            subscription_id: subscription.id,
            edition: subscription.edition.clone(),
            support_level: subscription.support_level.clone(),
            trial: subscription.trial,
            activation_code: self.code.as_ref().map(ActivationCode::masked),
            issued_at: claims.iat,
            starts_at: subscription.starts_at,
            ends_at: subscription.ends_at,
            grace_ends_at: claims.exp,
            days_left: evaluation.days_left.unwrap_or_default(),
            source: held.source,
        })
    }

    fn upstream_status(&self, state: &AgentState, now: Timestamp) -> UpstreamStatus {
        let uptime = self.uptime();
        let until = self.schedule.refresh_at.map(|at| at.saturating_sub(uptime));
        let next = until.and_then(|until| now.checked_add(until).ok());
        let shown = (self.published.borrow().as_ref()).and_then(|p| p.status.upstream.next_refresh);
        let next = next.map(|next| match shown {
            // The same time, reckoned again: what is published stays as it is.
            Some(shown) if next.duration_since(shown).abs() < SignedDuration::from_secs(2) => shown,
            _ => in_seconds(next),
        });
        let portal = self.parts.portal.as_ref();
        UpstreamStatus {
            kind: if portal.is_some() { "portal" } else { "none" }.to_owned(),
            url: portal.map(|portal| portal.url().to_owned()),
            reachable: self.reachable,
            last_contact: heard(state),
            next_refresh: next.filter(|_| portal.is_some()),
        }
    }

    /// Where the controller may be found next.
    fn successors(&self) -> Vec<String> {
        let departure = self.parts.keeper.state().departure.as_ref();
        departure.map(|departure| departure.controllers.clone()).unwrap_or_default()
    }

    /// The status, signed for who does not want to believe this agent. Signed once a generation.
    pub(super) fn statement(
        &self,
        status: &Status,
        license: Option<&PublishedLicense>,
    ) -> Option<Arc<str>> {
        let license = license?;
        if let Some(before) = self.published.borrow().as_ref()
            && before.status.generation == status.generation
            && before.license.as_ref() == Some(license)
        {
            return before.statement.clone();
        }
        let claims = StatementClaims {
            iss: status.serial_number?,
            aud: self.parts.product.clone(),
            iat: self.time.at(self.parts.clock.read()),
            environment_id: license.claims.environment.id,
            generation: status.generation,
            status: serde_json::to_value(status).ok()?,
            license: license.text.clone(),
            trust: license.trust.clone(),
            revocation: license.revocation.clone(),
            successors: self.successors(),
        };
        let signed = sign(&claims, &self.parts.key);
        let signed =
            signed.inspect_err(|error| tracing::error!(%error, "no statement could be made"));
        signed.ok().map(Arc::from)
    }
}

/// The environment key, for who signs beside the loop: another may take its place.
#[derive(Clone)]
pub(super) struct SharedKey(Arc<RwLock<KeyPair>>);

impl SharedKey {
    pub(super) fn new(key: KeyPair) -> Self {
        Self(Arc::new(RwLock::new(key)))
    }

    pub(super) fn set(&self, key: KeyPair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    fn get(&self) -> KeyPair {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Signs proofs by the environment key, beside the loop.
pub(super) struct KeyProver {
    pub(super) product: String,
    pub(super) key: SharedKey,
    pub(super) clock: Arc<dyn Clock>,
}

/// A member has no environment key.
pub(super) struct MemberProver;

impl Prover for MemberProver {
    fn prove(&self, _challenge: &str, _published: &Published) -> Result<String, Problem> {
        let status = StatusCode::NOT_FOUND;
        let detail = "this server is a member, and the environment key is its controller's: verify the statement (/v1/statement), or ask the controller for a proof";
        Err(Problem::new(status, "not-a-controller", "This is no controller", detail))
    }
}

impl Prover for KeyProver {
    fn prove(&self, challenge: &str, published: &Published) -> Result<String, Problem> {
        let status = &published.status;
        let Some(iss) = status.serial_number else {
            let (code, title) = ("no-serial-number", "There is no Serial Number");
            return Err(Problem::new(StatusCode::NOT_FOUND, code, title, status.message.clone()));
        };
        let claims = ProofClaims {
            iss,
            aud: self.product.clone(),
            iat: self.clock.read().clock,
            challenge: challenge.to_owned(),
            entitled: status.entitled,
            state: status.state.as_str().to_owned(),
            generation: status.generation,
        };
        sign(&claims, &self.key.get()).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, error.code(), "The proof can't be made", error.to_string())
        })
    }
}
