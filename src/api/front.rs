//! Answers `GET /v1/status` before hyper sees it.
//!
//! Programs ask for the status far more often than for all else, and always get the same bytes: head and body lie ready in
//! one piece. Whatever is not exactly this question goes to hyper, with the bytes that were read already.

use super::Published;
use arc_swap::ArcSwapOption;
use bytes::{Buf, Bytes};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::{
    io,
    mem::MaybeUninit,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::UnixStream, sync::watch, time::timeout};

/// The first line of the one question that is answered here.
const QUESTION: &[u8] = b"GET /v1/status HTTP/1.1\r\n";
/// Bytes of a head that are looked at; a longer one is hyper's.
const LONGEST_HEAD: usize = 2_048;
/// Headers of a head that are looked at.
const MOST_HEADERS: usize = 32;

/// The answer as it lies ready.
#[derive(Debug)]
struct Ready {
    published: Arc<Published>,
    /// The second for which its `Date` is right.
    second: i64,
    bytes: Bytes,
}

/// The status in front of a socket; shared by its connections.
#[derive(Debug)]
pub(super) struct Front {
    published: watch::Receiver<Option<Arc<Published>>>,
    ready: ArcSwapOption<Ready>,
}

/// How a connection's time in front ended.
pub(super) enum Ended {
    /// It is closed, or will not read.
    Closed,
    /// The server stops, and nothing was asked that is not answered.
    Idle(UnixStream),
    /// Hyper is to go on with it, after these bytes.
    Other(UnixStream, Bytes),
}

impl Front {
    pub(super) fn new(published: watch::Receiver<Option<Arc<Published>>>) -> Arc<Self> {
        Arc::new(Self { published, ready: ArcSwapOption::empty() })
    }

    /// The whole answer; nothing before the first status.
    fn answer(&self) -> Option<Bytes> {
        // The coarse clock is read without asking the hardware; a second is all that `Date` says.
        let second = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        let published = self.published.borrow();
        let published = published.as_ref()?;
        if let Some(ready) = self.ready.load().as_ref()
            && ready.second == second
            && Arc::ptr_eq(&ready.published, published)
        {
            return Some(ready.bytes.clone());
        }
        let bytes = render(published, second)?;
        let published = Arc::clone(published);
        self.ready.store(Some(Arc::new(Ready { published, second, bytes: bytes.clone() })));
        Some(bytes)
    }

    /// Answers on a connection as long as the status is asked for, or until the server stops and nothing is left to answer.
    /// `spoke` is called at every question; a head that is half there, or an answer that is not read, waits for `patience` at
    /// the most. Dropped before its end, it can be called again: `talk` knows where it was.
    pub(super) async fn attend(
        &self,
        talk: &mut Talk,
        patience: Duration,
        spoke: impl Fn(),
        stopping: &AtomicBool,
    ) -> Finished {
        if talk.write(patience).await.is_err() {
            return Finished::Closed;
        }
        loop {
            let (answered, used) = match talk.last.question(&talk.buffer[..talk.filled]) {
                Question::Status(used) => (self.answer(), used),
                Question::Unfinished if talk.filled < LONGEST_HEAD => {
                    if talk.filled == 0 && stopping.load(Ordering::Relaxed) {
                        return Finished::Idle;
                    }
                    match talk.read(patience).await {
                        Ok(0) | Err(_) => return Finished::Closed,
                        Ok(more) => talk.filled += more,
                    }
                    continue;
                }
                Question::Unfinished | Question::Other => (None, 0),
            };
            let Some(answer) = answered else { return Finished::Other };
            spoke();
            talk.buffer.copy_within(used..talk.filled, 0);
            talk.filled -= used;
            talk.unwritten = answer;
            if talk.write(patience).await.is_err() {
                return Finished::Closed;
            }
        }
    }
}

/// How [`Front::attend`] came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finished {
    Closed,
    Idle,
    Other,
}

/// A connection in front, and where it is.
pub(super) struct Talk {
    stream: UnixStream,
    buffer: [u8; LONGEST_HEAD],
    filled: usize,
    last: LastHead,
    /// What is left of an answer.
    unwritten: Bytes,
}

impl Talk {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (last, unwritten) = (LastHead::default(), Bytes::new());
        Self { stream, buffer: [0; LONGEST_HEAD], filled: 0, last, unwritten }
    }

    pub(super) fn ended(self, finished: Finished) -> Ended {
        match finished {
            Finished::Closed => Ended::Closed,
            Finished::Idle => Ended::Idle(self.stream),
            Finished::Other => {
                Ended::Other(self.stream, Bytes::copy_from_slice(&self.buffer[..self.filled]))
            }
        }
    }

    /// Reads what there is; what is begun, not for longer than `patience`.
    async fn read(&mut self, patience: Duration) -> io::Result<usize> {
        let room = &mut self.buffer[self.filled..];
        if self.filled == 0 {
            // A timer for every wait would cost a tenth of the throughput: silent connections are swept up elsewhere.
            self.stream.read(room).await
        } else {
            timeout(patience, self.stream.read(room)).await?
        }
    }

    /// Writes what is unwritten: at once, where the client keeps reading.
    async fn write(&mut self, patience: Duration) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.stream.try_write(&self.unwritten) {
                Ok(written) => self.unwritten.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout(patience, self.stream.writable()).await??;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What the bytes so far are.
enum Question {
    /// The question, and its length in bytes.
    Status(usize),
    /// Perhaps the question: more is to come.
    Unfinished,
    /// Something else.
    Other,
}

/// The last head of a connection that was the question: a program asks again in the same words, and they are not read anew.
#[derive(Debug, Default)]
struct LastHead(Vec<u8>);

impl LastHead {
    fn question(&mut self, bytes: &[u8]) -> Question {
        let Self(last) = self;
        // A head is whole by itself: whatever follows it, it is read the same way.
        if !last.is_empty() && bytes.starts_with(last) {
            return Question::Status(last.len());
        }
        let question = question(bytes);
        if let Question::Status(length) = question {
            last.clear();
            last.extend_from_slice(&bytes[..length]);
        }
        question
    }
}

fn question(bytes: &[u8]) -> Question {
    let begun = bytes.len().min(QUESTION.len());
    if bytes[..begun] != QUESTION[..begun] {
        return Question::Other;
    }
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) => {
            // HTTP/1.1 requires a host, RFC 9112 section 3.2; hyper answers one without.
            let has_host = request.headers.iter().any(|h| h.name.eq_ignore_ascii_case("host"));
            if has_host && request.headers.iter().all(is_plain) {
                Question::Status(length)
            } else {
                Question::Other
            }
        }
        Ok(httparse::Status::Partial) => Question::Unfinished,
        Err(_) => Question::Other,
    }
}

/// Whether a header leaves the answer as it is.
fn is_plain(header: &httparse::Header<'_>) -> bool {
    let is = |name: &str| header.name.eq_ignore_ascii_case(name);
    if is("connection") {
        return header.value.eq_ignore_ascii_case(b"keep-alive");
    }
    !["content-length", "transfer-encoding", "expect", "upgrade", "if-none-match"]
        .into_iter()
        .any(is)
}

/// Head and body in one piece, as the route would answer.
fn render(published: &Published, second: i64) -> Option<Bytes> {
    let date = Timestamp::from_second(second).ok()?.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let generation = published.status.generation;
    let length = published.json.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: W/\"{generation}\"\r\ncache-control: no-cache\r\ncontent-length: {length}\r\ndate: {date}\r\n\r\n"
    );
    Some([head.as_bytes(), &published.json].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bytes: &[u8]) -> Option<usize> {
        match question(bytes) {
            Question::Status(length) => Some(length),
            _ => None,
        }
    }

    #[test]
    fn only_the_plain_question_is_answered_here() {
        let plain = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(status(plain), Some(plain.len()));
        let two = [&plain[..], &plain[..]].concat();
        assert_eq!(status(&two), Some(plain.len()));
        for other in [
            "GET /v1/status HTTP/1.0\r\nHost: x\r\n\r\n",
            "GET /v1/status?after=1 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /v1/status HTTP/1.1\r\n\r\n",
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nIf-None-Match: W/\"1\"\r\n\r\n",
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
            "POST /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(matches!(question(other.as_bytes()), Question::Other), "{other:?}");
        }
    }

    #[test]
    fn a_head_that_was_answered_is_known_again_and_no_other_is_taken_for_it() {
        let plain = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let closes = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let longer = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
        let mut last = LastHead::default();
        let mut ask = |bytes: &[u8]| match last.question(bytes) {
            Question::Status(length) => Some(length),
            Question::Unfinished => Some(0),
            Question::Other => None,
        };
        for _ in 0..2 {
            assert_eq!(ask(plain), Some(plain.len()));
            assert_eq!(ask(&[&plain[..], &closes[..]].concat()), Some(plain.len()));
            assert_eq!(ask(closes), None);
            assert_eq!(ask(b""), Some(0));
            assert_eq!(ask(&plain[..plain.len() - 1]), Some(0));
            assert_eq!(ask(longer), Some(longer.len()));
            assert_eq!(ask(longer), Some(longer.len()));
        }
    }

    #[test]
    fn every_beginning_of_the_question_is_unfinished() {
        let plain = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for length in 0..plain.len() {
            assert!(matches!(question(&plain[..length]), Question::Unfinished), "{length}");
        }
    }
}
