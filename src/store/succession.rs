//! What is to be known of keys and machines that take each other's place.

use crate::{
    codes::SerialNumber,
    license::{Environment, RequestId, Retirement, Sequence, Thumbprint},
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

/// That a bundle was made for another machine: the environment may go on there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// The id of the request that the key here consents to.
    pub request: RequestId,
    /// The key in the bundle.
    pub key: Thumbprint,
    /// Where the members will find the new controller.
    pub controllers: Vec<String>,
    /// Until when the consent is good, by effective time.
    pub ends_at: Timestamp,
}

/// That another machine's bundle was taken: its environment goes on here as soon as the portal has bound it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The id of the request that is made of it.
    pub request: RequestId,
    /// The environment.
    pub environment: Environment,
    /// What the request is made of: trust document, license and consent, with white space between.
    pub carried: String,
    /// The thumbprint of the certificate authority that came with it.
    pub ca: Option<Thumbprint>,
    /// Whether the request is carried by hand.
    pub by_hand: bool,
}

/// What members are shown that come to a controller whose environment went on elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signpost {
    /// The document.
    pub text: String,
    /// Where it leads to.
    pub controllers: Vec<String>,
    /// Until when it is shown, by effective time.
    pub until: Timestamp,
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
    /// Whether this machine has a certificate authority of its own since. The one before is the environment's, wherever that went.
    #[serde(default)]
    pub parted: bool,
}

/// That the portal has issued a license that is not installed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLicense {
    /// Its sequence.
    pub sequence: Sequence,
    /// Why it was refused, where it came here.
    pub refused: Option<String>,
}
