//! The table of requests that were answered, with their answers.

use super::{Change, StoreError, View};
use crate::license::{RequestId, Thumbprint};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

/// A request and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredRequest {
    /// The request's id.
    pub id: RequestId,
    /// The key that signed it.
    pub key: Thumbprint,
    /// `activate`, `refresh`, `release`, `rebind` or `move`.
    pub kind: &'static str,
    /// The environment that it was about.
    pub environment_id: Uuid,
    /// When it was answered.
    pub received_at: Timestamp,
    /// The request as it came.
    pub request: String,
    /// The answer as it went.
    pub answer: String,
}

impl View<'_> {
    /// The request of that id that `key` signed, as it came, and its answer.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn answered(
        &self,
        key: &Thumbprint,
        id: RequestId,
    ) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT request, answer FROM requests WHERE id = ?2 AND key_thumbprint = ?1";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_row([key.as_str(), &id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })
            .map_err(StoreError::during("find a request"))
    }

    /// Whether that request of the environment was answered.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has_answered(&self, environment: Uuid, id: RequestId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM requests WHERE id = ?2 AND environment_id = ?1";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| s.exists([environment.to_string(), id.to_string()]))
            .map_err(StoreError::during("look for a request"))
    }

    /// That request of the environment, as it came.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn request_text(
        &self,
        environment: Uuid,
        id: RequestId,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT request FROM requests WHERE id = ?2 AND environment_id = ?1";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_row([environment.to_string(), id.to_string()], |row| row.get(0)).optional()
            })
            .map_err(StoreError::during("read a request"))
    }
}

impl Change<'_> {
    /// Remembers a request and its answer.
    ///
    /// # Errors
    /// What SQLite says; a second request of one id and key among it.
    pub fn add_request(&self, new: &AnsweredRequest) -> Result<(), StoreError> {
        let sql = "INSERT INTO requests (key_thumbprint, id, kind, environment_id, received_at, \
                   request, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.0
            .0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.execute(params![
                    new.key.as_str(),
                    new.id.to_string(),
                    new.kind,
                    new.environment_id.to_string(),
                    new.received_at.as_second(),
                    new.request,
                    new.answer,
                ])
            })
            .map(drop)
            .map_err(StoreError::during("store a request"))
    }
}
