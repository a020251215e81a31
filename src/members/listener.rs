//! The controller's end: one TCP port on which members join, watch, read and renew, over mutual TLS 1.3.
//!
//! A connection is one task from the handshake on. The watch, of which there may be ten thousand, is written by that task
//! itself; all else is hyper's. The listener decides who is at the other end; what is asked, the agent's loop answers.

use super::{
    Asked, Authority, Latest, MembersError, Port, Presence,
    authority::read_member,
    handshakes::{Handshake, Handshakes},
    policy::Standing,
    quiet::Quiet,
    routes::{router, speak_http},
    stream::watch_statement,
};
use crate::{health::Metrics, usage::UserKey};
use axum::Router;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use uuid::Uuid;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4_096;
/// Connections at once.
const MOST_CONNECTIONS: usize = 60_000;
/// Open files that are left to the rest of this process: sockets for programs, the store.
const FILES_OF_OTHERS: u64 = 2_048;
/// From the first packet to the end of the handshake, and again to the end of the first head.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two signs of life on a silent watch.
const BEAT: Duration = Duration::from_secs(20);
/// How long a member may leave unacknowledged what it is sent, milliseconds: a signal to one that is gone is answered by nobody.
const UNACKNOWLEDGED: u32 = 50_000;
/// Longest head of a watch, bytes.
const LONGEST_HEAD: usize = 4_096;
/// What TLS may hold for one who reads slowly, bytes.
const WRITE_BUFFER: usize = 16 << 10;
const WATCH: &[u8] = b"GET /v1/watch HTTP/1.1\r\n";

/// What a listener is made of.
pub struct Listener {
    socket: TcpListener,
    port: Arc<Port>,
    shared: Arc<Shared>,
}

/// What the agent gives its listener.
pub struct Host {
    /// Who the members are.
    pub presence: Arc<Presence>,
    /// What they are told.
    pub latest: Arc<watch::Sender<Latest>>,
    /// What they ask.
    pub asked: mpsc::Sender<Asked>,
    /// The key of the environment's user hashes, to begin with.
    pub usage_key: UserKey,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What its connections share.
pub(super) struct Shared {
    host: Host,
    port: Arc<Port>,
    quiet: Mutex<Quiet>,
    start: Instant,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// One without a certificate.
    Stranger,
    /// A member, by a certificate that lasts until then.
    Member(Uuid, Timestamp),
    /// A member whose certificate is over: it may renew it.
    RenewOnly(Uuid),
    /// A member of an authority that the environment had before: it may read why to believe this one, and renew.
    Former(Uuid),
    /// One whose certificate has been over for too long.
    Over,
    /// One that was removed.
    Removed,
}

/// A connection whose other end is known, with the first bytes of its first request.
struct Greeted {
    tls: Box<TlsStream<TcpStream>>,
    caller: Caller,
    read: Bytes,
}

impl Listener {
    /// Binds the port; members that come meanwhile wait in its queue.
    ///
    /// # Errors
    /// [`MembersError::Listen`] and [`MembersError::Authority`].
    pub fn bind(
        address: SocketAddr,
        authority: &Authority,
        host: Host,
    ) -> Result<Self, MembersError> {
        let failed = |source: io::Error| MembersError::Listen { address, source };
        let socket = TcpListener::bind(address).map_err(failed)?;
        // The standard library's queue is too short for an environment that returns.
        rustix::net::listen(&socket, BACKLOG).map_err(|error| failed(error.into()))?;
        socket.set_nonblocking(true).map_err(failed)?;
        let own = socket.local_addr().map_err(failed)?.ip();
        let named = if own.is_unspecified() { Vec::new() } else { vec![own] };
        let port = Arc::new(Port::new(authority, named, host.usage_key.clone())?);
        let (quiet, start) = (Mutex::default(), Instant::now());
        let shared = Shared { host, port: Arc::clone(&port), quiet, start };
        Ok(Self { socket, port, shared: Arc::new(shared) })
    }

    /// What it shows in handshakes, to be changed while it serves.
    pub fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` is done; then every connection ends at once.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { socket, port, shared } = self;
        let socket = match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(%error, "members can't be served");
                return;
            }
        };
        let router = router(Arc::clone(&shared));
        let places = Arc::new(Semaphore::new(most_connections()));
        let handshakes = Arc::<Handshakes>::default();
        let mut connections = JoinSet::new();
        connections.spawn(beat(Arc::clone(&shared)));
        let admit = async {
            loop {
                // The closed semaphore of a server that ends admits nobody.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (stream, peer) = match socket.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::debug!(%error, "a member's connection could not be accepted");
                        // Out of file descriptors, say: without a pause this would be a busy loop.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                };
                let handshake = handshakes.begin(peer.ip().to_canonical()).await;
                let (shared, acceptor) = (Arc::clone(&shared), port.acceptor());
                let router = router.clone();
                connections.spawn(async move {
                    let _place = place;
                    attend(shared, acceptor, router, stream, peer, handshake).await;
                });
                // Those that ended give their memory back.
                while connections.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = stop => {}
            () = admit => {}
        }
        connections.shutdown().await;
    }
}

/// Gives a sign of life on silent watches, one for all at a time.
async fn beat(shared: Arc<Shared>) {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        beat.tick().await;
        shared.latest.send_modify(|latest| latest.beats += 1);
    }
}

/// What is left of the files that this process may have open; half of them where they are few.
fn most_connections() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let left = files.map(|files| files.saturating_sub(FILES_OF_OTHERS).max(files / 2));
    left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX).min(MOST_CONNECTIONS)
}

async fn attend(
    shared: Arc<Shared>,
    acceptor: TlsAcceptor,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    handshake: Handshake,
) {
    let address = peer.ip().to_canonical();
    // On the heap, and gone before the watch begins: every watch would carry its size otherwise.
    let greeted = Box::pin(greet(&shared, acceptor, stream, address, handshake)).await;
    let Some(Greeted { tls, caller, read }) = greeted else { return };
    match caller {
        Caller::Member(id, expires_at) if read.starts_with(WATCH) => {
            // Every watch would carry them otherwise.
            drop((read, router));
            let watching = Watching::begin(&shared, id);
            let latest = shared.latest.subscribe();
            watch_statement(tls, latest, || shared.is_good(id, expires_at)).await;
            drop(watching);
        }
        _ => Box::pin(speak_http(shared, router, tls, read, caller, address)).await,
    }
}

/// The handshake, who that was, and the first bytes that were asked; nothing where it did not come to that.
async fn greet(
    shared: &Shared,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: IpAddr,
    handshake: Handshake,
) -> Option<Greeted> {
    // Without it an event waits for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // A place would be kept for a quarter of an hour for one whose way was cut.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED);
    let accepted = tokio::select! {
        accepted = timeout(PATIENCE, acceptor.accept(stream)) => accepted,
        () = handshake.left() => {
            shared.refused("handshake-unfinished", address, "it made room for others");
            return None;
        }
    };
    let tls = match accepted {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            let cause =
                if is_certificate(&error) { "foreign-certificate" } else { "handshake-failed" };
            shared.refused(cause, address, &error.to_string());
            return None;
        }
        Err(_) => {
            shared.refused("handshake-unfinished", address, "its time was up");
            return None;
        }
    };
    drop(handshake);
    shared.metrics.member_handshake();
    let mut tls = Box::new(tls);
    tls.get_mut().1.set_buffer_limit(Some(WRITE_BUFFER));
    let caller = shared.caller(&tls, address).await;
    let read = timeout(PATIENCE, first_bytes(&mut tls)).await.ok()?.ok()?;
    Some(Greeted { tls, caller, read })
}

fn is_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::PeerMisbehaved(_)))
}

/// As much of the first request as tells what it is: the whole head of a watch, the beginning of all else.
async fn first_bytes(tls: &mut TlsStream<TcpStream>) -> io::Result<Bytes> {
    let mut read = BytesMut::with_capacity(512);
    loop {
        if tls.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let begun = read.len().min(WATCH.len());
        let is_whole = read.windows(4).any(|end| end == b"\r\n\r\n");
        if read[..begun] != WATCH[..begun] || is_whole || read.len() > LONGEST_HEAD {
            return Ok(read.freeze());
        }
    }
}

/// A member that watches; no more when dropped.
struct Watching<'a>(&'a Shared, Uuid);

impl<'a> Watching<'a> {
    fn begin(shared: &'a Shared, id: Uuid) -> Self {
        shared.presence.watches(id, true, shared.now());
        shared.metrics.member_watches(true);
        Self(shared, id)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.presence.watches(self.1, false, self.0.now());
        self.0.metrics.member_watches(false);
    }
}

impl Deref for Shared {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Shared {
    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.host.clock)()
    }

    /// Counts a refusal, and logs it where its cause was not logged lately.
    pub(super) fn refused(&self, cause: &str, address: IpAddr, detail: &str) {
        self.metrics.member_refused(cause);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(silent) = quiet.worth_telling(cause, self.start.elapsed()) {
            tracing::warn!(%cause, %address, silent, "a member was refused: {detail}");
        }
    }

    /// Whether one who came as a member still is: neither removed meanwhile, nor with a certificate that is over by now.
    pub(super) fn is_good(&self, member: Uuid, expires_at: Timestamp) -> bool {
        self.presence.removed(member) == Some(false)
            && self.presence.standing(expires_at, self.now()) == Standing::Good
    }

    /// Who is at the other end. A certificate of this environment that no record is kept of is the agent's to take in.
    async fn caller(&self, tls: &TlsStream<TcpStream>, address: IpAddr) -> Caller {
        let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
        let shown = chain.first().and_then(read_member);
        let Some((id, expires_at)) = shown else { return Caller::Stranger };
        let is_former = self.port.is_former(&chain[1..]);
        let now = self.now();
        let standing = self.presence.standing(expires_at, now);
        if standing == Standing::Over {
            return Caller::Over;
        }
        let removed = match self.presence.removed(id) {
            Some(removed) => removed,
            None => self.adopt(id, expires_at, address).await,
        };
        if removed {
            return Caller::Removed;
        }
        match standing {
            Standing::Good | Standing::RenewOnly if is_former => Caller::Former(id),
            Standing::Good => {
                self.presence.came(id, address, now);
                Caller::Member(id, expires_at)
            }
            Standing::RenewOnly => Caller::RenewOnly(id),
            Standing::Over => Caller::Over,
        }
    }

    /// Whether the agent does not take a certificate's owner in.
    async fn adopt(&self, member: Uuid, expires_at: Timestamp, address: IpAddr) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Adopt { member, expires_at, address, reply };
        self.asked.send(asked).await.is_err() || !matches!(answer.await, Ok(Ok(())))
    }
}
