//! HTTP on one connection, to its end: the last answer, the client's patience, or the order to stop.

use super::{
    crowd::Seat,
    listener::{Connection, Peer},
    plain,
    replayed::Replayed,
    server::Server,
    shares::AtWork,
};
use axum::{
    body::Body,
    http::{Request, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1::Connection as Http1, service::HttpService};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    sync::watch,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

/// From the order to stop to the end of a connection on which nothing is being answered: what was just written, or sent,
/// is still on its way.
pub(super) const PARTING: Duration = Duration::from_millis(200);

/// What is going on on a connection; in the extensions of every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests from the end of their head to the end of their answer.
    begun: AtomicUsize,
    /// Those of them whose body is still being waited for.
    arriving: AtomicUsize,
    /// Whether something that was written has not gone yet.
    is_blocked: AtomicBool,
}

/// Counts as long as it is held.
#[derive(Debug)]
pub(super) struct Counted(Arc<Counts>, fn(&Counts) -> &AtomicUsize);

impl Progress {
    /// A request began; until its answer has ended.
    pub(super) fn begin(&self) -> Counted {
        self.count(|counts| &counts.begun)
    }

    /// The body of a request is waited for.
    pub(super) fn arriving(&self) -> Counted {
        self.count(|counts| &counts.arriving)
    }

    fn count(&self, which: fn(&Counts) -> &AtomicUsize) -> Counted {
        which(&self.0).fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.0), which)
    }

    /// Whether the client keeps what is written waiting.
    pub(super) fn blocked(&self, blocked: bool) {
        self.0.is_blocked.store(blocked, Ordering::Relaxed);
    }

    /// Whether every request has its answer, and that has gone.
    fn is_idle(&self) -> bool {
        self.0.begun.load(Ordering::Relaxed) == 0 && !self.0.is_blocked.load(Ordering::Relaxed)
    }

    /// Whether a request is being answered that came whole.
    fn is_answering(&self) -> bool {
        let number = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        number(&self.0.begun) > number(&self.0.arriving)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Speaks HTTP on a connection to its end. When the server stops, an answer under way is finished; whoever is silent, or has
/// sent half a request, is left. Where connections are handed over, one that waits for its next request is given back.
pub(super) async fn speak_http<S: Connection>(
    server: Server,
    stream: S,
    read: Bytes,
    peer: Peer,
    seat: Arc<Seat>,
) -> Option<S> {
    let progress = Progress::default();
    let patience = server.options.head_timeout;
    let answer = {
        let (router, progress) = (server.router.clone(), progress.clone());
        move |request: Request<Body>| {
            seat.speak();
            answer(
                router.clone(),
                request,
                peer,
                (progress.begin(), seat.at_work()),
                progress.clone(),
            )
        }
    };
    let mut order = server.stopping.subscribe();
    let stream = Replayed::new(read, stream, progress.clone());
    if plain::is_needed() {
        let spoken = plain::speak(stream, patience, answer);
        return told(until_stopped(spoken, stopped(&mut order), &progress, |_| {}).await);
    }
    let service =
        tower::service_fn(move |request: Request<Incoming>| answer(request.map(Body::new)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_headers(64);
    let begin = |stream| {
        http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()))
    };
    if server.options.hand_over {
        return until_handed_over(begin, stream, &mut order, &progress).await;
    }
    let close = |connection: Pin<&mut Http1<_, _>>| connection.graceful_shutdown();
    let ended = until_stopped(begin(stream), stopped(&mut order), &progress, close).await;
    told(ended.map_err(io::Error::other))
}

/// Done at the order to stop.
async fn stopped(order: &mut watch::Receiver<bool>) {
    // It can't be lost: the sender stays in `Server`.
    let _ = order.wait_for(|stop| *stop).await;
}

/// Speaks until the server stops, and gives back the connection as it waits for its next request. Of half a head, the rest is
/// waited for a moment: it may be on its way.
async fn until_handed_over<S: Connection, V>(
    begin: impl Fn(Replayed<S>) -> Http1<TokioIo<Replayed<S>>, V>,
    mut stream: Replayed<S>,
    order: &mut watch::Receiver<bool>,
    progress: &Progress,
) -> Option<S>
where
    V: HttpService<Incoming, ResBody = Body, Error = Infallible>,
    Http1<TokioIo<Replayed<S>>, V>: Future<Output = hyper::Result<()>> + Unpin,
{
    let mut left_until = None;
    loop {
        let mut connection = begin(stream);
        if let Some(ended) = until_idle(&mut connection, order, progress).await {
            return told(ended.map_err(io::Error::other));
        }
        let parts = connection.into_parts();
        let (first, mut inner) = parts.io.into_inner().into_inner();
        if parts.read_buf.is_empty() && first.is_empty() {
            return Some(inner);
        }
        let mut read = BytesMut::from(&parts.read_buf[..]);
        read.extend_from_slice(&first);
        let until = *left_until.get_or_insert_with(|| Instant::now() + PARTING);
        match timeout_at(until, inner.read_buf(&mut read)).await {
            Ok(Ok(1..)) => stream = Replayed::new(read.freeze(), inner, progress.clone()),
            _ => return None,
        }
    }
}

/// Tells of a connection that ended.
fn told<S>(ended: io::Result<()>) -> Option<S> {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    None
}

/// Waits for the order to stop and then for a moment in which nothing was asked that is not answered; or for the end of the
/// connection, which is told. Half a body is not waited for for ever.
async fn until_idle<E, C: Future<Output = Result<(), E>> + Unpin>(
    connection: &mut C,
    order: &mut watch::Receiver<bool>,
    progress: &Progress,
) -> Option<Result<(), E>> {
    tokio::select! {
        biased;
        ended = &mut *connection => return Some(ended),
        () = stopped(order) => {}
    }
    let mut parting = pin!(tokio::time::sleep(PARTING));
    let mut has_parted = false;
    poll_fn(|context| {
        if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(context) {
            return Poll::Ready(Some(ended));
        }
        if progress.is_idle() {
            return Poll::Ready(None);
        }
        has_parted = has_parted || parting.as_mut().poll(context).is_ready();
        if has_parted && !progress.is_answering() {
            return Poll::Ready(Some(Ok(())));
        }
        Poll::Pending
    })
    .await
}

/// Waits for the end of a connection. When the server stops, `close` asks for it.
async fn until_stopped<E, C: Future<Output = Result<(), E>>>(
    connection: C,
    stopping: impl Future<Output = ()>,
    progress: &Progress,
    close: impl FnOnce(Pin<&mut C>),
) -> Result<(), E> {
    tokio::pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended,
        () = stopping => close(connection.as_mut()),
    }
    tokio::select! {
        ended = &mut connection => return ended,
        () = tokio::time::sleep(PARTING) => {}
    }
    if progress.is_answering() { connection.await } else { Ok(()) }
}

/// Answers a request, which is under way until its answer was written.
fn answer(
    router: axum::Router,
    mut request: Request<Body>,
    peer: Peer,
    begun: (Counted, Option<AtWork>),
    progress: Progress,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send {
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(progress);
    async move {
        let answered = router.oneshot(request).await?;
        Ok(answered.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _held = &begun;
                frame
            }))
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::api::{ServerOptions, asked::whole, serve};
    use axum::{
        Router,
        routing::{get, post},
    };
    use std::{os::fd::OwnedFd, path::PathBuf, time::Duration};
    use tempfile::TempDir;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{UnixListener, UnixStream},
        sync::oneshot,
        task::JoinHandle,
        time::Instant,
    };

    /// A server on a real socket; time stands still while anybody works.
    struct Served {
        _folder: TempDir,
        path: PathBuf,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<Vec<OwnedFd>>,
    }

    impl Served {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let slow = || async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                "slow\n"
            };
            let router = Router::new()
                .route("/slow", get(slow))
                .route("/echo", post(|body: String| async move { body }))
                .route_layer(axum::middleware::from_fn(whole));
            let listener = UnixListener::bind(&path).unwrap();
            let (stop, stopped) = oneshot::channel();
            let stopped = async {
                let _ = stopped.await;
            };
            let serving = serve(listener, router, ServerOptions::default(), stopped);
            Self { _folder: folder, path, stop, serving: tokio::spawn(serving) }
        }

        async fn send(&self, bytes: &str) -> UnixStream {
            let mut stream = UnixStream::connect(&self.path).await.unwrap();
            stream.write_all(bytes.as_bytes()).await.unwrap();
            stream
        }

        /// Orders the stop: how long it took.
        async fn stop(self) -> Duration {
            let begin = Instant::now();
            self.stop.send(()).unwrap();
            self.serving.await.unwrap();
            begin.elapsed()
        }
    }

    async fn rest(mut stream: UnixStream) -> String {
        let mut back = String::new();
        // It may be closed hard.
        let _ = stream.read_to_string(&mut back).await;
        back
    }

    const HALF_BODY: &str = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhello";

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_nobody_who_is_silent_or_sent_half_a_request() {
        let served = Served::start();
        let mut streams = Vec::new();
        for sent in ["", "GET /sl", "GET /slow HTTP/1.1\r\nhost: x\r\nx-y:", HALF_BODY] {
            streams.push(served.send(sent).await);
        }
        let kept = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi";
        let mut idle = served.send(kept).await;
        let _ = idle.read(&mut [0; 1_000]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let took = served.stop().await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        for stream in streams.into_iter().chain([idle]) {
            assert_eq!(rest(stream).await, "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_an_answer_under_way() {
        let served = Served::start();
        let slow = served.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let half = served.send(HALF_BODY).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let took = served.stop().await;
        assert!((1..=3).contains(&took.as_secs()), "{took:?}");
        assert!(rest(slow).await.ends_with("\r\n\r\nslow\n"));
        assert_eq!(rest(half).await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_told_after_ten_seconds() {
        let served = Served::start();
        let begin = Instant::now();
        let back = rest(served.send(HALF_BODY).await).await;
        assert_eq!(begin.elapsed().as_secs(), 10);
        assert!(back.starts_with("HTTP/1.1 408 "), "{back}");
        assert!(back.contains("application/problem+json"), "{back}");
        assert!(back.contains("urn:entitled:problem:request-too-slow"), "{back}");
        // Neither does one that trickles.
        let mut trickle = served.send(HALF_BODY).await;
        let begin = Instant::now();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let _ = trickle.write_all(b"x").await;
        }
        assert!(rest(trickle).await.starts_with("HTTP/1.1 408 "));
        assert_eq!(begin.elapsed().as_secs(), 12);
        served.stop().await;
    }
}
