//! Whether the controller takes this member, for `entitlectl doctor`.

use super::{Connection, MembersError, PATIENCE};

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
