//! The tables of API tokens, and of the answers that are repeated to whoever asks again.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, Value, integer, to_json, values},
};
use crate::portal::access::{ApiToken, TokenDigest};
use jiff::Timestamp;
use std::fmt;

const COLUMNS: &str = "name, digest, scopes, created_at, expires_at, revoked_at, last_used_at";

/// An answer that was given to a request with an `Idempotency-Key`.
#[derive(Clone, PartialEq, Eq)]
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

/// Without the body, which may hold an Activation Code.
impl fmt::Debug for KeptAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAnswer")
            .field("request", &self.request)
            .field("status", &self.status)
            .field("revision", &self.revision)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl View<'_> {
    /// The token of that name.
    ///
    /// # Errors
    /// What the database says.
    pub fn token(&self, name: &str) -> Result<Option<ApiToken>, StoreError> {
        self.one_token("name", name)
    }

    /// The token of that digest.
    ///
    /// # Errors
    /// What the database says.
    pub fn token_by_digest(&self, digest: &TokenDigest) -> Result<Option<ApiToken>, StoreError> {
        self.one_token("digest", digest.text())
    }

    fn one_token(&self, column: &str, value: &str) -> Result<Option<ApiToken>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE {column} = ?1");
        self.first("read a token", &sql, values![value], token)
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// What the database says.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_tokens ORDER BY name");
        self.all("list tokens", &sql, &[], token)
    }

    /// The answer that a token's key has got.
    ///
    /// # Errors
    /// What the database says.
    pub fn kept_answer(&self, token: &str, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        let sql = "SELECT request, status, revision, body, at FROM idempotent_answers \
                   WHERE token = ?1 AND key = ?2";
        self.first("read an answer", sql, values![token, key], kept_answer)
    }
}

impl Change<'_> {
    /// Stores a token, new or revoked.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_token(&self, put: &ApiToken) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO api_tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (name) DO UPDATE SET revoked_at = excluded.revoked_at"
        );
        let values = values![
            &put.name,
            put.digest.text(),
            to_json(&put.scopes)?,
            put.created_at,
            put.expires_at,
            put.revoked_at,
            put.last_used_at,
        ];
        self.execute("store a token", &sql, values).map(drop)
    }

    /// Notes when a token was used.
    ///
    /// # Errors
    /// What the database says.
    pub fn token_was_used(&self, name: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE api_tokens SET last_used_at = ?2 WHERE name = ?1";
        self.execute("note the use of a token", sql, values![name, at]).map(drop)
    }

    /// Keeps an answer, and forgets those that were given before `forgotten`.
    ///
    /// # Errors
    /// What the database says.
    pub fn keep_answer(
        &self,
        token: &str,
        key: &str,
        answer: &KeptAnswer,
        forgotten: Timestamp,
    ) -> Result<(), StoreError> {
        let forget = "DELETE FROM idempotent_answers WHERE at <= ?1";
        self.execute("forget answers", forget, values![forgotten])?;
        let sql = "INSERT INTO idempotent_answers (token, key, request, status, revision, body, at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = values![
            token,
            key,
            &answer.request,
            u32::from(answer.status),
            Value::Integer(answer.revision.map(integer)),
            answer.body.as_deref(),
            answer.at,
        ];
        self.execute("keep an answer", sql, values).map(drop)
    }
}

fn token(row: &Row<'_>) -> Result<ApiToken, Fault> {
    Ok(ApiToken {
        name: row.string("name")?,
        digest: TokenDigest::stored(row.string("digest")?),
        scopes: row.json("scopes")?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        last_used_at: row.optional_time("last_used_at")?,
    })
}

fn kept_answer(row: &Row<'_>) -> Result<KeptAnswer, Fault> {
    let revision = row.optional_integer("revision")?;
    Ok(KeptAnswer {
        request: row.string("request")?,
        status: row.count("status")?,
        revision: revision.and_then(|revision| u64::try_from(revision).ok()),
        body: row.optional_string("body")?,
        at: row.time("at")?,
    })
}
