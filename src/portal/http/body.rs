//! Reading a body that may be too large, too slow, or never end.

use crate::{api::Problem, license::MAX_DOCUMENT};
use axum::{body::Body, http::StatusCode};
use http_body_util::BodyExt;
use std::time::Duration;

/// For the whole body: 1 MiB in half a minute is slower than a modem.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The whole body.
///
/// # Errors
/// The problem document for a body over [`MAX_DOCUMENT`], one that takes too long, and one that breaks off.
pub(in crate::portal) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    read_most(body, MAX_DOCUMENT).await
}

/// The whole body, of at most `most` bytes.
///
/// # Errors
/// As [`read`].
pub(in crate::portal) async fn read_most(body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(TIME_LIMIT, collect(body, most)).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-too-slow",
            "The request took too long",
            "the request did not arrive within 30 seconds: send it again",
        ))
    })
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            // What is left is thrown away behind the answer, by the layer around all routes.
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(most: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "document-too-large",
        "The request is too large",
        format!(
            "a request has at most {most} bytes here: send less, or the file that `entitlectl request` wrote as it is"
        ),
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
