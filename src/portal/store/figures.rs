//! How the writer fares, for monitors.

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a commit may take until the writer is said to stand still: longer than it waits for other writers, or for a server that is gone.
const LONGEST_COMMIT: Duration = Duration::from_secs(30);

/// Counts since the process began; clones share them.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Changes in each commit: many that came together are one.
    pub changes: Histogram,
    /// Commits, and beginnings of them, that failed: nothing of theirs is stored.
    pub failures: Counter,
    /// Since when the commit that is under way is.
    begun_at: Arc<Mutex<Option<Instant>>>,
}

/// A commit that is under way until this is gone.
pub(super) struct UnderWay(Arc<Mutex<Option<Instant>>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Default for Figures {
    fn default() -> Self {
        let bounds = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        Self {
            changes: Histogram::new(bounds),
            failures: Counter::default(),
            begun_at: Arc::default(),
        }
    }
}

impl Figures {
    /// Since when the commit that is under way is, if one is.
    pub fn begun_at(&self) -> Option<Instant> {
        *self.begun_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the writer stands still at that time: the database takes what it is told and does not answer.
    pub fn stands_still(&self, now: Instant) -> bool {
        self.begun_at().is_some_and(|begun| now.saturating_duration_since(begun) > LONGEST_COMMIT)
    }

    /// A commit begins.
    pub(super) fn under_way(&self) -> UnderWay {
        *self.begun_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        UnderWay(self.begun_at.clone())
    }

    /// That many changes were committed in one go.
    pub(super) fn committed(&self, changes: usize) {
        self.changes.observe(u32::try_from(changes).map_or(f64::MAX, f64::from));
    }
}
