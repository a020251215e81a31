//! Key files that came with the bundle of another machine.
//!
//! They are kept in one file first: what is in it takes its place after the state is stored that they belong to, and is
//! dropped where that was not. So a crash leaves all of them or none.

use super::{
    StateDirectory, StoreError,
    directory::{AUTHORITY_KEY, NEXT_KEY},
    files, write_durably,
};
use crate::{
    license::{KeyPair, RequestId},
    usage::UserKey,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
};
use zeroize::Zeroizing;

const STAGED: &str = "import.pending";

/// What is secret in a bundle. No `Debug`, wiped when dropped.
#[derive(Serialize, Deserialize)]
pub struct CarriedKeys {
    /// The request that the bundle is for.
    pub request: RequestId,
    /// The key that is to take over, PEM.
    pub key: Zeroizing<String>,
    /// The key of the environment's certificate authority, PEM.
    pub authority_key: Option<Zeroizing<String>>,
    /// The Activation Code.
    pub activation_code: Option<Zeroizing<String>>,
    /// The key of user hashes, base64url.
    pub usage_key: Option<Zeroizing<String>>,
}

impl StateDirectory {
    /// Keeps what came with a bundle until the state is stored that it belongs to.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn stage(&self, carried: &CarriedKeys) -> Result<(), StoreError> {
        let text = Zeroizing::new(serde_json::to_vec(carried).unwrap_or_default());
        write_durably(&self.0.join(STAGED), &text)
    }

    /// What was kept and is not in its place yet. Half of one was never written: what can't be read is none.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn staged(&self) -> Result<Option<CarriedKeys>, StoreError> {
        let text = files::read(&self.0.join(STAGED))?.map(Zeroizing::new);
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Puts what was kept in its place: again and again, until it is done.
    ///
    /// # Errors
    /// [`StoreError`] with the file that could not be written.
    pub fn take_staged(&self, carried: &CarriedKeys) -> Result<(), StoreError> {
        write_durably(&self.0.join(NEXT_KEY), carried.key.as_bytes())?;
        if let Some(pem) = &carried.authority_key {
            self.keep_authority_key(pem)?;
        }
        let code = carried.activation_code.as_ref().and_then(|code| code.parse().ok());
        if let Some(code) = &code {
            self.keep_activation_code(code)?;
        }
        if let Some(key) = carried.usage_key.as_ref().and_then(|key| UserKey::read(key)) {
            self.keep_usage_key(&key)?;
        }
        self.forget_staged()
    }

    /// Forgets what was kept.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn forget_staged(&self) -> Result<(), StoreError> {
        self.remove(STAGED)
    }

    /// The key of the environment's certificate authority, where there is one.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn present_authority_key(&self) -> Result<Option<KeyPair>, StoreError> {
        self.read_key(AUTHORITY_KEY)
    }

    /// Moves the key of the certificate authority away, so that another is made: a key is never lost.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn set_authority_key_aside(&self) -> Result<(), StoreError> {
        self.rename(AUTHORITY_KEY, &format!("{AUTHORITY_KEY}.before"))
    }

    /// The same of the key that was to take over.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn set_next_key_aside(&self) -> Result<(), StoreError> {
        self.rename(NEXT_KEY, &format!("{NEXT_KEY}.refused"))
    }

    fn keep_authority_key(&self, pem: &str) -> Result<(), StoreError> {
        let new = KeyPair::from_pem(pem).ok().map(|key| key.thumbprint());
        let present = self.present_authority_key().ok().flatten().map(|key| key.thumbprint());
        if present.is_some() && present == new {
            return Ok(());
        }
        self.set_authority_key_aside()?;
        write_durably(&self.0.join(AUTHORITY_KEY), pem.as_bytes())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let path = self.0.join(from);
        match fs::rename(&path, self.0.join(to)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::File { operation: "set aside", path, source });
            }
            _ => {}
        }
        let synced = File::open(&self.0).and_then(|directory| directory.sync_all());
        synced.map_err(|source| StoreError::File { operation: "sync", path, source })
    }
}
