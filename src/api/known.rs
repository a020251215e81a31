//! What this server knows of the use of the environment's limits, for whoever asks whether more may be taken.

use crate::usage::{Figures, Knowledge, Stale};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Longer silence of the controller than this is loss: it gives a sign of life every 20 seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(40);

/// What this server knows of the use of the environment's limits.
#[derive(Debug, Clone)]
pub struct KnownUsage {
    /// The sums.
    pub figures: Figures,
    /// Where they come from.
    pub source: Source,
    /// By how much more this server uses than the controller was told, by limit.
    pub growth: BTreeMap<String, u64>,
}

/// Where figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From nowhere yet.
    Nowhere,
    /// From this agent: it is the controller's.
    Here,
    /// From the controller, which was heard of last at that time.
    Controller(Instant),
    /// From the controller, which can't be heard any more.
    Lost(Instant),
}

impl Default for KnownUsage {
    fn default() -> Self {
        Self { figures: Figures::default(), source: Source::Nowhere, growth: BTreeMap::new() }
    }
}

impl KnownUsage {
    /// What is known of a limit; `stated` is used as far as no figures came.
    pub fn of(&self, limit: &str, stated: Option<u64>) -> Knowledge {
        let (age, heard) = match self.source {
            Source::Nowhere => (None, false),
            Source::Here => (Some(Duration::ZERO), true),
            Source::Controller(at) => (Some(at.elapsed()), at.elapsed() <= LONGEST_SILENCE),
            Source::Lost(at) => (Some(at.elapsed()), false),
        };
        let figure = self.figures.limits.get(limit);
        let used = figure.map(|figure| figure.used);
        Knowledge {
            used: if age.is_some() { used } else { stated },
            growth: self.growth.get(limit).copied().unwrap_or_default(),
            lowest: figure.map_or(0, |figure| figure.lowest),
            servers: self.figures.servers,
            away: self.figures.away,
            age,
            stale: match (heard, self.figures.settled) {
                (false, _) => Some(Stale::ControllerLost),
                (true, false) => Some(Stale::ControllerStarting),
                (true, true) => None,
            },
        }
    }
}
