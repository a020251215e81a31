//! Between the loop and the way to the controller: what that brings, and what it is told to do.

use crate::{
    api::{Problem, Reply},
    license::Thumbprint,
    members::{JoinToken, Joined, MemberIdentity, MembersError},
    usage::{Batch, Figures, UserKey},
};
use jiff::Timestamp;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the way to the controller brings.
pub enum Heard {
    /// It is open.
    Connected {
        /// To that address.
        address: String,
    },
    /// A statement.
    Statement(String),
    /// The environment's sums of usage.
    Usage(Figures),
    /// How [`Order::TellUsage`] ended.
    UsageTold(Result<Figures, MembersError>),
    /// The key of the environment's user hashes.
    UsageKey(UserKey),
    /// A signpost in the place of a statement.
    Signpost(String),
    /// A statement of somebody who is not of the known authority.
    Claimed(String),
    /// The controller is there.
    Beat,
    /// It is not open any more, or could not be opened.
    Lost(MembersError),
    /// A new certificate with its key, and how long it is good for.
    Renewed(MemberIdentity, Duration),
    /// How joining ended.
    Joined(Box<Joining>),
}

/// How joining ended.
pub struct Joining {
    /// What the controller gave.
    pub result: Result<(Joined, MemberIdentity), MembersError>,
    /// The addresses that were tried.
    pub controllers: Vec<String>,
    /// What the token pinned.
    pub token: JoinToken,
    /// Who ordered it.
    pub actor: String,
    /// Who waits for it, if anybody does.
    pub reply: Option<oneshot::Sender<Result<Reply, Problem>>>,
}

/// What the way to the controller is told to do.
pub enum Order {
    /// To join the environment of a token, and bring [`Heard::Joined`].
    Join {
        /// Where to try, in this order.
        controllers: Vec<String>,
        /// With what.
        token: JoinToken,
        /// Who ordered it.
        actor: String,
        /// Who waits for it.
        reply: Option<oneshot::Sender<Result<Reply, Problem>>>,
    },
    /// To keep a watch open as this member.
    Attach {
        /// Where to try, in this order.
        controllers: Vec<String>,
        /// By what the controller is known.
        ca: Thumbprint,
        /// By what this member is.
        identity: MemberIdentity,
    },
    /// To try these addresses from now on; one that is connected to stays so.
    Know {
        /// Where to try, in this order.
        controllers: Vec<String>,
    },
    /// To leave the controller for these addresses.
    Follow {
        /// Where to try, in this order.
        controllers: Vec<String>,
    },
    /// To leave it for the next address: it knows itself that it is the controller no more.
    Elsewhere,
    /// To use another certificate from now on.
    Identify {
        /// It.
        identity: MemberIdentity,
    },
    /// To tell the controller what is held.
    Hold {
        /// The generation.
        generation: u64,
        /// Until when it may be gone on with.
        lease_ends_at: Option<Timestamp>,
    },
    /// To show the controller a statement that is newer than its own.
    Present {
        /// It.
        statement: String,
    },
    /// To tell the controller what this server uses, and bring [`Heard::UsageTold`].
    TellUsage {
        /// What changed.
        batch: Batch,
    },
    /// To get a new certificate.
    Renew,
    /// To give the controller up for a while: what it sends is refused.
    TryLater,
}
