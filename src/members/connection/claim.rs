//! What somebody claims who is at the controller's address, and is not of the authority that this member knows.

use super::{Connection, PATIENCE, causes};
use crate::{
    license::MAX_DOCUMENT,
    members::{MemberIdentity, MembersError, tls::Pin},
};
use reqwest::StatusCode;

impl Connection {
    /// To whoever is there, known or not: to read why it is to be believed, and for nothing else.
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub async fn to_stranger(
        address: &str,
        identity: &MemberIdentity,
    ) -> Result<Self, MembersError> {
        Self::open(address, Pin::Nobody, Some(identity.shown()?)).await
    }

    /// Reads the newest statement.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn statement(&self) -> Result<String, MembersError> {
        let request = self.client.get(format!("{}/v1/statement", self.base)).timeout(PATIENCE);
        let mut response = self.checked(request.send().await).await?;
        let lost = |error: reqwest::Error| self.unreachable(causes(&error.without_url()));
        let mut text = Vec::new();
        // Who answers may be anybody.
        while let Some(more) = response.chunk().await.map_err(lost)? {
            text.extend_from_slice(&more);
            if text.len() > MAX_DOCUMENT {
                return Err(self.not_an_answer(StatusCode::OK));
            }
        }
        String::from_utf8(text).map_err(|_| self.not_an_answer(StatusCode::OK))
    }
}
