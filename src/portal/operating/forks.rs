//! Forks: seeing the branches of an environment, and naming the one that survives.

use super::{
    super::{
        Portal, PortalError,
        access::Right,
        domain::{Branch, Environment, Refusal, facts},
        store::View,
    },
    Act,
};
use crate::{
    identity::recognise,
    license::{LicenseClaims, MachineFacts, RequestClaims, RequestId, Sequence, Unverified},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// The branches of an environment's requests.
#[derive(Debug, Clone, Serialize)]
pub struct ForkView {
    /// The environment.
    pub environment_id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether there is more than one branch.
    pub forked: bool,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The branches, oldest first.
    pub branches: Vec<BranchView>,
}

/// One line of requests, and what is known of the machine that sends them.
#[derive(Debug, Clone, Serialize)]
pub struct BranchView {
    /// Its last request, which names the branch: the machine's `entitlectl` shows the same as its last one.
    pub last_request: RequestId,
    /// When the branch began.
    pub since: Timestamp,
    /// When its last request was answered.
    pub answered_at: Timestamp,
    /// Whether the customer named it.
    pub survivor: bool,
    /// What kind of machine it is.
    pub machine: Option<MachineFacts>,
    /// The sequence of the license that it held when it sent its last request.
    pub held: Option<Sequence>,
    /// Per cent of the environment's known hardware that its last request agrees with, where both tell any.
    pub hardware_score: Option<u8>,
}

impl Portal {
    /// The branches of an environment, one where all is well.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], and what the store says.
    pub fn forks(&self, id: Uuid) -> Result<ForkView, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        self.store().read(|view| fork_view(view, id, self.now()))
    }

    /// Names the branch whose last request is `last_request` as the one that is the environment. It is asked for a new
    /// key at its next refresh; once it has that, the others are told that theirs is retired. Until then another may be
    /// named.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], [`PortalError::NotForked`], [`PortalError::NoBranch`], and what the store says.
    pub fn name_survivor(&self, id: Uuid, last_request: Uuid) -> Result<ForkView, PortalError> {
        self.act(move |act| act.name_survivor(id, last_request))
    }
}

impl Act<'_> {
    /// As [`Portal::name_survivor`].
    ///
    /// # Errors
    /// As there.
    pub fn name_survivor(&self, id: Uuid, last_request: Uuid) -> Result<ForkView, PortalError> {
        self.needs(Right::EnvironmentsAssist)?;
        self.change_environment(id, |environment| {
            if let Some(at) = environment.released_at {
                return Err(Refusal::Released { environment: id, at }.into());
            }
            if !environment.chain.is_forked() {
                return Err(PortalError::NotForked { id });
            }
            if !environment.chain.name_survivor(RequestId(last_request)) {
                let heads = environment.chain.branches().iter().map(|b| b.head.to_string());
                let known = heads.collect::<Vec<_>>().join(", ");
                return Err(PortalError::NoBranch { id, found: last_request, known });
            }
            Ok(((), "survivor-named", json!({ "last_request": last_request })))
        })?;
        fork_view(self.change, id, self.now)
    }
}

fn fork_view(view: &View<'_>, id: Uuid, now: Timestamp) -> Result<ForkView, PortalError> {
    let environment = view.environment(id)?.ok_or(PortalError::NoEnvironment { id })?;
    let chain = &environment.chain;
    let branches = chain.branches().iter().map(|b| branch(view, &environment, b));
    let forked = chain.is_forked_at(now);
    Ok(ForkView {
        environment_id: id,
        name: environment.name.clone(),
        forked,
        since: chain.forked_since().filter(|_| forked),
        branches: branches.collect::<Result<_, PortalError>>()?,
    })
}

fn branch(
    view: &View<'_>,
    environment: &Environment,
    branch: &Branch,
) -> Result<BranchView, PortalError> {
    let claims = view.request_text(environment.id, branch.head)?.and_then(|text| {
        Unverified::parse(&text).and_then(|request| request.peek::<RequestClaims>()).ok()
    });
    let known = view.evidence(environment.id)?;
    let score = claims.as_ref().and_then(|claims| {
        let sent = facts(&claims.evidence);
        let both = !known.is_empty() && !sent.is_empty();
        both.then(|| recognise(&known, &sent, claims.machine.virtual_machine).score)
    });
    let held = claims.as_ref().and_then(|claims| held_by(environment, claims));
    Ok(BranchView {
        last_request: branch.head,
        since: branch.since,
        answered_at: branch.answered_at,
        survivor: branch.survivor,
        machine: claims.map(|claims| claims.machine),
        held,
        hardware_score: score,
    })
}

/// The license of the environment that the asker holds. By its signed word, for people: nothing follows from it.
fn held_by(environment: &Environment, claims: &RequestClaims) -> Option<Sequence> {
    let held = Unverified::parse(claims.held.as_deref()?.trim()).ok()?;
    let held = held.peek::<LicenseClaims>().ok()?;
    (held.environment.id == environment.id).then_some(held.seq)
}
