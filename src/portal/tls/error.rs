//! Why a certificate can't be shown.

use std::path::PathBuf;

/// What is wrong with the files of a certificate, and what mends it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum TlsError {
    #[error("{} could not be read as PEM ({reason}): give the certificate, and after it those of its issuers but the last", path.display())]
    CertificateFile { path: PathBuf, reason: String },
    #[error("{} has no certificate in it: give the certificate, and after it those of its issuers but the last", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{} could not be read as a private key in PEM ({reason}): give the key of the certificate, unencrypted, readable for the user of the portal", path.display())]
    KeyFile { path: PathBuf, reason: String },
    #[error("{} and {} do not fit together ({reason}): give the key that the certificate was made for", certificate.display(), key.display())]
    Mismatch { certificate: PathBuf, key: PathBuf, reason: String },
    #[error("TLS can't be set up ({reason}): give a certificate with an ECDSA, Ed25519 or RSA key")]
    Setup { reason: String },
}

impl TlsError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CertificateFile { .. } | Self::NoCertificate { .. } => "tls-certificate",
            Self::KeyFile { .. } => "tls-key",
            Self::Mismatch { .. } => "tls-mismatch",
            Self::Setup { .. } => "tls-setup",
        }
    }
}
