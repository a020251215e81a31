//! Serves a router on a listener, so that no client can hold the server up: a cap on connections, a share of them for each
//! user, a time limit on the head of each request, and a graceful end.

use super::{
    Published, connection,
    crowd::{Addresses, Crowd, Seat, StandsForMany},
    front::{Ended, Front, Talk},
    listener::{Connection, Listener, Peer},
    shares::Shares,
};
use axum::Router;
use bytes::Bytes;
use std::{
    future::Future,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::UnixStream,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// What one client may take.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one user at once.
    pub share: usize,
    /// From the first wait for a request to the end of its head.
    pub head_timeout: Duration,
    /// From the order to stop to the end of the last answer.
    pub stop_timeout: Duration,
    /// Whether connections that wait for their next request outlive the server: closing one would lose the request that is
    /// on its way just then.
    pub hand_over: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections: 4_096,
            share: 1_024,
            head_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
            hand_over: false,
        }
    }
}

impl ServerOptions {
    /// The default, or less where this process may not have enough files open at once for several such servers.
    pub fn within_limits() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let most = files.and_then(|files| usize::try_from(files / 4).ok()).unwrap_or(usize::MAX);
        let default = Self::default();
        Self {
            connections: default.connections.min(most),
            share: default.share.min(most / 2),
            ..default
        }
    }
}

/// Serves until `stop` is done, then lets answers under way end. Never returns for a failed connection. With
/// [`hand_over`](ServerOptions::hand_over), what is left are the connections that nothing was asked on.
pub async fn serve<L: Listener>(
    listener: L,
    router: Router,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) -> Vec<OwnedFd> {
    Server::new(router, options, None).serve(listener, stop).await
}

/// The same for a listener that the world reaches: each network has a share of the connections, and where all are taken, one on which
/// nothing is under way makes room. An address that stands for many clients has no share of its own.
pub async fn serve_networks<L: Listener>(
    listener: L,
    router: Router,
    options: ServerOptions,
    stands_for_many: StandsForMany,
    stop: impl Future<Output = ()> + Send,
) -> Vec<OwnedFd> {
    // Fewer than are accepted: one that is accepted when all are taken sends another away.
    let shares = Shares::new(options.connections - options.connections / 16);
    let addresses = Addresses { shares, stands_for_many };
    Server::new(router, options, Some(addresses)).serve(listener, stop).await
}

/// Serves an agent's socket: as [`serve`] does, with the status in front.
pub async fn serve_status<L: Listener<Stream = UnixStream>>(
    listener: L,
    router: Router,
    published: watch::Receiver<Option<Arc<Published>>>,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) -> Vec<OwnedFd> {
    let server = Server::new(router, options, None);
    let front = Front::new(published);
    let attend = {
        let server = server.clone();
        move |stream, peer, seat: Arc<Seat>| {
            let (server, front) = (server.clone(), Arc::clone(&front));
            async move {
                seat.sweepable(true);
                let ended = attend_front(&server, &front, stream, &seat).await;
                seat.sweepable(false);
                match ended {
                    Ended::Closed => None,
                    Ended::Idle(stream) => Some(stream),
                    Ended::Other(stream, read) => {
                        // On the heap: every connection in front would carry its size otherwise.
                        Box::pin(attend_http(server, stream, read, peer, seat)).await
                    }
                }
            }
        }
    };
    server.admit_all(listener, attend, stop).await
}

/// A connection's time in front. One that was silent for too long is closed; at the order to stop, what was begun is ended.
async fn attend_front(server: &Server, front: &Front, stream: UnixStream, seat: &Seat) -> Ended {
    let mut talk = Talk::new(stream);
    let spoke = || seat.speak();
    let patience = server.options.head_timeout;
    let attended = front.attend(&mut talk, patience, spoke, &server.is_stopping);
    let finished = tokio::select! {
        biased;
        finished = attended => Some(finished),
        () = seat.left() => None,
    };
    match finished {
        Some(finished) => talk.ended(finished),
        None if server.is_stopping.load(Ordering::Relaxed) => {
            let patience = connection::PARTING;
            let finished = front.attend(&mut talk, patience, spoke, &server.is_stopping).await;
            talk.ended(finished)
        }
        None => Ended::Closed,
    }
}

/// A connection's time with hyper, until it has to make room.
async fn attend_http<S: Connection>(
    server: Server,
    stream: S,
    read: Bytes,
    peer: Peer,
    seat: Arc<Seat>,
) -> Option<S> {
    tokio::select! {
        biased;
        idle = connection::speak_http(server, stream, read, peer, Arc::clone(&seat)) => idle,
        () = seat.left() => None,
    }
}

/// What the connections of one listener share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) options: ServerOptions,
    crowd: Arc<Crowd>,
    /// True from the order to stop on.
    pub(super) stopping: watch::Sender<bool>,
    /// The same, for who asks at every request.
    is_stopping: Arc<AtomicBool>,
}

impl Server {
    fn new(router: Router, options: ServerOptions, addresses: Option<Addresses>) -> Self {
        let crowd = Crowd::new(options.share, addresses);
        let stopping = watch::Sender::new(false);
        Self { router, options, crowd, stopping, is_stopping: Arc::default() }
    }

    async fn serve<L: Listener>(
        self,
        listener: L,
        stop: impl Future<Output = ()> + Send,
    ) -> Vec<OwnedFd> {
        let server = self.clone();
        let attend =
            move |stream, peer, seat| attend_http(server.clone(), stream, Bytes::new(), peer, seat);
        self.admit_all(listener, attend, stop).await
    }

    /// Accepts until `stop` is done, and gives each connection to `attend` in a task of its own.
    async fn admit_all<L: Listener, F: Future<Output = Option<L::Stream>> + Send + 'static>(
        self,
        listener: L,
        attend: impl Fn(L::Stream, Peer, Arc<Seat>) -> F + Send,
        stop: impl Future<Output = ()> + Send,
    ) -> Vec<OwnedFd> {
        let places = Arc::new(Semaphore::new(self.options.connections));
        let mut tasks = JoinSet::new();
        let mut sweep = tokio::time::interval(self.options.head_timeout);
        tokio::pin!(stop);
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, accept(&listener).await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut stop => break,
                _ = sweep.tick() => {
                    self.crowd.sweep();
                    continue;
                }
                next = next => next,
            };
            let Some((stream, peer)) = accepted else { continue };
            let Some(seat) = self.crowd.admit(peer) else {
                tracing::debug!(
                    ?peer,
                    "its user or its network has too many connections: it was closed"
                );
                continue;
            };
            // Those that ended give their memory back.
            while tasks.try_join_next().is_some() {}
            let attended = attend(stream, peer, Arc::new(seat));
            tasks.spawn(async move {
                let _place = place;
                attended.await
            });
        }
        let waiting = listener.waiting();
        self.end(tasks, waiting).await
    }

    /// Lets the connections end; those that do not in time are closed. Gives back those that wait, where they are wanted.
    async fn end<S: Connection>(
        self,
        mut tasks: JoinSet<Option<S>>,
        waiting: Vec<S>,
    ) -> Vec<OwnedFd> {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.stopping.send_replace(true);
        self.crowd.dismiss();
        let waiting = waiting.into_iter().filter(|_| self.options.hand_over);
        let mut idle: Vec<_> = waiting.filter_map(|stream| stream.release().ok()).collect();
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                if let Ok(Some(stream)) = ended
                    && self.options.hand_over
                {
                    idle.extend(stream.release());
                }
            }
        };
        if tokio::time::timeout(self.options.stop_timeout, ended).await.is_err() {
            tracing::debug!("connections were still open when the server stopped");
        }
        idle
    }
}

/// The next connection; nothing where one could not be accepted.
async fn accept<L: Listener>(listener: &L) -> Option<(L::Stream, Peer)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::debug!(%error, "a connection could not be accepted");
            // Out of file descriptors, say: without a pause this would be a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}
