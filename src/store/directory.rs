//! The state directory: its lock, and the files in it that hold keys.

use super::{StoreError, files, write_durably};
use crate::{codes::ActivationCode, identity::LocalSecret, license::KeyPair, usage::UserKey};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const LOCK: &str = "entitled.lock";
const ENVIRONMENT_KEY: &str = "environment.key";
pub(super) const AUTHORITY_KEY: &str = "environment-ca.key";
const MEMBER_IDENTITY: &str = "member.pem";
pub(super) const NEXT_KEY: &str = "environment.key.next";
const LOCAL_SECRET: &str = "hardware.secret";
const USAGE_KEY: &str = "usage.key";
const ACTIVATION_CODE: &str = "activation-code";
const TOLD_GENERATION: &str = "webhook.told";
const ASKED_CODE: &str = "activation-code.asked";

/// What is expected in a key's file.
const KEY_FILE: &str = "an Ed25519 private key in PKCS #8 PEM";

/// The directory that holds one agent's state.
#[derive(Debug, Clone)]
pub struct StateDirectory(pub(super) PathBuf);

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
        match self.read_key(ENVIRONMENT_KEY)? {
            Some(key) => Ok(key),
            None => self.make_key(ENVIRONMENT_KEY),
        }
    }

    /// The key of the environment's certificate authority, made at the first call.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn authority_key(&self) -> Result<KeyPair, StoreError> {
        match self.read_key(AUTHORITY_KEY)? {
            Some(key) => Ok(key),
            None => self.make_key(AUTHORITY_KEY),
        }
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

    /// The key that is to take the place of the environment key, once one was made. A damaged one is set aside.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn next_key(&self) -> Result<Option<KeyPair>, StoreError> {
        match self.read_key(NEXT_KEY) {
            Err(StoreError::Contents { path, .. }) => {
                Self::set_aside(&path, "next.damaged")?;
                Ok(None)
            }
            read => read,
        }
    }

    /// Makes the key that is to take the place of the environment key. It is on the disk when this returns: nobody may be
    /// told of a key that a crash would take along.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn make_next_key(&self) -> Result<KeyPair, StoreError> {
        self.make_key(NEXT_KEY)
    }

    /// Puts the next key in the place of the environment key, in one step. Nothing happens where that is done already.
    ///
    /// # Errors
    /// [`StoreError::File`]; it is to be tried again then.
    pub fn promote_next_key(&self) -> Result<(), StoreError> {
        let (next, path) = (self.0.join(NEXT_KEY), self.0.join(ENVIRONMENT_KEY));
        let error = |operation| {
            let path = path.clone();
            move |source| StoreError::File { operation, path, source }
        };
        match fs::rename(&next, &path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(error("replace")(source));
            }
            _ => {}
        }
        File::open(&self.0).and_then(|directory| directory.sync_all()).map_err(error("sync"))
    }

    /// Removes the next key, which can't be bound any more.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn forget_next_key(&self) -> Result<(), StoreError> {
        self.remove(NEXT_KEY)
    }

    pub(super) fn read_key(&self, name: &str) -> Result<Option<KeyPair>, StoreError> {
        let path = self.0.join(name);
        let Some(pem) = files::read(&path)?.map(Zeroizing::new) else { return Ok(None) };
        warn_of_others(&path);
        KeyPair::from_pem(&pem)
            .map(Some)
            .map_err(|_| StoreError::Contents { path, expected: KEY_FILE })
    }

    fn set_aside(path: &Path, extension: &str) -> Result<(), StoreError> {
        let aside = path.with_extension(extension);
        tracing::error!(path = %path.display(), aside = %aside.display(), "a damaged file was set aside");
        let path = path.to_owned();
        fs::rename(&path, aside).map_err(|source| StoreError::File {
            operation: "set aside",
            path,
            source,
        })
    }

    fn make_key(&self, name: &str) -> Result<KeyPair, StoreError> {
        let path = self.0.join(name);
        let key = KeyPair::generate().map_err(StoreError::Random)?;
        let no_key = |_| StoreError::Contents { path: path.clone(), expected: KEY_FILE };
        let pem = key.to_pem().map_err(no_key)?;
        write_durably(&path, pem.as_bytes())?;
        Ok(key)
    }

    /// The secret that the digests of stored hardware facts are keyed by, made at the first call.
    ///
    /// # Errors
    /// As [`environment_key`](Self::environment_key).
    pub fn local_secret(&self) -> Result<LocalSecret, StoreError> {
        // A lost one is of use to nobody: the hardware is enrolled again under a new one where the Serial Number is still its own.
        let secret = match self.read_secret(LOCAL_SECRET, "secret.damaged")? {
            Some(secret) => secret,
            None => self.make_secret(LOCAL_SECRET)?,
        };
        Ok(LocalSecret::from_bytes(*secret))
    }

    /// The key of the environment's user hashes, made at the first call: on the controller.
    ///
    /// # Errors
    /// [`StoreError::File`] and [`StoreError::Random`].
    pub fn usage_key(&self) -> Result<UserKey, StoreError> {
        match self.kept_usage_key()? {
            Some(key) => Ok(key),
            None => Ok(UserKey::from_bytes(*self.make_secret(USAGE_KEY)?)),
        }
    }

    /// The same where there is one: on a member, once its controller has told it. A damaged one is set aside.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn kept_usage_key(&self) -> Result<Option<UserKey>, StoreError> {
        let secret = self.read_secret(USAGE_KEY, "key.damaged")?;
        Ok(secret.map(|secret| UserKey::from_bytes(*secret)))
    }

    /// Keeps the key of the environment's user hashes: one that was told, or carried here with the environment.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep_usage_key(&self, key: &UserKey) -> Result<(), StoreError> {
        self.write_secret(USAGE_KEY, key.expose())
    }

    /// A secret of 32 bytes in a file of its own.
    fn read_secret(
        &self,
        name: &str,
        damaged: &str,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        let path = self.0.join(name);
        let read = match files::read(&path) {
            // What is no text is no secret either.
            Err(StoreError::Contents { .. }) => Some(String::new()),
            read => read?,
        };
        let Some(hex) = read.map(Zeroizing::new) else { return Ok(None) };
        let secret = from_hex(hex.trim());
        if secret.is_none() {
            Self::set_aside(&path, damaged)?;
        }
        Ok(secret)
    }

    fn make_secret(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(StoreError::Random)?;
        self.write_secret(name, &bytes)?;
        Ok(bytes)
    }

    fn write_secret(&self, name: &str, secret: &[u8; 32]) -> Result<(), StoreError> {
        let hex = Zeroizing::new(to_hex(secret));
        write_durably(&self.0.join(name), hex.as_bytes())
    }

    /// The generation of the status that a webhook was told last; nothing where none was, or where that can't be read.
    pub fn told_generation(&self) -> Option<u64> {
        fs::read_to_string(self.0.join(TOLD_GENERATION)).ok()?.trim().parse().ok()
    }

    /// Keeps the generation that a webhook was told last.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep_told_generation(&self, generation: u64) -> Result<(), StoreError> {
        write_durably(&self.0.join(TOLD_GENERATION), generation.to_string().as_bytes())
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

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.0.join(name);
        // A read-only disk refuses to remove what is not there as well.
        match fs::symlink_metadata(&path).and_then(|_| fs::remove_file(&path)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { operation: "remove", path, source })
            }
            _ => Ok(()),
        }
    }
}

/// Warns where others than the owner may read a key. It is used all the same: a backup that was restored under a wide umask
/// takes no license away, and who has read the key has it whatever is refused here.
fn warn_of_others(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(
            "expected mode 0600 on the environment key {path}, found {mode:04o}: others may have read it; `chmod 600 {path}`, and if they may have, `entitlectl rebind` after it was moved away"
        );
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
