//! Between the sockets and the agent: what the agent publishes, and what it can be asked.

use super::{KnownUsage, Peer, Problem, UsageOverview, UsageReport, UsersReport};
use crate::{
    bundle::Contents,
    codes::ActivationCode,
    entitlement::Status,
    health::{Heartbeat, Metrics},
    identity::HardwareReport,
    license::{LicenseClaims, Purpose, RebindCode, RequestKind, UsageDocument},
    store::StoredEvent,
};
use axum::http::StatusCode;
use bytes::Bytes;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use zeroize::Zeroizing;

/// What everyone may read, made when it changes and not when it is asked for.
#[derive(Debug, Clone)]
pub struct Published {
    /// The status.
    pub status: Status,
    /// The same as JSON.
    pub json: Bytes,
    /// The license.
    pub license: Option<PublishedLicense>,
    /// The status as the environment signs it; nothing without a license.
    pub statement: Option<Arc<str>>,
    /// The hardware behind the status; nothing before the first survey.
    pub hardware: Option<Arc<HardwareReport>>,
}

/// The license with what is needed to verify it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedLicense {
    /// What it says.
    pub claims: LicenseClaims,
    /// The document.
    pub text: String,
    /// The trust document that names the key which signed it.
    pub trust: String,
    /// The revocation document, where it was revoked.
    pub revocation: Option<String>,
}

/// What the agent can be asked to do. Each is answered when it is done.
#[derive(Debug)]
pub enum Command {
    /// To activate this environment.
    Activate {
        /// With this Activation Code; without one, the one that is kept or configured.
        code: Option<ActivationCode>,
        /// Under this name; without one, the configured one.
        name: Option<String>,
        /// For this purpose; without one, the configured one.
        purpose: Option<Purpose>,
    },
    /// To bind this machine's environment to a new key, and to this hardware where that is other than what was enrolled.
    Rebind {
        /// With this Activation Code; without one, the bound key consents; where that was lost, the one that is kept or
        /// configured.
        code: Option<ActivationCode>,
        /// The one-time code of the portal, where the vendor asks for one.
        rebind_code: Option<RebindCode>,
    },
    /// To install a license or an answer that was carried by hand.
    Install {
        /// The document.
        text: String,
    },
    /// To ask the portal for the newest license now.
    Refresh,
    /// To give the license back.
    Release,
    /// To make a request that is carried to the portal by hand.
    Request(RequestByHand),
    /// To offer this machine to an environment, to be its controller.
    OfferMove,
    /// To consent to another machine's offer.
    ConsentToMove {
        /// The offer.
        offer: String,
    },
    /// To take over the environment that consented.
    AcceptMove {
        /// The consent, with the license and the trust document before it.
        consent: String,
        /// Whether the request is carried to the portal by hand.
        by_hand: bool,
    },
    /// A move of the controller by a bundle.
    Bundle(BundleOrder),
    /// To tell what happened.
    Events {
        /// The newest so many.
        limit: u32,
    },
    /// To take note of usage.
    ReportUsage(UsageReport),
    /// To count users.
    ReportUsers(UsersReport),
    /// To tell what is used.
    Usage,
    /// On a controller: to sign a usage report.
    UsageReport {
        /// The first day; without one, 30 days before the last.
        from: Option<Date>,
        /// The last day; without one, today.
        to: Option<Date>,
    },
    /// On a controller: to make a token for servers to join with.
    MakeToken(TokenOrder),
    /// On a controller: to list the members.
    Members,
    /// On a controller: to remove a member.
    RemoveMember {
        /// Its id or its name.
        member: String,
    },
    /// On a member: to join an environment.
    Join(JoinOrder),
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    /// How long it is good for.
    pub time_to_live: Duration,
    /// How many servers may join with it.
    pub uses: u32,
    /// From which addresses they must come.
    pub from: Option<String>,
}

/// What is to be done about a bundle.
#[derive(Debug)]
pub enum BundleOrder {
    /// To make one, by which another machine becomes the controller.
    Export(ExportOrder),
    /// To make the one that was made worthless.
    Cancel,
    /// To become the controller by that of another machine.
    Import {
        /// What is in it.
        contents: Box<Contents>,
        /// Whether the request is carried to the portal by hand.
        by_hand: bool,
    },
}

/// A bundle to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOrder {
    /// Where the members will find the new controller.
    pub controllers: Vec<String>,
    /// How long the bundle is good for.
    pub time_to_live: Duration,
}

/// An environment to be joined.
#[derive(Clone)]
pub struct JoinOrder {
    /// Addresses of its controller; none: those of the settings.
    pub controllers: Vec<String>,
    /// The token.
    pub token: Zeroizing<String>,
}

impl fmt::Debug for JoinOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOrder").field("controllers", &self.controllers).finish_non_exhaustive()
    }
}

/// A token that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// Names it in the audit.
    pub id: String,
    /// The token: a secret, told this once.
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
    /// Until when it is good, by effective time.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How many servers may join with it.
    pub uses: u32,
    /// From which addresses they must come; `null`: from all.
    pub from: Option<String>,
}

impl fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A member as it is listed. What is not known since the controller started is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MemberLine {
    /// Its id.
    pub id: Uuid,
    /// What it calls itself.
    pub name: String,
    /// From where it came last.
    pub address: String,
    /// The version of its agent.
    pub version: Option<String>,
    /// When it joined.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
    /// When it was last heard of.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Whether it hears of changes now.
    pub connected: bool,
    /// The generation of the statement that it holds.
    pub generation: Option<u64>,
    /// How far its clock is ahead of the controller's, seconds.
    pub clock_offset_seconds: Option<i64>,
    /// How long it goes on without the controller.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lease_ends_at: Option<Timestamp>,
    /// When its certificate expires.
    #[schema(value_type = String, format = DateTime)]
    pub certificate_expires_at: Timestamp,
}

/// A request for a courier.
#[derive(Debug)]
pub struct RequestByHand {
    /// What is asked for.
    pub kind: RequestKind,
    /// To activate: the Activation Code; without one, the one that is kept or configured.
    pub code: Option<ActivationCode>,
    /// To activate: the environment's name; without one, the configured one.
    pub name: Option<String>,
    /// To activate: what it is for; without one, what is configured.
    pub purpose: Option<Purpose>,
    /// To rebind: the one-time code of the portal, where the vendor asks for one.
    pub rebind_code: Option<RebindCode>,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done.
    Done(Box<Done>),
    /// A signed document.
    Document(String),
    /// A bundle's contents.
    Bundle(Box<Contents>),
    /// What happened, newest first.
    Events(Vec<StoredEvent>),
    /// A token.
    Token(MadeToken),
    /// The members.
    Members(Vec<MemberLine>),
    /// What is used.
    Usage(UsageOverview),
    /// A usage report.
    UsageReport(UsageDocument),
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Done {
    /// What was done, for people.
    pub message: String,
    /// The status after it.
    pub status: Status,
}

/// A command on its way to the agent.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub command: Command,
    /// Who asks, for the audit.
    pub actor: String,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reply, Problem>>,
}

/// Signs what a program asks to be proved.
pub trait Prover: Send + Sync {
    /// The challenge with what is published, signed by the environment key.
    ///
    /// # Errors
    /// Where it can't be signed.
    fn prove(&self, challenge: &str, published: &Published) -> Result<String, Problem>;
}

/// How the sockets reach the agent.
#[derive(Clone)]
pub struct AgentHandle {
    /// What is published; nothing before the first status.
    pub published: watch::Receiver<Option<Arc<Published>>>,
    /// The way for commands.
    pub calls: mpsc::Sender<Call>,
    /// What is known of the use of limits.
    pub usage: watch::Receiver<KnownUsage>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether the agent's loop turns.
    pub heartbeat: Heartbeat,
    /// Signs proofs.
    pub prover: Arc<dyn Prover>,
}

impl AgentHandle {
    /// What is published now.
    ///
    /// # Errors
    /// The problem `not-ready` before the first status.
    pub fn current(&self) -> Result<Arc<Published>, Problem> {
        self.published.borrow().clone().ok_or_else(|| {
            let detail = "the agent is still reading the hardware: try again in a second";
            unavailable("not-ready", detail).retry_after(1)
        })
    }

    /// Asks the agent, and waits for its answer.
    ///
    /// # Errors
    /// What the agent refuses, and the problem `agent-busy` where it does not take the command.
    pub async fn call(&self, actor: String, command: Command) -> Result<Reply, Problem> {
        let gone =
            || unavailable("agent-busy", "the agent is stopping, or has too much to do: try again");
        let (reply, answer) = oneshot::channel();
        let call = Call { command, actor, reply };
        self.calls.send_timeout(call, Duration::from_secs(5)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl fmt::Debug for AgentHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentHandle").finish_non_exhaustive()
    }
}

impl Peer {
    /// Who it is, for the audit.
    pub fn actor(self) -> String {
        match self {
            Self::Process { pid: Some(pid), uid, .. } => format!("uid {uid}, process {pid}"),
            Self::Process { uid, .. } => format!("uid {uid}"),
            Self::Address(address) => address.to_string(),
        }
    }
}

fn unavailable(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "The agent can't answer yet", detail)
}
