//! A planned move by one bundle, on the machine that is left: it consents to a key that it makes for the next one, goes on as
//! before, and shows its members the way as soon as it knows that the environment went on there.

use super::{Agent, activation::refused, documents::Road, holdings::believed_roots, lookout::Post};
use crate::{
    api::{ExportOrder, Problem, Reply},
    bundle::Contents,
    codes::ActivationCode,
    entitlement::LicenseSource,
    license::{
        ConsentClaims, DocumentError, KeyPair, RequestKind, Retirement, SignpostClaims, sign,
        verify_statement,
    },
    members::controller_address,
    store::{Action, AgentState, Departure, Retired, Signpost, StateDirectory},
    upstream::new_request_id,
};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest life of a bundle.
const LONGEST_LIFE: Duration = Duration::from_hours(366 * 24);
/// How much longer than that the new controller is looked for: it may have been bound in the last moment.
const LOOKING_ON: SignedDuration = SignedDuration::from_hours(24);

impl Agent {
    /// Makes what another machine needs to become the controller. An earlier bundle is void from the next request on.
    pub(super) fn export(&mut self, order: &ExportOrder, actor: &str) -> Result<Reply, Problem> {
        self.activated_environment()?;
        let controllers = self.future_addresses(order)?;
        let (request, made_at) = (new_request_id(), self.now());
        let life = SignedDuration::try_from(order.time_to_live).unwrap_or(SignedDuration::MAX);
        let ends_at = made_at.checked_add(life).unwrap_or(Timestamp::MAX);
        let key = KeyPair::generate().map_err(|error| internal("random", &error.to_string()))?;
        let departure = Departure { request, key: key.thumbprint(), controllers, ends_at };
        let contents = self.contents(&departure, &key, made_at)?;
        let mut state = self.draft();
        if let Some(before) = state.departure.take() {
            state.chain.void(before.request);
        }
        let Departure { request, key, controllers, ends_at } = &departure;
        let detail = format!(
            "{} to key {key} by request {request} until {ends_at}, for members at {}",
            contents.environment.name,
            if controllers.is_empty() { "no address".to_owned() } else { controllers.join(", ") }
        );
        state.departure = Some(departure);
        // A new generation: members learn from its statement where else to look.
        state.status.digest.clear();
        let event = self.event_by(actor, Action::ControllerExported, detail);
        self.conclude(state, vec![event]);
        Ok(Reply::Bundle(Box::new(contents)))
    }

    /// The addresses of an order, in their usual form.
    fn future_addresses(&self, order: &ExportOrder) -> Result<Vec<String>, Problem> {
        let bad = |code: &str, detail: String| {
            Problem::new(StatusCode::BAD_REQUEST, code, "A parameter is wrong", detail)
        };
        if order.time_to_live.is_zero() || order.time_to_live > LONGEST_LIFE {
            let detail = "expected a life of 1 second to 366 days: choose another --ttl";
            return Err(bad("bad-parameter", detail.to_owned()));
        }
        let addresses = order.controllers.iter().map(|address| controller_address(address));
        let addresses: Vec<_> = addresses
            .collect::<Result<_, _>>()
            .map_err(|error| bad(error.code(), error.to_string()))?;
        let members = self.parts.keeper.roster().members().filter(|m| m.removed_at.is_none());
        let members = members.count();
        if addresses.is_empty() && members > 0 {
            let detail = format!(
                "expected the address at which {members} members will find the new controller, found none: give it, `entitlectl controller export --address HOST:PORT`"
            );
            return Err(bad("no-address", detail));
        }
        Ok(addresses)
    }

    fn contents(
        &self,
        departure: &Departure,
        key: &KeyPair,
        made_at: Timestamp,
    ) -> Result<Contents, Problem> {
        let state = self.parts.keeper.state();
        let held = self.holdings.license.as_ref().zip(self.holdings.trust.as_ref());
        let bound = held.filter(|_| self.has_bound_key()).zip(state.environment.as_ref());
        let Some(((license, trust), environment)) = bound else {
            let detail = "expected the key that the license is bound to, found another: `entitlectl rebind` gets this machine's environment back first";
            return Err(refused(StatusCode::CONFLICT, "no-bound-key", detail));
        };
        let consent = ConsentClaims {
            aud: self.parts.product.clone(),
            iat: made_at,
            request: RequestKind::Move,
            request_id: departure.request,
            environment_id: environment.id,
            key: departure.key.clone(),
            exp: Some(departure.ends_at),
        };
        let unmade = |error: DocumentError| internal(error.code(), &error.to_string());
        let directory = self.parts.directory.as_ref();
        let authority = directory.map(StateDirectory::present_authority_key).transpose();
        let authority = authority.map_err(|error| internal(error.code(), &error.to_string()))?;
        let authority_key = authority.flatten().map(|key| key.to_pem()).transpose();
        let code = self.code.as_ref().map(ActivationCode::expose).map(Zeroizing::new);
        let roster = self.parts.keeper.roster();
        Ok(Contents {
            version: Contents::VERSION,
            product: self.parts.product.clone(),
            made_at,
            environment: environment.clone(),
            request: departure.request,
            key: key.to_pem().map_err(unmade)?,
            consent: sign(&consent, &self.parts.key).map_err(unmade)?,
            license: license.text().to_owned(),
            trust: trust.text().to_owned(),
            generation: state.status.generation,
            authority_key: authority_key.map_err(unmade)?,
            activation_code: code,
            usage_key: Some(self.parts.user_key.expose_text()),
            members: roster.members().cloned().collect(),
            tokens: roster.tokens().cloned().collect(),
            controllers: departure.controllers.clone(),
        })
    }

    /// Makes the bundle worthless: the next request to the portal names its request as overtaken.
    pub(super) fn cancel_export(&mut self, actor: &str) -> Result<(), Problem> {
        let mut state = self.draft();
        let Some(departure) = state.departure.take() else {
            let detail = "there is no bundle that is open: `entitlectl events` tells what became of it, `entitlectl controller export` makes one";
            return Err(refused(StatusCode::CONFLICT, "no-export", detail));
        };
        state.chain.void(departure.request);
        state.status.digest.clear();
        let detail = format!("request {} to key {}", departure.request, departure.key);
        let event = self.event_by(actor, Action::ExportCancelled, detail);
        self.conclude(state, vec![event]);
        Ok(())
    }

    /// The new controller's statement, as it was found where the bundle said: the portal's license in it shows that the
    /// environment went on there, before the portal is asked.
    pub(super) fn successor_stated(&mut self, text: &str) -> Result<(), DocumentError> {
        let state = self.parts.keeper.state();
        let (Some(_), Some(environment)) = (&state.departure, &state.environment) else {
            return Ok(());
        };
        let roots = believed_roots(&self.parts.roots, state.root);
        let trust = self.holdings.trust.as_ref();
        let statement = verify_statement(text, &self.parts.product, &roots, trust, None)?;
        let license = statement.license().claims();
        let (expected, found) = (environment.id, license.environment.id);
        if expected != found {
            return Err(DocumentError::OtherEnvironment { expected, found });
        }
        // The key of the bundle, or the one that took its place there since.
        let went = license.cnf.map(|cnf| cnf.jwk.thumbprint());
        let is_other = went.as_ref().is_some_and(|key| *key != self.parts.key.thumbprint());
        let is_later = state.floor.is_none_or(|floor| license.seq > floor);
        if !is_other || !is_later {
            return Ok(());
        }
        let (sequence, serial_number) = (license.seq, license.sub);
        let mut change = self.change();
        let retired = Retired {
            by: Retirement::Move,
            serial_number,
            key: went,
            at: self.now(),
            parted: false,
        };
        let road = Road { source: LicenseSource::Controller, actor: "new controller" };
        self.take_retirement(&mut change, Some(found), sequence, retired, &road);
        change.state.chain.give_up();
        self.adopt(change);
        self.forget_next_key();
        Ok(())
    }

    /// The signpost of an environment that is about to end here, where it is known to where it goes.
    pub(super) fn leave_signpost(&self, state: &mut AgentState, to: &Retired, now: Timestamp) {
        let Some(departure) = state.departure.take() else { return };
        let held = self.holdings.license.as_ref().zip(self.holdings.trust.as_ref());
        let Some((license, trust)) = held.filter(|_| self.has_bound_key()) else { return };
        let key = to.key.clone().filter(|_| to.by == Retirement::Move);
        let Some(key) = key.filter(|_| !departure.controllers.is_empty()) else { return };
        let claims = license.claims();
        let lease = SignedDuration::from_hours(24)
            .saturating_mul(i32::try_from(claims.lease_days).unwrap_or(i32::MAX));
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let signpost = SignpostClaims {
            iss: claims.sub,
            aud: self.parts.product.clone(),
            iat: now,
            exp: until,
            environment_id: claims.environment.id,
            key,
            controllers: departure.controllers.clone(),
            license: license.text().to_owned(),
            trust: trust.text().to_owned(),
        };
        match sign(&signpost, &self.parts.key) {
            Ok(text) => {
                state.signpost = Some(Signpost { text, controllers: departure.controllers, until });
            }
            Err(error) => tracing::error!(%error, "no signpost could be made"),
        }
    }

    /// Sends the lookout to where the environment may go on, or calls it back.
    pub(super) fn look_for_successor(&self, now: Timestamp) {
        let Some(members) = &self.parts.members else { return };
        let is_open = |departure: &&Departure| {
            let end = departure.ends_at.checked_add(LOOKING_ON).unwrap_or(Timestamp::MAX);
            !departure.controllers.is_empty() && now < end
        };
        let departure = self.parts.keeper.state().departure.as_ref().filter(is_open);
        let sent = members.lookout.borrow().as_ref().map(|post| post.request);
        if sent == departure.map(|departure| departure.request) {
            return;
        }
        let post = departure.and_then(|departure| {
            let identity = members.authority.certify_new_member(departure.request.0, now);
            let identity = identity.inspect_err(
                |error| tracing::error!(%error, "the new controller can't be watched"),
            );
            Some(Post {
                request: departure.request,
                controllers: departure.controllers.clone(),
                ca: members.authority.thumbprint().clone(),
                identity: identity.ok()?,
            })
        });
        members.lookout.send_replace(post);
    }
}

fn internal(code: &str, detail: &str) -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, code, "The bundle can't be made", detail)
}
