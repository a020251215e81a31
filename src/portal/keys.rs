//! The portal's keys: the one that signs, and the trust document by which they are all believed.

use super::{
    Directory, PortalError,
    clock::whole_second,
    directory::read_file,
    key_set::{add_jwk_members, key_set},
};
use crate::license::{
    KeyPair, KeyStatus, PortalKey, PublicKey, Roots, Signer, Thumbprint, TrustClaims, Unverified,
    VerifiedTrust, sign,
};
use jiff::Timestamp;
use serde_json::Value;
use std::{path::Path, sync::Arc};

/// What a trust document is called that was handed over, in a refusal.
const GIVEN: &str = "the trust document";

/// A signing key, and how it stands.
#[derive(Debug, Clone)]
pub struct KeyStanding {
    /// Its public half.
    pub key: PublicKey,
    /// Its name.
    pub thumbprint: Thumbprint,
    /// What the trust document says of it; none: it does not name it.
    pub status: Option<KeyStatus>,
    /// Whether its private half is in the portal's directory, or handed over by the service manager.
    pub here: bool,
    /// Whether this portal signs with it.
    pub signs: bool,
}

impl KeyStanding {
    /// Its public half as a JWK set, which `entitle-portal trust sign --add` takes.
    ///
    /// # Errors
    /// [`PortalError::Json`], which is not known to happen.
    pub fn key_set(&self) -> Result<String, PortalError> {
        key_set([add_jwk_members(&self.key)?])
    }
}

/// What signs, and why it is believed.
pub struct KeyRing {
    signing: Arc<dyn Signer>,
    written: Option<Timestamp>,
    trust: VerifiedTrust,
}

impl KeyRing {
    /// Reads the keys of a portal. Product and issuer are those of the trust document.
    ///
    /// # Errors
    /// [`PortalError::NotInitialized`], [`PortalError::Document`] where the trust document is not signed by the vendor,
    /// [`PortalError::NoSigningKey`], and what the file system says.
    pub fn load(directory: &Directory) -> Result<Self, PortalError> {
        Self::load_with(directory, &[])
    }

    /// The same, where keys are elsewhere too: the newest active one signs, wherever it is.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        directory: &Directory,
        elsewhere: &[Arc<dyn Signer>],
    ) -> Result<Self, PortalError> {
        for (missing, path) in [("trust.jwt", directory.trust()), ("roots.jwks", directory.roots())]
        {
            if !path.exists() {
                let path = directory.path().to_owned();
                return Err(PortalError::NotInitialized { path, missing });
            }
        }
        let path = directory.trust();
        let trust = verify(directory, &path, &read_file(&path)?, None)?;
        let signing = Self::choose(&trust, directory, elsewhere)?;
        let written = written(&directory.signing_key(&signing.thumbprint()));
        Ok(Self { signing, written, trust })
    }

    /// Reads a trust document that is to take the place of this one.
    ///
    /// # Errors
    /// [`PortalError::Document`], [`PortalError::TrustVersion`] for one that is not newer, [`PortalError::NoSigningKey`].
    pub(super) fn successor(
        &self,
        text: &str,
        directory: &Directory,
        elsewhere: &[Arc<dyn Signer>],
    ) -> Result<VerifiedTrust, PortalError> {
        let new = verify(directory, Path::new(GIVEN), text, Some(&self.trust))?;
        let (held, found) = (self.trust.claims().version, new.claims().version);
        if found <= held {
            return Err(PortalError::TrustVersion { held, found });
        }
        Self::choose(&new, directory, elsewhere)?;
        Ok(new)
    }

    /// The newest active key that can be signed with.
    fn choose(
        trust: &VerifiedTrust,
        directory: &Directory,
        elsewhere: &[Arc<dyn Signer>],
    ) -> Result<Arc<dyn Signer>, PortalError> {
        let here = directory.read_signing_keys()?.into_iter();
        let mut all: Vec<Arc<dyn Signer>> =
            here.map(|key| Arc::new(key) as Arc<dyn Signer>).collect();
        all.extend(elsewhere.iter().cloned());
        let mut active = trust.claims().keys.iter().rev().filter(|k| k.status == KeyStatus::Active);
        active
            .find_map(|named| all.iter().find(|key| key.public() == named.key))
            .cloned()
            .ok_or_else(|| PortalError::NoSigningKey { path: directory.signing_keys() })
    }

    /// The signing keys that the trust document names, and those besides whose private half is here.
    ///
    /// # Errors
    /// As [`Directory::read_signing_keys`].
    pub fn standing(&self, directory: &Directory) -> Result<Vec<KeyStanding>, PortalError> {
        let here: Vec<PublicKey> =
            directory.read_signing_keys()?.iter().map(KeyPair::public).collect();
        let named = self.trust.claims().keys.iter();
        let mut all: Vec<(PublicKey, Option<KeyStatus>)> =
            named.map(|named| (named.key, Some(named.status))).collect();
        for key in &here {
            if !all.iter().any(|(known, _)| known == key) {
                all.push((*key, None));
            }
        }
        let signing = self.signing.public();
        let standing = |(key, status): (PublicKey, Option<KeyStatus>)| KeyStanding {
            key,
            thumbprint: key.thumbprint(),
            status,
            here: here.contains(&key),
            signs: key == signing,
        };
        Ok(all.into_iter().map(standing).collect())
    }

    /// The key that signs.
    pub(super) fn signing(&self) -> &dyn Signer {
        &*self.signing
    }

    /// When the file of the key that signs was written, where it is in the portal's directory.
    pub(super) const fn signing_key_written(&self) -> Option<Timestamp> {
        self.written
    }

    /// The trust document.
    pub const fn trust(&self) -> &VerifiedTrust {
        &self.trust
    }

    /// The product, `aud` of every document.
    pub fn product(&self) -> &str {
        &self.trust.claims().aud
    }

    /// The portal, `iss` of every document.
    pub fn issuer(&self) -> &str {
        &self.trust.claims().iss
    }

    /// The keys by which licenses are verified, as a JWK set (RFC 7517 section 5): all but the revoked.
    ///
    /// # Errors
    /// [`PortalError::Json`], which is not known to happen.
    pub fn key_set(&self) -> Result<String, PortalError> {
        let believed = self.trust.claims().keys.iter().filter(|k| k.status != KeyStatus::Revoked);
        let keys: Result<Vec<Value>, PortalError> =
            believed.map(|k| add_jwk_members(&k.key)).collect();
        key_set(keys?)
    }
}

fn written(path: &Path) -> Option<Timestamp> {
    path.metadata().ok()?.modified().ok()?.try_into().ok()
}

/// What a new trust document changes.
#[derive(Debug, Clone, Default)]
pub struct TrustChange {
    /// Keys that are named from now on.
    pub add: Vec<PublicKey>,
    /// Keys that sign no more; what they signed stays believed.
    pub retire: Vec<String>,
    /// Keys of which nothing is believed.
    pub revoke: Vec<String>,
}

impl TrustChange {
    /// Signs the trust document that follows `current`, with the version after its. Needs no portal: it is done where the
    /// root key is, off-line.
    ///
    /// # Errors
    /// [`PortalError::Document`] where `current` is not signed by `root`, [`PortalError::KeyNotNamed`], [`PortalError::NoActiveKey`].
    pub fn sign(
        &self,
        current: &str,
        root: &KeyPair,
        now: Timestamp,
    ) -> Result<String, PortalError> {
        let read = || Unverified::parse(current)?.verify::<TrustClaims>(&root.public());
        let mut claims =
            read().map_err(|source| PortalError::Document { path: "trust.jwt".into(), source })?;
        for key in &self.add {
            if !claims.keys.iter().any(|k| k.key == *key) {
                claims.keys.push(PortalKey { key: *key, status: KeyStatus::Active });
            }
        }
        set_status(&mut claims, &self.retire, KeyStatus::Retired)?;
        set_status(&mut claims, &self.revoke, KeyStatus::Revoked)?;
        if !claims.keys.iter().any(|k| k.status == KeyStatus::Active) {
            return Err(PortalError::NoActiveKey);
        }
        claims.version += 1;
        claims.iat = whole_second(now);
        sign(&claims, root).map_err(PortalError::Signing)
    }
}

fn set_status(
    claims: &mut TrustClaims,
    kids: &[String],
    status: KeyStatus,
) -> Result<(), PortalError> {
    for kid in kids {
        let named = claims.keys.iter_mut().find(|k| k.key.thumbprint().as_str() == kid);
        let Some(named) = named else {
            let known: Vec<String> =
                claims.keys.iter().map(|k| k.key.thumbprint().to_string()).collect();
            return Err(PortalError::KeyNotNamed { found: kid.clone(), known: known.join(", ") });
        };
        named.status = status;
    }
    Ok(())
}

fn verify(
    directory: &Directory,
    path: &Path,
    text: &str,
    held: Option<&VerifiedTrust>,
) -> Result<VerifiedTrust, PortalError> {
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |source| PortalError::Document { path, source }
    };
    let mut roots = Roots::none();
    let file = directory.roots();
    roots.add_key_set(&read_file(&file)?).map_err(refused(&file))?;
    // The first one names the product; a later one must name the same.
    let product = if let Some(held) = held {
        held.claims().aud.clone()
    } else {
        let peek = || Unverified::parse(text)?.peek::<TrustClaims>();
        peek().map_err(refused(path))?.aud
    };
    roots.verify_trust(text, &product, held).map_err(refused(path))
}
