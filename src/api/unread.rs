//! What of a request's body nobody had read when it was answered: it is read and thrown away. A client that sends first and reads later, as
//! browsers do, sees the answer then; where the server closes amid its sending, it sees a broken connection.

use super::connection::Progress;
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::{Semaphore, oneshot};

/// Most bytes that are thrown away; of a body that says that it has more, none are.
const MOST: u64 = 128 << 20;
/// For how long: a body of a tenth of that over a slow line.
const TIME_LIMIT: Duration = Duration::from_mins(1);
/// Bodies that are thrown away at once; others are closed on.
const MOST_AT_ONCE: usize = 64;

/// The places for bodies that are thrown away.
#[derive(Debug, Clone)]
pub struct Unread(Arc<Semaphore>);

impl Default for Unread {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_AT_ONCE)))
    }
}

/// A layer: answers at once, and reads what is left of the body behind the answer.
pub async fn throw_away_unread(
    State(Unread(places)): State<Unread>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let progress = request.extensions().get::<Progress>().cloned();
    let (parts, body) = request.into_parts();
    let (sender, mut left) = oneshot::channel();
    let lent = Body::new(Lent { body: Some(body), back: Some(sender) });
    let response = next.run(Request::from_parts(parts, lent)).await;
    // Whoever was too slow already is not waited for any longer.
    if response.status() != StatusCode::REQUEST_TIMEOUT
        && let Ok(body) = left.try_recv()
        && body.size_hint().lower() <= MOST
        && let Ok(place) = places.try_acquire_owned()
    {
        // So that no other process goes on with a connection that is amid a body, and no stop waits for it.
        let held = progress.map(|progress| (progress.begin(), progress.arriving()));
        tokio::spawn(async move {
            let _ = tokio::time::timeout(TIME_LIMIT, throw_away(body)).await;
            drop((held, place));
        });
    }
    response
}

async fn throw_away(mut body: Body) {
    let mut thrown = 0;
    while let Some(Ok(frame)) = body.frame().await {
        thrown += frame.data_ref().map_or(0, |data| data.len() as u64);
        if thrown > MOST {
            return;
        }
    }
}

/// A body that comes back from who drops it before its end.
struct Lent {
    body: Option<Body>,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
            && let Some(back) = self.back.take()
        {
            // Nobody waits for it where the answer was given up.
            let _ = back.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Unread, throw_away_unread};
    use crate::api::{ServerOptions, serve};
    use axum::{Router, http::StatusCode, middleware, routing::post};
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{UnixListener, UnixStream},
        sync::oneshot,
        time::Instant,
    };

    const QUESTION: &str = "POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: ";

    /// Sends what `work` does to a server that refuses all bodies unread, and stops it.
    async fn served<T>(work: impl AsyncFnOnce(UnixStream) -> T) -> (T, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let refuse = |_: axum::body::Body| async { (StatusCode::FORBIDDEN, "refused\n") };
        let layer = middleware::from_fn_with_state(Unread::default(), throw_away_unread);
        let router = Router::new().route("/refused", post(refuse)).layer(layer);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let listener = UnixListener::bind(&path).unwrap();
        let options = ServerOptions { hand_over: true, ..ServerOptions::default() };
        let serving = tokio::spawn(serve(listener, router, options, stopped));
        let done = work(UnixStream::connect(&path).await.unwrap()).await;
        let begin = Instant::now();
        stop.send(()).unwrap();
        let left = serving.await.unwrap();
        assert!(left.is_empty(), "no other process goes on amid a body");
        (done, begin.elapsed())
    }

    async fn answer(stream: &mut UnixStream) -> String {
        let mut bytes = vec![0; 4_096];
        let length = stream.read(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn who_sends_all_before_it_reads_sees_the_answer_and_asks_again() {
        const PIECE: usize = 1 << 20;
        served(async |mut stream| {
            for _ in 0..2 {
                let head = format!("{QUESTION}{}\r\n\r\n", 20 * PIECE);
                stream.write_all(head.as_bytes()).await.unwrap();
                for _ in 0..20 {
                    stream.write_all(&vec![b'a'; PIECE]).await.unwrap();
                }
                let back = answer(&mut stream).await;
                assert!(back.starts_with("HTTP/1.1 403 ") && back.ends_with("refused\n"), "{back}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_larger_than_is_thrown_away_is_closed_on_at_once() {
        served(async |mut stream| {
            let head = format!("{QUESTION}{}\r\n\r\n", MOST + 1);
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut back = String::new();
            stream.read_to_string(&mut back).await.unwrap();
            assert!(back.starts_with("HTTP/1.1 403 "), "{back}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_amid_its_sending_is_waited_for_a_minute_and_no_stop_waits_for_it() {
        let ((), _) = served(async |mut stream| {
            stream.write_all(format!("{QUESTION}1000\r\n\r\n").as_bytes()).await.unwrap();
            let begin = Instant::now();
            let mut back = String::new();
            stream.read_to_string(&mut back).await.unwrap();
            assert!(back.starts_with("HTTP/1.1 403 "), "{back}");
            assert_eq!(begin.elapsed().as_secs(), 60);
        })
        .await;
        let (stream, stopping) = served(async |mut stream| {
            stream.write_all(format!("{QUESTION}1000\r\n\r\n").as_bytes()).await.unwrap();
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 403 "));
            stream
        })
        .await;
        drop(stream);
        assert!(stopping < Duration::from_secs(1), "{stopping:?}");
    }
}
