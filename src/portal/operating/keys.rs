//! The portal's keys: making them, and putting the trust document in use that names them.
//!
//! A file and the audit are no one transaction. So the file is written first, under no name; then the audit is told; then the file gets its name. A
//! crash in between leaves an entry of what never came, which is done again: never a key or a trust document of which the audit knows nothing.

use super::super::{
    KeyRing, KeyStanding, Portal, PortalError, TrustChange,
    access::Right,
    directory::{Staged, read_key, stage_file},
};
use crate::license::{KeyPair, KeyStatus, PublicKey, Thumbprint, TrustClaims, VerifiedTrust};
use serde_json::{Value, json};

impl Portal {
    /// The signing keys that the trust document names, and those that are here.
    ///
    /// # Errors
    /// [`PortalError::Access`], and what the file system says.
    pub fn signing_keys(&self) -> Result<Vec<KeyStanding>, PortalError> {
        self.needs(Right::Administer)?;
        self.keys().standing(self.directory())
    }

    /// Makes a signing key. Nothing is signed by it before a trust document names it.
    ///
    /// # Errors
    /// [`PortalError::Access`], and what the file system and the store say.
    pub fn make_signing_key(&self) -> Result<PublicKey, PortalError> {
        self.needs(Right::Administer)?;
        let _alone = self.alone_with_keys();
        let (key, staged) = self.directory().stage_signing_key()?;
        self.place_key(&key, staged)?;
        Ok(key.public())
    }

    fn place_key(&self, key: &KeyPair, staged: Staged) -> Result<(), PortalError> {
        self.place(staged, "signing-key-made", json!({ "key": key.thumbprint() }))
    }

    /// Puts a trust document in use that was signed off-line. Other processes that serve this directory take it at SIGHUP.
    ///
    /// # Errors
    /// [`PortalError::Document`], [`PortalError::TrustVersion`] for one that is not newer, [`PortalError::NoSigningKey`],
    /// [`PortalError::Access`], and what the file system and the store say; the present one stays in use then.
    pub fn install_trust(&self, text: &str) -> Result<VerifiedTrust, PortalError> {
        self.needs(Right::Administer)?;
        let _alone = self.alone_with_keys();
        self.install(text)
    }

    fn install(&self, text: &str) -> Result<VerifiedTrust, PortalError> {
        let held = KeyRing::load_with(self.directory(), self.signers())?;
        let new = held.successor(text.trim(), self.directory(), self.signers())?;
        let staged = stage_file(&self.directory().trust(), new.text())?;
        self.place(staged, "trust-installed", changes(held.trust().claims(), new.claims()))?;
        self.take_up_keys()?;
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
        let _alone = self.alone_with_keys();
        let root = read_key(&self.directory().root_key())?;
        // Of the directory, not of this process: a command may have put another trust document in use.
        let held = KeyRing::load_with(self.directory(), self.signers())?;
        let (made, staged) = self.directory().stage_signing_key()?;
        let change = TrustChange {
            add: vec![made.public()],
            retire: vec![held.signing().thumbprint().to_string()],
            revoke: Vec::new(),
        };
        let trust = change.sign(held.trust().text(), &root, self.now())?;
        self.place_key(&made, staged)?;
        self.install(&trust)
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
