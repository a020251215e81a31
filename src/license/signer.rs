//! What signs, wherever its key is.

use super::{KeyPair, PublicKey, Thumbprint};

/// Signs by an Ed25519 key (RFC 8032). The key may be in this process, or somewhere that never gives it away, such as a
/// hardware security module.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// The signature of `message`. It may block.
    ///
    /// # Errors
    /// Where the key can't be used just now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;

    /// The thumbprint of the public half.
    fn thumbprint(&self) -> Thumbprint {
        self.public().thumbprint()
    }
}

/// Why a signer gave no signature.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct SignerError {
    /// What the signer says; no secret.
    pub reason: String,
}

impl Signer for KeyPair {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(Self::sign(self, message))
    }
}
