//! What a bundle holds: everything that makes a machine the controller of an environment, but for its present key.

use crate::{
    license::{Environment, RequestId},
    store::{MemberRecord, TokenRecord},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// What the version of these contents is.
pub(super) const VERSION: u32 = 1;

/// What a bundle holds. No `Debug` of its secrets, wiped when dropped.
///
/// The key in it was made for the new machine, and the environment's present one consents to it: that one stays where it is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The version of these contents.
    pub version: u32,
    /// The product.
    pub product: String,
    /// When it was made, by the old controller's effective time.
    pub made_at: Timestamp,
    /// The environment.
    pub environment: Environment,
    /// The id of the `move` request that is to be made of it.
    pub request: RequestId,
    /// The key that is to take over, PKCS #8 PEM.
    pub key: Zeroizing<String>,
    /// The word of the key that is bound, on that request of that key.
    pub consent: String,
    /// The license that is held.
    pub license: String,
    /// The trust document.
    pub trust: String,
    /// The generation of the old controller's status: that of the new one goes on from it.
    pub generation: u64,
    /// The key of the environment's certificate authority, PKCS #8 PEM, where it has members.
    #[serde(default)]
    pub authority_key: Option<Zeroizing<String>>,
    /// The Activation Code, where it is kept.
    #[serde(default)]
    pub activation_code: Option<Zeroizing<String>>,
    /// The key of the environment's user hashes, base64url.
    #[serde(default)]
    pub usage_key: Option<Zeroizing<String>>,
    /// The members, those removed among them.
    pub members: Vec<MemberRecord>,
    /// The join tokens: digests of them.
    pub tokens: Vec<TokenRecord>,
    /// Where the members will find the new controller.
    pub controllers: Vec<String>,
}

impl Contents {
    /// The version that is written.
    pub const VERSION: u32 = VERSION;
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("environment", &self.environment)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
