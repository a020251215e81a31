//! Every command of the pages for operators, in the order in which they stand, against a real portal and a real agent.

mod customers;
mod moving;
mod named;
mod portal;
mod readme;

use crate::stage::{Controller, Done, Running, Vendor};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The blocks of shell of a page in their order, each command on one line.
fn blocks(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("\n```").filter_map(|rest| rest.strip_prefix("sh\n"));
    let whole = blocks.map(|block| block.replace("\\\n", " "));
    whole.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

/// All of these commands, one after the other.
fn commands(page: &str) -> Vec<String> {
    blocks(page).concat()
}

/// Where the programs were built, before all others.
fn path() -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_entitlectl")).parent().unwrap();
    format!("{}:{}", programs.display(), env::var("PATH").unwrap())
}

/// A folder in which commands of a page are run, as they stand there.
struct Desk {
    folder: PathBuf,
    vendor: PathBuf,
}

impl Desk {
    fn new(vendor: &Vendor, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        Self { folder, vendor: vendor.path("") }
    }

    fn command(&self, line: &str, socket: &Path) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&self.folder);
        shell.env("PATH", path()).env("ENTITLED_SOCKET", socket);
        shell.env("ENTITLE_PORTAL_DIR", &self.vendor).env_remove("ENTITLED_LOG");
        shell.env("PYTHONDONTWRITEBYTECODE", "1");
        shell
    }

    /// Runs a line for the agent of that socket, which must succeed.
    #[track_caller]
    fn run(&self, line: &str, socket: &Path, input: &str) -> Done {
        let done = Done::of(self.command(line, socket), input);
        assert_eq!(done.code, 0, "{line}: {done:?}");
        done
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A controller that knows no portal, and the desk at which its operator and the vendor work.
fn site() -> (Vendor, Controller, Running, Desk) {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let settings = fs::read_to_string(controller.settings()).unwrap();
    let apart: Vec<_> = settings.lines().filter(|line| !line.starts_with("url = ")).collect();
    controller.write("entitled.toml", &apart.join("\n"));
    drop(server);
    let daemon = controller.start();
    let desk = Desk::new(&vendor, controller.path("desk"));
    (vendor, controller, daemon, desk)
}

#[test]
fn a_site_without_a_way_to_the_portal_does_as_its_page_says() {
    let (vendor, controller, daemon, desk) = site();
    let (_, code) = vendor.sell();
    fs::write(desk.path("code"), code.expose()).unwrap();
    let commands = commands(include_str!("../../docs/air-gapped.md"));
    assert!(commands.len() > 12, "{commands:#?}");
    let mut said = Vec::new();
    // The product is not installed here.
    let roots = format!("usage verify --roots '{}'", vendor.path("roots.jwks").display());
    for command in &commands {
        let line = command.replace("usage verify", &roots);
        said.push((command.as_str(), desk.run(&line, &controller.socket.path, "").out));
    }
    let told =
        |begin: &str| &said.iter().find(|(command, _)| command.starts_with(begin)).unwrap().1;
    assert!(told("entitlectl status").contains("active, entitled"), "{said:#?}");
    let shown = told("entitlectl license inspect");
    assert!(!shown.contains(&code.expose()) && shown.contains("activate"), "{shown}");
    assert_eq!(controller.socket.status()["reason"], "released");
    daemon.stop();
}
