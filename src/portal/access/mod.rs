//! Who of the vendor may do what: operators with a role, who sign in by a password, and API tokens with scopes.
//!
//! A [`Right`] is the finest that is told apart; a [`Role`] and the scopes of a token are sets of them, and each handle of the
//! portal carries one ([`Portal::with_rights`](super::Portal::with_rights)), so that what an operator may not see or do is refused where
//! it is read or done, whatever page or route led there. A change asks again whether its operator or token is good still (`Holder`). What a
//! customer does on its own subscription, and what a visitor does, needs none. `portal` calls this; this calls `portal::store`.

mod error;
mod holder;
mod operator;
mod operators;
mod password;
mod right;
mod sign_in;
mod token;
mod tokens;

pub use error::AccessError;
pub(in crate::portal) use holder::Holder;
pub use operator::{LastAdmin, Operator, Role};
pub use password::{Hashing, Password, PasswordDigest};
pub use right::{Right, Rights};
pub(in crate::portal) use sign_in::KNOWN;
pub use sign_in::SignInError;
pub use token::{ApiToken, TokenDigest, TokenSecret};
