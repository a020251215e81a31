//! The portal's directory on the disk, and how it is made.
//!
//! | path | holds | mode |
//! | --- | --- | --- |
//! | `root-key.pem` | the vendor's root key, to be moved off-line | 0600 |
//! | `keys/*.pem` | the portal's signing keys, but one that the service manager hands over | 0600 |
//! | `roots.jwks` | the public root key, for the agents' packages | 0644 |
//! | `trust.jwt` | the trust document | 0644 |
//! | `portal.db` | subscriptions, environments, requests, audit | 0600 |
//! | `database` | the URL of a PostgreSQL database, where that is in the place of `portal.db` | 0600 |
//! | `database-password` | its password, where neither the URL nor a service credential has it | 0600 |

use super::{
    PortalError,
    clock::whole_second,
    key_set::{add_jwk_members, key_set},
    store::{Location, Server, Store, WriterKind},
};
use crate::license::{KeyPair, KeyStatus, PortalKey, Thumbprint, TrustClaims, sign};
use atomic_write_file::AtomicWriteFile;
use jiff::Timestamp;
use std::{
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What the service manager calls a signing key.
const CREDENTIAL: &str = "signing.key";

/// Where a portal keeps its files.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

/// Who sells what.
#[derive(Debug, Clone)]
pub struct Vendor {
    /// The product, `aud` of every document.
    pub product: String,
    /// The portal's name or address, `iss` of every document.
    pub issuer: String,
}

impl Directory {
    /// The directory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The vendor's root key, where it was not moved away yet.
    pub fn root_key(&self) -> PathBuf {
        self.0.join("root-key.pem")
    }

    /// The folder of signing keys.
    pub fn signing_keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The file of a signing key that was made here.
    pub(super) fn signing_key(&self, kid: &Thumbprint) -> PathBuf {
        self.signing_keys().join(format!("{kid}.pem"))
    }

    /// The public root keys, a JWK set.
    pub fn roots(&self) -> PathBuf {
        self.0.join("roots.jwks")
    }

    /// The trust document.
    pub fn trust(&self) -> PathBuf {
        self.0.join("trust.jwt")
    }

    /// The SQLite database.
    pub fn database(&self) -> PathBuf {
        self.0.join("portal.db")
    }

    /// The file that names a PostgreSQL database. It is here and not a setting, so that each command on this directory and
    /// each process that serves it use the same one.
    pub fn database_url(&self) -> PathBuf {
        self.0.join("database")
    }

    /// Where the database is.
    ///
    /// # Errors
    /// [`PortalError::File`], and [`StoreError::Url`](super::store::StoreError::Url).
    pub fn location(&self) -> Result<Location, PortalError> {
        let path = self.database_url();
        if !path.exists() {
            return Ok(Location::File(self.database()));
        }
        let server = self.server_at(read_file(&path)?.trim())?;
        Ok(Location::Server(Box::new(server)))
    }

    /// The server of that URL, with the password that is kept beside it.
    ///
    /// # Errors
    /// [`StoreError::Url`](super::store::StoreError::Url).
    pub fn server_at(&self, url: &str) -> Result<Server, PortalError> {
        let mut server = Server::parse(url)?;
        // systemd.exec(5), LoadCredential=.
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let folders = credentials.iter().chain([&self.0]);
        server.use_password(|| {
            let found = folders.map(|folder| folder.join("database-password"));
            let found = found.filter_map(|path| std::fs::read_to_string(path).ok());
            found.map(|text| text.trim_end_matches('\n').to_owned()).next()
        });
        Ok(server)
    }

    /// Names the PostgreSQL database that is used from now on.
    ///
    /// # Errors
    /// [`StoreError::Url`](super::store::StoreError::Url), and what the file system says.
    pub fn use_server(&self, url: &str) -> Result<(), PortalError> {
        self.stage_server(url)?.place()
    }

    /// The same, where something else must be done before.
    pub(super) fn stage_server(&self, url: &str) -> Result<Staged, PortalError> {
        Server::parse(url)?;
        make_directory(&self.0)?;
        Staged::write(&self.database_url(), format!("{url}\n").as_bytes(), 0o600)
    }

    /// Opens the database.
    ///
    /// # Errors
    /// What the file system and the database say.
    pub fn open_store(&self, writer: WriterKind) -> Result<Store, PortalError> {
        Ok(Store::at(&self.location()?, writer)?)
    }

    /// Whether it holds a portal.
    pub fn is_initialized(&self) -> bool {
        self.trust().exists()
    }

    /// Makes a portal: root key, signing key, trust document of version 1, database. The trust document is written last, so
    /// that an `init` that was cut short is done by the next one, with the keys that are there.
    ///
    /// # Errors
    /// [`PortalError::AlreadyInitialized`], [`PortalError::Name`], and what the file system says.
    pub fn init(&self, vendor: &Vendor, now: Timestamp) -> Result<(), PortalError> {
        check_name("product", &vendor.product)?;
        check_name("issuer", &vendor.issuer)?;
        if self.is_initialized() {
            return Err(PortalError::AlreadyInitialized { path: self.0.clone() });
        }
        make_directory(&self.0)?;
        make_directory(&self.signing_keys())?;
        let root = self.root_key();
        let root = if root.exists() { read_key(&root)? } else { create_key(|_| root.clone())? };
        let signing = match self.read_signing_keys()?.pop() {
            Some(key) => key,
            None => self.create_signing_key()?,
        };
        write_file(&self.roots(), &key_set([add_jwk_members(&root.public())?])?)?;
        self.open_store(WriterKind::Inline)?;
        let trust = TrustClaims {
            iss: vendor.issuer.clone(),
            aud: vendor.product.clone(),
            iat: whole_second(now),
            version: 1,
            keys: vec![PortalKey { key: signing.public(), status: KeyStatus::Active }],
        };
        let trust = sign(&trust, &root).map_err(PortalError::Signing)?;
        write_file(&self.trust(), &trust)
    }

    /// Makes one more signing key. Nothing is signed by it before a trust document names it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create_signing_key(&self) -> Result<KeyPair, PortalError> {
        create_key(|kid| self.signing_key(kid))
    }

    /// The same, where something else must be done before it is there.
    pub(super) fn stage_signing_key(&self) -> Result<(KeyPair, Staged), PortalError> {
        stage_key(|kid| self.signing_key(kid))
    }

    /// A signing key that the service manager hands over (`LoadCredential=signing.key:...`, systemd.exec(5)), so that no file in
    /// the directory holds it.
    fn credential() -> Option<PathBuf> {
        let folder = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
        Some(folder.join(CREDENTIAL)).filter(|path| path.exists())
    }

    /// Every signing key that is here, in the order of the files' names, and the one that the service manager hands over.
    ///
    /// # Errors
    /// What the file system says, and [`PortalError::Document`] for a file that is no key.
    pub fn read_signing_keys(&self) -> Result<Vec<KeyPair>, PortalError> {
        let folder = self.signing_keys();
        let failed = |source| PortalError::File { doing: "read", path: folder.clone(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|e| e == "pem") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.extend(Self::credential());
        paths.iter().map(|path| read_key(path)).collect()
    }
}

/// Reads a private key.
///
/// # Errors
/// [`PortalError::File`] and [`PortalError::Document`].
pub(super) fn read_key(path: &Path) -> Result<KeyPair, PortalError> {
    let pem = Zeroizing::new(read_file(path)?);
    KeyPair::from_pem(&pem)
        .map_err(|source| PortalError::Document { path: path.to_owned(), source })
}

/// Reads a text file.
///
/// # Errors
/// [`PortalError::File`].
pub(super) fn read_file(path: &Path) -> Result<String, PortalError> {
    std::fs::read_to_string(path).map_err(|source| PortalError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that anyone may read, durably and all at once.
///
/// # Errors
/// [`PortalError::File`].
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), PortalError> {
    stage_file(path, text)?.place()
}

/// The same, where something else must be done before it is there.
pub(super) fn stage_file(path: &Path, text: &str) -> Result<Staged, PortalError> {
    Staged::write(path, text.as_bytes(), 0o644)
}

fn create_key(path: impl FnOnce(&Thumbprint) -> PathBuf) -> Result<KeyPair, PortalError> {
    let (key, staged) = stage_key(path)?;
    staged.place()?;
    Ok(key)
}

fn stage_key(path: impl FnOnce(&Thumbprint) -> PathBuf) -> Result<(KeyPair, Staged), PortalError> {
    let key = KeyPair::generate()?;
    let pem = key.to_pem().map_err(PortalError::Signing)?;
    let staged = Staged::write(&path(&key.thumbprint()), pem.as_bytes(), 0o600)?;
    Ok((key, staged))
}

/// A file whose bytes are on the disk, under no name yet: what could fail has been done, and it is gone again where it is dropped.
pub(super) struct Staged {
    file: AtomicWriteFile,
    path: PathBuf,
}

impl Staged {
    fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, PortalError> {
        let write = || -> io::Result<AtomicWriteFile> {
            let mut file = AtomicWriteFile::options().mode(mode).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = write().map_err(|source| unwritten(path, source))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives it its name, in the place of what has it.
    pub(super) fn place(self) -> Result<(), PortalError> {
        self.file.commit().map_err(|source| unwritten(&self.path, source))
    }
}

fn unwritten(path: &Path, source: io::Error) -> PortalError {
    PortalError::File { doing: "written", path: path.to_owned(), source }
}

fn make_directory(path: &Path) -> Result<(), PortalError> {
    // Only what is made here gets the mode: a directory that the operator made keeps the operator's.
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| PortalError::File {
        doing: "made",
        path: path.to_owned(),
        source,
    })
}

pub(super) fn check_name(what: &'static str, text: &str) -> Result<(), PortalError> {
    let fits = (1..=200).contains(&text.trim().len()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(PortalError::Name { what }) }
}
