//! What is used, as commands print it.

use super::output::table;
use crate::portal::{EnvironmentUsage, LimitUsage, UsageView};
use jiff::Timestamp;

/// A table of it below what else is shown; nothing where nothing was told.
pub(super) fn below(view: &UsageView) -> String {
    let rows: Vec<_> = view.limits.iter().flat_map(rows).collect();
    if view.limits.is_empty() {
        return String::new();
    }
    if rows.is_empty() {
        return "\n\nNo environment has told what it uses".to_owned();
    }
    let header = ["LIMIT", "ENVIRONMENT", "USED", "HIGHEST", "MEASURED", "BY"];
    format!("\n\n{}", table(&header, rows))
}

fn rows(limit: &LimitUsage) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = limit.environments.iter().map(|told| row(limit, told)).collect();
    if rows.len() > 1
        && let Some(together) = limit.together
    {
        let all = "all together".to_owned();
        let (used, since) = (together.used.to_string(), minute(together.measured_at));
        let since = format!("{since} or later");
        rows.push(vec![limit.name.clone(), all, used, String::new(), since, String::new()]);
    }
    rows
}

fn row(limit: &LimitUsage, told: &EnvironmentUsage) -> Vec<String> {
    vec![
        limit.name.clone(),
        told.name.clone(),
        told.used.map_or_else(|| "-".to_owned(), |used| used.to_string()),
        format!("{} on {}", told.peak, told.peak_on),
        minute(told.measured_at),
        told.road.to_string(),
    ]
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
