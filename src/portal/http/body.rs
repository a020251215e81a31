//! Reading a body that may be too large, too slow, or never end.

use crate::{api::Problem, license::MAX_DOCUMENT};
use axum::{body::Body, http::StatusCode};
use http_body_util::BodyExt;
use std::time::Duration;

/// For the whole body: 1 MiB in half a minute is slower than a modem.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How much more than allowed is read and thrown away, so that a client that sends first and reads later sees the refusal
/// instead of a broken connection.
const DRAINED: usize = 8 * MAX_DOCUMENT;

/// The whole body.
///
/// # Errors
/// The problem document for a body over [`MAX_DOCUMENT`], one that takes too long, and one that breaks off.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    read_at_most(body, MAX_DOCUMENT, "send the file that `entitlectl request` wrote").await
}

/// The whole body, of so many bytes at most; `mend` says what else to send.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_at_most(
    body: Body,
    largest: usize,
    mend: &str,
) -> Result<Vec<u8>, Problem> {
    let collected = tokio::time::timeout(TIME_LIMIT, collect(body, largest)).await;
    let collected = collected.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-too-slow",
            "The request took too long",
            "the request did not arrive within 30 seconds: send it again",
        ))
    })?;
    collected.ok_or_else(|| too_large(largest, mend))
}

/// None where it is too large.
async fn collect(mut body: Body, largest: usize) -> Result<Option<Vec<u8>>, Problem> {
    let mut bytes = Vec::new();
    let mut found = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        found += data.len();
        if found <= largest {
            bytes.extend_from_slice(&data);
        } else if found > DRAINED {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    Ok((found <= largest).then_some(bytes))
}

fn too_large(largest: usize, mend: &str) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "document-too-large",
        "The request is too large",
        format!("a request has at most {largest} bytes here: {mend}"),
    )
}

fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "request-broken-off",
        "The request broke off",
        "the request did not arrive as a whole: send it again",
    )
}
