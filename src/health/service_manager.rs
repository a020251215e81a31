//! What systemd is told (`sd_notify(3)`); without systemd nothing happens.

use sd_notify::NotifyState;
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that started this process, as its environment says.
    pub fn from_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// None: for a process that several agents share, such as a test.
    pub const fn none() -> Self {
        Self { watchdog: None }
    }

    /// How often it wants to hear from the loop: half its patience.
    pub fn watchdog_interval(self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 2)
    }

    /// The service is up.
    pub fn ready(self, status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A line for `systemctl status`.
    pub fn status(self, status: &str) {
        notify(&[NotifyState::Status(status)]);
    }

    /// The loop turned.
    pub fn alive(self) {
        if self.watchdog.is_some() {
            notify(&[NotifyState::Watchdog]);
        }
    }

    /// The settings are being read again; [`ready`](Self::ready) ends that.
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the service manager could not be told"),
        }
    }

    /// The service goes down.
    pub fn stopping(self) {
        notify(&[NotifyState::Stopping]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
