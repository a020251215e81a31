//! The tables of API tokens, and of the answers that are repeated to whoever asks again.

use super::{
    Change, StoreError, View,
    rows::{json, optional_time, time, to_json},
};
use crate::portal::access::{ApiToken, TokenDigest};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

const COLUMNS: &str = "name, digest, scopes, created_at, expires_at, revoked_at, last_used_at";

/// An answer that was given to a request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Digest of the request.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The revision that it told, as `ETag`.
    pub revision: Option<u64>,
    /// The body; none where it held a secret.
    pub body: Option<String>,
    /// When it was given.
    pub at: Timestamp,
}

impl View<'_> {
    /// The token of that name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn token(&self, name: &str) -> Result<Option<ApiToken>, StoreError> {
        self.one_token("name", name)
    }

    /// The token of that digest.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn token_by_digest(&self, digest: &TokenDigest) -> Result<Option<ApiToken>, StoreError> {
        self.one_token("digest", digest.text())
    }

    fn one_token(&self, column: &str, value: &str) -> Result<Option<ApiToken>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_tokens WHERE {column} = ?1"))
            .and_then(|mut s| s.query_row([value], token).optional())
            .map_err(StoreError::during("read a token"))
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_tokens ORDER BY name"))
            .and_then(|mut s| s.query_map([], token)?.collect())
            .map_err(StoreError::during("list tokens"))
    }

    /// The answer that a token's key has got.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn kept_answer(&self, token: &str, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        let sql = "SELECT request, status, revision, body, at FROM idempotent_answers \
                   WHERE token = ?1 AND key = ?2";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([token, key], kept_answer).optional())
            .map_err(StoreError::during("read an answer"))
    }
}

impl Change<'_> {
    /// Stores a token, new or revoked.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_token(&self, put: &ApiToken) -> Result<(), StoreError> {
        let store = || {
            let sql = format!(
                "INSERT INTO api_tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (name) DO UPDATE SET revoked_at = excluded.revoked_at"
            );
            self.0.0.prepare_cached(&sql)?.execute(params![
                put.name,
                put.digest.text(),
                to_json(&put.scopes)?,
                put.created_at.as_second(),
                put.expires_at.map(Timestamp::as_second),
                put.revoked_at.map(Timestamp::as_second),
                put.last_used_at.map(Timestamp::as_second),
            ])
        };
        store().map(drop).map_err(StoreError::during("store a token"))
    }

    /// Notes when a token was used.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn token_was_used(&self, name: &str, at: Timestamp) -> Result<(), StoreError> {
        self.0
            .0
            .prepare_cached("UPDATE api_tokens SET last_used_at = ?2 WHERE name = ?1")
            .and_then(|mut s| s.execute(params![name, at.as_second()]))
            .map(drop)
            .map_err(StoreError::during("note the use of a token"))
    }

    /// Keeps an answer, and forgets those that were given before `forgotten`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn keep_answer(
        &self,
        token: &str,
        key: &str,
        answer: &KeptAnswer,
        forgotten: Timestamp,
    ) -> Result<(), StoreError> {
        let keep = || {
            let forget = "DELETE FROM idempotent_answers WHERE at <= ?1";
            self.0.0.prepare_cached(forget)?.execute([forgotten.as_second()])?;
            let sql = "INSERT INTO idempotent_answers (token, key, request, status, revision, body, at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            self.0.0.prepare_cached(sql)?.execute(params![
                token,
                key,
                answer.request,
                answer.status,
                answer.revision.map(super::rows::integer),
                answer.body,
                answer.at.as_second(),
            ])
        };
        keep().map(drop).map_err(StoreError::during("keep an answer"))
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        name: row.get("name")?,
        digest: TokenDigest::stored(row.get("digest")?),
        scopes: json(row, "scopes")?,
        created_at: time(row, "created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}

fn kept_answer(row: &Row<'_>) -> rusqlite::Result<KeptAnswer> {
    let revision: Option<i64> = row.get("revision")?;
    Ok(KeptAnswer {
        request: row.get("request")?,
        status: row.get("status")?,
        revision: revision.and_then(|revision| u64::try_from(revision).ok()),
        body: row.get("body")?,
        at: time(row, "at")?,
    })
}
