//! The peaks of usage, a row a day and limit.

use super::{Database, database_error};
use crate::{
    license::Enforcement,
    store::StoreError,
    usage::{DAYS_KEPT, DayPeak},
};
use jiff::{Timestamp, civil::Date};
use rusqlite::params;

/// Numbers beyond 63 bits are kept as the highest that fit. `bound` is `NULL` for unlimited.
pub(super) const TABLE: &str = "
    CREATE TABLE usage_peaks (
        day   TEXT NOT NULL,
        name  TEXT NOT NULL,
        peak  INTEGER NOT NULL,
        at    INTEGER NOT NULL,
        bound INTEGER,
        hard  INTEGER NOT NULL,
        PRIMARY KEY (day, name)
    ) STRICT, WITHOUT ROWID;
";

impl Database {
    /// Of a day and a limit the highest stays.
    pub(in crate::store::sqlite) fn keep_peaks(
        &mut self,
        peaks: &[DayPeak],
    ) -> Result<(), StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let kept = (|| {
            let transaction = self.connection.transaction()?;
            for DayPeak { day, name, peak, at, limit, enforcement } in peaks {
                transaction
                    .prepare_cached(
                        "INSERT INTO usage_peaks (day, name, peak, at, bound, hard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                         ON CONFLICT (day, name) DO UPDATE SET peak = excluded.peak, at = excluded.at,
                             bound = excluded.bound, hard = excluded.hard
                         WHERE excluded.peak > usage_peaks.peak",
                    )?
                    .execute(params![
                        day.to_string(),
                        name,
                        number(*peak),
                        at.as_second(),
                        limit.map(number),
                        *enforcement == Enforcement::Hard,
                    ])?;
            }
            // By their number, and not by their age: a clock that is set wrong once takes no history along.
            transaction
                .prepare_cached(
                    "DELETE FROM usage_peaks WHERE day NOT IN
                         (SELECT DISTINCT day FROM usage_peaks ORDER BY day DESC LIMIT ?1)",
                )?
                .execute([DAYS_KEPT])?;
            transaction.commit()
        })();
        kept.map_err(database_error("write to", &self.path))
    }

    /// Those of some days, by day and limit.
    pub(in crate::store::sqlite) fn peaks(
        &self,
        from: Date,
        to: Date,
    ) -> Result<Vec<DayPeak>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT day, name, peak, at, bound, hard FROM usage_peaks
                 WHERE day >= ?1 AND day <= ?2 ORDER BY day, name",
            )?;
            let rows = statement.query_map([from.to_string(), to.to_string()], |row| {
                let day: String = row.get(0)?;
                let number = |number: i64| u64::try_from(number).unwrap_or_default();
                Ok(DayPeak {
                    day: day.parse().unwrap_or(Date::ZERO),
                    name: row.get(1)?,
                    peak: number(row.get(2)?),
                    at: Timestamp::from_second(row.get(3)?).unwrap_or(Timestamp::UNIX_EPOCH),
                    limit: row.get::<_, Option<i64>>(4)?.map(number),
                    enforcement: if row.get(5)? { Enforcement::Hard } else { Enforcement::Soft },
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(database_error("read", &self.path))
    }
}
