//! What is used, in words, as a customer and a vendor read it. No figure stands without its date.

use super::page::moment;
use crate::portal::{EnvironmentUsage, LimitUsage, UsageRoad, UsageView};
use uuid::Uuid;

/// A figure of an environment, or the sum of a limit.
pub(in crate::portal) struct UsageRow {
    pub(super) limit: String,
    /// Whose figure it is; none: of all together.
    pub(super) environment: Option<(Uuid, String)>,
    pub(super) used: String,
    pub(super) peak: String,
    pub(super) measured: String,
    pub(super) road: &'static str,
}

/// The rows of a table: by limit, each environment, and the sum where there are several.
pub(super) fn rows(view: &UsageView) -> Vec<UsageRow> {
    view.limits.iter().flat_map(rows_of).collect()
}

fn rows_of(limit: &LimitUsage) -> Vec<UsageRow> {
    let mut rows: Vec<_> = limit.environments.iter().map(|told| row(limit, told)).collect();
    if rows.len() > 1
        && let Some(together) = limit.together
    {
        rows.push(UsageRow {
            limit: limit.name.clone(),
            environment: None,
            used: together.used.to_string(),
            peak: String::new(),
            measured: format!("{} or later", moment(together.measured_at)),
            road: "",
        });
    }
    rows
}

fn row(limit: &LimitUsage, told: &EnvironmentUsage) -> UsageRow {
    UsageRow {
        limit: limit.name.clone(),
        environment: Some((told.environment_id, told.name.clone())),
        used: told.used.map_or_else(|| "not known".to_owned(), |used| used.to_string()),
        peak: format!("{} on {}", told.peak, told.peak_on),
        measured: moment(told.measured_at),
        road: match told.road {
            UsageRoad::Report => "an uploaded report",
            UsageRoad::Online => "the server",
            UsageRoad::Courier => "a request file",
        },
    }
}

/// What is used of a limit at a glance.
pub(super) fn glance(limit: &LimitUsage) -> String {
    match (limit.environments.as_slice(), limit.together) {
        ([], _) => "not reported".to_owned(),
        (several, Some(together)) => {
            let when = if several.len() > 1 { "or later" } else { "" };
            format!("{} on {} {when}", together.used, moment(together.measured_at))
                .trim_end()
                .to_owned()
        }
        (several, None) => {
            let peak = |told: &EnvironmentUsage| {
                format!("{}: {} on {}", told.name, told.peak, told.peak_on)
            };
            several.iter().map(peak).collect::<Vec<_>>().join("; ")
        }
    }
}
