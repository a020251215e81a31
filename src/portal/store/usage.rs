//! The table of usage: the newest figures of each environment, whether a request told them or a report was uploaded.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, to_json, values},
};
use crate::{
    license::Purpose,
    portal::domain::{ReportedUsage, UsageRoad},
};
use uuid::Uuid;

const COLUMNS: &str =
    "u.environment_id, u.made_at, u.received_at, u.first_day, u.last_day, u.peaks, u.road, u.used";

/// Figures with the environment that they are of, for who reads those of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageOf {
    /// The environment's subscription.
    pub subscription_id: Uuid,
    /// The environment's name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The figures.
    pub usage: ReportedUsage,
}

impl View<'_> {
    /// The newest figures of a subscription's environments.
    ///
    /// # Errors
    /// What the database says.
    pub fn reported_usage(&self, subscription: Uuid) -> Result<Vec<ReportedUsage>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM usage_reports u JOIN environments e ON e.id = u.environment_id \
             WHERE e.subscription_id = ?1 ORDER BY u.environment_id"
        );
        self.all("read usage", &sql, values![subscription], usage)
    }

    /// The newest figures of an environment.
    ///
    /// # Errors
    /// What the database says.
    pub fn usage_of(&self, environment: Uuid) -> Result<Option<ReportedUsage>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM usage_reports u WHERE u.environment_id = ?1");
        self.first("read usage", &sql, values![environment], usage)
    }

    /// Those of at most `most` environments that were made before that one, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn usage_page(&self, before: Option<Uuid>, most: u32) -> Result<Vec<UsageOf>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, e.subscription_id, e.name, e.purpose \
             FROM usage_reports u JOIN environments e ON e.id = u.environment_id \
             WHERE u.environment_id < ?1 ORDER BY u.environment_id DESC LIMIT ?2"
        );
        // No id is higher.
        let before = before.unwrap_or(Uuid::max());
        self.all("read usage", &sql, values![before, most], |row| {
            Ok(UsageOf {
                subscription_id: row.parsed("subscription_id")?,
                name: row.string("name")?,
                purpose: row.parsed("purpose")?,
                usage: usage(row)?,
            })
        })
    }
}

impl Change<'_> {
    /// Keeps figures in the place of those that were kept of their environment, unless those were measured later.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_usage(&self, put: &ReportedUsage) -> Result<(), StoreError> {
        let sql = "INSERT INTO usage_reports \
                   (environment_id, made_at, received_at, first_day, last_day, peaks, road, used) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                   ON CONFLICT (environment_id) DO UPDATE SET made_at = excluded.made_at, \
                   received_at = excluded.received_at, first_day = excluded.first_day, \
                   last_day = excluded.last_day, peaks = excluded.peaks, road = excluded.road, \
                   used = excluded.used WHERE usage_reports.made_at <= excluded.made_at";
        let values = values![
            put.environment_id,
            put.measured_at,
            put.received_at,
            put.from.to_string(),
            put.to.to_string(),
            to_json(&put.peaks)?,
            put.road.as_str(),
            to_json(&put.used)?,
        ];
        self.execute_later("store usage", sql, values)
    }
}

fn usage(row: &Row<'_>) -> Result<ReportedUsage, Fault> {
    Ok(ReportedUsage {
        environment_id: row.parsed("environment_id")?,
        measured_at: row.time("made_at")?,
        received_at: row.time("received_at")?,
        road: row.parsed::<UsageRoad>("road")?,
        from: row.parsed("first_day")?,
        to: row.parsed("last_day")?,
        used: row.optional_json("used")?.unwrap_or_default(),
        peaks: row.json("peaks")?,
    })
}
