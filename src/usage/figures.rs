//! The environment's sums as the controller tells them.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long members go by figures that were told: the watch shows within this that the controller is there.
const WINDOW: Duration = Duration::from_mins(1);

/// What is used in the whole environment, as its controller knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Each limit of which something is reported.
    pub limits: BTreeMap<String, Figure>,
    /// Servers of the environment, the controller among them.
    pub servers: u64,
    /// Those of them that don't hear the controller now.
    pub away: u64,
    /// Whether members had time to tell their part since the controller started.
    pub settled: bool,
}

/// What is used of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// Now.
    pub used: u64,
    /// The lowest that any server may still go by.
    pub lowest: u64,
}

/// The lowest figures that were told within the last minute or two: what another server may still go by.
#[derive(Debug, Clone, Default)]
pub struct LowWater {
    began: Duration,
    /// Gone by until something else is told.
    last: BTreeMap<String, u64>,
    current: BTreeMap<String, u64>,
    before: BTreeMap<String, u64>,
}

impl LowWater {
    /// Takes note of what is told at `now`, in uptime.
    pub fn told(&mut self, used: &BTreeMap<String, u64>, now: Duration) {
        let since = now.saturating_sub(self.began);
        if since >= WINDOW {
            let is_old = since >= WINDOW * 2;
            self.before =
                if is_old { self.last.clone() } else { std::mem::take(&mut self.current) };
            self.current.clone_from(&self.last);
            self.began = now;
        }
        // What is not reported is used 0 times.
        self.current.retain(|name, _| used.contains_key(name));
        for (name, lowest) in &mut self.current {
            *lowest = (*lowest).min(used.get(name).copied().unwrap_or_default());
        }
        self.last.clone_from(used);
    }

    /// The lowest of a limit.
    pub fn of(&self, limit: &str) -> u64 {
        let of = |told: &BTreeMap<String, u64>| told.get(limit).copied().unwrap_or_default();
        of(&self.current).min(of(&self.before))
    }
}
