//! The join token: what a server needs to become a member, in one line of text.

use crate::license::Thumbprint;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::{fmt::Write, str::FromStr};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What every token begins with, so that it is known for what it is wherever it turns up.
const PREFIX: &str = "entitled-join-";
const ID: usize = 8;
const SECRET: usize = 24;
const PIN: usize = 32;
const CHECK: usize = 4;

/// Why a text is no join token. It is never repeated: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is something else.
    #[error(
        "expected a join token ({PREFIX}…), found {found}: make one on the controller with `entitlectl member token`"
    )]
    Form {
        /// What it is, in words.
        found: String,
    },
    /// It was changed.
    #[error(
        "the join token was altered or cut on its way: carry it again, or make another on the controller with `entitlectl member token`"
    )]
    Altered,
}

impl TokenError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "token-form",
            Self::Altered => "token-altered",
        }
    }
}

/// A join token. It pins the environment's certificate authority, so that the member knows its controller before it
/// shows the secret. No `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct JoinToken {
    id: [u8; ID],
    secret: [u8; SECRET],
    pin: [u8; PIN],
}

impl JoinToken {
    /// A new token that pins the authority of that thumbprint.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn generate(authority: &Thumbprint) -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        Ok(Self { id, secret, pin: pin_of(authority) })
    }

    /// Names the token; no secret.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }

    /// Whether it pins the authority of that thumbprint.
    pub fn pins(&self, authority: &Thumbprint) -> bool {
        self.pin == pin_of(authority)
    }

    /// The secret as it is shown to the controller, over a connection whose other end is known by the pin.
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// The whole token as it is given to the operator.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ID + SECRET + PIN + CHECK));
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.pin);
        let check = check_of(&bytes);
        bytes.extend_from_slice(&check);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 92));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or_else(|| TokenError::Form {
            found: if text.is_empty() {
                "nothing".to_owned()
            } else {
                format!("{} characters of something else", text.chars().count())
            },
        })?;
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| TokenError::Altered)?;
        let bytes = Zeroizing::new(bytes);
        let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or(TokenError::Altered)?;
        if body.len() != ID + SECRET + PIN || check_of(body) != *check {
            return Err(TokenError::Altered);
        }
        let mut token = Self { id: [0; ID], secret: [0; SECRET], pin: [0; PIN] };
        token.id.copy_from_slice(&body[..ID]);
        token.secret.copy_from_slice(&body[ID..ID + SECRET]);
        token.pin.copy_from_slice(&body[ID + SECRET..]);
        Ok(token)
    }
}

/// The digest under which a secret is stored, hexadecimal. The secret has 192 random bits: no guessing finds it, so it
/// needs no slow hash.
pub fn digest_of(secret: &str) -> String {
    let digest =
        Sha256::new().chain_update("entitled join secret\0").chain_update(secret).finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn pin_of(authority: &Thumbprint) -> [u8; PIN] {
    // A thumbprint is 32 bytes by its making; of anything else the digest pins as well.
    let bytes = URL_SAFE_NO_PAD.decode(authority.as_str()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; PIN]>::try_from(bytes).ok());
    bytes.unwrap_or_else(|| Sha256::digest(authority.as_str()).into())
}

fn check_of(bytes: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::new().chain_update("entitled join token\0").chain_update(bytes).finalize();
    let mut check = [0; CHECK];
    check.copy_from_slice(&digest[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::KeyPair;
    use proptest::prelude::*;

    fn authority(seed: u8) -> Thumbprint {
        KeyPair::from_seed(&[seed; 32]).thumbprint()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = JoinToken::generate(&authority(1)).unwrap();
        let text = token.expose();
        let read: JoinToken = format!("  {}\n", *text).parse().ok().unwrap();
        assert!(read == token && read.pins(&authority(1)) && !read.pins(&authority(2)));
        assert!(!text.contains(token.secret().as_str()) && text.len() < 110);
        let other = JoinToken::generate(&authority(1)).unwrap();
        assert!(other.id() != token.id() && *other.secret() != *token.secret());
        assert_ne!(digest_of(&token.secret()), digest_of(&other.secret()));
    }

    #[test]
    fn what_is_no_token_is_told_from_one_that_was_altered() {
        let code = |text: &str| text.parse::<JoinToken>().err().unwrap().code();
        assert_eq!(code(""), "token-form");
        assert_eq!(code("0AB-CDE"), "token-form");
        assert_eq!(code("entitled-join-"), "token-altered");
        let secret = "my password";
        assert!(!secret.parse::<JoinToken>().err().unwrap().to_string().contains("password"));
    }

    proptest! {
        #[test]
        fn every_changed_or_missing_character_is_noticed(at in 0usize..90, to in "[A-Za-z0-9_-]") {
            let token = JoinToken { id: [1; ID], secret: [2; SECRET], pin: [3; PIN] };
            let text = token.expose();
            let at = PREFIX.len() + at;
            let altered = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            let cut = format!("{}{}", &text[..at], &text[at + 1..]);
            prop_assert!(cut.parse::<JoinToken>().is_err());
            prop_assert!(altered == **text || altered.parse::<JoinToken>().is_err());
        }

        #[test]
        fn nothing_makes_the_reader_panic(text in ".*") {
            let _ = text.parse::<JoinToken>();
            let _ = format!("{PREFIX}{text}").parse::<JoinToken>();
        }
    }
}
