//! What a customer does on its pages: on its own subscription alone, and by its vendor's policies.

use super::super::{
    Portal, PortalError,
    answering::{self, Carrier},
    clock::whole_second,
    directory::check_name,
    domain::{Chain, Environment, RebindPolicy, Refusal, Revision, SlotAfter, Subscription},
    store::{AuditEntry, Event, StoredAnswer},
};
use crate::{
    api::Problem,
    codes::SerialNumber,
    license::{Purpose, RequestId, Retirement, Sequence},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{Act, ForkView, NewRebindCode, ReleaseAnswer};

/// How long a slot is kept for a Serial Number that was typed in.
const RESERVED_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a one-time code from the pages is good.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

impl Portal {
    /// Answers a request that a customer carried here, if it is of that subscription: by the rules for couriers. Returns
    /// the id by which the answer is found.
    ///
    /// # Errors
    /// The problem document that says why it is refused; a request of another subscription is refused as one that nobody
    /// here knows.
    pub(in crate::portal) fn answer_upload(
        &self,
        subscription: Uuid,
        request: &[u8],
    ) -> Result<RequestId, Problem> {
        let carrier = Carrier { subscription, actor: self.actor().to_owned() };
        answering::answer_carried(self, request, carrier).map_err(super::super::service::refused)
    }

    /// The answer to a request of that subscription.
    pub(in crate::portal) fn answer_of(
        &self,
        subscription: Uuid,
        id: RequestId,
    ) -> Result<Option<StoredAnswer>, PortalError> {
        self.store().read(|view| Ok(view.answer_of(subscription, id)?))
    }

    /// An environment of that subscription, with the machines that ask as it.
    pub(in crate::portal) fn own_environment(
        &self,
        subscription: Uuid,
        id: Uuid,
    ) -> Result<(Environment, ForkView), PortalError> {
        let environment = self.store().read(|view| Ok::<_, PortalError>(view.environment(id)?))?;
        let own = environment.filter(|found| found.subscription_id == subscription);
        let environment = own.ok_or(PortalError::NoEnvironment { id })?;
        Ok((environment, self.forks(id)?))
    }

    /// Releases an environment because its customer says so. Where the vendor has said how many releases a year need no
    /// approval, that counts; else nobody knows whether its machine has stopped, and the slot is free at once as often as
    /// after a release by courier.
    pub(in crate::portal) fn release_own_environment(
        &self,
        subscription: Uuid,
        id: Uuid,
        reason: &str,
    ) -> Result<ReleaseAnswer, PortalError> {
        check_name("reason", reason)?;
        let (environment, _) = self.own_environment(subscription, id)?;
        let approves = self.subscription(subscription)?.terms.releases_a_year.is_some();
        if approves && !environment.is_released() {
            return self.ask_release(id, reason);
        }
        let reason = reason.to_owned();
        self.act(move |act| act.release_by_customer(id, &reason))
    }

    /// Makes a one-time code for an environment of that subscription, where the vendor does not approve rebinds itself.
    pub(in crate::portal) fn make_own_rebind_code(
        &self,
        subscription: Uuid,
        id: Uuid,
    ) -> Result<NewRebindCode, PortalError> {
        self.own_environment(subscription, id)?;
        if self.subscription(subscription)?.terms.rebind == RebindPolicy::Approval {
            return Err(Refusal::RebindPending { environment: id }.into());
        }
        self.make_rebind_code(id, CODE_LIFETIME)
    }

    /// Keeps a free slot for the machine of that Serial Number, until it activates or 14 days are over; again for
    /// one that is kept already. One that is held because its license may still run stays as it is.
    pub(in crate::portal) fn reserve_slot(
        &self,
        subscription: Uuid,
        serial_number: SerialNumber,
        purpose: Purpose,
        name: &str,
    ) -> Result<Environment, PortalError> {
        check_name("name", name)?;
        let (now, actor, name) =
            (whole_second(self.now()), self.actor().to_owned(), name.to_owned());
        self.store().write(move |change| {
            let id = subscription;
            let sold = change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
            let earlier =
                super::serial_only::free_place(change, &sold, serial_number, purpose, now)?;
            // Its machine may still run a license, and has this slot when it activates again: nothing is given up for it.
            if let Some(held) = earlier.as_ref().filter(|held| held.held_until(now).is_some()) {
                return Ok(held.clone());
            }
            if let Some(earlier) = &earlier {
                answering::retire(change, earlier, Retirement::Rebind, now)?;
            }
            let environment = reserved(&sold, serial_number, purpose, name, earlier, now)?;
            change.put_environment(&environment)?;
            change.audit_event(&Event {
                at: now,
                actor: &actor,
                event: "slot-reserved",
                subscription_id: Some(id),
                environment_id: Some(environment.id),
                detail: json!({
                    "serial_number": serial_number,
                    "purpose": purpose,
                    "until": environment.slot_held_until,
                }),
            })?;
            Ok(environment)
        })
    }

    /// At most `most` audit entries of a subscription before `before`, newest first.
    pub(in crate::portal) fn history(
        &self,
        subscription: Uuid,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, PortalError> {
        self.store().read(|view| Ok(view.audit_before(subscription, before, most)?))
    }
}

impl Act<'_> {
    fn release_by_customer(&self, id: Uuid, reason: &str) -> Result<ReleaseAnswer, PortalError> {
        self.change_environment(id, |environment| {
            if environment.is_reserved(self.now) {
                environment.slot_held_until = None;
                return Ok(((), "slot-freed", json!({ "reason": reason })));
            }
            if let Some(at) = environment.released_at {
                return Err(PortalError::AlreadyReleased { id, at });
            }
            let subscription = environment.subscription_id;
            let sold = self.change.subscription(subscription)?;
            let sold = sold.ok_or(PortalError::NoSubscription { id: subscription })?;
            let slot = answering::slot_left(self.change, &sold, environment, true, self.now)?;
            answering::end(self.change, environment, self.actor, self.now)?;
            match slot {
                SlotAfter::Free => {}
                SlotAfter::Counted => {
                    self.change.add_offline_release(subscription, id, self.now)?;
                }
                SlotAfter::HeldUntil(until) => environment.slot_held_until = Some(until),
            }
            let detail = json!({ "sequence": environment.sequence, "reason": reason });
            Ok(((), "environment-released", detail))
        })
        .map(|_| ReleaseAnswer::Done)
    }
}

/// An environment that is kept a slot: as if it had just been released, with its slot held.
fn reserved(
    sold: &Subscription,
    serial_number: SerialNumber,
    purpose: Purpose,
    name: String,
    earlier: Option<Environment>,
    now: Timestamp,
) -> Result<Environment, PortalError> {
    let (id, sequence, chain) = match earlier {
        Some(earlier) => (earlier.id, earlier.sequence, earlier.chain.begun_again()),
        None => (Portal::new_id(now)?, Sequence(0), Chain::default()),
    };
    Ok(Environment {
        id,
        subscription_id: sold.id,
        serial_number,
        name,
        purpose,
        key: None,
        // Higher than any license that is still about.
        sequence,
        current: None,
        made_from: Revision::NONE,
        chain,
        activated_at: now,
        seen_at: now,
        released_at: Some(now),
        slot_held_until: Some(now.checked_add(RESERVED_FOR).unwrap_or(Timestamp::MAX)),
    })
}
