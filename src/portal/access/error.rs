//! Why an operator, a token or a right is refused.

use super::Right;

/// What was found, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum AccessError {
    #[error(
        "the name is refused: expected 1 to 64 lower-case letters, digits and any of . _ - @, beginning with a letter or a digit"
    )]
    Name,
    #[error("expected a password of at least 12 characters, found {found}: choose a longer one")]
    PasswordShort { found: usize },
    #[error("expected a password of at most 1024 bytes: choose a shorter one")]
    PasswordLong,
    #[error("the two passwords differ: type the same one twice")]
    PasswordsDiffer,
    #[error("the password could not be hashed ({reason}): try again")]
    Hash { reason: String },
    #[error("expected the role admin or support, found {found:?}")]
    Role { found: String },
    #[error("there is an operator {name} already: choose another name, or change that one")]
    OperatorExists { name: String },
    #[error("no operator is named {name}: `entitle-portal operator list` shows them")]
    NoOperator { name: String },
    #[error("operator {name} is {found} already: there is nothing to do")]
    OperatorStanding { name: String, found: &'static str },
    #[error("there was a token {name} already: names of tokens are used once, choose another one")]
    TokenExists { name: String },
    #[error("no token is named {name}: `entitle-portal token list` shows them")]
    NoToken { name: String },
    #[error("token {name} is revoked already: there is nothing to do")]
    TokenRevoked { name: String },
    #[error(
        "a token needs at least one scope, and `administer` is none: give --scope, `entitle-portal token create --help` lists them"
    )]
    TokenScope,
    #[error(
        "a token is good for a whole number of days, at least 1 and not beyond the year 9999: give such a number, or nothing for a token without an end"
    )]
    TokenLifetime,
    #[error(
        "the operator or the token that this was begun with was changed, disabled or revoked meanwhile, and nothing was done: sign in again, or send a good token"
    )]
    Ended,
    #[error("this needs the right `{needs}`, which the caller does not have: ask an administrator")]
    NotAllowed { needs: Right },
}

impl AccessError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name => "access-name",
            Self::PasswordShort { .. } => "password-short",
            Self::PasswordLong => "password-long",
            Self::PasswordsDiffer => "passwords-differ",
            Self::Hash { .. } => "password-hash",
            Self::Role { .. } => "operator-role",
            Self::OperatorExists { .. } => "operator-exists",
            Self::NoOperator { .. } => "no-operator",
            Self::OperatorStanding { .. } => "operator-standing",
            Self::TokenExists { .. } => "token-exists",
            Self::NoToken { .. } => "no-token",
            Self::TokenRevoked { .. } => "token-revoked",
            Self::TokenScope => "token-scope",
            Self::TokenLifetime => "token-lifetime",
            Self::Ended => "access-ended",
            Self::NotAllowed { .. } => "not-allowed",
        }
    }
}
