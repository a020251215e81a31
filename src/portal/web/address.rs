//! What stands in a page's address. What can't be read there leads to a page that says so, as all else does.

use super::{PageError, Web};
use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

/// The parts of the path that name something.
pub(in crate::portal) struct At<T>(pub(in crate::portal) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for At<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let path = Path::from_request_parts(parts, web).await;
        let Path(named) = path.map_err(|_| PageError::not_found("page"))?;
        Ok(Self(named))
    }
}

/// What is asked for behind the `?`; what can't be read is left out.
pub(in crate::portal) struct Asked<T>(pub(in crate::portal) T);

impl<T: DeserializeOwned + Default> FromRequestParts<Web> for Asked<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let query = Query::from_request_parts(parts, web).await;
        Ok(Self(query.map_or_else(|_| T::default(), |Query(asked)| asked)))
    }
}
