//! Between the listener and the agent's loop: what members are told, and what they ask.

use crate::{
    license::PublicKey,
    problem::Problem,
    usage::{Batch, Figures},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;
use zeroize::Zeroizing;

/// New connections a second that a controller takes without haste.
const RETURNING_A_SECOND: usize = 400;
/// The shortest time over which lost members return.
const SHORTEST_SPREAD: Duration = Duration::from_secs(1);

/// A statement as members are sent it, made once for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The generation of the status in it.
    pub generation: u64,
    /// The document: a statement, or a signpost.
    pub statement: Arc<str>,
    /// The same as a server-sent event in a chunk of its own (RFC 9112 section 7.1).
    pub(super) event: Bytes,
}

impl Frame {
    /// The frame of a statement, for an environment of so many members. With it they are told over which time to return
    /// when they lose the connection: ten thousand of them must not in one second.
    pub fn new(generation: u64, statement: Arc<str>, members: usize) -> Self {
        Self::of("statement", generation, statement, members)
    }

    /// The frame of a signpost, which is in the place of a statement since the environment went on elsewhere.
    pub fn signpost(generation: u64, signpost: Arc<str>, members: usize) -> Self {
        Self::of("signpost", generation, signpost, members)
    }

    fn of(kind: &str, generation: u64, document: Arc<str>, members: usize) -> Self {
        let spread =
            Duration::from_secs((members / RETURNING_A_SECOND) as u64).max(SHORTEST_SPREAD);
        let spread = spread.as_millis();
        let event =
            format!("retry: {spread}\nevent: {kind}\nid: {generation}\ndata: {document}\n\n");
        let event = format!("{:x}\r\n{event}\r\n", event.len());
        Self { generation, statement: document, event: event.into() }
    }
}

/// The environment's sums of usage as members are sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiguresFrame {
    /// A server-sent event in a chunk of its own (RFC 9112 section 7.1).
    pub(super) event: Bytes,
}

impl FiguresFrame {
    /// The frame of figures; nothing where they can't be written as JSON.
    pub fn new(figures: &Figures) -> Option<Self> {
        let figures = serde_json::to_string(figures)
            .inspect_err(|error| tracing::error!(%error, "no sums of usage can be told"))
            .ok()?;
        let event = format!("event: usage\ndata: {figures}\n\n");
        Some(Self { event: format!("{:x}\r\n{event}\r\n", event.len()).into() })
    }
}

/// What a listener's connections watch.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// The newest statement; nothing while there is no license.
    pub frame: Option<Arc<Frame>>,
    /// The newest sums of usage; nothing before the first.
    pub figures: Option<Arc<FiguresFrame>>,
    /// Grows with every removal of a member.
    pub removals: u64,
    /// Grows while nothing happens, so that members know that the controller is there.
    pub(super) beats: u64,
}

/// A server that wants to join. No `Debug`: it holds the token's secret.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Joining {
    /// Names the token.
    pub token_id: String,
    /// The token's secret.
    pub token_secret: Zeroizing<String>,
    /// The signing request, PEM.
    pub signing_request: String,
    /// What the server calls itself.
    pub name: String,
}

/// What a server is given that has joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Joined {
    /// Its id.
    pub id: Uuid,
    /// The environment key.
    pub environment_key: PublicKey,
    /// Its certificate.
    #[serde(flatten)]
    pub certificate: Renewed,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewed {
    /// It, and the authority's, PEM.
    pub certificate: String,
    /// How long it is good for from now on, seconds.
    pub life_seconds: u64,
}

/// A signing request for a member's next key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewing {
    /// The signing request, PEM.
    pub signing_request: String,
}

/// What a member tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// What it calls itself.
    pub name: String,
    /// The version of its agent.
    pub version: String,
    /// The generation of the statement that it holds; 0 for none.
    pub generation: u64,
    /// Its clock.
    pub clock: Timestamp,
    /// When its lease ends.
    #[serde(default)]
    pub lease_ends_at: Option<Timestamp>,
}

/// What a member is told when it has told of itself.
#[derive(Serialize, Deserialize)]
pub struct Acknowledged {
    /// The key of the environment's user hashes, base64url: a secret. No `Debug`.
    #[serde(default)]
    pub usage_key: Option<Zeroizing<String>>,
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What members ask the loop.
pub enum Asked {
    /// To join.
    Join {
        /// Who.
        joining: Joining,
        /// From where.
        address: IpAddr,
        /// Where the answer goes.
        reply: Reply<Joined>,
    },
    /// To be let in by a certificate of this environment that no record is kept of.
    Adopt {
        /// Whom it is for.
        member: Uuid,
        /// When it expires.
        expires_at: Timestamp,
        /// From where.
        address: IpAddr,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// A certificate for the next key.
    Renew {
        /// Whose.
        member: Uuid,
        /// The signing request, PEM.
        signing_request: String,
        /// Where the answer goes.
        reply: Reply<Renewed>,
    },
    /// To count what it uses.
    Usage {
        /// Who.
        member: Uuid,
        /// What changed.
        batch: Batch,
        /// Where the answer goes: the environment's sums.
        reply: Reply<Figures>,
    },
    /// To follow a statement that is newer than the controller's own.
    Present {
        /// Who shows it.
        member: Uuid,
        /// The statement.
        statement: String,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// Nothing: where the environment may go on, this was stated.
    SuccessorStated {
        /// The statement.
        statement: String,
    },
}
