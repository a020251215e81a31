//! `entitled dev` in a directory of its own.

use super::{Ctl, Running, Socket, between};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A session that is ready.
pub(crate) struct Dev {
    pub(crate) running: Running,
    pub(crate) socket: Socket,
    pub(crate) ctl: Ctl,
    folder: TempDir,
}

impl Dev {
    /// A session in a new directory.
    pub(crate) fn start() -> Self {
        Self::of(tempfile::tempdir().unwrap(), &[])
    }

    /// A session in a directory, brought to a scenario.
    pub(crate) fn of(folder: TempDir, arguments: &[&str]) -> Self {
        let mut running = Running::start(Self::command(folder.path(), arguments));
        running.await_line("Ctrl-C stops it");
        let path = folder.path().join("entitled.sock");
        let (socket, ctl) = (Socket::new(&path), Ctl::new(&path));
        Self { running, socket, ctl, folder }
    }

    pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitled"));
        command.arg("dev").arg("--dir").arg(folder).args(arguments).env_remove("ENTITLED_LOG");
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of the embedded portal.
    pub(crate) fn portal(&self) -> String {
        between(self.running.said(), "portal  ", ",").to_owned()
    }

    /// Stops it, and keeps its directory: what it said, and that.
    pub(crate) fn stop(self) -> (String, TempDir) {
        (self.running.stop(), self.folder)
    }
}
