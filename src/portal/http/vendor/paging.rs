//! Parameters of paths and queries, and lists that come a page at a time.

use super::refusal::Refused;
use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Entries of a page unless the caller says how many.
const USUAL: u32 = 50;
/// At most.
const MOST: u32 = 200;

/// The id in the path.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = Path::<Uuid>::from_request_parts(parts, state).await;
        found.map(|Path(id)| Self(id)).map_err(|_| {
            Refused::parameter(
                "expected an id in the path, such as 0190f3c4-5b6a-7c8d-9e0f-123456789abc",
            )
        })
    }
}

/// The parameters of the query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = Query::<T>::from_request_parts(parts, state).await;
        found.map(|Query(asked)| Self(asked)).map_err(|error| Refused::parameter(error.body_text()))
    }
}

/// Where a page begins, and how long it is.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Window {
    /// `next` of the page before
    #[serde(default)]
    pub(super) cursor: Option<Uuid>,
    /// 1 to 200
    #[serde(default)]
    #[param(default = 50, minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

/// How many entries a caller gets.
pub(super) fn length(asked: Option<u32>) -> Result<u32, Refused> {
    match asked.unwrap_or(USUAL) {
        length @ 1..=MOST => Ok(length),
        found => Err(Refused::parameter(format!("expected a limit of 1 to {MOST}, found {found}"))),
    }
}

/// A page of a list, the newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Page<T> {
    /// The entries.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; none: this is the last.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// Of what was read, one more than the page has where there is another page.
    pub(super) fn of<R>(
        mut read: Vec<R>,
        length: u32,
        place: impl Fn(&R) -> String,
        show: impl FnMut(R) -> T,
    ) -> Self {
        let length = length as usize;
        let more = read.len() > length;
        read.truncate(length);
        let next = read.last().filter(|_| more).map(place);
        Self { items: read.into_iter().map(show).collect(), next }
    }
}
