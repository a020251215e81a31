//! A planned move by one bundle, on the machine that takes over: everything is stored first, then its key files take their
//! place, then the request is made. Nothing is answered as licensed before the portal's license has come.

use super::{Agent, activation::refused};
use crate::{
    api::Problem,
    bundle::Contents,
    codes::ActivationCode,
    license::{ConsentClaims, DocumentError, KeyPair, RequestKind, Unverified},
    members::Authority,
    store::{
        Action, AgentState, Arrival, CarriedKeys, Offer, PendingRequest, RosterChange,
        StateDirectory, StoreError,
    },
    usage::UserKey,
};
use axum::http::StatusCode;

/// Codes of refusals after which no request of the same bundle is ever answered.
const FOR_GOOD: [&str; 8] = [
    "consent-expired",
    "document-request",
    "environment-released",
    "environment-unknown",
    "key-not-new",
    "request-id-reused",
    "request-overtaken",
    "subscription-revoked",
];

impl Agent {
    /// Takes the bundle of another machine, and makes the request of both keys. The same bundle again goes on where it was.
    pub(super) fn import(
        &mut self,
        contents: &Contents,
        by_hand: bool,
        actor: &str,
    ) -> Result<String, Problem> {
        self.refuse_environment()?;
        if self.parts.keeper.state().enrolled.is_none() {
            return Err(self.no_serial_number());
        }
        let arriving = self.parts.keeper.state().arrival.as_ref().map(|arrival| arrival.request);
        if let Some(other) = arriving.filter(|request| *request != contents.request) {
            let detail = format!(
                "expected the bundle that was taken here before (request {other}), whose request may have been answered: import that again, or take another machine"
            );
            return Err(refused(StatusCode::CONFLICT, "import-open", &detail));
        }
        let (carried, key) = self.check_bundle(contents)?;
        if arriving.is_none() || self.successor()?.public() != key.public() {
            self.take_bundle(contents, carried, by_hand, actor)?;
        }
        self.ask_to_arrive(by_hand, actor)
    }

    /// That a bundle holds what it must, all of one environment: its documents, as `accept_move` takes them, and its key.
    fn check_bundle(&self, contents: &Contents) -> Result<(String, KeyPair), Problem> {
        let unsound = |error: &DocumentError| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, error.code(), "The bundle was refused", error.to_string())
        };
        let unfit = |member: &'static str, reason: &str| {
            unsound(&DocumentError::Request { member, reason: reason.to_owned() })
        };
        let product = &self.parts.product;
        if contents.product != *product {
            return Err(unsound(&DocumentError::audience(product, &contents.product)));
        }
        let Contents { trust, license, consent, .. } = contents;
        let text = format!("{trust}\n{license}\n{consent}");
        let opened = self.open_consent(&text).map_err(|error| unsound(&error))?;
        let licensed = opened.license.claims();
        let bound = licensed.cnf.map(|cnf| cnf.jwk);
        let bound = bound.ok_or_else(|| unfit("license", "it is bound to no key"))?;
        let key = KeyPair::from_pem(&contents.key).map_err(|error| unsound(&error))?;
        let word = Unverified::parse(consent).and_then(|c| c.verify::<ConsentClaims>(&bound));
        let word = word.map_err(|error| unsound(&error))?;
        let fits = word.aud == *product
            && word.request == RequestKind::Move
            && word.request_id == contents.request
            && word.environment_id == licensed.environment.id
            && word.key == key.thumbprint();
        if !fits {
            return Err(unfit("consent", "it is for another request, environment or key"));
        }
        if let Some(pem) = &contents.authority_key {
            let authority = KeyPair::from_pem(pem).map_err(|error| unsound(&error))?;
            if licensed.ca.as_ref().is_some_and(|ca| *ca != authority.thumbprint()) {
                return Err(unfit("authority_key", "the license names another"));
            }
        }
        if let Some(code) = &contents.activation_code
            && code.parse::<ActivationCode>().is_err()
        {
            return Err(unfit("activation_code", "it is none"));
        }
        if contents.usage_key.as_ref().is_some_and(|key| UserKey::read(key).is_none()) {
            return Err(unfit("usage_key", "it is none"));
        }
        Ok((text, key))
    }

    /// Stores what a bundle holds, in one transaction, and puts its key files in their place.
    fn take_bundle(
        &mut self,
        contents: &Contents,
        carried: String,
        by_hand: bool,
        actor: &str,
    ) -> Result<(), Problem> {
        let keys = CarriedKeys {
            request: contents.request,
            key: contents.key.clone(),
            authority_key: contents.authority_key.clone(),
            activation_code: contents.activation_code.clone(),
            usage_key: contents.usage_key.clone(),
        };
        let staged = self.parts.directory.as_ref().map(|directory| directory.stage(&keys));
        staged.transpose().map_err(|error| unkept(&error))?;
        let authority = keys.authority_key.as_ref().and_then(|pem| KeyPair::from_pem(pem).ok());
        let mut state = self.draft();
        state.arrival = Some(Arrival {
            request: contents.request,
            environment: contents.environment.clone(),
            carried,
            ca: authority.map(|key| key.thumbprint()),
            by_hand,
        });
        let made_at = self.now();
        state.offer = Some(Offer { id: contents.request, made_at, request: None });
        state.predecessor = Some(contents.request.0);
        state.rebind_waits = false;
        let status = &mut state.status;
        status.generation = status.generation.max(contents.generation);
        status.digest.clear();
        let detail = format!(
            "{} ({}) by request {}, with {} members, made at {}",
            contents.environment.name,
            contents.environment.id,
            contents.request,
            contents.members.iter().filter(|member| member.removed_at.is_none()).count(),
            contents.made_at
        );
        let event = self.event_by(actor, Action::ControllerImported, detail);
        let mut changes = self.empty_roster();
        changes.extend(contents.members.iter().cloned().map(RosterChange::Member));
        changes.extend(contents.tokens.iter().cloned().map(RosterChange::Token));
        self.conclude_with(state, vec![event], changes);
        self.place_keys(&keys).map_err(|error| unkept(&error))
    }

    /// Puts the key files of a bundle in their place, and uses them from now on.
    fn place_keys(&mut self, keys: &CarriedKeys) -> Result<(), StoreError> {
        if let Some(directory) = &self.parts.directory {
            directory.take_staged(keys)?;
        }
        self.next_key = KeyPair::from_pem(&keys.key).ok();
        self.next_is_bound = false;
        if let Some(code) = keys.activation_code.as_ref().and_then(|code| code.parse().ok()) {
            (self.code, self.asked_code) = (Some(code), None);
        }
        if let Some(key) = keys.usage_key.as_ref().and_then(|key| UserKey::read(key)) {
            self.usage.use_key(key.clone());
            if let Some(members) = &self.parts.members {
                members.port.tell_usage_key(key.clone());
            }
            self.parts.user_key = key;
        }
        let authority = keys.authority_key.as_ref().and_then(|pem| KeyPair::from_pem(pem).ok());
        if let Some(key) = authority {
            self.belong_to(&key);
        }
        Ok(())
    }

    /// Serves members under that authority from now on.
    fn belong_to(&mut self, key: &KeyPair) {
        let Some(members) = &mut self.parts.members else { return };
        let changed = Authority::of(key).and_then(|authority| {
            members.port.belong_to(&authority)?;
            members.authority = authority;
            Ok(())
        });
        if let Err(error) = changed {
            tracing::error!(%error, "members can't be served under the environment's authority");
        }
        self.know_members();
    }

    /// Makes the request of the bundle that was taken, or the same once more.
    pub(super) fn ask_to_arrive(&mut self, by_hand: bool, actor: &str) -> Result<String, Problem> {
        let mut state = self.draft();
        let Some(arrival) = &mut state.arrival else {
            let detail =
                "no bundle was taken here: `entitlectl controller import BUNDLE` takes one";
            return Err(refused(StatusCode::CONFLICT, "no-import", detail));
        };
        let carried = arrival.carried.clone();
        if std::mem::replace(&mut arrival.by_hand, by_hand) != by_hand {
            self.conclude(state, Vec::new());
        }
        self.accept_move(&carried, by_hand, actor)
    }

    /// What an agent that ended in between still owes: the request of the bundle that was taken.
    pub(super) fn arrives(&self) -> bool {
        self.parts.keeper.state().arrival.as_ref().is_some_and(|arrival| !arrival.by_hand)
    }

    /// A portal that refuses the request of a bundle for good leaves nothing of it here: this machine must not go on with another
    /// environment's authority. The key is moved aside and not removed.
    pub(super) fn abandon_arrival(
        &mut self,
        state: &mut AgentState,
        refused: &PendingRequest,
        code: &str,
    ) -> Vec<RosterChange> {
        let is_its = |arrival: &mut Arrival| arrival.request == refused.id;
        if !FOR_GOOD.contains(&code) || state.arrival.take_if(is_its).is_none() {
            return Vec::new();
        }
        (state.offer, state.predecessor) = (None, None);
        self.next_key = None;
        self.forget_codes();
        let aside = self.parts.directory.as_ref().map(StateDirectory::set_next_key_aside);
        let renewed = aside.transpose().and_then(|_| self.renew_authority());
        if let Err(error) = renewed {
            tracing::error!(%error, "the keys of a bundle are still here");
        }
        self.empty_roster()
    }

    /// Makes another certificate authority in the place of the one that is here.
    fn renew_authority(&mut self) -> Result<(), StoreError> {
        let Some(directory) = &self.parts.directory else { return Ok(()) };
        directory.set_authority_key_aside()?;
        let key = directory.authority_key()?;
        self.belong_to(&key);
        Ok(())
    }

    /// Parts from an environment that went on elsewhere, before this machine becomes another: that one's members would take its
    /// word for their own controller's.
    pub(super) fn part(&mut self, actor: &str) -> Result<(), Problem> {
        let mut state = self.draft();
        let Some(retired) = state.retired.as_mut().filter(|retired| !retired.parted) else {
            return Ok(());
        };
        retired.parted = true;
        self.renew_authority().map_err(|error| unkept(&error))?;
        state.signpost = None;
        let detail = "of its own: the one before went on with the environment that was here";
        let event = self.event_by(actor, Action::AuthorityReplaced, detail);
        let changes = self.empty_roster();
        self.conclude_with(state, vec![event], changes);
        Ok(())
    }

    fn empty_roster(&self) -> Vec<RosterChange> {
        let roster = self.parts.keeper.roster();
        let members = roster.members().map(|member| RosterChange::ForgetMember(member.id));
        let tokens = roster.tokens().map(|token| RosterChange::ForgetToken(token.id.clone()));
        members.chain(tokens).collect()
    }

    /// That no bundle was taken here whose request may be answered yet.
    pub(super) fn refuse_arrival(&self) -> Result<(), Problem> {
        let Some(arrival) = &self.parts.keeper.state().arrival else { return Ok(()) };
        let detail = format!(
            "expected a machine that takes over nothing, found the bundle of {} (request {}), which the portal has not answered: `entitlectl controller import` with the same bundle asks again",
            arrival.environment.name, arrival.request
        );
        Err(refused(StatusCode::CONFLICT, "import-open", &detail))
    }

    /// What else the operator has to do, where members come along that can't be served yet.
    pub(super) fn waiting_members(&self) -> Option<String> {
        let members = self.parts.keeper.roster().members().filter(|m| m.removed_at.is_none());
        let waiting = members.count();
        (waiting > 0 && self.parts.members.is_none()).then(|| {
            format!(
                "; {waiting} members wait: set `listen` under [members] in the settings, then restart the agent"
            )
        })
    }
}

/// At the start: what came with a bundle takes its place where the state that it belongs to was stored, and is dropped where
/// that was not.
///
/// # Errors
/// [`StoreError`] with the file that could not be written.
pub(super) fn finish_import(
    directory: &StateDirectory,
    state: &AgentState,
) -> Result<(), StoreError> {
    let arriving = state.arrival.as_ref().map(|arrival| arrival.request);
    match directory.staged()? {
        Some(keys) if Some(keys.request) == arriving => directory.take_staged(&keys),
        Some(_) => directory.forget_staged(),
        None => Ok(()),
    }
}

fn unkept(error: &StoreError) -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, error.code(), "A key can't be kept", error.to_string())
}
