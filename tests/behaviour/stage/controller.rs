//! `entitled run` with settings of its own.

use super::{Ctl, PRODUCT, Running, Server, Socket, Vendor};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A controller's folder, in which the daemon is started and stopped.
pub(crate) struct Controller {
    folder: TempDir,
    pub(crate) socket: Socket,
    pub(crate) ctl: Ctl,
}

impl Controller {
    /// A controller with an override, for a vendor's portal.
    pub(crate) fn new(vendor: &Vendor, server: &Server) -> Self {
        Self::with(vendor, server, "[identity]\noverride = 'asset 4711'\n")
    }

    /// A controller with further settings.
    pub(crate) fn with(vendor: &Vendor, server: &Server, more: &str) -> Self {
        Self::at(vendor, &server.url, more)
    }

    /// The same with another address of the portal's.
    pub(crate) fn at(vendor: &Vendor, url: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/entitled.sock");
        let (socket, ctl) = (Socket::new(&path), Ctl::new(&path));
        fs::create_dir(folder.path().join("roots.d")).unwrap();
        fs::copy(vendor.path("roots.jwks"), folder.path().join("roots.d/vendor.jwks")).unwrap();
        let controller = Self { folder, socket, ctl };
        let at = |name| controller.path(name).display().to_string();
        let settings = format!(
            "product = '{PRODUCT}'\nstate_directory = '{}'\nruntime_directory = '{}'\nroot_directories = ['{}']\n\
             [portal]\nurl = '{}'\n{more}",
            at("state"),
            at("run"),
            at("roots.d"),
            url
        );
        controller.write("entitled.toml", &settings);
        controller
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.path("entitled.toml")
    }

    pub(crate) fn command(&self) -> Command {
        run(&self.settings())
    }

    /// Starts the daemon, and waits until it answers.
    pub(crate) fn start(&self) -> Running {
        self.start_with(self.command())
    }

    pub(crate) fn start_with(&self, command: Command) -> Running {
        let mut running = Running::start(command);
        running.await_line("the agent runs");
        // The socket is bound; the first status may still be on its way.
        while self.socket.get("/readyz").status != 200 {
            std::thread::yield_now();
        }
        running
    }

    /// The audit, newest first, as `action: detail`.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.ctl.json(&["events", "--limit", "100"]);
        let line = |event: &serde_json::Value| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            format!("{}: {}", text("action"), text("detail"))
        };
        events.as_array().unwrap().iter().map(line).collect()
    }
}

pub(crate) fn run(settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entitled"));
    command.arg("run").arg("--config").arg(settings);
    command.env_remove("ENTITLED_LOG").env_remove("CREDENTIALS_DIRECTORY");
    command
}
