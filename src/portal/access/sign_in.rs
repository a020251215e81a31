//! An operator signs in.
//!
//! Whether the name, the password or the standing was wrong is not told, and takes the same time. Wrong tries are counted by the address and by
//! the name. A name that was tried too often is not locked: from an address that has sent no wrong try it may still be signed
//! in to, up to so many tries as are far from finding a password. After those only a network is listened to from which the operator has
//! signed in before: so whoever guesses, from however many networks, neither finds a password nor locks anybody out.

use super::{
    super::{
        ClientAddress, Portal, PortalError,
        attempts::{Attempts, FORGIVEN_OPERATOR, Subject},
    },
    Operator, Password,
};
use crate::api::Network;
use jiff::{SignedDuration, Timestamp};

/// Seconds after which a portal that verifies too many passwords may be asked again.
const BUSY: u32 = 5;
/// For how long a network is known from which an operator has signed in.
pub(in crate::portal) const KNOWN: SignedDuration = SignedDuration::from_hours(90 * 24);

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

/// What the tries of one who signs in are counted for.
struct Asker {
    link: Subject,
    /// None for an IPv4 address, which is its own site.
    site: Option<Subject>,
    operator: Subject,
}

impl Asker {
    fn new(name: &str, network: Network) -> Self {
        let site = network.site();
        Self {
            link: Subject::SignInFrom(network.link()),
            site: site.is_ipv6().then_some(Subject::SignInFromSite(site)),
            operator: Subject::operator(name),
        }
    }

    /// Seconds to wait for what others have sent, from the same site or for the same name.
    fn waits(&self, attempts: &Attempts, now: Timestamp) -> Option<u32> {
        let by_site = self.site.and_then(|site| attempts.wait(site, now));
        let by_name = attempts.wait(self.operator, now).filter(|_| {
            attempts.wrong_so_far(self.link, now) > 0
                || attempts.wrong_so_far(self.operator, now) >= FORGIVEN_OPERATOR
        });
        by_site.or(by_name)
    }

    /// Counts a wrong try: the seconds to wait that follow for the link, and for what it shares with others.
    fn wrong(&self, attempts: &Attempts, now: Timestamp) -> (Option<u32>, Option<u32>) {
        let by_link = attempts.wrong(self.link, now);
        let by_site = self.site.and_then(|site| attempts.wrong(site, now));
        let by_name = attempts.wrong(self.operator, now);
        (by_link, by_site.or(by_name))
    }

    fn not_wrong(&self, attempts: &Attempts) {
        for subject in [Some(self.link), self.site, Some(self.operator)].into_iter().flatten() {
            attempts.not_wrong(subject);
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
        let (attempts, now) = (self.attempts(), self.now());
        let asker = Asker::new(name, from.network());
        if let Some(seconds) = attempts.wait(asker.link, now) {
            return Err(SignInError::TooMany { seconds });
        }
        let by_others = asker.waits(&attempts, now);
        let is_known = by_others.is_some() && self.knows(name, from.network()).await?;
        if let Some(seconds) = by_others.filter(|_| !is_known) {
            return Err(SignInError::TooMany { seconds });
        }
        // Counted before anybody waits for the password: neither many at once nor one who hangs up is asked more often.
        let (by_link, by_others) = asker.wrong(&attempts, now);
        let by_others = by_others.filter(|_| !is_known);
        let found = self.operator_named(name).await?;
        let enabled = found.filter(|operator| operator.disabled_at.is_none());
        let digest = enabled.as_ref().map(|operator| operator.password.clone());
        let fits = self.hashing().fits(password, digest).await;
        if fits != Some(false) {
            asker.not_wrong(&attempts);
        }
        let fits = fits.ok_or(SignInError::Busy)?;
        if let Some(operator) = enabled.filter(|_| fits) {
            return Ok(operator);
        }
        tracing::info!(address = %from.0, "a sign-in is refused");
        let seconds = by_link.or(by_others);
        Err(seconds.map_or(SignInError::Refused, |seconds| SignInError::TooMany { seconds }))
    }

    /// Whether the operator of that name has signed in from there lately.
    async fn knows(&self, name: &str, network: Network) -> Result<bool, PortalError> {
        if Operator::check_name(name).is_err() {
            return Ok(false);
        }
        let (portal, name) = (self.clone(), name.to_owned());
        let since = self.now().checked_sub(KNOWN).unwrap_or(Timestamp::MIN);
        let read = move || {
            Ok(portal.store().read(|view| view.knows_network(&name, network.link(), since))?)
        };
        self.off_the_runtime(read).await
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
