//! Making the documents: from a subscription and an environment to a license, from a decision to an answer.

use super::{
    KeyRing,
    clock::whole_second,
    domain::{Environment, Standing, Subscription},
};
use crate::license::{
    AnswerClaims, Confirmation, DocumentError, Environment as LicensedEnvironment, Fork,
    LicenseClaims, Outcome, RequestClaims, RevocationClaims, Subscription as LicensedSubscription,
    Thumbprint, sign,
};
use jiff::Timestamp;
use uuid::Uuid;

/// The certificate authority of an environment, and those that it had before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Authorities {
    pub(super) ca: Option<Thumbprint>,
    pub(super) former_ca: Vec<Thumbprint>,
}

impl Authorities {
    /// Former ones that are remembered.
    const MOST_FORMER: usize = 4;

    /// As they are after a request that names `asked`; one that names none has lost none.
    pub(super) fn after(&self, asked: Option<&Thumbprint>) -> Self {
        let Some(ca) = asked.filter(|asked| self.ca.as_ref() != Some(*asked)) else {
            return self.clone();
        };
        let former = self.ca.iter().chain(&self.former_ca).filter(|former| *former != ca);
        let former_ca = former.take(Self::MOST_FORMER).cloned().collect();
        Self { ca: Some(ca.clone()), former_ca }
    }
}

/// A license of the next sequence, for an environment of these certificate authorities.
pub(super) fn license(
    keys: &KeyRing,
    subscription: &Subscription,
    environment: &Environment,
    jti: Uuid,
    authorities: Authorities,
    now: Timestamp,
) -> Result<String, DocumentError> {
    let Authorities { ca, former_ca } = authorities;
    let terms = &subscription.terms;
    let now = whole_second(now);
    let claims = LicenseClaims {
        iss: keys.issuer().to_owned(),
        aud: keys.product().to_owned(),
        sub: environment.serial_number,
        jti,
        iat: now,
        nbf: now,
        exp: terms.grace_ends_at(),
        seq: environment.next_sequence(),
        subscription: LicensedSubscription {
            id: subscription.id,
            edition: terms.edition.clone(),
            support_level: terms.support_level.clone(),
            starts_at: terms.starts_at,
            ends_at: terms.ends_at,
            grace_days: terms.grace_days,
            trial: terms.trial,
        },
        environment: LicensedEnvironment {
            id: environment.id,
            name: environment.name.clone(),
            purpose: environment.purpose,
        },
        features: terms.features.clone(),
        limits: terms.limits.clone(),
        lease_days: terms.lease_days,
        refresh_after: terms.refresh_after,
        check_in_days: terms.check_in_days,
        hardware_grace_hours: terms.hardware_grace_hours,
        cnf: environment.key.map(|jwk| Confirmation { jwk }),
        ca,
        former_ca,
    };
    sign(&claims, keys.signing())
}

/// A revocation of the next sequence.
pub(super) fn revocation(
    keys: &KeyRing,
    subscription: &Subscription,
    environment: &Environment,
    now: Timestamp,
) -> Result<String, DocumentError> {
    let (revoked_at, reason) = match &subscription.standing {
        Standing::Revoked { at, reason } => (*at, reason.clone()),
        Standing::Active | Standing::Suspended => (whole_second(now), String::new()),
    };
    let claims = RevocationClaims {
        iss: keys.issuer().to_owned(),
        aud: keys.product().to_owned(),
        sub: environment.serial_number,
        iat: whole_second(now),
        seq: environment.next_sequence(),
        environment_id: environment.id,
        revoked_at,
        reason,
    };
    sign(&claims, keys.signing())
}

/// The answer to a request about an environment as it is after it.
pub(super) fn answer(
    keys: &KeyRing,
    request: &RequestClaims,
    environment: &Environment,
    outcome: Outcome,
    fork: Option<Fork>,
    now: Timestamp,
) -> Result<String, DocumentError> {
    let trust = keys.trust();
    let newer = trust.claims().version > request.trust_version;
    let retires = matches!(outcome, Outcome::Retired { .. });
    let claims = AnswerClaims {
        iss: keys.issuer().to_owned(),
        aud: keys.product().to_owned(),
        iat: whole_second(now),
        in_reply_to: request.jti,
        outcome,
        trust: newer.then(|| trust.text().to_owned()),
        fork,
        environment_id: Some(environment.id),
        issued: (!retires).then_some(environment.sequence),
    };
    sign(&claims, keys.signing())
}
