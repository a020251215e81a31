//! Passwords, and their hashes by Argon2id (RFC 9106) with the parameters of OWASP's cheat sheet: 19 MiB, two passes, one lane.

use super::AccessError;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::{fmt, sync::Arc, thread};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

/// Fewest characters; length is what keeps a password from being guessed (NIST SP 800-63B-4, section 3.1.1).
const SHORTEST: usize = 12;
/// Longest, bytes: nobody types more, and hashing takes time in proportion.
const LONGEST: usize = 1_024;
/// Random bytes beside each password.
const SALT: usize = 16;
/// Verified at once: each takes 19 MiB and a twentieth of a second of a processor.
const AT_ONCE: usize = 2;
/// That wait for it at most; further ones are asked to come again.
const WAITING: usize = 16;

/// A password as it was typed; wiped when dropped, and shown nowhere.
pub struct Password(Zeroizing<String>);

impl Password {
    /// One to sign in by: whatever was typed.
    pub fn typed(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// A new one; the end of the line that it was read with is none of it.
    ///
    /// # Errors
    /// [`AccessError::PasswordShort`] and [`AccessError::PasswordLong`].
    pub fn chosen(text: &str) -> Result<Self, AccessError> {
        let text = text.trim_end_matches(['\r', '\n']);
        let found = text.chars().count();
        if found < SHORTEST {
            return Err(AccessError::PasswordShort { found });
        }
        if text.len() > LONGEST {
            return Err(AccessError::PasswordLong);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Its hash, with a new salt. It takes a twentieth of a second.
    ///
    /// # Errors
    /// [`AccessError::Hash`].
    pub fn digest(&self) -> Result<PasswordDigest, AccessError> {
        let failed = |reason: String| AccessError::Hash { reason };
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| failed(error.to_string()))?;
        let hashed: Result<PasswordHash, _> =
            Argon2::default().hash_password_with_salt(self.0.as_bytes(), &salt);
        hashed.map(|hash| PasswordDigest(hash.to_string())).map_err(|e| failed(e.to_string()))
    }

    /// Whether it is the one that was hashed; the same work where there is none to compare with.
    pub fn fits(&self, digest: Option<&PasswordDigest>) -> bool {
        if self.0.len() > LONGEST {
            return false;
        }
        let parsed = digest.and_then(|digest| PasswordHash::new(&digest.0).ok());
        let Some(hash) = parsed else {
            drop(self.digest());
            return false;
        };
        Argon2::default().verify_password(self.0.as_bytes(), &hash).is_ok()
    }
}

/// The hash of a password, in the form `$argon2id$v=19$m=...$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest(String);

impl PasswordDigest {
    /// As it is stored.
    pub(in crate::portal) fn stored(text: String) -> Self {
        Self(text)
    }

    /// To be stored.
    pub(in crate::portal) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest")
    }
}

/// Where passwords are verified: on threads of their own, so that whoever tries many keeps neither pages nor agents waiting.
pub struct Hashing {
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }
}

impl Hashing {
    /// As [`Password::fits`], off the threads of the runtime. None where too many wait already.
    pub(super) async fn fits(
        &self,
        password: Password,
        digest: Option<PasswordDigest>,
    ) -> Option<bool> {
        let waiting = self.waiting.clone().try_acquire_owned().ok()?;
        let one = self.at_once.clone().acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let verify = move || {
            let fits = password.fits(digest.as_ref());
            // The places are the work's, not the asker's, who may have gone.
            drop((waiting, one));
            let _ = reply.send(fits);
        };
        thread::Builder::new().name("portal-password".to_owned()).spawn(verify).ok()?;
        answer.await.ok()
    }
}
