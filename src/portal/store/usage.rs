//! The table of usage reports: the newest of each environment.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, to_json, values},
};
use crate::license::UsagePeak;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

/// What an environment used, by the newest report of it that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedUsage {
    /// The environment.
    pub environment_id: Uuid,
    /// When its controller made the report.
    pub made_at: Timestamp,
    /// When the report came here.
    pub received_at: Timestamp,
    /// The first day, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The peaks, by day and name.
    pub peaks: Vec<UsagePeak>,
}

impl View<'_> {
    /// The newest reports of a subscription's environments.
    ///
    /// # Errors
    /// What the database says.
    pub fn reported_usage(&self, subscription: Uuid) -> Result<Vec<ReportedUsage>, StoreError> {
        let sql = "SELECT u.environment_id, u.made_at, u.received_at, u.first_day, u.last_day, u.peaks \
                   FROM usage_reports u JOIN environments e ON e.id = u.environment_id \
                   WHERE e.subscription_id = ?1 ORDER BY u.environment_id";
        self.all("read usage reports", sql, values![subscription], report)
    }
}

impl Change<'_> {
    /// Keeps a report in the place of the one that was kept of its environment.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_usage(&self, put: &ReportedUsage) -> Result<(), StoreError> {
        let sql = "INSERT INTO usage_reports (environment_id, made_at, received_at, first_day, last_day, peaks) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (environment_id) DO UPDATE SET made_at = excluded.made_at, \
                   received_at = excluded.received_at, first_day = excluded.first_day, \
                   last_day = excluded.last_day, peaks = excluded.peaks";
        let values = values![
            put.environment_id,
            put.made_at,
            put.received_at,
            put.from.to_string(),
            put.to.to_string(),
            to_json(&put.peaks)?,
        ];
        self.execute("store a usage report", sql, values).map(drop)
    }
}

fn report(row: &Row<'_>) -> Result<ReportedUsage, Fault> {
    Ok(ReportedUsage {
        environment_id: row.parsed("environment_id")?,
        made_at: row.time("made_at")?,
        received_at: row.time("received_at")?,
        from: row.parsed("first_day")?,
        to: row.parsed("last_day")?,
        peaks: row.json("peaks")?,
    })
}
