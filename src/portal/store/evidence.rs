//! The table of the environments' hardware, in digests.

use super::{
    Change, StoreError, View,
    environments::{COLUMNS, environment},
};
use crate::{
    identity::EnrolledFact,
    portal::domain::{Environment, fact},
};
use rusqlite::{Row, params, types::Type};
use uuid::Uuid;

/// Environments that share a fact and are looked at; a few serials are shared by a whole chassis.
const MOST_ALIKE: u32 = 64;

impl View<'_> {
    /// The facts by which an environment is known again.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn evidence(&self, environment: Uuid) -> Result<Vec<EnrolledFact>, StoreError> {
        let sql = "SELECT fact_group, source, digest, weight FROM evidence \
                   WHERE environment_id = ?1 ORDER BY source, digest";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| s.query_map([environment.to_string()], stored_fact)?.collect())
            .map_err(StoreError::during("read evidence"))
    }

    /// The environments of a subscription that have their slot and share one of these facts.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environments_by_evidence(
        &self,
        subscription: Uuid,
        facts: &[EnrolledFact],
    ) -> Result<Vec<Environment>, StoreError> {
        let find = || {
            let sql = format!(
                "SELECT {COLUMNS} FROM environments WHERE subscription_id = ?1 AND released_at IS NULL \
                 AND id IN (SELECT environment_id FROM evidence WHERE digest = ?2) LIMIT {MOST_ALIKE}"
            );
            let mut statement = self.0.prepare_cached(&sql)?;
            let mut found: Vec<Environment> = Vec::new();
            for fact in facts {
                let key = [subscription.to_string(), fact.digest.to_string()];
                for alike in statement.query_map(key, environment)? {
                    let alike = alike?;
                    if !found.iter().any(|known| known.id == alike.id) {
                        found.push(alike);
                    }
                }
            }
            Ok(found)
        };
        find().map_err(StoreError::during("find environments by evidence"))
    }
}

impl Change<'_> {
    /// Puts `facts` in the place of those that an environment is known by.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_evidence(
        &self,
        environment: Uuid,
        facts: &[EnrolledFact],
    ) -> Result<(), StoreError> {
        let put = || {
            let id = environment.to_string();
            let connection = self.0.0;
            connection
                .prepare_cached("DELETE FROM evidence WHERE environment_id = ?1")?
                .execute([&id])?;
            let sql = "INSERT OR REPLACE INTO evidence \
                       (environment_id, fact_group, source, digest, weight) VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = connection.prepare_cached(sql)?;
            for EnrolledFact { group, source, digest, weight } in facts {
                let row = params![id, group.name(), source.name(), digest.to_string(), weight];
                insert.execute(row)?;
            }
            Ok(())
        };
        put().map_err(StoreError::during("store evidence"))
    }
}

fn stored_fact(row: &Row<'_>) -> rusqlite::Result<EnrolledFact> {
    let text = |column| row.get::<_, String>(column);
    let read = fact(&text("source")?, &text("digest")?, row.get("weight")?);
    read.ok_or_else(|| {
        let reason = "a fact that can't be read".into();
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, reason)
    })
}
