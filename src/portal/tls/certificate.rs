//! The certificate that is shown, and the files that it is from.

use super::TlsError;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The one protocol that is spoken.
const HTTP: &[u8] = b"http/1.1";

/// Where a certificate lies, PEM both.
#[derive(Debug, Clone)]
pub(in crate::portal) struct CertificateFiles {
    /// The certificate, and those of its issuers after it.
    pub(in crate::portal) certificate: PathBuf,
    /// Its private key.
    pub(in crate::portal) key: PathBuf,
}

/// What is shown in handshakes. It is replaced as a whole: a pair that does not fit leaves the one before in its place.
pub(in crate::portal) struct Certificate {
    files: CertificateFiles,
    shown: ArcSwap<Shown>,
    /// What the files looked like when they were last read.
    seen: Mutex<Option<Seen>>,
    refused: Counter,
}

struct Shown {
    key: Arc<CertifiedKey>,
    ends_at: Timestamp,
}

/// Inode, length and time of change of each file: a file that is renamed into its place differs in the first at least.
type Seen = [(u64, u64, i64, i64); 2];

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a certificate; `refused` counts replacements that can't be used.
    ///
    /// # Errors
    /// [`TlsError`] names the file that can't be used.
    pub(in crate::portal) fn load(
        files: CertificateFiles,
        refused: Counter,
    ) -> Result<Arc<Self>, TlsError> {
        let seen = files.look();
        let shown = files.read()?;
        Ok(Arc::new(Self {
            files,
            shown: ArcSwap::from_pointee(shown),
            seen: Mutex::new(seen),
            refused,
        }))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`load`](Self::load); the certificate of before stays in use then, and that is counted.
    pub(in crate::portal) fn reload(&self) -> Result<(), TlsError> {
        // Before the contents, so that what is written meanwhile is seen the next time.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.files.look();
        let read = self.files.read();
        let shown = read.inspect_err(|_| {
            self.refused.inc();
        })?;
        self.shown.store(Arc::new(shown));
        Ok(())
    }

    /// The same, where the files are others than they were; whether they were.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub(in crate::portal) fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = self.files.look();
        let is_same = *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == now;
        if is_same { Ok(false) } else { self.reload().map(|()| true) }
    }

    /// When the certificate ends.
    pub(in crate::portal) fn ends_at(&self) -> Timestamp {
        self.shown.load().ends_at
    }

    /// TLS 1.2 and 1.3 with this certificate.
    ///
    /// # Errors
    /// [`TlsError::Setup`], which is not known to happen.
    pub(in crate::portal) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let wrong = |error: rustls::Error| TlsError::Setup { reason: error.to_string() };
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(wrong)?
                .with_no_client_auth()
                .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load().key.clone())
    }
}

impl CertificateFiles {
    fn look(&self) -> Option<Seen> {
        let of = |found: &Metadata| (found.ino(), found.len(), found.mtime(), found.mtime_nsec());
        let look = |path: &Path| path.metadata().ok().as_ref().map(of);
        Some([look(&self.certificate)?, look(&self.key)?])
    }

    fn read(&self) -> Result<Shown, TlsError> {
        let chain = self.chain()?;
        let ends_at = chain.first().and_then(ends_at);
        let ends_at = ends_at.ok_or_else(|| TlsError::CertificateFile {
            path: self.certificate.clone(),
            reason: "the first one is no X.509 certificate".to_owned(),
        })?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| TlsError::KeyFile {
            path: self.key.clone(),
            reason: error.to_string(),
        })?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let key = key.map_err(|error| TlsError::Mismatch {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            reason: error.to_string(),
        })?;
        Ok(Shown { key: Arc::new(key), ends_at })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let path = || self.certificate.clone();
        let wrong = |error: rustls::pki_types::pem::Error| TlsError::CertificateFile {
            path: path(),
            reason: error.to_string(),
        };
        let read = CertificateDer::pem_file_iter(&self.certificate).map_err(wrong)?;
        let chain: Vec<_> = read.collect::<Result<_, _>>().map_err(wrong)?;
        if chain.is_empty() { Err(TlsError::NoCertificate { path: path() }) } else { Ok(chain) }
    }
}

fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(read.validity().not_after.timestamp()).ok()
}
