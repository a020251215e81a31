//! How the writer fares, for monitors.

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

/// Counts since the process began; clones share them.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Changes in each commit: many that came together are one.
    pub changes: Histogram,
    /// Commits, and beginnings of them, that failed: nothing of theirs is stored.
    pub failures: Counter,
}

impl Default for Figures {
    fn default() -> Self {
        let bounds = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        Self { changes: Histogram::new(bounds), failures: Counter::default() }
    }
}

impl Figures {
    /// That many changes were committed in one go.
    pub(super) fn committed(&self, changes: usize) {
        self.changes.observe(u32::try_from(changes).map_or(f64::MAX, f64::from));
    }
}
