//! The state directory: its lock, and the files in it that hold keys.

use super::{StoreError, files, write_durably};
use crate::{
    codes::ActivationCode,
    identity::LocalSecret,
    license::{KeyPair, Thumbprint},
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const LOCK: &str = "entitled.lock";
const ENVIRONMENT_KEY: &str = "environment.key";
const AUTHORITY_KEY: &str = "environment-ca.key";
const MEMBER_IDENTITY: &str = "member.pem";
const LOCAL_SECRET: &str = "hardware.secret";
const ACTIVATION_CODE: &str = "activation-code";
const ASKED_CODE: &str = "activation-code.asked";

/// The directory that holds one agent's state.
#[derive(Debug, Clone)]
pub struct StateDirectory(PathBuf);

/// Shows that this process alone writes to a state directory; dropped, the next may.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl StateDirectory {
    /// The directory, made with mode 0700 where it is missing.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
            StoreError::File { operation: "create", path: path.into(), source }
        })?;
        Ok(Self(path.into()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it, with that process's id.
    pub fn lock(&self) -> Result<DirectoryLock, StoreError> {
        let path = self.0.join(LOCK);
        let error = |operation| {
            let path = path.clone();
            move |source| StoreError::File { operation, path, source }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let opened = options.open(&path).or_else(|found| match found.kind() {
            // A disk that takes nothing any more is no reason to serve nothing: what is there can be locked and read.
            io::ErrorKind::ReadOnlyFilesystem => File::open(&path),
            _ => Err(found),
        });
        let mut file = opened.map_err(error("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                return Err(StoreError::Locked { path: self.0.clone(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(error("lock")(source)),
        }
        // For the message above alone: a full disk must not stop the daemon.
        let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::warn!(%error, "the process id could not be noted in the lock file");
        }
        Ok(DirectoryLock(file))
    }

    /// The environment key, made at the first call.
    ///
    /// # Errors
    /// [`StoreError::File`], and [`StoreError::Contents`] for a file that holds no key: a damaged key is never
    /// replaced without the operator's word.
    pub fn environment_key(&self) -> Result<KeyPair, StoreError> {
        self.key(ENVIRONMENT_KEY)
    }

    /// The key of the environment's certificate authority, made at the first call.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn authority_key(&self) -> Result<KeyPair, StoreError> {
        self.key(AUTHORITY_KEY)
    }

    /// The thumbprint of that key, where there is one already.
    pub fn authority(&self) -> Option<Thumbprint> {
        let is_there = self.0.join(AUTHORITY_KEY).exists();
        is_there.then(|| self.authority_key().ok().map(|key| key.thumbprint())).flatten()
    }

    /// On a member: its key and its certificate with the authority's, PEM, once it has joined.
    ///
    /// # Errors
    /// [`StoreError::File`] and [`StoreError::Contents`].
    pub fn member_identity(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        Ok(files::read(&self.0.join(MEMBER_IDENTITY))?.map(Zeroizing::new))
    }

    /// Keeps a member's key and certificate, in one file: neither is of use without the other.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep_member_identity(&self, pem: &str) -> Result<(), StoreError> {
        write_durably(&self.0.join(MEMBER_IDENTITY), pem.as_bytes())
    }

    fn key(&self, name: &str) -> Result<KeyPair, StoreError> {
        let path = self.0.join(name);
        let expected = "an Ed25519 private key in PKCS #8 PEM";
        if let Some(pem) = files::read(&path)?.map(Zeroizing::new) {
            return KeyPair::from_pem(&pem).map_err(|_| StoreError::Contents { path, expected });
        }
        let key = KeyPair::generate().map_err(StoreError::Random)?;
        let pem =
            key.to_pem().map_err(|_| StoreError::Contents { path: path.clone(), expected })?;
        write_durably(&path, pem.as_bytes())?;
        Ok(key)
    }

    /// The secret that the digests of stored hardware facts are keyed by, made at the first call.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn local_secret(&self) -> Result<LocalSecret, StoreError> {
        let path = self.0.join(LOCAL_SECRET);
        let read = match files::read(&path) {
            // What is no text is no secret either.
            Err(StoreError::Contents { .. }) => Some(String::new()),
            read => read?,
        };
        if let Some(hex) = read.map(Zeroizing::new) {
            if let Some(bytes) = from_hex(hex.trim()) {
                return Ok(LocalSecret::from_bytes(*bytes));
            }
            // Of use to nobody: the hardware is enrolled again under a new one where the Serial Number is still its own.
            let aside = path.with_extension("secret.damaged");
            tracing::error!(path = %path.display(), aside = %aside.display(), "the secret of the hardware's digests is damaged and was set aside");
            fs::rename(&path, &aside).map_err(|source| StoreError::File {
                operation: "set aside",
                path: path.clone(),
                source,
            })?;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(StoreError::Random)?;
        let hex = Zeroizing::new(to_hex(&bytes));
        write_durably(&path, hex.as_bytes())?;
        Ok(LocalSecret::from_bytes(*bytes))
    }

    /// The Activation Code, once one was used here.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn activation_code(&self) -> Result<Option<ActivationCode>, StoreError> {
        self.read_code(ACTIVATION_CODE)
    }

    /// The Activation Code of an activation that was not answered yet.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn asked_activation_code(&self) -> Result<Option<ActivationCode>, StoreError> {
        self.read_code(ASKED_CODE)
    }

    fn read_code(&self, name: &str) -> Result<Option<ActivationCode>, StoreError> {
        let path = self.0.join(name);
        let Some(text) = files::read(&path)?.map(Zeroizing::new) else { return Ok(None) };
        let expected = "an Activation Code";
        text.parse().map(Some).map_err(|_| StoreError::Contents { path, expected })
    }

    /// Keeps the Activation Code of an activation that is to be asked for, beside the one that is kept: a wrong one must
    /// not take the place of the right one.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn ask_with_activation_code(&self, code: &ActivationCode) -> Result<(), StoreError> {
        self.write_code(ASKED_CODE, code)
    }

    /// Keeps the Activation Code; none is asked with any more.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep_activation_code(&self, code: &ActivationCode) -> Result<(), StoreError> {
        self.write_code(ACTIVATION_CODE, code)?;
        self.remove(ASKED_CODE)
    }

    fn write_code(&self, name: &str, code: &ActivationCode) -> Result<(), StoreError> {
        let text = Zeroizing::new(code.expose());
        write_durably(&self.0.join(name), text.as_bytes())
    }

    /// Forgets the Activation Code of an activation that was refused.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn forget_asked_activation_code(&self) -> Result<(), StoreError> {
        self.remove(ASKED_CODE)
    }

    /// Forgets every Activation Code.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn forget_activation_code(&self) -> Result<(), StoreError> {
        self.remove(ASKED_CODE)?;
        self.remove(ACTIVATION_CODE)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { operation: "remove", path, source })
            }
            _ => Ok(()),
        }
    }
}

fn to_hex(bytes: &[u8; 32]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
