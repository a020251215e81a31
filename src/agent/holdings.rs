//! The stored documents, verified.

use crate::{
    codes::SerialNumber,
    entitlement::Held,
    license::{
        PublicKey, Retirement, RevocationClaims, Roots, Unverified, VerifiedLicense, VerifiedTrust,
        verify_license,
    },
    store::AgentState,
};

/// What the stored texts amount to. Derived from the state and never stored itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings {
    pub(super) trust: Option<VerifiedTrust>,
    pub(super) license: Option<VerifiedLicense>,
    pub(super) revocation: Option<RevocationClaims>,
    released: bool,
    retired: Option<(Retirement, SerialNumber)>,
    /// Why a stored license can't be used, where one is.
    pub(super) problem: Option<String>,
}

impl Holdings {
    /// Verifies what is stored.
    pub(super) fn of(state: &AgentState, product: &str, roots: &Roots) -> Self {
        let retired = state.retired.as_ref().map(|retired| (retired.by, retired.serial_number));
        let mut holdings = Self { released: state.released, retired, ..Self::default() };
        let roots = believed_roots(roots, state.root);
        let verified = holdings.verify(state, product, &roots);
        if let Err(error) = verified {
            tracing::error!(%error, "a stored document can't be verified");
            holdings.problem = Some(error.to_string());
        }
        holdings
    }

    fn verify(
        &mut self,
        state: &AgentState,
        product: &str,
        roots: &Roots,
    ) -> Result<(), crate::license::DocumentError> {
        let Some(trust) = &state.trust else { return Ok(()) };
        // First and for itself: an older one, in which a key is not yet revoked, must not come back with the license.
        let trust = self.trust.insert(roots.verify_trust(trust, product, None)?);
        if let Some(text) = &state.revocation {
            // It was verified when it was stored. That its key is believed no more does not bring the license back.
            self.revocation = Some(Unverified::parse(text)?.peek()?);
        }
        if let Some(held) = &state.license {
            self.license = Some(verify_license(&held.text, product, trust)?);
        }
        Ok(())
    }

    /// The same for the evaluation.
    pub(super) const fn held(&self) -> Held<'_> {
        match (&self.license, &self.revocation) {
            _ if self.released => match self.retired {
                Some((by, to)) => Held::Retired(by, to),
                None => Held::Released,
            },
            (Some(license), Some(revocation)) => Held::Revoked(license, revocation),
            (Some(license), None) => Held::License(license),
            (None, _) => Held::Nothing,
        }
    }

    /// The version of the trust document; 0 for none.
    pub(super) fn trust_version(&self) -> u64 {
        self.trust.as_ref().map_or(0, |trust| trust.claims().version)
    }
}

/// The vendor's root keys, or the one that was kept where their files are missing: a package that is being replaced, or a
/// file system that is not mounted, takes no license away.
pub(super) fn believed_roots(roots: &Roots, kept: Option<PublicKey>) -> Roots {
    let mut believed = roots.clone();
    if let Some(kept) = kept.filter(|_| roots.is_empty()) {
        believed.add(kept);
    }
    believed
}
