//! The clocks, so that they can be moved.

use crate::entitlement::Reading;
use jiff::Timestamp;
use std::time::Duration;

/// Says what the clocks show.
pub trait Clock: Send + Sync {
    /// The clocks now.
    fn read(&self) -> Reading;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        // Boot time goes on while the machine is suspended; monotonic time does not.
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(boot.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(boot.tv_nsec).unwrap_or_default();
        Reading { clock: Timestamp::now(), uptime: Duration::new(seconds, nanoseconds) }
    }
}
