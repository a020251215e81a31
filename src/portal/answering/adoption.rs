//! Which environment a refresh or a release is of, and what the portal learns from the license that it holds: a portal
//! that was restored from a backup adopts what it signed itself, so that no customer notices.

use super::{AnswerError, Case, Request};
use crate::{
    license::{LicenseClaims, PublicKey, RequestClaims, Thumbprint, verify_license},
    portal::{
        KeyRing,
        domain::{Chain, CurrentDocument, Environment, Holds, Refusal, Revision, Subscription},
        store::{Change, View},
    },
};
use jiff::Timestamp;

/// The key that a request must be signed by, if the portal knows one.
pub(super) fn bound_key(
    view: &View<'_>,
    keys: &KeyRing,
    claims: &RequestClaims,
    kid: &Thumbprint,
) -> Result<Option<PublicKey>, AnswerError> {
    if let Some(environment) = stored(view, claims, kid)? {
        return Ok(Some(environment.key));
    }
    Ok(own_license(keys, claims).and_then(|license| license.cnf).map(|cnf| cnf.jwk))
}

/// The environment that a request other than an activation is of.
pub(super) fn bound_case(
    change: &Change<'_>,
    keys: &KeyRing,
    request: &Request,
    now: Timestamp,
) -> Result<Case, AnswerError> {
    let kid = request.key.thumbprint();
    let Some(mut environment) = stored(change, &request.claims, &kid)? else {
        return restored(change, own_license(keys, &request.claims), request, now);
    };
    // The key may have changed since it was looked up.
    if environment.key != request.key {
        return Err(Refusal::EnvironmentUnknown.into());
    }
    let subscription =
        change.subscription(environment.subscription_id)?.ok_or(Refusal::EnvironmentUnknown)?;
    let newer = match super::holds(&environment, request.claims.held.as_deref()) {
        Holds::Other => own_license(keys, &request.claims),
        Holds::Current | Holds::Nothing => None,
    };
    let newer = newer.filter(|license| {
        license.environment.id == environment.id && license.seq > environment.sequence
    });
    let event = newer.as_ref().map(|_| "license-adopted");
    if let Some(license) = newer {
        adopt(&mut environment, &subscription, &license, &request.claims);
    }
    Ok(Case { subscription, environment, event })
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
    request: &Request,
    now: Timestamp,
) -> Result<Case, AnswerError> {
    let unknown = || AnswerError::from(Refusal::EnvironmentUnknown);
    let license = held.ok_or_else(unknown)?;
    let bound = license.cnf.is_some_and(|cnf| cnf.jwk == request.key);
    let named = request.claims.environment.id.is_none_or(|id| id == license.environment.id);
    let subscription = change.subscription(license.subscription.id)?.ok_or_else(unknown)?;
    let taken = !change.environments_by_serial(subscription.id, &[license.sub])?.is_empty();
    if !bound || !named || taken || change.environment(license.environment.id)?.is_some() {
        return Err(unknown());
    }
    let mut environment = Environment {
        id: license.environment.id,
        subscription_id: subscription.id,
        serial_number: license.sub,
        name: license.environment.name.clone(),
        purpose: license.environment.purpose,
        key: request.key,
        sequence: license.seq,
        current: None,
        made_from: Revision::NONE,
        chain: Chain::default(),
        activated_at: now,
        seen_at: now,
        released_at: None,
    };
    adopt(&mut environment, &subscription, &license, &request.claims);
    Ok(Case { subscription, environment, event: Some("environment-adopted") })
}
