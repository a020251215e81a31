//! The thread that watches the agent, and what it shares with those who ask.

use super::{
    ClientError,
    pauses::Pauses,
    reading,
    snapshot::{Known, Link},
    wire::{Deadline, LONGEST_BODY, Wire},
};
use arc_swap::ArcSwap;
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::HashMap,
    io,
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::Duration,
};

const REQUEST: &[u8] =
    b"GET /v1/watch HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

/// What the thread and those who ask share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) known: ArcSwap<Known>,
    /// An agent that says nothing for this long is not heard any more.
    pub(super) silence: Duration,
    /// When the agent last said something, by [`now`] in milliseconds and one more; 0: never.
    heard: AtomicU64,
    news: Mutex<News>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct News {
    /// Grows with everything that is told.
    count: u64,
    wakers: HashMap<u64, Waker>,
    next_waker: u64,
    /// Ends what the thread waits for.
    stream: Option<Arc<UnixStream>>,
    stopped: bool,
}

impl Shared {
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            silence,
            known: ArcSwap::from_pointee(Known::nothing()),
            heard: AtomicU64::new(0),
            news: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        // Nothing panics while it is held.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the agent last said something.
    pub(super) fn heard_ago(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(now().saturating_sub(heard)))
    }

    pub(super) fn hear(&self) {
        self.heard.store(now() + 1, Ordering::Relaxed);
    }

    /// Tells what is known now. Only the thread does.
    pub(super) fn tell(&self, known: Known) {
        self.known.store(Arc::new(known));
        let wakers = {
            let mut news = self.news();
            news.count += 1;
            std::mem::take(&mut news.wakers)
        };
        self.changed.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }

    /// Waits until something was told after `seen`, no longer than `patience`: how much was told by then.
    pub(super) fn wait(&self, seen: Option<u64>, patience: Option<Duration>) -> Option<u64> {
        let is_old = |news: &mut News| seen.is_some_and(|seen| news.count <= seen);
        let news = self.news();
        let news = match patience {
            None => self.changed.wait_while(news, is_old).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(news, patience, is_old);
                let (news, time) = waited.unwrap_or_else(PoisonError::into_inner);
                if time.timed_out() {
                    return None;
                }
                news
            }
        };
        Some(news.count)
    }

    /// How much was told where that is more than `seen`; else `waker` is woken with the next.
    pub(super) fn poll(&self, seen: Option<u64>, id: u64, waker: &Waker) -> Option<u64> {
        let mut news = self.news();
        if seen.is_none_or(|seen| news.count > seen) {
            return Some(news.count);
        }
        news.wakers.insert(id, waker.clone());
        None
    }

    /// A name for one who will be woken.
    pub(super) fn enrol(&self) -> u64 {
        let mut news = self.news();
        news.next_waker += 1;
        news.next_waker
    }

    /// Forgets one who was to be woken.
    pub(super) fn forget(&self, id: u64) {
        let waker = self.news().wakers.remove(&id);
        // A waker may do anything when it is dropped: not under the lock.
        drop(waker);
    }

    fn is_stopped(&self) -> bool {
        self.news().stopped
    }

    fn stop(&self) {
        let stream = {
            let mut news = self.news();
            news.stopped = true;
            news.stream.take()
        };
        self.changed.notify_all();
        if let Some(stream) = stream {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits before the next try; false where there is to be none.
    fn pause(&self, pause: Duration) -> bool {
        let news = self.news();
        let waited = self.changed.wait_timeout_while(news, pause, |news| !news.stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Keeps a connection where it can be ended; false where it is to end now.
    fn keep(&self, stream: Arc<UnixStream>) -> bool {
        let mut news = self.news();
        news.stream = Some(stream);
        !news.stopped
    }
}

/// Milliseconds of a clock that never goes back, as of the last tick of the kernel: it costs a fifth of what the exact one does.
fn now() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

/// The thread: it ends when this is dropped, which does not wait for it.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) shared: Arc<Shared>,
    /// Which process has the thread.
    process: u32,
}

impl Watching {
    /// Starts a thread that watches the agent behind a socket.
    pub(super) fn start(path: PathBuf, patience: Duration, silence: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(silence));
        let watching = Self { shared: Arc::clone(&shared), process: std::process::id() };
        let thread = thread::Builder::new().name("entitled-watch".to_owned());
        thread.spawn(move || watch(&shared, &path, patience))?;
        Ok(watching)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // A forked process has the socket in common with its parent, and no thread that could give a lock back.
        if std::process::id() == self.process {
            self.shared.stop();
        }
    }
}

fn watch(shared: &Shared, path: &Path, patience: Duration) {
    let mut pauses = Pauses::new();
    loop {
        let error = follow(shared, path, patience, &mut pauses);
        if shared.is_stopped() {
            return;
        }
        let asked = match &error {
            ClientError::Refused(problem) => problem.retry_after,
            _ => None,
        };
        shared.tell(shared.known.load().lost(error));
        if !shared.pause(pauses.next(asked.map(|seconds| Duration::from_secs(seconds.into())))) {
            return;
        }
    }
}

/// Follows one connection to its end, which is always an error.
fn follow(shared: &Shared, path: &Path, patience: Duration, pauses: &mut Pauses) -> ClientError {
    let mut ended = || -> Result<(), ClientError> {
        let mut wire = Wire::connect(path, Deadline::within(patience))?;
        if !shared.keep(wire.stream()) {
            return Ok(());
        }
        wire.send(REQUEST, Deadline::within(patience))?;
        // A socket of the service manager is there before its agent: it is waited for as if it were silent.
        let head = wire.head(Deadline::within(shared.silence))?;
        if !head.is_stream() {
            let wire_path = path.to_owned();
            wire.body(&head, Deadline::within(patience))?;
            let found = "something else than a stream of events".to_owned();
            return Err(ClientError::NotAnAgent { path: wire_path, found });
        }
        let mut data = Vec::new();
        while let Some(line) = wire.line(Deadline::within(shared.silence))? {
            shared.hear();
            if let Some(status) = event(&wire, &mut data, &line)? {
                shared.tell(status);
                pauses.reset();
            }
        }
        Ok(())
    };
    let path = path.to_owned();
    let reason = "the agent ended the connection".to_owned();
    ended().err().unwrap_or(ClientError::Unreachable { path, reason })
}

/// Takes a line of the stream: the status, where an event ends with it.
/// Server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
fn event(wire: &Wire, data: &mut Vec<u8>, line: &[u8]) -> Result<Option<Known>, ClientError> {
    if let Some(part) = line.strip_prefix(b"data:") {
        if data.len() + part.len() > LONGEST_BODY {
            return Err(wire.not_an_agent("an event without an end"));
        }
        if !data.is_empty() {
            data.push(b'\n');
        }
        data.extend_from_slice(part.strip_prefix(b" ").unwrap_or(part));
        return Ok(None);
    }
    // Other fields and comments say nothing that is needed.
    if !line.is_empty() || data.is_empty() {
        return Ok(None);
    }
    let status = reading::status(&std::mem::take(data));
    let status = status.map_err(|error| wire.not_an_agent(&format!("no status: {error}")))?;
    Ok(Some(Known::of(status)))
}

/// Whether the first try has ended, well or not.
pub(super) fn is_settled(known: &Known) -> bool {
    !matches!(known.link, Link::Connecting)
}
