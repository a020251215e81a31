//! Public keys as other libraries read them: JWK sets, RFC 7517.

use super::PortalError;
use crate::license::PublicKey;
use serde_json::{Value, json};

/// A public key with the members that other libraries look for: `kid`, `alg`, `use` (RFC 7517 section 4).
pub(super) fn add_jwk_members(key: &PublicKey) -> Result<Value, PortalError> {
    let mut jwk = serde_json::to_value(key)?;
    if let Some(members) = jwk.as_object_mut() {
        members.insert("kid".to_owned(), json!(key.thumbprint()));
        members.insert("alg".to_owned(), json!("EdDSA"));
        members.insert("use".to_owned(), json!("sig"));
    }
    Ok(jwk)
}

/// A JWK set of them.
pub(super) fn key_set(keys: impl IntoIterator<Item = Value>) -> Result<String, PortalError> {
    let keys: Vec<Value> = keys.into_iter().collect();
    Ok(serde_json::to_string_pretty(&json!({ "keys": keys }))?)
}
