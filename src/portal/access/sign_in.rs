//! An operator signs in.
//!
//! Whether the name, the password or the standing was wrong is not told, and takes the same time. Wrong tries are counted by the address and by
//! the name. A name that was tried too often is not locked: from an address that has sent no wrong try it may still be signed
//! in to, so that whoever guesses locks nobody out.

use super::{
    super::{ClientAddress, Portal, PortalError, attempts::Subject},
    Operator, Password,
};

/// Seconds after which a portal that verifies too many passwords may be asked again.
const BUSY: u32 = 5;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Which of the two is not told.
    #[error(
        "the name or the password is wrong, or the operator is disabled: try again, or ask an administrator"
    )]
    Refused,
    /// Too many were wrong.
    #[error("too many wrong passwords: try again in {seconds} seconds")]
    TooMany {
        /// Until then.
        seconds: u32,
    },
    /// Too many passwords are being verified.
    #[error("the portal is busy: try again in a few seconds")]
    Busy,
    /// The portal itself failed.
    #[error(transparent)]
    Portal(#[from] PortalError),
}

impl SignInError {
    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused => "sign-in-refused",
            Self::TooMany { .. } => "too-many-sign-ins",
            Self::Busy => "portal-unavailable",
            Self::Portal(error) => error.code(),
        }
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooMany { seconds } => Some(*seconds),
            Self::Busy => Some(BUSY),
            Self::Refused | Self::Portal(_) => None,
        }
    }
}

impl Portal {
    /// The operator of that name and password, who asks from that address.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_in(
        &self,
        name: &str,
        password: Password,
        from: ClientAddress,
    ) -> Result<Operator, SignInError> {
        let attempts = self.attempts();
        let (address, account) = (Subject::SignInFrom(from.network()), Subject::operator(name));
        let wait = attempts.wait(address, self.now());
        let by_name = attempts.wait(account, self.now());
        let by_name = by_name.filter(|_| attempts.wrong_so_far(address, self.now()) > 0);
        if let Some(seconds) = wait.or(by_name) {
            return Err(SignInError::TooMany { seconds });
        }
        // Counted before anybody waits for anything: neither many at once nor one who hangs up is asked more often.
        let now = self.now();
        let (by_address, by_name) = (attempts.wrong(address, now), attempts.wrong(account, now));
        let found = self.operator_named(name).await?;
        let enabled = found.filter(|operator| operator.disabled_at.is_none());
        let digest = enabled.as_ref().map(|operator| operator.password.clone());
        let fits = self.hashing().fits(password, digest).await;
        if fits != Some(false) {
            attempts.not_wrong(address);
            attempts.not_wrong(account);
        }
        let fits = fits.ok_or(SignInError::Busy)?;
        if let Some(operator) = enabled.filter(|_| fits) {
            return Ok(operator);
        }
        tracing::info!(address = %from.0, "a sign-in is refused");
        let seconds = by_address.or(by_name);
        Err(seconds.map_or(SignInError::Refused, |seconds| SignInError::TooMany { seconds }))
    }

    async fn operator_named(&self, name: &str) -> Result<Option<Operator>, PortalError> {
        if Operator::check_name(name).is_err() {
            return Ok(None);
        }
        let (portal, name) = (self.clone(), name.to_owned());
        self.off_the_runtime(move || Ok(portal.store().read(|view| view.operator(&name))?)).await
    }

    /// An operator who is signed in, as it stands now; none where it was disabled since.
    ///
    /// # Errors
    /// What the store says.
    pub fn signed_in(&self, name: &str) -> Result<Option<Operator>, PortalError> {
        let found = self.store().read(|view| view.operator(name))?;
        Ok(found.filter(|operator| operator.disabled_at.is_none()))
    }
}
