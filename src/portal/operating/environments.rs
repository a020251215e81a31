//! Environments: seeing them, taking their slots back, and letting a machine that lost its key come back.

use super::{
    super::{
        Portal, PortalError,
        access::Right,
        answering,
        domain::{CODE_ATTEMPTS, Environment, PendingRebind, Refusal, StoredCode},
    },
    Act,
};
use crate::license::{RebindCode, Thumbprint};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// A one-time code that was made: it is shown once, and kept nowhere.
pub struct NewRebindCode {
    /// The environment that it gives back.
    pub environment: Environment,
    /// The code.
    pub code: RebindCode,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl Portal {
    /// All environments, or those of one subscription, released ones among them.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], and what the store says.
    pub fn environments(
        &self,
        subscription: Option<Uuid>,
    ) -> Result<Vec<Environment>, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        subscription.map_or(Ok(()), |id| self.has_subscription(id))?;
        Ok(self.store().read(|view| view.environments(subscription))?)
    }

    /// Takes an environment's slot back, also one that an off-line release holds until its license ends. Its agent is
    /// told at its next refresh; another machine, or the same one under a new key, may have the slot at once.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], [`PortalError::AlreadyReleased`], and what the store says.
    pub fn release_environment(&self, id: Uuid) -> Result<Environment, PortalError> {
        self.act(move |act| act.release_environment(id))
    }

    /// Makes a one-time code by which a machine that lost its key gets the environment back; an earlier one is void.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], [`PortalError::WithoutKey`], [`Refusal::Released`], and what the store says.
    pub fn make_rebind_code(
        &self,
        id: Uuid,
        lifetime: SignedDuration,
    ) -> Result<NewRebindCode, PortalError> {
        self.act(move |act| act.make_rebind_code(id, lifetime))
    }

    /// The rebinds that wait for approval, and those approved that were not asked for again, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn pending_rebinds(&self) -> Result<Vec<PendingRebind>, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        Ok(self.store().read(|view| view.pending_rebinds(None))?)
    }

    /// Approves the rebind that waits; it is done when its machine asks again. Where several wait, `key` says which.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], [`PortalError::NoPendingRebind`], [`PortalError::SeveralPendingRebinds`], and what
    /// the store says.
    pub fn approve_rebind(
        &self,
        id: Uuid,
        key: Option<Thumbprint>,
    ) -> Result<PendingRebind, PortalError> {
        self.act(move |act| act.approve_rebind(id, key.as_ref()))
    }
}

impl Act<'_> {
    /// As [`Portal::release_environment`].
    ///
    /// # Errors
    /// As there.
    pub fn release_environment(&self, id: Uuid) -> Result<Environment, PortalError> {
        self.needs(Right::EnvironmentsWrite)?;
        self.release(id, json!({}))
    }

    /// Releases it, whoever had to be asked before; `detail` is what else the audit is told.
    pub(super) fn release(&self, id: Uuid, mut detail: Value) -> Result<Environment, PortalError> {
        self.change_environment(id, move |environment| {
            if let Some(at) = environment.released_at {
                if !environment.has_slot(self.now) {
                    return Err(PortalError::AlreadyReleased { id, at });
                }
                environment.slot_held_until = None;
                return Ok(((), "slot-freed", detail));
            }
            answering::end(self.change, environment, self.actor, self.now)?;
            detail["sequence"] = json!(environment.sequence);
            Ok(((), "environment-released", detail))
        })
        .map(|(environment, ())| environment)
    }

    /// As [`Portal::make_rebind_code`].
    ///
    /// # Errors
    /// As there.
    pub fn make_rebind_code(
        &self,
        id: Uuid,
        lifetime: SignedDuration,
    ) -> Result<NewRebindCode, PortalError> {
        self.needs(Right::EnvironmentsAssist)?;
        let code = RebindCode::random()?;
        let verifier = code.verifier();
        let (environment, expires_at) = self.change_environment(id, |environment| {
            check_bound(environment)?;
            let expires_at = self.now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
            let stored = StoredCode { verifier, expires_at, attempts_left: CODE_ATTEMPTS };
            self.change.put_rebind_code(id, &stored)?;
            Ok((expires_at, "rebind-code-made", json!({ "expires_at": expires_at })))
        })?;
        Ok(NewRebindCode { environment, code, expires_at })
    }

    /// As [`Portal::approve_rebind`].
    ///
    /// # Errors
    /// As there.
    pub fn approve_rebind(
        &self,
        id: Uuid,
        key: Option<&Thumbprint>,
    ) -> Result<PendingRebind, PortalError> {
        self.needs(Right::EnvironmentsAssist)?;
        self.change_environment(id, |environment| {
            check_bound(environment)?;
            let mut waiting = self.change.pending_rebinds(Some(id))?;
            waiting.retain(|pending| key.is_none_or(|key| pending.key == *key));
            let mut chosen = match waiting.as_slice() {
                [] => return Err(PortalError::NoPendingRebind { id }),
                [one] => one.clone(),
                several => {
                    let keys: Vec<&str> = several.iter().map(|p| p.key.as_str()).collect();
                    return Err(PortalError::SeveralPendingRebinds { id, keys: keys.join(", ") });
                }
            };
            chosen.approved_at = Some(self.now);
            self.change.put_pending_rebind(&chosen)?;
            let detail = json!({ "key": chosen.key });
            Ok((chosen, "rebind-approved", detail))
        })
        .map(|(_, approved)| approved)
    }

    /// Changes an environment and tells the audit.
    pub(super) fn change_environment<T>(
        &self,
        id: Uuid,
        edit: impl FnOnce(&mut Environment) -> Result<(T, &'static str, Value), PortalError>,
    ) -> Result<(Environment, T), PortalError> {
        let mut environment =
            self.change.environment(id)?.ok_or(PortalError::NoEnvironment { id })?;
        let (result, event, mut detail) = edit(&mut environment)?;
        self.change.put_environment(&environment)?;
        detail["serial_number"] = json!(environment.serial_number);
        detail["purpose"] = json!(environment.purpose);
        self.told(event, Some(environment.subscription_id), Some(id), detail)?;
        Ok((environment, result))
    }
}

/// That there is a key in whose place another may be put.
fn check_bound(environment: &Environment) -> Result<(), PortalError> {
    let id = environment.id;
    if let Some(at) = environment.released_at {
        return Err(Refusal::Released { environment: id, at }.into());
    }
    if environment.key.is_none() { Err(PortalError::WithoutKey { id }) } else { Ok(()) }
}
