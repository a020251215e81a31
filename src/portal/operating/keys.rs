//! The portal's keys: making them, and putting the trust document in use that names them.

use super::{
    super::{
        Portal, PortalError, TrustChange,
        access::Right,
        directory::{read_key, write_file},
        keys::install_trust,
    },
    Act,
};
use crate::license::{KeyPair, KeyStatus, Thumbprint};
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
    pub fn make_signing_key(&self) -> Result<Thumbprint, PortalError> {
        self.needs(Right::Administer)?;
        let key = self.directory().create_signing_key()?.thumbprint();
        let detail = json!({ "key": key });
        self.act(move |act| told(act, "signing-key-made", detail))?;
        Ok(key)
    }

    /// Puts a trust document in use that was signed off-line.
    ///
    /// # Errors
    /// As `entitle-portal trust install`; the present one stays in use then.
    pub fn install_trust(&self, text: &str) -> Result<u64, PortalError> {
        self.needs(Right::Administer)?;
        let file = self.directory().path().join("trust.jwt.uploaded");
        write_file(&file, text.trim())?;
        let installed = install_trust(self.directory(), &file);
        // It was looked at, whatever came of it.
        drop(std::fs::remove_file(&file));
        let version = installed?.claims().version;
        self.reload_keys()?;
        let detail = json!({ "version": version });
        self.act(move |act| told(act, "trust-installed", detail))?;
        Ok(version)
    }

    /// Makes a signing key, and puts a trust document in use that names it and retires the present one: where the root key is in the
    /// directory still.
    ///
    /// # Errors
    /// [`PortalError::File`] where the root key is elsewhere, and what the file system and the store say.
    pub fn rotate_signing_key(&self) -> Result<u64, PortalError> {
        self.needs(Right::Administer)?;
        let root = read_key(&self.directory().root_key())?;
        let keys = self.keys();
        let retired = keys.signing().thumbprint();
        let made = self.directory().create_signing_key()?;
        let change = TrustChange {
            add: vec![made.public()],
            retire: vec![retired.to_string()],
            revoke: Vec::new(),
        };
        let trust = change.sign(keys.trust().text(), &root, self.now())?;
        let detail = json!({ "key": made.thumbprint(), "retired": retired });
        self.act(move |act| told(act, "signing-key-made", detail))?;
        self.install_trust(&trust)
    }
}

fn told(act: &Act<'_>, event: &str, detail: Value) -> Result<(), PortalError> {
    act.told(event, None, None, detail)
}
