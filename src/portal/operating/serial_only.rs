//! Licenses that are bound to a Serial Number alone, for customers who type it into the portal and have no request to
//! send. They are worth what the Serial Number is: a copy runs wherever that is shown, so the vendor allows them one by
//! one.

use super::super::{
    KeyRing, Portal, PortalError,
    access::Right,
    answering,
    clock::whole_second,
    directory::check_name,
    domain::{
        Chain, CurrentDocument, Decision, Environment, Holds, Refusal, Revision, Subscription,
        check_free_or_own, check_standing, decide,
    },
    issuing::{self, Authorities},
    store::{Change, Event},
};
use crate::{
    codes::SerialNumber,
    license::{Purpose, Retirement, Sequence},
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// A license that is bound to a Serial Number alone, with what verifies it.
#[derive(Debug, Clone)]
pub struct SerialOnlyLicense {
    /// The environment whose slot it has.
    pub environment: Environment,
    /// The license.
    pub license: String,
    /// The trust document.
    pub trust: String,
}

/// For which machine.
struct Wanted {
    serial_number: SerialNumber,
    purpose: Purpose,
    name: Option<String>,
}

impl Portal {
    /// The license of a Serial Number: the first takes a free slot, later ones are the newest for it.
    ///
    /// # Errors
    /// [`PortalError::SerialOnlyNotAllowed`], [`PortalError::BoundToKey`], a [`Refusal`] as an activation gets it, and what
    /// the store says.
    pub fn issue_for_serial_number(
        &self,
        subscription: Uuid,
        serial_number: SerialNumber,
        purpose: Purpose,
        name: Option<String>,
    ) -> Result<SerialOnlyLicense, PortalError> {
        if let Some(name) = &name {
            check_name("name", name)?;
        }
        self.needs(Right::EnvironmentsWrite)?;
        let (keys, now, actor) = (self.keys(), whole_second(self.now()), self.actor().to_owned());
        let wanted = Wanted { serial_number, purpose, name };
        self.store().write(move |change| {
            let id = subscription;
            let subscription =
                change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
            if !subscription.terms.allow_serial_only {
                return Err(PortalError::SerialOnlyNotAllowed { id });
            }
            check_standing(&subscription, now)?;
            let (mut environment, is_new) = find(change, &subscription, &wanted, now)?;
            let (license, is_issued) = issue(&keys, &subscription, &mut environment, now)?;
            change.put_environment(&environment)?;
            let events = [("environment-reserved", is_new), ("license-issued", is_issued)];
            for (event, _) in events.into_iter().filter(|(_, happened)| *happened) {
                change.audit_event(&Event {
                    at: now,
                    actor: &actor,
                    event,
                    subscription_id: Some(id),
                    environment_id: Some(environment.id),
                    detail: json!({
                        "serial_number": serial_number,
                        "purpose": purpose,
                        "sequence": environment.sequence,
                        "bound_to": "serial number",
                    }),
                })?;
            }
            Ok(SerialOnlyLicense { environment, license, trust: keys.trust().text().to_owned() })
        })
    }
}

/// The environment of the Serial Number, and whether it has just got its slot.
fn find(
    change: &Change<'_>,
    subscription: &Subscription,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<(Environment, bool), PortalError> {
    let &Wanted { serial_number, purpose, .. } = wanted;
    let known = change.environments_by_serial(subscription.id, &[serial_number])?.pop();
    let earlier = match known {
        Some(environment) if environment.is_released() => Some(environment),
        Some(Environment { id, key: Some(_), .. }) => {
            return Err(PortalError::BoundToKey { id, serial_number });
        }
        Some(environment) if environment.purpose != purpose => {
            let (id, found) = (environment.id, environment.purpose);
            return Err(Refusal::PurposeDiffers { environment: id, found, asked: purpose }.into());
        }
        Some(environment) => return Ok((named(environment, wanted), false)),
        None => None,
    };
    check_own_or_free(change, subscription, earlier.as_ref(), purpose, now)?;
    if let Some(earlier) = &earlier {
        answering::retire(change, earlier, Retirement::Rebind, now)?;
    }
    let environment = Environment {
        id: earlier.as_ref().map_or_else(|| Portal::new_id(now), |e| Ok(e.id))?,
        subscription_id: subscription.id,
        serial_number,
        name: wanted.name.clone().unwrap_or_else(|| capitalized(purpose)),
        purpose,
        key: None,
        // Higher than any license that is still about.
        sequence: earlier.map_or(Sequence(0), |e| e.sequence),
        current: None,
        made_from: Revision::NONE,
        chain: Chain::default(),
        activated_at: now,
        seen_at: now,
        released_at: None,
        slot_held_until: None,
    };
    Ok((environment, true))
}

/// A slot for a Serial Number that no environment has now: the one that had it before, if there is one.
///
/// # Errors
/// [`PortalError::BoundToKey`] where one has it, and as an activation gets it where there is no slot.
pub(super) fn free_place(
    change: &Change<'_>,
    subscription: &Subscription,
    serial_number: SerialNumber,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Environment>, PortalError> {
    check_standing(subscription, now)?;
    let earlier = change.environments_by_serial(subscription.id, &[serial_number])?.pop();
    if let Some(Environment { id, released_at: None, .. }) = earlier {
        return Err(PortalError::BoundToKey { id, serial_number });
    }
    check_own_or_free(change, subscription, earlier.as_ref(), purpose, now)?;
    Ok(earlier)
}

/// That there is a free slot, or the one that was released is held still.
fn check_own_or_free(
    change: &Change<'_>,
    subscription: &Subscription,
    earlier: Option<&Environment>,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(), PortalError> {
    let used = change.slots_in_use(subscription.id, purpose, now)?;
    Ok(check_free_or_own(subscription, earlier, purpose, used, now)?)
}

/// The name stands in the license, which is made anew for another one.
fn named(mut environment: Environment, wanted: &Wanted) -> Environment {
    if let Some(name) = wanted.name.as_ref().filter(|name| environment.name != **name) {
        environment.name.clone_from(name);
        environment.made_from = Revision::NONE;
    }
    environment
}

/// The newest license, and whether it was made now.
fn issue(
    keys: &KeyRing,
    subscription: &Subscription,
    environment: &mut Environment,
    now: Timestamp,
) -> Result<(String, bool), PortalError> {
    answering::forget_disbelieved(environment, keys);
    let decision = decide(subscription, environment, Holds::Nothing, now)?;
    if let (Decision::SendCurrent, Some(CurrentDocument::License(text))) =
        (decision, &environment.current)
    {
        return Ok((text.clone(), false));
    }
    let id = Portal::new_id(now)?;
    let text = issuing::license(keys, subscription, environment, id, Authorities::default(), now)
        .map_err(PortalError::Signing)?;
    environment.take_up(subscription.revision, CurrentDocument::License(text.clone()));
    Ok((text, true))
}

fn capitalized(purpose: Purpose) -> String {
    let (first, rest) = purpose.as_str().split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
