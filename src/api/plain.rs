//! HTTP/1.1 for a machine whose clock is beyond what HTTP can say: before 1970, or after 9999.
//!
//! Hyper renders a `Date` for every connection, asked for or not, and panics at such a clock. The cure must not be locked by
//! it: here one request a connection is read, answered and closed, without a `Date` (RFC 9110 section 6.6.1 forbids one to a
//! server without a usable clock).

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use std::{
    convert::Infallible,
    future::Future,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// Longest head, bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// Headers of a head.
const MOST_HEADERS: usize = 64;
/// The year 9999 ends so many seconds after 1970.
const END_OF_CALENDAR: u64 = 253_402_300_800;

/// Whether the clock of this machine is one that hyper can't render.
pub(super) fn is_needed() -> bool {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(true, |since| since.as_secs() >= END_OF_CALENDAR)
}

/// Reads a request, answers it and closes. The head and each piece of the answer may take `patience`.
pub(super) async fn speak<S, A, F>(stream: S, patience: Duration, answer: A) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: FnOnce(Request<Body>) -> F,
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let response = match timeout(patience, read_head(&mut reader)).await?? {
        Ok(None) => return Ok(()),
        Err(status) => Response::builder().status(status).body(Body::empty()),
        Ok(Some(Head { request, rest, length })) => {
            let body = io::Cursor::new(rest).chain(reader).take(length);
            let Ok(response) = answer(request.map(|()| body_of(body))).await;
            Ok(response)
        }
    };
    write_answer(&mut writer, response.map_err(io::Error::other)?, patience).await
}

/// A request whose head is there.
struct Head {
    request: Request<()>,
    /// What came after it already.
    rest: Vec<u8>,
    /// Of the body, bytes.
    length: u64,
}

/// The head of a request; nothing where the client leaves instead, and a status for what is none.
async fn read_head(
    reader: &mut (impl AsyncRead + Unpin),
) -> io::Result<Result<Option<Head>, StatusCode>> {
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        if reader.read_buf(&mut bytes).await? == 0 {
            return Ok(Ok(None));
        }
        match parse(&bytes) {
            Ok(None) if bytes.len() > LONGEST_HEAD => {
                return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            Ok(None) => {}
            done => return Ok(done),
        }
    }
}

/// The request, where its head is whole.
fn parse(bytes: &[u8]) -> Result<Option<Head>, StatusCode> {
    let bad = StatusCode::BAD_REQUEST;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let begun = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(bad),
    };
    let mut request = Request::builder()
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default());
    let mut length = None;
    for found in head.headers.iter() {
        if found.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(StatusCode::LENGTH_REQUIRED);
        }
        if found.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(found.value).map_err(|_| bad)?;
            // Digits alone, and one number where there are several: RFC 9112 section 6.3.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits).ok_or(bad)?;
            if length.replace(number).is_some_and(|other| other != number) {
                return Err(bad);
            }
        }
        request = request.header(found.name, found.value);
    }
    let request = request.body(()).map_err(|_| bad)?;
    let rest = bytes[begun..].to_vec();
    Ok(Some(Head { request, rest, length: length.unwrap_or_default() }))
}

/// A body that ends with its length, or breaks off.
fn body_of(reader: impl AsyncRead + Send + Unpin + 'static) -> Body {
    Body::from_stream(futures_util::stream::try_unfold(reader, |mut reader| async move {
        let mut piece = BytesMut::with_capacity(8_192);
        let read = reader.read_buf(&mut piece).await?;
        Ok::<_, io::Error>((read > 0).then(|| (piece.freeze(), reader)))
    }))
}

/// Writes an answer, whose end is the end of the connection.
async fn write_answer(
    writer: &mut (impl AsyncWrite + Unpin),
    response: Response<Body>,
    patience: Duration,
) -> io::Result<()> {
    let (parts, body) = response.into_parts();
    let status = parts.status;
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
    .into_bytes();
    for (name, value) in &parts.headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"connection: close\r\n\r\n");
    timeout(patience, writer.write_all(&head)).await??;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(io::Error::other)?;
        timeout(patience, writer.write_all(&piece)).await??;
    }
    timeout(patience, writer.shutdown()).await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// What comes back for what is sent, by an answer that tells what it was asked.
    async fn asked(sent: &[u8]) -> String {
        let (mut here, there) = duplex(64 << 10);
        here.write_all(sent).await.unwrap();
        here.shutdown().await.unwrap();
        speak(there, Duration::from_secs(30), |request: Request<Body>| async move {
            let line = format!("{} {}", request.method(), request.uri());
            let body = axum::body::to_bytes(request.into_body(), 1_000).await.unwrap();
            let told = format!("{line} {}", String::from_utf8_lossy(&body));
            Ok(Response::builder().status(201).header("x-told", "so").body(told.into()).unwrap())
        })
        .await
        .unwrap();
        let mut back = String::new();
        here.read_to_string(&mut back).await.unwrap();
        back
    }

    #[tokio::test]
    async fn a_request_is_answered_whole_and_without_a_date() {
        let back =
            asked(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello and more")
                .await;
        let told =
            "HTTP/1.1 201 Created\r\nx-told: so\r\nconnection: close\r\n\r\nPOST /v1/x?y=1 hello";
        assert_eq!(back, told);
        assert!(asked(b"GET / HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\nGET / "));
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        let long = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 40_000]].concat();
        for (sent, told) in [
            (b"GET\r\n\r\n".as_slice(), "400"),
            (b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "400"),
            (b"POST / HTTP/1.1\r\ncontent-length: +5\r\n\r\n", "400"),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "411"),
            (&long, "431"),
        ] {
            let back = asked(sent).await;
            assert!(back.starts_with(&format!("HTTP/1.1 {told} ")), "{back}");
        }
        assert_eq!(asked(b"GET / HT").await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_is_waited_for_no_longer_than_that() {
        let (mut here, there) = duplex(1_000);
        here.write_all(b"GET / HT").await.unwrap();
        let never = |_: Request<Body>| async { Ok(Response::new(Body::empty())) };
        let ended = speak(there, Duration::from_secs(30), never).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }
}
