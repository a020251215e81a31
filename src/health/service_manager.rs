//! What systemd is told (`sd_notify(3)`); without systemd nothing happens.

use sd_notify::NotifyState;
use std::{
    env,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// What the connections are called in its store of file descriptors. Short: all names together are one variable of the next
/// process (`LISTEN_FDNAMES`), and the kernel starts none with one of more than 128 KiB.
const CONNECTIONS: &str = "kept";
/// File descriptors of one message: the kernel takes no more than 253 (`SCM_MAX_FD`).
const AT_ONCE: usize = 250;

/// The service manager, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
    /// Whether there is one to give connections to.
    listens: bool,
}

impl ServiceManager {
    /// The one that started this process, as its environment says.
    pub fn from_environment() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            listens: env::var_os("NOTIFY_SOCKET").is_some(),
        }
    }

    /// None: for a process that several agents share, such as a test.
    pub const fn none() -> Self {
        Self { watchdog: None, listens: false }
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

    /// Whether connections that wait can be left with it, for the process that comes next.
    pub const fn keeps_connections(self) -> bool {
        self.listens
    }

    /// Leaves connections with it (`FileDescriptorStoreMax=`): it hands them to the next process, and closes them where none
    /// is to come.
    pub fn keep(self, connections: &[OwnedFd]) {
        for some in connections.chunks(AT_ONCE) {
            let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
            let states = [NotifyState::FdStore, NotifyState::FdName(CONNECTIONS)];
            if let Err(error) = sd_notify::notify_with_fds(&states, &some) {
                tracing::warn!(%error, "connections could not be left with the service manager");
            }
        }
    }

    /// What it kept was taken over: it lets go of it, so that a connection ends when this process closes it.
    pub fn kept_were_taken(self) {
        if self.listens {
            notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(CONNECTIONS)]);
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
