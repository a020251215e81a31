//! The client: answers from what is watched.

use super::{
    Agent, BlockingWatch, ClientError, DEFAULT_SOCKET, Feature, Freshness, PATIENCE, SILENCE,
    Snapshot, Watch,
    snapshot::Link,
    watching::{Shared, Watching, is_settled},
};
use crate::entitlement::{Allowance, LimitStatus, Status};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// Watches this server's agent in the background. Cheap to clone; see the [module](super) for what it promises.
#[derive(Debug, Clone)]
pub struct Client {
    watching: Arc<Watching>,
    agent: Agent,
}

/// How a [`Client`] is made where the defaults don't fit.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    socket: PathBuf,
    patience: Duration,
    pub(super) silence: Duration,
}

impl Builder {
    /// Another `entitled.sock`.
    pub fn socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = socket.into();
        self
    }

    /// How long [`connect`](Self::connect) and every question may take: five seconds unless told otherwise, a day at the
    /// most.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes a client whose agent has answered.
    ///
    /// # Errors
    /// Where the agent does not answer the first try in time, and where there is no thread to watch from.
    pub fn connect(self) -> Result<Client, ClientError> {
        let patience = self.patience;
        let client = self.open()?;
        client.first_try(patience)?;
        Ok(client)
    }

    /// Makes a client whose agent may come later.
    ///
    /// # Errors
    /// Only where there is no thread to watch from.
    pub fn open(self) -> Result<Client, ClientError> {
        let Self { socket, patience, silence } = self;
        let watching = Watching::start(socket.clone(), patience, silence)
            .map_err(|error| ClientError::NoThread { reason: error.to_string() })?;
        let agent = Agent::new(socket).patience(patience);
        Ok(Client { watching: Arc::new(watching), agent })
    }
}

impl Client {
    /// Connects to the agent of this server, on [`DEFAULT_SOCKET`].
    ///
    /// # Errors
    /// Where it does not answer within five seconds: [`open`](Self::open) does not ask for that.
    pub fn connect() -> Result<Self, ClientError> {
        Self::builder().connect()
    }

    /// Watches the agent of this server as soon as it is there, on [`DEFAULT_SOCKET`].
    ///
    /// # Errors
    /// Only where there is no thread to watch from.
    pub fn open() -> Result<Self, ClientError> {
        Self::builder().open()
    }

    /// A client to be made otherwise.
    pub fn builder() -> Builder {
        Builder { socket: DEFAULT_SOCKET.into(), patience: PATIENCE, silence: SILENCE }
    }

    /// A feature, by the last answer. It takes no lock and asks nobody: call it wherever it is needed, and keep nothing of it.
    pub fn feature(&self, name: &str) -> Feature<'_> {
        Feature::find(self.shared(), name)
    }

    /// A limit, by the last answer; nothing where the license does not name it. `used` is as it was when the status last
    /// changed: [`check_limit`](Self::check_limit) asks for what it is now.
    pub fn limit(&self, name: &str) -> Option<LimitStatus> {
        self.shared().known.load().status.as_ref()?.limits.get(name).copied()
    }

    /// Whether new work is covered, by the last answer; `false` where there was none yet.
    pub fn entitled(&self) -> bool {
        self.shared().known.load().entitled()
    }

    /// The last status; nothing where there was no answer yet.
    pub fn status(&self) -> Option<Arc<Status>> {
        self.shared().known.load().status.clone()
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::now(self.shared())
    }

    /// How old the last answer is.
    pub fn freshness(&self) -> Freshness {
        self.snapshot().freshness()
    }

    /// Whether the agent can't be heard.
    pub fn is_stale(&self) -> bool {
        self.freshness().is_stale()
    }

    /// What is known now, and again after each change, as a [`Stream`](futures_core::Stream).
    pub fn watch(&self) -> Watch {
        Watch::new(self.clone())
    }

    /// The same as an iterator that waits.
    pub fn watch_blocking(&self) -> BlockingWatch {
        BlockingWatch::new(self.clone())
    }

    /// Waits until the agent is heard.
    ///
    /// # Errors
    /// Why it is not, when the time is up.
    pub fn wait(&self, patience: Duration) -> Result<Snapshot, ClientError> {
        let is_heard = |snapshot: &Snapshot| !snapshot.is_stale();
        let snapshot = self.wait_for(patience, is_heard);
        if is_heard(&snapshot) {
            return Ok(snapshot);
        }
        Err(snapshot.error().cloned().unwrap_or_else(|| self.silent(patience)))
    }

    /// Asks the agent, as [`Agent::check_limit`] does: not for where nanoseconds count.
    ///
    /// # Errors
    /// As there.
    pub fn check_limit(&self, name: &str, amount: u64) -> Result<Allowance, ClientError> {
        self.agent.check_limit(name, amount)
    }

    /// The agent, to be asked and told.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.watching.shared
    }

    /// Waits for the end of the first try.
    fn first_try(&self, patience: Duration) -> Result<(), ClientError> {
        self.wait_for(patience, |_| is_settled(&self.shared().known.load()));
        match &self.shared().known.load().link {
            Link::Live => Ok(()),
            Link::Lost(error) => Err((**error).clone()),
            Link::Connecting => Err(self.silent(patience)),
        }
    }

    /// Waits until a snapshot is as it is wanted: the last one, be it so or not.
    fn wait_for(&self, patience: Duration, is: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let begun = Instant::now();
        let mut watch = self.watch_blocking();
        let mut last = self.snapshot();
        while !is(&last) {
            let left = patience.saturating_sub(begun.elapsed());
            match watch.next_within(left) {
                Some(next) => last = next,
                None => break,
            }
        }
        last
    }

    fn silent(&self, patience: Duration) -> ClientError {
        ClientError::TimedOut { path: self.agent.socket().to_owned(), patience }
    }
}
