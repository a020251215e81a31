//! `entitlectl doctor`: what is wrong is found, by its code, and the command that it names mends it.

mod bundle;
mod conditions;
mod members;
mod portal;
mod standin;

use crate::stage::{Controller, Ctl, Done, Running, Vendor, between};
use rustix::process::geteuid;
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

/// What one run has found.
#[derive(Debug)]
pub(crate) struct Found {
    findings: Vec<Value>,
    code: i32,
}

impl Found {
    pub(crate) fn by(ctl: &Ctl, settings: &Path) -> Self {
        let mut command = ctl.command();
        command.args(["doctor", "--json", "--config"]).arg(settings);
        Self::of(command)
    }

    /// What a command prints.
    fn of(command: Command) -> Self {
        let done = Done::of(command, "");
        let findings: Vec<Value> = serde_json::from_str(&done.out).expect(&done.err);
        for found in &findings {
            let mend = found["mend"].as_str();
            let is_bad = matches!(found["result"].as_str(), Some("warning" | "failed"));
            // A command for everything that is wrong, and for nothing else.
            assert_eq!(mend.is_some_and(|mend| mend.matches('`').count() >= 2), is_bad, "{found}");
            assert!(found["message"].as_str().unwrap().len() > 10, "{found}");
        }
        Self { findings, code: done.code }
    }

    /// The findings of a code.
    pub(crate) fn all<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        self.findings.iter().filter(move |found| found["code"] == code)
    }

    /// The first finding of a code.
    #[track_caller]
    pub(crate) fn one<'a>(&'a self, code: &'a str) -> &'a Value {
        self.all(code).next().unwrap_or_else(|| panic!("no {code} in {:#?}", self.findings))
    }

    #[track_caller]
    pub(crate) fn is(&self, code: &str, result: &str, told: &str) {
        let found = self.one(code);
        let message = found["message"].as_str().unwrap();
        assert!(found["result"] == result && message.contains(told), "{found:#}");
    }

    /// Runs the command that a finding names first.
    #[track_caller]
    fn mend(&self, code: &str) {
        self.mend_by(code, &Ctl::alone());
    }

    /// The same for the agent of that `entitlectl`.
    #[track_caller]
    fn mend_by(&self, code: &str, ctl: &Ctl) {
        let mend = self.one(code)["mend"].as_str().unwrap();
        let command = between(mend, "`", "`");
        let programs = Path::new(env!("CARGO_BIN_EXE_entitlectl")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", path).env("ENTITLED_SOCKET", ctl.socket());
        let done = Done::of(shell, "");
        assert_eq!(done.code, 0, "{command}: {done:?}");
    }

    /// Whether there is a finding of the code.
    fn has(&self, code: &str) -> bool {
        self.all(code).next().is_some()
    }
}

fn doctor(controller: &Controller) -> Found {
    Found::by(&controller.ctl, &controller.settings())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// An activated controller with its portal.
pub(crate) fn activated(more: &str) -> (Vendor, crate::stage::Server, Controller, Running) {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let more = format!("{more}\n[identity]\noverride = 'asset 4711'\n");
    let controller = Controller::with(&vendor, &server, &more);
    let daemon = controller.start();
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    (vendor, server, controller, daemon)
}

#[test]
fn a_sound_controller_is_found_so_and_each_step_says_what_was_tried() {
    let (_vendor, _server, controller, _daemon) = activated("");
    let found = doctor(&controller);
    for code in [
        "settings",
        "drop-ins",
        "last-good",
        "credentials",
        "root-keys",
        "trust",
        "state-directory",
        "key-files",
        "disk-room",
        "store",
        "store-copy",
        "runtime-directory",
        "sockets",
        "socket",
        "loop",
        "version",
        "portal-address",
        "portal-name",
        "portal-connection",
        "portal",
        "portal-product",
        "clock",
        "hardware",
        "license",
    ] {
        found.is(code, "ok", "");
    }
    found.is("trust", "ok", "trust document version 1");
    found.is("members-port", "skipped", "[members] listen");
    assert_eq!(found.code, 0, "{:#?}", found.findings);
    let page = controller.ctl.out(&["doctor", "--config", controller.settings().to_str().unwrap()]);
    assert!(page.contains("checks: 0 failed"), "{page}");
}

#[test]
fn permissions_that_are_wrong_are_found_and_the_named_command_mends_them() {
    let (_vendor, _server, controller, _daemon) = activated("");
    let state = controller.path("state");
    let cases = [
        ("key-files", "failed", state.join("environment.key"), 0o644),
        ("state-directory", "failed", state, 0o777),
        ("runtime-directory", "failed", controller.path("run"), 0o777),
        ("sockets", "failed", controller.path("run/admin.sock"), 0o666),
        ("sockets", "warning", controller.path("run/entitled.sock"), 0o600),
    ];
    for (code, result, path, wrong) in cases {
        mode(&path, wrong);
        let found = doctor(&controller);
        found.is(code, result, "found ");
        assert_eq!(found.code == 1, result == "failed");
        found.mend(code);
        doctor(&controller).is(code, "ok", "");
    }
    // As root alone: what a restore leaves.
    if geteuid().is_root() {
        chown(controller.path("state/state.json"), Some(4711), None).unwrap();
        let found = doctor(&controller);
        found.is("state-directory", "failed", "state.json");
        found.mend("state-directory");
        doctor(&controller).is("state-directory", "ok", "");
    }
}

#[test]
fn settings_that_nobody_reads_or_nobody_can_read_are_found() {
    let (_vendor, _server, controller, _daemon) = activated("");
    controller.write("conf.d/90-slip.conf", "[log]\nlevel = 'debug'\n");
    let found = doctor(&controller);
    found.is("drop-ins", "warning", "90-slip.conf");
    found.mend("drop-ins");
    doctor(&controller).is("drop-ins", "ok", "1 drop-ins");

    let token = controller.write("token", "a secret of somebody");
    let text = format!("[member]\ntoken_file = '{}'\n", token.display());
    controller.write("conf.d/91.toml", &text);
    mode(&token, 0o644);
    let found = doctor(&controller);
    found.is("credentials", "warning", "0644");
    found.mend("credentials");
    doctor(&controller).is("credentials", "ok", "1 files");
    fs::remove_file(token).unwrap();
    doctor(&controller).is("credentials", "failed", "found none");

    controller.write("conf.d/91.toml", "[portal]\nurll = 'x'\n");
    let found = doctor(&controller);
    found.is("settings", "failed", "did you mean url?");
    found.is("last-good", "ok", "goes on with it");
    let last_good = controller.write("state/last-good.toml", "what is this");
    let found = doctor(&controller);
    found.is("last-good", "warning", "last-good.toml");
    found.mend("last-good");
    assert!(!last_good.exists());
}

#[test]
fn an_agent_that_is_down_leaves_the_rest_to_be_looked_at() {
    let (_vendor, _server, controller, daemon) = activated("");
    daemon.stop();
    let found = doctor(&controller);
    found.is("socket", "failed", "can't be reached");
    assert!(found.one("socket")["mend"].as_str().unwrap().contains("systemctl start entitled"));
    for code in ["settings", "state-directory", "store", "store-copy", "portal", "clock"] {
        found.is(code, "ok", "");
    }
    found.is("license", "skipped", "does not answer");
    assert_eq!(found.code, 1);
}

#[test]
fn a_damaged_database_is_found_and_a_restart_mends_it() {
    let (_vendor, _server, controller, daemon) = activated("");
    daemon.stop();
    fs::write(controller.path("state/entitled.db"), "no database at all, and long enough").unwrap();
    let found = doctor(&controller);
    found.is("store", "failed", "entitled.db");
    assert!(found.one("store")["mend"].as_str().unwrap().contains("systemctl restart entitled"));
    // Looking mends nothing by itself.
    let left = fs::read_to_string(controller.path("state/entitled.db")).unwrap();
    assert!(left.starts_with("no database"), "{left}");
    let _daemon = controller.start();
    let found = doctor(&controller);
    found.is("store", "warning", "set aside");
    found.is("license", "ok", "");
    let aside = fs::read_dir(controller.path("state")).unwrap().flatten().map(|e| e.path());
    for path in aside.filter(|path| path.to_string_lossy().contains("damaged")) {
        fs::remove_file(path).unwrap();
    }
    doctor(&controller).is("store", "ok", "audit entries");
}

#[test]
fn an_environment_without_a_license_is_told_the_command() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let _daemon = controller.start();
    let found = doctor(&controller);
    found.is("license", "failed", "unlicensed");
    assert!(found.one("license")["mend"].as_str().unwrap().contains("`entitlectl activate`"));
    fs::remove_file(controller.path("roots.d/vendor.jwks")).unwrap();
    let found = doctor(&controller);
    found.is("root-keys", "failed", "no root key");
    assert!(found.one("root-keys")["mend"].as_str().unwrap().contains("systemctl reload entitled"));
}

#[test]
fn ports_that_nobody_serves_are_found() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_vendor, _server, controller, daemon) = activated(&format!(
        "[health]\nlisten = '{port}'\n[members]\nlisten = '127.0.0.1:0'\n[log]\nlevel = 'info'"
    ));
    let found = doctor(&controller);
    found.is("health-port", "ok", "monitors are answered");
    found.is("members-port", "skipped", "leaves the port to the system");
    found.is("members-authority", "ok", "a backup of");
    found.is("members-standing", "ok", "all 0 members");
    let address = between(daemon.said(), "members are served address=", "\n").to_owned();
    let settings = fs::read_to_string(controller.settings()).unwrap();
    fs::write(controller.settings(), settings.replace("127.0.0.1:0", &address)).unwrap();
    doctor(&controller).is("members-port", "ok", "takes connections");
    let key = controller.path("state/environment-ca.key");
    fs::rename(&key, controller.path("away")).unwrap();
    doctor(&controller).is("members-authority", "failed", "environment-ca.key");
    daemon.stop();
    let found = doctor(&controller);
    found.is("health-port", "failed", "expected the agent");
    found.is("members-port", "failed", "refused");
    controller.write("whsec", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    mode(&controller.path("whsec"), 0o600);
    let secret = controller.path("whsec");
    let webhook = format!(
        "[webhook]\nurl = 'http://{port}/T0PSECRET'\nsecret_file = '{}'\n",
        secret.display()
    );
    controller.write("conf.d/90.toml", &webhook);
    let found = doctor(&controller);
    found.is("webhook", "warning", "refused");
    assert!(!found.one("webhook").to_string().contains("T0PSECRET"));
}

#[test]
fn who_is_not_root_is_told_what_could_not_be_seen() {
    if !geteuid().is_root() {
        return;
    }
    let (_vendor, mut server, controller, _daemon) = activated("");
    mode(&controller.path(""), 0o755);
    mode(&controller.settings(), 0o640);
    // The program, where anybody may run it.
    let program = controller.path("entitlectl");
    fs::copy(env!("CARGO_BIN_EXE_entitlectl"), &program).unwrap();
    let socket = controller.path("run/entitled.sock");
    let archive = controller.path("out/support.tar.gz");
    fs::create_dir(archive.parent().unwrap()).unwrap();
    chown(archive.parent().unwrap(), Some(65_534), None).unwrap();
    let mut command = Command::new(&program);
    command.uid(65_534).gid(65_534).arg("--socket").arg(&socket).arg("doctor").arg("--json");
    command.arg("--config").arg(controller.settings()).arg("--bundle").arg(&archive);
    let found = Found::of(command);
    found.is("settings", "skipped", "run this as root");
    for code in ["runtime-directory", "socket", "loop", "version", "portal", "license"] {
        found.is(code, "ok", "");
    }
    assert_eq!((found.code, archive.exists()), (0, true), "{:#?}", found.findings);
    // Whether it is the way that the agent goes is not known without its settings.
    server.kill();
    let mut command = Command::new(&program);
    command.uid(65_534).gid(65_534).arg("--socket").arg(socket).arg("doctor").arg("--json");
    command.arg("--config").arg(controller.settings());
    Found::of(command).is("portal-connection", "skipped", "run this as root");
}

/// Codes that nothing brings about in the time of a test; `cli::doctor` judges them in tables of its own.
const JUDGED_BY_TABLES: [&str; 5] =
    ["hardware-drift", "hardware-unreadable", "clock-skewed", "lease-aging", "check-in-overdue"];

#[test]
fn each_code_is_brought_about_by_one_of_these_tests() {
    let tests = [
        include_str!("doctor.rs"),
        include_str!("doctor/conditions.rs"),
        include_str!("doctor/members.rs"),
        include_str!("doctor/portal.rs"),
        include_str!("doctor/standin.rs"),
    ];
    let tests: String = tests.concat().split_whitespace().collect();
    let page = include_str!("../../docs/troubleshooting.md");
    let codes: Vec<_> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0))
        .filter(|code| !JUDGED_BY_TABLES.contains(code))
        .collect();
    assert!(codes.len() > 40, "{codes:?}");
    let is_wrong_in = |code: &&str| {
        // An override is never wrong.
        let results: &[_] =
            if *code == "identity-override" { &["ok"] } else { &["failed", "warning"] };
        results.iter().any(|result| tests.contains(&format!("\"{code}\",\"{result}\"")))
    };
    let without: Vec<_> = codes.iter().filter(|code| !is_wrong_in(code)).collect();
    assert!(without.is_empty(), "no test brings about {without:?}");
}
