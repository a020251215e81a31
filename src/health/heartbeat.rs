//! Whether the loop that does the work still turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A loop that has not turned for so long is stuck.
const LONGEST_TURN: Duration = Duration::from_mins(2);

/// Beaten by the loop, read by `/livez`.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    start: Instant,
    /// Milliseconds after `start` of the last beat.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Begins to count now.
    pub fn start() -> Self {
        Self { start: Instant::now(), last: Arc::default() }
    }

    /// The loop turned.
    pub fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Whether the loop turned lately.
    pub fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last) < LONGEST_TURN
    }
}
