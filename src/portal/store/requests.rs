//! The table of requests that were answered, with their answers.

use super::{Change, StoreError, View, session::values};
use crate::license::{RequestId, Thumbprint};
use jiff::Timestamp;
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

/// The answer to a request, for whoever carried that here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The environment that it is about.
    pub environment_id: Uuid,
    /// What was asked for.
    pub kind: String,
    /// When it was answered.
    pub received_at: Timestamp,
    /// The answer as it went.
    pub answer: String,
}

impl View<'_> {
    /// The answer to that request of one of the subscription's environments.
    ///
    /// # Errors
    /// What the database says.
    pub fn answer_of(
        &self,
        subscription: Uuid,
        id: RequestId,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        let sql = "SELECT r.environment_id, r.kind, r.received_at, r.answer FROM requests r \
                   JOIN environments e ON e.id = r.environment_id \
                   WHERE r.id = ?1 AND e.subscription_id = ?2 LIMIT 1";
        self.first("read an answer", sql, values![id.0, subscription], |row| {
            Ok(StoredAnswer {
                environment_id: row.parsed("environment_id")?,
                kind: row.string("kind")?,
                received_at: row.time("received_at")?,
                answer: row.string("answer")?,
            })
        })
    }

    /// The request of that id that `key` signed, as it came, and its answer.
    ///
    /// # Errors
    /// What the database says.
    pub fn answered(
        &self,
        key: &Thumbprint,
        id: RequestId,
    ) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT request, answer FROM requests WHERE id = ?2 AND key_thumbprint = ?1";
        self.first("find a request", sql, values![key.as_str(), id.0], |row| {
            Ok((row.string("request")?, row.string("answer")?))
        })
    }

    /// The same, and whether `previous` of the environment was answered.
    ///
    /// # Errors
    /// What the database says.
    pub fn answered_after(
        &self,
        key: &Thumbprint,
        id: RequestId,
        environment: Uuid,
        previous: RequestId,
    ) -> Result<(Option<(String, String)>, bool), StoreError> {
        let sql = "SELECT request, answer FROM requests WHERE id = ?2 AND key_thumbprint = ?1 \
                   UNION ALL SELECT NULL, NULL FROM requests WHERE id = ?4 AND environment_id = ?3";
        let (mut answered, mut is_known) = (None, false);
        let values = values![key.as_str(), id.0, environment, previous.0];
        self.each("find a request", sql, values, |row| {
            match row.optional_string("request")? {
                Some(request) => answered = Some((request, row.string("answer")?)),
                None => is_known = true,
            }
            Ok(true)
        })?;
        Ok((answered, is_known))
    }

    /// Whether that request of the environment was answered.
    ///
    /// # Errors
    /// What the database says.
    pub fn has_answered(&self, environment: Uuid, id: RequestId) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM requests WHERE id = ?2 AND environment_id = ?1 LIMIT 1";
        let found =
            self.first("look for a request", sql, values![environment, id.0], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// That request of the environment, as it came.
    ///
    /// # Errors
    /// What the database says.
    pub fn request_text(
        &self,
        environment: Uuid,
        id: RequestId,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT request FROM requests WHERE id = ?2 AND environment_id = ?1 LIMIT 1";
        self.first("read a request", sql, values![environment, id.0], |row| row.string("request"))
    }
}

impl Change<'_> {
    /// Remembers a request and its answer.
    ///
    /// # Errors
    /// What the database says; a second request of one id and key among it.
    pub fn add_request(&self, new: &AnsweredRequest) -> Result<(), StoreError> {
        let sql = "INSERT INTO requests (key_thumbprint, id, kind, environment_id, received_at, \
                   request, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = values![
            new.key.as_str(),
            new.id.0,
            new.kind,
            new.environment_id,
            new.received_at,
            &new.request,
            &new.answer,
        ];
        self.execute_later("store a request", sql, values)
    }
}
