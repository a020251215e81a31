//! One environment key takes the place of another: after a fork, where one was lost, on other hardware.
//!
//! The new key is on the disk, beside the present one, before anybody is told of it. It waits there until a license comes
//! that is bound to it. Storing that license and putting the key's file in its place are two durable steps: an agent that
//! ended between them finds by its license, at its start, that the second is still to be done.

use super::{Agent, exchange::Asking};
use crate::{
    api::Problem,
    codes::ActivationCode,
    identity::{MintError, Minted, Verdict},
    license::{
        DocumentError, KeyPair, LicenseClaims, PublicKey, RebindCode, RequestClaims, RequestKind,
        Unverified, VerifiedLicense, check_consent, sign_consent,
    },
    store::{AgentState, PendingRequest, StateDirectory},
};
use axum::http::StatusCode;

/// What is to take the place of the bound key.
pub(super) struct Heir {
    /// The new key, which signs.
    pub(super) key: KeyPair,
    /// The Serial Number of the hardware, where that is another than the enrolled one.
    pub(super) minted: Option<Minted>,
    /// The bound key's word; nothing where the Activation Code speaks in its place.
    pub(super) word: Option<Word>,
}

/// The bound key's consent.
pub(super) enum Word {
    /// The bound key is here.
    Own,
    /// It is on another machine, from which its word was carried here.
    Carried(Box<CarriedWord>),
}

/// A consent that was carried here.
pub(super) struct CarriedWord {
    /// It.
    pub(super) consent: String,
    /// The key that it is signed by.
    pub(super) bound: PublicKey,
    /// The license of the environment.
    pub(super) license: VerifiedLicense,
}

impl Word {
    /// The consent to the request of `claims`, which `new_key` is to sign.
    pub(super) fn on(
        &self,
        claims: &RequestClaims,
        new_key: &KeyPair,
        present: &KeyPair,
    ) -> Result<String, DocumentError> {
        match self {
            Self::Own => sign_consent(claims, &new_key.public(), present),
            Self::Carried(word) => {
                check_consent(&word.consent, claims, &new_key.public(), &word.bound)?;
                Ok(word.consent.clone())
            }
        }
    }
}

impl Agent {
    /// Puts a new key in the place of the one that is bound, and this hardware in the place of the enrolled one where it is
    /// another; or gets the environment of a machine back whose key was lost.
    pub(super) fn rebind(
        &mut self,
        code: Option<ActivationCode>,
        rebind_code: Option<&RebindCode>,
        actor: &str,
    ) -> Result<(), Problem> {
        self.need_portal(RequestKind::Rebind)?;
        let by_code = code.is_some() || rebind_code.is_some() || !self.has_bound_key();
        let kind = self.waiting_request();
        if by_code {
            let asking = self.rebind_by_code(code, rebind_code)?;
            return self.ask(&asking, actor);
        }
        // A second one would be signed over to a key that the first may have been answered for.
        if !matches!(kind, Some(RequestKind::Rebind | RequestKind::Move)) {
            self.succeed(false, actor)?;
        }
        self.send();
        Ok(())
    }

    /// The same for a courier.
    pub(super) fn rebind_by_hand(
        &mut self,
        code: Option<ActivationCode>,
        rebind_code: Option<&RebindCode>,
        actor: &str,
    ) -> Result<String, Problem> {
        if code.is_none() && rebind_code.is_none() && self.has_bound_key() {
            return self.succeed(true, actor);
        }
        let asking = self.rebind_by_code(code, rebind_code)?;
        self.make_request(&Asking { by_hand: true, ..asking }, actor)
    }

    /// Stores the request by which a new key, to which the bound one consents, takes its place.
    pub(super) fn succeed(&mut self, by_hand: bool, actor: &str) -> Result<String, Problem> {
        let environment = self.activated_environment()?;
        let minted = self.minted_elsewhere()?;
        let kind = if minted.is_some() { RequestKind::Move } else { RequestKind::Rebind };
        let heir = Some(Heir { key: self.successor()?, minted, word: Some(Word::Own) });
        self.make_request(&Asking { heir, by_hand, ..Asking::new(kind, environment) }, actor)
    }

    /// A rebind that the Activation Code speaks for.
    fn rebind_by_code<'a>(
        &mut self,
        code: Option<ActivationCode>,
        rebind_code: Option<&'a RebindCode>,
    ) -> Result<Asking<'a>, Problem> {
        self.refuse_arrival()?;
        let minted = self.minted_elsewhere()?;
        let environment = self.prepare_activation(code, None, None)?;
        // A key that was bound before is bound no second time.
        let was_bound = self.has_bound_key() || self.parts.keeper.state().retired.is_some();
        let key = if was_bound { self.successor()? } else { self.parts.key.clone() };
        let heir = Some(Heir { key, minted, word: None });
        Ok(Asking { rebind_code, heir, ..Asking::new(RequestKind::Rebind, environment) })
    }

    /// Asks again for a rebind that waits for approval, which is for one key.
    pub(super) fn rebind_again(&mut self) {
        let asked = self.rebind_by_code(None, None).and_then(|asking| self.ask(&asking, "agent"));
        if let Err(problem) = asked {
            tracing::warn!(detail = %problem.detail, "no rebind could be asked for");
            let uptime = self.uptime();
            self.schedule.failed(uptime, None);
        }
    }

    /// Whether the key that the held license is bound to is here.
    pub(super) fn has_bound_key(&self) -> bool {
        let license = self.holdings.license.as_ref();
        let bound = license.and_then(|license| license.claims().cnf).map(|cnf| cnf.jwk);
        !self.parts.keeper.state().released && bound == Some(self.parts.key.public())
    }

    /// The key that requests are signed by which bring none.
    pub(super) fn signing_key(&self) -> &KeyPair {
        let next = self.next_key.as_ref().filter(|_| self.next_is_bound);
        next.unwrap_or(&self.parts.key)
    }

    /// The key that is to take the place of the present one, made at the first call.
    pub(super) fn successor(&mut self) -> Result<KeyPair, Problem> {
        if let Some(next) = &self.next_key {
            return Ok(next.clone());
        }
        let made = match &self.parts.directory {
            Some(directory) => directory.make_next_key().map_err(|e| (e.code(), e.to_string())),
            None => KeyPair::generate().map_err(|e| ("store-random", e.to_string())),
        };
        let key = made.map_err(|(code, detail)| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, code, "No new key can be made", detail)
        })?;
        self.next_key = Some(key.clone());
        Ok(key)
    }

    /// The Serial Number of this hardware, where it is other hardware than what was enrolled.
    fn minted_elsewhere(&self) -> Result<Option<Minted>, Problem> {
        self.other_hardware(self.parts.keeper.state()).map_err(|error| {
            let title = "There is no Serial Number";
            Problem::new(StatusCode::CONFLICT, error.code(), title, error.to_string())
        })
    }

    /// The same. Of an override, what counts is the operator's text: another one is another machine's.
    pub(super) fn other_hardware(&self, state: &AgentState) -> Result<Option<Minted>, MintError> {
        let (Some(enrolled), Some(survey)) = (&state.enrolled, &self.survey) else {
            return Ok(None);
        };
        match state.hardware.map(|hardware| hardware.verdict) {
            Some(Verdict::DifferentMachine) => self.mint(survey).map(Some),
            Some(Verdict::Overridden) => {
                let minted = self.mint(survey).ok();
                Ok(minted.filter(|minted| minted.serial_number != enrolled.serial_number))
            }
            _ => Ok(None),
        }
    }

    /// The next key is bound from now on: everything is signed by it.
    pub(super) fn take_next_key(&mut self) {
        let Some(next) = &self.next_key else { return };
        self.parts.key = next.clone();
        self.signer.set(next.clone());
        self.next_is_bound = false;
    }

    /// Puts the next key's file in the place of the present one, where its license is stored.
    pub(super) fn finish_succession(&mut self) {
        let is_bound = |next: &KeyPair| next.public() == self.parts.key.public();
        let is_stored = self.parts.keeper.failure().is_none();
        if !self.next_key.as_ref().is_some_and(is_bound) || !is_stored {
            return;
        }
        let promoted = self.parts.directory.as_ref().map(StateDirectory::promote_next_key);
        let trouble = promoted.and_then(Result::err).map(|error| error.to_string());
        match &trouble {
            Some(why) if self.key_trouble != trouble => {
                tracing::error!("the new environment key is not in its place: {why}");
            }
            Some(_) => {}
            None => self.next_key = None,
        }
        self.key_trouble = trouble;
    }

    /// The next key can't be bound any more.
    pub(super) fn forget_next_key(&mut self) {
        self.next_key = None;
        self.next_is_bound = false;
        let forgotten = self.parts.directory.as_ref().map(StateDirectory::forget_next_key);
        if let Some(Err(error)) = forgotten {
            tracing::warn!(%error, "a key that is of no use any more could not be removed");
        }
    }
}

/// The keys that an agent starts with: the present one, and the one that is to take its place. Where the held license is
/// bound to that one already, it is the present one; its file is put in its place later.
pub(super) fn stored_keys(
    present: KeyPair,
    directory: Option<&StateDirectory>,
    state: &AgentState,
) -> (KeyPair, Option<KeyPair>) {
    let next = directory.map(StateDirectory::next_key).transpose().unwrap_or_else(|error| {
        tracing::error!(%error, "the key that waits can't be read");
        None
    });
    let Some(next) = next.flatten() else { return (present, None) };
    // Verified when it was stored.
    let held = state.license.as_ref();
    let bound = held.and_then(|held| {
        let claims = Unverified::parse(&held.text).and_then(|held| held.peek::<LicenseClaims>());
        claims.ok()?.cnf
    });
    match bound {
        Some(cnf) if cnf.jwk == next.public() => (next.clone(), Some(next)),
        _ => (present, Some(next)),
    }
}

/// What a refusal of a request means for the succession that it was part of.
pub(super) fn note_refused(state: &mut AgentState, refused: &PendingRequest, code: &str) {
    if refused.kind == RequestKind::Rebind {
        state.rebind_waits = code == "rebind-pending";
    }
    if let Some(offer) = state.offer.as_mut().filter(|offer| offer.id == refused.id) {
        offer.request = None;
        // Its id is used up.
        if matches!(code, "request-overtaken" | "request-id-reused" | "key-not-new") {
            state.offer = None;
        }
    }
}
