//! The tables of trials: what visitors may start, and who did.

use super::{
    Change, StoreError, View,
    session::{to_json, values},
};
use crate::portal::domain::TrialTerms;
use jiff::Timestamp;
use uuid::Uuid;

/// A trial that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedTrial {
    /// The company, in a form in which its ways of writing are one.
    pub company: String,
    /// The e-mail address, the same.
    pub email: String,
    /// The subscription that it got.
    pub subscription_id: Uuid,
    /// When.
    pub started_at: Timestamp,
}

impl View<'_> {
    /// What a trial is; none where the vendor offers none.
    ///
    /// # Errors
    /// What the database says.
    pub fn trial_terms(&self) -> Result<Option<TrialTerms>, StoreError> {
        let sql = "SELECT terms FROM trial_terms WHERE id = 1";
        self.first("read the terms of trials", sql, &[], |row| row.json("terms"))
    }

    /// Whether that company or that address had a trial.
    ///
    /// # Errors
    /// What the database says.
    pub fn had_trial(&self, company: &str, email: &str) -> Result<bool, StoreError> {
        let sql = "SELECT company FROM trials WHERE company = ?1 OR email = ?2 LIMIT 1";
        let found = self.first("look for a trial", sql, values![company, email], |_| Ok(()))?;
        Ok(found.is_some())
    }
}

impl View<'_> {
    /// Trials that were started after that.
    ///
    /// # Errors
    /// What the database says.
    pub fn trials_since(&self, since: Timestamp) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS started FROM trials WHERE started_at > ?1";
        let found = self.first("count trials", sql, values![since], |row| row.count("started"))?;
        Ok(found.unwrap_or_default())
    }
}

impl Change<'_> {
    /// Says what a trial is from now on; none: there are none.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_trial_terms(&self, terms: Option<&TrialTerms>) -> Result<(), StoreError> {
        let doing = "store the terms of trials";
        match terms {
            Some(terms) => {
                let sql = "INSERT INTO trial_terms (id, terms) VALUES (1, ?1) \
                           ON CONFLICT (id) DO UPDATE SET terms = excluded.terms";
                self.execute(doing, sql, &[to_json(terms)?])
            }
            None => self.execute(doing, "DELETE FROM trial_terms WHERE id = 1", &[]),
        }
        .map(drop)
    }

    /// Remembers that a trial was started.
    ///
    /// # Errors
    /// What the database says; a second trial of one company or address among it.
    pub fn add_trial(&self, new: &StartedTrial) -> Result<(), StoreError> {
        let sql = "INSERT INTO trials (company, email, subscription_id, started_at) \
                   VALUES (?1, ?2, ?3, ?4)";
        let values = values![&new.company, &new.email, new.subscription_id, new.started_at];
        self.execute("store a trial", sql, values).map(drop)
    }
}
