//! The agent of a member: one loop that judges what the controller states, keeps it, and publishes the status.
//!
//! Another loop than the controller's, for it has no hardware to judge and no portal to ask; sockets, published status,
//! store and clocks are the same. The way to the controller is a task of its own ([`Uplink`]), which brings words and takes
//! orders, so that tests can stand in its place.

mod calls;
mod heard;
mod publish;
mod uplink;
mod usage;
mod words;

pub(in crate::agent) use uplink::Uplink;
pub use words::{Heard, Joining, Order};

use self::usage::MemberUsage;
use super::{Clock, Reload, holdings::believed_roots, shown::MemberProver};
use crate::{
    api::{AgentHandle, Call, JoinOrder, KnownUsage, Published},
    entitlement::{EffectiveTime, Finding, Lease},
    health::{Heartbeat, Metrics, ServiceManager},
    license::{LicenseClaims, Roots, StatementClaims, Thumbprint, Unverified},
    members::{Accepted, Pinned, judge, policy},
    store::{Action, Event, Keeper, Membership, StateDirectory},
};
use jiff::Timestamp;
use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// Commands that wait for the loop; further ones are told to come again.
const CALLS_WAITING: usize = 64;
/// The longest pause: clocks are set and calendars go on while nothing else happens.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the agent of a member is made of.
pub struct MemberParts {
    /// The product.
    pub product: String,
    /// The vendor's root keys.
    pub roots: Roots,
    /// Where the certificate is kept.
    pub directory: StateDirectory,
    /// The state.
    pub keeper: Keeper,
    /// What the store's opening had to mend.
    pub recovered: Option<String>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The service manager.
    pub service_manager: ServiceManager,
    /// Conditions that hold since the start, such as bad settings.
    pub standing: Vec<Finding>,
    /// Addresses of the controller from the settings.
    pub controllers: Vec<String>,
    /// The file that holds a join token, to join by itself.
    pub token_file: Option<PathBuf>,
    /// New settings, as they come.
    pub reloads: mpsc::Receiver<Reload>,
    /// What the way to the controller brings.
    pub heard: mpsc::Receiver<Heard>,
    /// What it is told to do.
    pub orders: mpsc::UnboundedSender<Order>,
    /// Differs between members, so that they do not renew in one second.
    pub seed: u64,
    /// Differs between runs of one member's agent.
    pub session: u64,
}

/// The agent of a member.
pub struct MemberAgent {
    parts: MemberParts,
    time: EffectiveTime,
    held: Option<Accepted>,
    /// What was held before this server joined again, as long as nothing was stated since.
    former: Option<Accepted>,
    /// As it is now; what is stored follows it in steps.
    lease: Option<Lease>,
    /// The controller's address that answered last, and whether it does.
    controller: Option<String>,
    reachable: Option<bool>,
    /// Why this server is no member any more, where the controller said so.
    expelled: Option<String>,
    /// The last refusal that was written down, so that the same one is not again and again.
    refused: Option<&'static str>,
    /// Whether a renewal of the certificate is under way.
    renewing: bool,
    /// When this server tries to join by itself, in uptime; failed tries so far.
    join_at: Option<Duration>,
    join_failures: u32,
    usage: MemberUsage,
    calls: mpsc::Receiver<Call>,
    published: watch::Sender<Option<Arc<Published>>>,
    known: watch::Sender<KnownUsage>,
    heartbeat: Heartbeat,
}

impl MemberAgent {
    /// An agent that goes on from the stored state, and the handle by which the sockets reach it.
    pub fn new(parts: MemberParts) -> (Self, AgentHandle) {
        let (call_sender, calls) = mpsc::channel(CALLS_WAITING);
        let (status_sender, published) = watch::channel(None);
        let (known, usage) = watch::channel(KnownUsage::default());
        let heartbeat = Heartbeat::start();
        let handle = AgentHandle {
            published,
            usage,
            calls: call_sender,
            metrics: Arc::clone(&parts.metrics),
            heartbeat: heartbeat.clone(),
            prover: Arc::new(MemberProver),
        };
        let membership = parts.keeper.state().membership.clone();
        let user_key = parts.directory.kept_usage_key().unwrap_or_else(|error| {
            tracing::error!(%error, "the key of user hashes can't be read");
            None
        });
        let agent = Self {
            time: EffectiveTime::new(parts.keeper.state().time),
            held: None,
            former: None,
            lease: membership.and_then(|membership| membership.lease),
            controller: None,
            reachable: None,
            expelled: None,
            refused: None,
            renewing: false,
            join_at: Some(Duration::ZERO),
            join_failures: 0,
            usage: MemberUsage::new(user_key, parts.session),
            calls,
            published: status_sender,
            known,
            heartbeat,
            parts,
        };
        (agent, handle)
    }

    /// Runs until `stop` is done. The stored status is published first, before the controller is asked.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        self.start();
        tokio::pin!(stop);
        loop {
            self.heartbeat.beat();
            self.parts.service_manager.alive();
            let pause = self.turn();
            tokio::select! {
                () = &mut stop => break,
                call = self.calls.recv() => match call {
                    Some(call) => self.call(call),
                    None => break,
                },
                Some(heard) = self.parts.heard.recv() => self.hear(heard),
                Some(reload) = self.parts.reloads.recv() => self.reload(reload),
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.parts.service_manager.stopping();
    }

    fn start(&mut self) {
        let mut events = Vec::new();
        if let Some(recovered) = self.parts.recovered.take() {
            let message =
                format!("{recovered}; this is told until the next start or reload: check the disk");
            let kind = crate::entitlement::ConditionType::StoreDegraded;
            self.parts.standing.push(Finding::new(kind, "Recovered", message));
            events.push(self.event("agent", Action::StoreRecovered, recovered));
        }
        self.restore();
        self.attach();
        let state = self.draft();
        self.conclude(state, events);
        self.parts.service_manager.ready("the stored status is served");
    }

    /// Verifies the statement that was kept. Its license may be over by now: that is for the verdict.
    fn restore(&mut self) {
        let Some(membership) = self.parts.keeper.state().membership.clone() else { return };
        let roots = believed_roots(&self.parts.roots, self.parts.keeper.state().root);
        // Not asked whether it has ended: it had not when it was accepted.
        let verified = |text: &str, pinned: &Pinned<'_>| {
            // Nor whether it is this environment's: its authority may have changed since.
            let stated = authority_stated(text);
            let ca = stated.as_ref().unwrap_or(pinned.ca);
            let judged = judge(text, &Pinned { ca, ..*pinned }, None, Timestamp::MIN);
            judged
                .inspect_err(
                    |error| tracing::error!(%error, "the kept statement can't be verified"),
                )
                .ok()
        };
        let pinned = self.pinned(&membership, &roots);
        let held = membership.statement.as_ref().and_then(|text| verified(text, &pinned));
        let former = membership.former.as_ref().and_then(|former| {
            let (ca, environment_key) = (&former.ca, &former.environment_key);
            verified(&former.statement, &Pinned { ca, environment_key, ..pinned })
        });
        (self.held, self.former) = (held, former);
    }

    /// What this server is entitled by: what its controller states, or did before this server joined again.
    fn shown(&self) -> Option<&Accepted> {
        self.held.as_ref().or(self.former.as_ref())
    }

    fn pinned<'a>(&'a self, membership: &'a Membership, roots: &'a Roots) -> Pinned<'a> {
        Pinned {
            product: &self.parts.product,
            roots,
            ca: &membership.ca,
            environment_key: &membership.environment_key,
        }
    }

    /// Does what is due, and says how long there is nothing more.
    fn turn(&mut self) -> Duration {
        self.parts.keeper.retry();
        let now = self.now();
        self.renew_when_due(now);
        self.join_when_due();
        let state = self.draft();
        let next_change = self.conclude(state, Vec::new());
        let until_told = self.tell_usage().map(|at| at.saturating_sub(self.uptime()));
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).ok();
        [next_change.and_then(until), until_told, self.parts.service_manager.watchdog_interval()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(LONGEST_PAUSE)
            .clamp(Duration::from_millis(10), LONGEST_PAUSE)
    }

    fn renew_when_due(&mut self, now: Timestamp) {
        let Some(membership) = &self.parts.keeper.state().membership else { return };
        let life = Duration::from_secs(membership.certificate_life);
        let at = policy::renew_at(membership.certified_at, life, chance(self.parts.seed));
        // One that was received by a clock that ran ahead is renewed as well, or it would not be for years.
        let early = now < membership.certified_at;
        if (now >= at || early) && !self.renewing {
            self.renewing = self.parts.orders.send(Order::Renew).is_ok();
        }
    }

    /// Joins by the token of the settings, which nobody has to type.
    fn join_when_due(&mut self) {
        let uptime = self.parts.clock.read().uptime;
        let has_joined = self.parts.keeper.state().membership.is_some();
        let Some(file) = self.parts.token_file.clone().filter(|_| !has_joined) else { return };
        if self.join_at.is_none_or(|at| uptime < at) {
            return;
        }
        self.join_at = None;
        match std::fs::read_to_string(&file) {
            Ok(token) => {
                let order = JoinOrder { controllers: Vec::new(), token: Zeroizing::new(token) };
                self.begin_join(&order, "settings".to_owned(), None);
            }
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "the join token can't be read");
                self.join_later();
            }
        }
    }

    fn join_later(&mut self) {
        let wait =
            policy::pause(self.join_failures.max(1), Duration::from_secs(5), random_chance());
        self.join_failures = self.join_failures.saturating_add(1);
        self.join_at = Some(self.parts.clock.read().uptime + wait);
    }

    fn event(&mut self, actor: &str, action: Action, detail: impl Into<String>) -> Event {
        Event { at: self.now(), actor: actor.to_owned(), action, detail: detail.into() }
    }
}

/// The certificate authority that the license in a statement names.
fn authority_stated(statement: &str) -> Option<Thumbprint> {
    let statement: StatementClaims = Unverified::parse(statement).ok()?.peek().ok()?;
    let license: LicenseClaims = Unverified::parse(&statement.license).ok()?.peek().ok()?;
    license.ca
}

/// A number from 0 to 1 for a seed.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn chance(seed: u64) -> f64 {
    (seed >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from 0 to 1 that nobody foresees; a half where the operating system has none.
pub(in crate::agent) fn random_chance() -> f64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => chance(u64::from_ne_bytes(bytes)),
        Err(_) => 0.5,
    }
}
