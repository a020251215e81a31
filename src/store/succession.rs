//! What is to be known of keys and machines that take each other's place.

use crate::{
    codes::SerialNumber,
    license::{RequestId, Retirement, Sequence, Thumbprint},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// That this machine was offered to an environment, to be its controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The id of the request that is made of it: the old key consents to that one alone.
    pub id: RequestId,
    /// When, by effective time.
    pub made_at: Timestamp,
    /// The request, once the consent has come: the same bytes are sent however often it is accepted.
    #[serde(default)]
    pub request: Option<String>,
}

/// That the environment goes on under another key, as the portal said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// How.
    pub by: Retirement,
    /// The Serial Number of the environment then.
    pub serial_number: SerialNumber,
    /// The key that it went to.
    pub key: Option<Thumbprint>,
    /// When it was told, by effective time.
    pub at: Timestamp,
}

/// That the portal has issued a license that is not installed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLicense {
    /// Its sequence.
    pub sequence: Sequence,
    /// Why it was refused, where it came here.
    pub refused: Option<String>,
}
