//! The agent of a controller: one loop that owns the state and does one thing at a time.
//!
//! It judges the hardware, asks the portal, installs documents, and publishes the status whenever that changes. The
//! clock, the hardware, the portal and the store are behind traits, so the same loop runs in a simulation. `bin` and
//! `cli` start it; it calls `api` (for the contract with the sockets), `upstream`, `store`, `health`, `entitlement`,
//! `license`, `identity` and `codes`.

mod activation;
mod arrival;
mod calls;
mod clock;
mod daemon;
mod departure;
mod documents;
mod exchange;
mod following;
mod hardware;
mod holdings;
mod licenses;
mod lookout;
mod member;
mod members;
mod moving;
mod notifying;
mod publish;
mod reload;
mod run;
mod schedule;
mod settings;
mod shown;
mod sockets;
mod succession;
mod told_usage;
mod usage;
mod usage_report;

pub use clock::{Clock, SystemClock};
pub use daemon::{Daemon, DaemonError, Reloader};
pub use lookout::Post;
pub use member::{Heard, Joining, MemberAgent, MemberParts, Order};
pub use members::Members;
pub use reload::{NewSettings, Reload};
pub use run::stop_signal;
pub use settings::DaemonSettings;
pub use sockets::SocketPaths;

use self::usage::Usage;
use crate::{
    api::{AgentHandle, Call, KnownUsage, Problem, Published, Reply},
    codes::ActivationCode,
    entitlement::{Condition, ConditionType, EffectiveTime, Finding},
    health::{Heartbeat, Metrics, ServiceManager},
    identity::{Hardware, HardwareReport, LocalSecret, MintError, Survey},
    license::{ForkState, KeyPair, Purpose, RequestId, Roots},
    store::{Keeper, StateDirectory, StatusMark, StoreError},
    upstream::{Exchange, Portal},
    usage::UserKey,
};
use holdings::Holdings;
use jiff::Timestamp;
use schedule::Schedule;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that wait for the loop; further ones are told to come again.
const CALLS_WAITING: usize = 64;

/// What an agent is made of.
pub struct Parts {
    /// The product.
    pub product: String,
    /// The environment's name, until the portal has given the license.
    pub environment_name: String,
    /// What the environment is for, until the portal has given the license.
    pub purpose: Purpose,
    /// The operator's text in the place of hardware.
    pub identity_override: Option<String>,
    /// The Activation Code from the settings.
    pub configured_code: Option<ActivationCode>,
    /// The vendor's root keys.
    pub roots: Roots,
    /// The environment key.
    pub key: KeyPair,
    /// What the digests of the hardware are keyed by.
    pub secret: LocalSecret,
    /// What the hashes of users are keyed by.
    pub user_key: UserKey,
    /// Where the Activation Code is kept; nowhere in a simulation.
    pub directory: Option<StateDirectory>,
    /// The state.
    pub keeper: Keeper,
    /// What the store's opening had to mend.
    pub recovered: Option<String>,
    /// The hardware.
    pub hardware: Arc<dyn Hardware>,
    /// The portal; none where licenses are carried by hand.
    pub portal: Option<Arc<dyn Portal>>,
    /// Whether the portal is told what is used.
    pub reports_usage: bool,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The service manager.
    pub service_manager: ServiceManager,
    /// Conditions that hold since the start, such as bad settings.
    pub standing: Vec<Finding>,
    /// What it has to do with members; none where it serves none.
    pub members: Option<Members>,
    /// New settings, as they come.
    pub reloads: mpsc::Receiver<Reload>,
    /// Differs between agents, so that they do not ask one portal in one second.
    pub seed: u64,
    /// Differs between processes of one agent: they draw from the same reserve of request ids.
    pub chance: u64,
}

/// The agent.
pub struct Agent {
    parts: Parts,
    time: EffectiveTime,
    holdings: Holdings,
    schedule: Schedule,
    usage: Usage,
    /// The Activation Code that the license was had by.
    code: Option<ActivationCode>,
    /// The one of an activation that is not answered yet.
    asked_code: Option<ActivationCode>,
    survey: Option<Survey>,
    mint_error: Option<MintError>,
    report: Option<Arc<HardwareReport>>,
    /// Why the last exchange failed; nothing after one that did not.
    unreachable: Option<String>,
    reachable: Option<bool>,
    exchange: Option<Exchange>,
    /// The key that is to take the place of the present one; as long as its file waits.
    next_key: Option<KeyPair>,
    /// Whether the portal has bound that already, though the license for it has not come.
    next_is_bound: bool,
    /// Whether this branch of a fork was named, and is to ask for a new key.
    is_named: bool,
    /// Why the file of the new key is not in its place, where it should be.
    key_trouble: Option<String>,
    /// When a request was made by a clock that its answer has proved to be ahead.
    asked_ahead: Option<Timestamp>,
    /// The present key, for who signs beside the loop.
    signer: shown::SharedKey,
    /// The request whose answer was refused: the portal would give the same answer again.
    refused_answer: Option<RequestId>,
    /// The request whose refused answer stands in the audit, and why it was refused.
    told_refusal: Option<(RequestId, &'static str)>,
    /// Who waits for the exchange.
    waiting: Vec<oneshot::Sender<Result<Reply, Problem>>>,
    surveying: Option<oneshot::Receiver<Survey>>,
    /// What was asked before the hardware was read, and needs it.
    early: Vec<Call>,
    calls: mpsc::Receiver<Call>,
    published: watch::Sender<Option<Arc<Published>>>,
    known: watch::Sender<KnownUsage>,
    heartbeat: Heartbeat,
}

impl Agent {
    /// An agent that goes on from the stored state, and the handle by which the sockets reach it.
    pub fn new(mut parts: Parts) -> (Self, AgentHandle) {
        let next_key;
        (parts.key, next_key) =
            succession::stored_keys(parts.key, parts.directory.as_ref(), parts.keeper.state());
        let signer = shown::SharedKey::new(parts.key.clone());
        let (call_sender, calls) = mpsc::channel(CALLS_WAITING);
        let (status_sender, published) = watch::channel(None);
        let (known, shown_usage) = watch::channel(KnownUsage::default());
        let heartbeat = Heartbeat::start();
        let handle = AgentHandle {
            published,
            usage: shown_usage,
            calls: call_sender,
            metrics: Arc::clone(&parts.metrics),
            heartbeat: heartbeat.clone(),
            prover: Arc::new(shown::KeyProver {
                product: parts.product.clone(),
                key: signer.clone(),
                clock: Arc::clone(&parts.clock),
            }),
        };
        let (code, asked_code) = stored_codes(parts.directory.as_ref());
        let usage = Usage::new(parts.user_key.clone(), &mut parts.keeper);
        let stored = parts.keeper.state();
        let unreachable = parts.portal.as_ref().and_then(|_| told_unreachable(&stored.status));
        let reached = stored.last_contact.filter(|_| parts.portal.is_some());
        let agent = Self {
            time: EffectiveTime::new(parts.keeper.state().time),
            holdings: Holdings::of(parts.keeper.state(), &parts.product, &parts.roots),
            schedule: Schedule::new(parts.seed),
            usage,
            code,
            asked_code,
            survey: None,
            mint_error: None,
            report: None,
            // A restart is no news of the portal.
            reachable: reached.map(|_| unreachable.is_none()),
            unreachable,
            exchange: None,
            next_key,
            next_is_bound: false,
            is_named: stored.fork.is_some_and(|fork| fork.state == ForkState::Survivor),
            key_trouble: None,
            asked_ahead: None,
            signer,
            refused_answer: None,
            told_refusal: None,
            waiting: Vec::new(),
            surveying: None,
            early: Vec::new(),
            calls,
            published: status_sender,
            known,
            heartbeat,
            parts,
        };
        (agent, handle)
    }
}

/// The Activation Code that is kept, and the one that was asked with.
fn stored_codes(
    directory: Option<&StateDirectory>,
) -> (Option<ActivationCode>, Option<ActivationCode>) {
    let usable = |code: Result<Option<ActivationCode>, StoreError>| {
        code.unwrap_or_else(|error| {
            tracing::error!(%error, "a kept Activation Code can't be used");
            None
        })
    };
    directory.map_or((None, None), |directory| {
        (usable(directory.activation_code()), usable(directory.asked_activation_code()))
    })
}

/// Why the portal could not be reached, as the last status said.
fn told_unreachable(status: &StatusMark) -> Option<String> {
    let unreachable = |c: &&Condition| c.kind == ConditionType::PortalUnreachable;
    status.conditions.iter().find(unreachable).map(|condition| condition.message.clone())
}

#[cfg(test)]
mod tests;
