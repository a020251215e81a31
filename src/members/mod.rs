//! An environment's members: how servers join, hear of the status, and go on without their controller.
//!
//! The pure part: [`JoinToken`], [`AddressRange`], [`judge`] (whether a member takes a statement) and [`policy`] (how long
//! certificates last). The controller's side: [`Authority`] signs certificates, [`Listener`] serves members over mutual
//! TLS 1.3. The member's side: [`Connection`]. `agent` calls this, and answers what the listener asks ([`Asked`]); this calls
//! `problem`, `store`, `health`, `usage`, `entitlement`, `license` and `codes`.

mod acceptance;
mod address_range;
mod authority;
mod connection;
mod contract;
mod error;
mod handshakes;
mod listener;
pub mod policy;
mod port;
mod presence;
mod quiet;
mod routes;
mod stream;
mod tls;
mod token;
mod turns;

pub use acceptance::{Accepted, MOST_ADDRESSES, Pinned, Refusal, Way, judge, judge_signpost};
pub use address_range::AddressRange;
pub use authority::{Authority, CONTROLLER_NAME, Certified};
pub use connection::{
    Connection, DEFAULT_PORT, MemberIdentity, Watch, Word, controller_address, join,
};
pub use contract::{
    Acknowledged, Asked, FiguresFrame, Frame, Joined, Joining, Latest, MemberReport, Renewed,
    Renewing, Reply,
};
pub use error::MembersError;
pub(crate) use handshakes::{Handshake, Handshakes};
pub use listener::{Host, Listener};
pub use port::Port;
pub use presence::{Presence, Seen, shown_name};
pub use token::{JoinToken, TokenError, digest_of};

#[cfg(test)]
pub(crate) mod tests;
