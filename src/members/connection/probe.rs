//! Whether the controller takes this member, for `entitlectl doctor`.

use super::{Connection, MemberIdentity, MembersError, PATIENCE};
use crate::members::authority::read_member;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};

impl Connection {
    /// Asks for the statement, and says whether there is one. Nothing changes by it.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn probe(&self) -> Result<bool, MembersError> {
        let request = self.client.get(format!("{}/v1/statement", self.base)).timeout(PATIENCE);
        match self.checked(request.send().await).await {
            Ok(_) => Ok(true),
            Err(MembersError::Refused { code, .. }) if code == "no-license" => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl MemberIdentity {
    /// When its certificate expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let certificate = CertificateDer::pem_slice_iter(self.pem().as_bytes()).next()?.ok()?;
        read_member(&certificate).map(|(_, expires_at)| expires_at)
    }
}
