//! The style sheet, under a name that changes with it, so that browsers may keep it for ever.

use super::PageError;
use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::LazyLock};

const STYLE: &str = include_str!("style.css");
const FOR_EVER: &str = "public, max-age=31536000, immutable";

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| {
    let mut name = "style-".to_owned();
    for byte in &Sha256::digest(STYLE)[..8] {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".css"
});

/// Where the style sheet is.
pub(super) fn style_path() -> String {
    format!("/assets/{}", *STYLE_NAME)
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, PageError> {
    if name != *STYLE_NAME {
        return Err(PageError::not_found("page"));
    }
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, FOR_EVER)];
    Ok((headers, STYLE).into_response())
}
