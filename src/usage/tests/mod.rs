//! Sums over servers, by properties: in which order reports come, how often, and from where changes nothing.

mod check;
mod environment;
mod outbox;
mod peaks;

use super::{UserHash, UserKey};
use std::time::Duration;

fn key() -> UserKey {
    UserKey::from_bytes([7; 32])
}

fn user(limit: &str, number: u32) -> UserHash {
    key().hash(limit, &format!("user-{number}"))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_user_is_one_hash_for_a_key_and_a_limit_and_no_other() {
    let hash = key().hash("users", "ada");
    assert_eq!(hash, key().hash("users", "ada"));
    assert_ne!(hash, key().hash("users", "bob"));
    assert_ne!(hash, key().hash("seats", "ada"));
    assert_ne!(hash, UserKey::from_bytes([8; 32]).hash("users", "ada"));
    // What stands on either side of a limit's end is not taken for the other.
    assert_ne!(key().hash("a", "b"), key().hash("ab", ""));
    for (name, taken) in [("", false), (&"x".repeat(200)[..], true), (&"x".repeat(201)[..], false)]
    {
        assert_eq!(key().hash_checked("users", name).is_ok(), taken, "{name:?}");
    }
}

#[test]
fn hashes_and_keys_are_read_as_they_are_written() {
    let hashes = [user("users", 1), user("users", 2)];
    assert_eq!(UserHash::read_all(&UserHash::write_all(&hashes)).unwrap(), hashes);
    assert_eq!(UserHash::read_all("").unwrap(), []);
    for text in ["AA", "!", &UserHash::write_all(&hashes)[1..]] {
        assert_eq!(UserHash::read_all(text).unwrap_err().code(), "bad-user-hashes", "{text}");
    }
    assert!(UserKey::read(&key().expose_text()) == Some(key()));
    assert!(UserKey::read("AAAA").is_none());
}
