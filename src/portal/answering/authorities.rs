//! By which certificate authorities the members of an environment know it.

use crate::{
    license::{LicenseClaims, Unverified},
    portal::{
        domain::{CurrentDocument, Environment, Standing, Subscription},
        issuing::Authorities,
    },
};
use jiff::Timestamp;

/// The certificate authorities that the newest license names.
pub(super) fn of(environment: &Environment) -> Authorities {
    let Some(CurrentDocument::License(text)) = &environment.current else {
        return Authorities::default();
    };
    // Signed here: what it says is what was meant.
    let claims = Unverified::parse(text).and_then(|license| license.peek::<LicenseClaims>());
    claims.map_or_else(
        |_| Authorities::default(),
        |LicenseClaims { ca, former_ca, .. }| Authorities { ca, former_ca },
    )
}

/// The environment has members now, or lost the key that they knew it by: a license that names its certificate authority is
/// made in the place of the one that does not, where one would be made at all.
pub(super) fn forget_other(
    subscription: &Subscription,
    environment: &mut Environment,
    now: Timestamp,
) {
    let issues = subscription.standing == Standing::Active
        && !subscription.terms.ended(now)
        && !environment.chain.is_forked();
    if issues {
        environment.current = None;
    }
}
