//! The table of the environments' hardware, in digests.

use super::{
    Change, Fault, StoreError, View,
    environments::{COLUMNS, environment},
    session::{Row, Value, damaged, values},
};
use crate::{
    identity::EnrolledFact,
    portal::domain::{Environment, fact},
};
use uuid::Uuid;

/// Environments that share a fact and are looked at; a few serials are shared by a whole chassis.
const MOST_ALIKE: u32 = 64;

impl View<'_> {
    /// The facts by which an environment is known again, in the order of [`facts`](crate::portal::domain::facts).
    ///
    /// # Errors
    /// What the database says.
    pub fn evidence(&self, environment: Uuid) -> Result<Vec<EnrolledFact>, StoreError> {
        let sql = "SELECT source, digest, weight FROM evidence WHERE environment_id = ?1";
        let mut facts = self.all("read evidence", sql, values![environment], stored_fact)?;
        facts.sort();
        Ok(facts)
    }

    /// The environments of a subscription that have their slot and share one of these facts.
    ///
    /// # Errors
    /// What the database says.
    pub fn environments_by_evidence(
        &self,
        subscription: Uuid,
        facts: &[EnrolledFact],
    ) -> Result<Vec<Environment>, StoreError> {
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        // Nearly every machine is new: one statement says so, however many facts it has.
        let sql = format!(
            "SELECT DISTINCT digest FROM evidence WHERE digest IN ({})",
            places(1, facts.len())
        );
        let digests: Vec<Value<'_>> =
            facts.iter().map(|fact| fact.digest.to_string().into()).collect();
        let doing = "find environments by evidence";
        let known = self.all(doing, &sql, &digests, |row| row.string("digest"))?;
        let sql = format!(
            "SELECT {COLUMNS} FROM environments WHERE subscription_id = ?1 AND released_at IS NULL \
             AND id IN (SELECT environment_id FROM evidence WHERE digest = ?2) LIMIT {MOST_ALIKE}"
        );
        let mut found: Vec<Environment> = Vec::new();
        for fact in facts.iter().map(|fact| fact.digest.to_string()) {
            if !known.contains(&fact) {
                continue;
            }
            for alike in self.all(doing, &sql, values![subscription, fact], environment)? {
                if !found.iter().any(|known| known.id == alike.id) {
                    found.push(alike);
                }
            }
        }
        Ok(found)
    }
}

impl Change<'_> {
    /// Puts `facts` in the place of those that an environment is known by.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_evidence(
        &self,
        environment: Uuid,
        facts: &[EnrolledFact],
    ) -> Result<(), StoreError> {
        let doing = "store evidence";
        let old = "DELETE FROM evidence WHERE environment_id = ?1";
        self.execute_later(doing, old, values![environment])?;
        if facts.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> =
            (0..facts.len()).map(|row| format!("(?1, {})", places(2 + row * 4, 4))).collect();
        let sql = format!(
            "INSERT INTO evidence (environment_id, fact_group, source, digest, weight) VALUES {} \
             ON CONFLICT DO NOTHING",
            rows.join(", ")
        );
        let mut values = vec![Value::from(environment)];
        for EnrolledFact { group, source, digest, weight } in facts {
            values.extend([
                group.name().into(),
                source.name().into(),
                digest.to_string().into(),
                (*weight).into(),
            ]);
        }
        self.execute_later(doing, &sql, &values)
    }
}

/// `?4, ?5, ?6`
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("?{place}")).collect();
    places.join(", ")
}

fn stored_fact(row: &Row<'_>) -> Result<EnrolledFact, Fault> {
    let read = fact(row.text("source")?, row.text("digest")?, row.count("weight")?);
    read.ok_or_else(|| damaged("source", "a fact that can't be read"))
}
