//! The portal's keys: making them, and putting the trust document in use that names them.
//!
//! A file and the audit are no one transaction. So the file is written first, under no name; then the audit is told; then the file gets its name. A
//! crash in between leaves an entry of what never came, which is done again: never a key or a trust document of which the audit knows nothing.

use super::super::{
    KeyRing, Portal, PortalError, TrustChange,
    access::Right,
    directory::{Staged, read_key, stage_file},
};
use crate::license::{KeyPair, KeyStatus, PublicKey, Thumbprint, TrustClaims, VerifiedTrust};
use serde_json::{Value, json};

/// A signing key, and how it stands.
#[derive(Debug, Clone)]
pub struct KeyStanding {
    /// Its name.
    pub thumbprint: Thumbprint,
    /// What the trust document says of it.
    pub status: String,
    /// Whether its private half is here.
    pub here: bool,
    /// Whether this portal signs with it.
    pub signs: bool,
}

impl Portal {
    /// The signing keys that the trust document names, and those that are here.
    ///
    /// # Errors
    /// [`PortalError::Access`], and what the file system says.
    pub fn signing_keys(&self) -> Result<Vec<KeyStanding>, PortalError> {
        self.needs(Right::Administer)?;
        let keys = self.keys();
        let here: Vec<Thumbprint> =
            self.directory().read_signing_keys()?.iter().map(KeyPair::thumbprint).collect();
        let signing = keys.signing().thumbprint();
        let named = keys.trust().claims().keys.iter();
        let named: Vec<(Thumbprint, KeyStatus)> =
            named.map(|named| (named.key.thumbprint(), named.status)).collect();
        let unnamed = here.iter().filter(|kid| !named.iter().any(|(known, _)| known == *kid));
        let unnamed = unnamed.map(|kid| (kid.clone(), "not named".to_owned()));
        let all = named.iter().map(|(kid, status)| (kid.clone(), status.to_string()));
        let standing = |(thumbprint, status): (Thumbprint, String)| KeyStanding {
            here: here.contains(&thumbprint),
            signs: thumbprint == signing,
            thumbprint,
            status,
        };
        Ok(all.chain(unnamed).map(standing).collect())
    }

    /// Makes a signing key. Nothing is signed by it before a trust document names it.
    ///
    /// # Errors
    /// [`PortalError::Access`], and what the file system and the store say.
    pub fn make_signing_key(&self) -> Result<PublicKey, PortalError> {
        self.needs(Right::Administer)?;
        let (key, staged) = self.directory().stage_signing_key()?;
        self.place(staged, "signing-key-made", json!({ "key": key.thumbprint() }))?;
        Ok(key.public())
    }

    /// Puts a trust document in use that was signed off-line. Other processes that serve this directory take it at SIGHUP.
    ///
    /// # Errors
    /// [`PortalError::Document`], [`PortalError::TrustVersion`] for one that is not newer, [`PortalError::NoSigningKey`],
    /// [`PortalError::Access`], and what the file system and the store say; the present one stays in use then.
    pub fn install_trust(&self, text: &str) -> Result<VerifiedTrust, PortalError> {
        self.needs(Right::Administer)?;
        let held = KeyRing::load_with(self.directory(), self.signers())?;
        let new = held.successor(text.trim(), self.directory(), self.signers())?;
        let staged = stage_file(&self.directory().trust(), new.text())?;
        self.place(staged, "trust-installed", changes(held.trust().claims(), new.claims()))?;
        self.reload_keys()?;
        Ok(new)
    }

    /// Tells the audit, and gives the file its name.
    fn place(&self, staged: Staged, event: &'static str, detail: Value) -> Result<(), PortalError> {
        self.act(move |act| act.told(event, None, None, detail))?;
        staged.place()
    }

    /// Makes a signing key, and puts a trust document in use that names it and retires the present one: where the root key is in the
    /// directory still.
    ///
    /// # Errors
    /// [`PortalError::File`] where the root key is elsewhere, and what the file system and the store say.
    pub fn rotate_signing_key(&self) -> Result<VerifiedTrust, PortalError> {
        self.needs(Right::Administer)?;
        let root = read_key(&self.directory().root_key())?;
        let keys = self.keys();
        let change = TrustChange {
            retire: vec![keys.signing().thumbprint().to_string()],
            add: vec![self.make_signing_key()?],
            revoke: Vec::new(),
        };
        let trust = change.sign(keys.trust().text(), &root, self.now())?;
        self.install_trust(&trust)
    }
}

/// The keys whose standing a trust document changes, by what it makes of them.
fn changes(held: &TrustClaims, new: &TrustClaims) -> Value {
    let status = |claims: &TrustClaims, key: &PublicKey| {
        claims.keys.iter().find(|named| named.key == *key).map(|named| named.status)
    };
    let made = |wanted: KeyStatus| -> Vec<Thumbprint> {
        let changed = new.keys.iter().filter(|named| named.status == wanted);
        let changed = changed.filter(|named| status(held, &named.key) != Some(wanted));
        changed.map(|named| named.key.thumbprint()).collect()
    };
    let gone = held.keys.iter().filter(|named| status(new, &named.key).is_none());
    json!({
        "version": new.version,
        "active": made(KeyStatus::Active),
        "retired": made(KeyStatus::Retired),
        "revoked": made(KeyStatus::Revoked),
        "left_out": gone.map(|named| named.key.thumbprint()).collect::<Vec<_>>(),
    })
}
