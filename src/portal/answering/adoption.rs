//! Which environment a refresh or a release is of, and what the portal learns from the license that it holds: a portal
//! that was restored from a backup adopts what it signed itself, so that no customer notices.

use super::{AnswerError, Case, Context, Found, Request, retired};
use crate::{
    license::{
        LicenseClaims, PublicKey, RequestClaims, Retirement, Thumbprint, Unverified, verify_license,
    },
    portal::{
        KeyRing,
        domain::{Chain, CurrentDocument, Environment, Holds, Refusal, Revision, Subscription},
        store::{Change, RetiredKey, View},
    },
};
use jiff::Timestamp;

/// The key that a request must be signed by, or that must consent to it, if the portal knows one. Of several that it may
/// be, the one that the request names.
pub(super) fn bound_key(
    view: &View<'_>,
    keys: &KeyRing,
    claims: &RequestClaims,
    signer: &Thumbprint,
) -> Result<Option<PublicKey>, AnswerError> {
    let kid = match &claims.consent {
        Some(consent) => Unverified::parse(consent).map_or_else(|_| signer.clone(), |c| c.kid()),
        None if claims.request.brings_key() => return Ok(None),
        None => signer.clone(),
    };
    let stored = stored(view, claims, &kid)?;
    if let Some(environment) = stored.as_ref().filter(|known| known.is_bound_to(&kid)) {
        return Ok(environment.key);
    }
    // Looked at only where it can matter: that costs a signature, and nearly every refresh carries one.
    let own = own_license(keys, claims);
    let of_own = own.as_ref().and_then(key_of).filter(|key| key.thumbprint() == kid);
    let retired = view.retired_key(&kid, claims.environment.id)?.map(|retired| retired.key);
    // A retired key consents to nothing.
    let retired = retired.filter(|_| !claims.request.brings_key());
    Ok(match stored {
        Some(environment) => {
            let newer = own.is_some_and(|license| is_newer(&license, &environment));
            of_own.filter(|_| newer).or(retired).or(environment.key)
        }
        None => retired.or(of_own),
    })
}

/// The environment that a refresh or a release is of, or the answer to a key that it was bound to before.
pub(super) fn bound_case(
    change: &Change<'_>,
    request: &Request,
    context: &Context,
) -> Result<Found, AnswerError> {
    let refusal = match case_of(change, request, &request.key, context) {
        Err(AnswerError::Refused(refusal @ Refusal::EnvironmentUnknown)) => refusal,
        case => return case.map(|case| Found::Case(Box::new(case))),
    };
    let claims = &request.claims;
    match change.retired_key(&request.key.thumbprint(), claims.environment.id)? {
        Some(retired) => retired::answer(change, request, &retired, context),
        None => Err(refusal.into()),
    }
}

/// The environment that is bound to `key`, and that the request is of.
pub(super) fn case_of(
    change: &Change<'_>,
    request: &Request,
    key: &PublicKey,
    context: &Context,
) -> Result<Case, AnswerError> {
    let (claims, keys) = (&request.claims, &context.keys);
    let found = match claims.environment.id {
        Some(id) => change.environment_with_subscription(id)?,
        None => by_key(change, claims, key)?,
    };
    let Some((environment, subscription)) = found else {
        return restored(change, own_license(keys, claims), claims, key, context.now);
    };
    let mut case = Case::new(subscription, environment);
    case.stored = Some(case.environment.clone());
    adopt_held(change, &mut case, claims, Some(key), context)?;
    Ok(case)
}

/// Takes over the license that the asker holds, where the portal signed it later than the newest that it remembers.
///
/// # Errors
/// [`Refusal::EnvironmentUnknown`] where the environment is not bound to `key` then, before anything is changed: the key
/// may have changed since it was looked up, and the license that is held may tell of another.
pub(super) fn adopt_held(
    change: &Change<'_>,
    case: &mut Case,
    claims: &RequestClaims,
    key: Option<&PublicKey>,
    context: &Context,
) -> Result<(), AnswerError> {
    let newer = match super::holds(&case.environment, claims.held.as_deref()) {
        Holds::Other => own_license(&context.keys, claims),
        Holds::Current | Holds::Nothing => None,
    };
    let newer = newer.filter(|license| is_newer(license, &case.environment));
    let bound = newer.as_ref().map_or(case.environment.key, key_of);
    if key.is_some_and(|key| bound != Some(*key)) {
        return Err(Refusal::EnvironmentUnknown.into());
    }
    if let Some(license) = newer {
        follow_key(change, &mut case.environment, &license, context.now)?;
        adopt(&mut case.environment, &case.subscription, &license, claims);
        case.event = Some("license-adopted");
        // With the retired key at once: a refusal of which something is remembered may follow.
        change.put_environment(&case.environment)?;
        case.stored = None;
    }
    Ok(())
}

fn is_newer(license: &LicenseClaims, environment: &Environment) -> bool {
    license.environment.id == environment.id && license.seq > environment.sequence
}

fn key_of(license: &LicenseClaims) -> Option<PublicKey> {
    license.cnf.map(|cnf| cnf.jwk)
}

/// Binds an environment as a newer license of the portal says: it has forgotten a rebind or a move.
fn follow_key(
    change: &Change<'_>,
    environment: &mut Environment,
    license: &LicenseClaims,
    now: Timestamp,
) -> Result<(), AnswerError> {
    let key = key_of(license);
    let by = if license.sub == environment.serial_number {
        Retirement::Rebind
    } else {
        Retirement::Move
    };
    if let Some(old) = environment.key.filter(|old| key != Some(*old)) {
        let environment_id = environment.id;
        change.retire_key(&RetiredKey { environment_id, key: old, by, at: now })?;
        environment.chain = Chain::default();
    }
    let others = change.environments_by_serial(environment.subscription_id, &[license.sub])?;
    if others.iter().any(|other| other.id != environment.id && !other.is_released()) {
        return Err(Refusal::EnvironmentUnknown.into());
    }
    environment.key = key;
    environment.serial_number = license.sub;
    Ok(())
}

fn by_key(
    view: &View<'_>,
    claims: &RequestClaims,
    key: &PublicKey,
) -> Result<Option<(Environment, Subscription)>, AnswerError> {
    let Some(environment) = view.environment_by_key(claims.sub, &key.thumbprint())? else {
        return Ok(None);
    };
    let subscription = view.subscription(environment.subscription_id)?;
    let subscription = subscription.ok_or(Refusal::EnvironmentUnknown)?;
    Ok(Some((environment, subscription)))
}

/// By its id where the request names one, else by Serial Number and key.
fn stored(
    view: &View<'_>,
    claims: &RequestClaims,
    kid: &Thumbprint,
) -> Result<Option<Environment>, AnswerError> {
    Ok(match claims.environment.id {
        Some(id) => view.environment(id)?,
        None => view.environment_by_key(claims.sub, kid)?,
    })
}

/// The license that the asker holds, if this portal signed it.
fn own_license(keys: &KeyRing, claims: &RequestClaims) -> Option<LicenseClaims> {
    let held = claims.held.as_deref()?;
    let license = verify_license(held, keys.product(), keys.trust()).ok()?;
    Some(license.claims().clone())
}

/// Takes over a license that the portal signed and has forgotten. It counts as made from what was bought as the portal
/// remembers it, so that nothing that the customer has is taken back until the vendor changes the subscription again.
fn adopt(
    environment: &mut Environment,
    subscription: &Subscription,
    license: &LicenseClaims,
    claims: &RequestClaims,
) {
    environment.sequence = license.seq;
    environment.current = claims.held.as_deref().map(|t| CurrentDocument::License(t.trim().into()));
    environment.made_from = subscription.revision;
}

/// Makes an environment that the portal has forgotten from the license that it signed for it.
fn restored(
    change: &Change<'_>,
    held: Option<LicenseClaims>,
    claims: &RequestClaims,
    key: &PublicKey,
    now: Timestamp,
) -> Result<Case, AnswerError> {
    let unknown = || AnswerError::from(Refusal::EnvironmentUnknown);
    let license = held.ok_or_else(unknown)?;
    let bound = key_of(&license) == Some(*key);
    let named = claims.environment.id.is_none_or(|id| id == license.environment.id);
    let subscription = change.subscription(license.subscription.id)?.ok_or_else(unknown)?;
    let same_serial = change.environments_by_serial(subscription.id, &[license.sub])?;
    let taken = same_serial.iter().any(|other| !other.is_released());
    if !bound || !named || taken || change.environment(license.environment.id)?.is_some() {
        return Err(unknown());
    }
    let mut environment = Environment {
        id: license.environment.id,
        subscription_id: subscription.id,
        serial_number: license.sub,
        name: license.environment.name.clone(),
        purpose: license.environment.purpose,
        key: Some(*key),
        sequence: license.seq,
        current: None,
        made_from: Revision::NONE,
        chain: Chain::default(),
        activated_at: now,
        seen_at: now,
        released_at: None,
        slot_held_until: None,
    };
    adopt(&mut environment, &subscription, &license, claims);
    // What follows in this transaction refers to it.
    change.put_environment(&environment)?;
    let mut case = Case::new(subscription, environment);
    case.event = Some("environment-adopted");
    Ok(case)
}
