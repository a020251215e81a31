//! docs/portal.md and docs/vendor-api.md: each command that the vendor's operator reads there is run as it stands, or is named here with the reason why not.

mod databases;
mod environments;
mod keys;
mod operating;
mod receiving;
mod serving;
mod vendor_api;

use super::{Desk, blocks};
use crate::stage::Vendor;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!("../../../docs/portal.md");

/// What a machine has to have that tests are not run on, and what tries it in its place.
const NOT_RUN: [(&str, &str); 5] = [
    (
        "systemctl reload entitle-portal",
        "needs systemd; what it sends, SIGHUP, the test of keys and tests/behaviour/portal/tls.rs send",
    ),
    ("journalctl ENTITLE_PORTAL_STATUS=503", "needs systemd's journal"),
    (
        "systemd-creds encrypt --name=signing.key keys/THUMBPRINT.pem /etc/credstore.encrypted/signing.key",
        "needs systemd and writes into /etc; a key that is handed over is tried by tests/behaviour/portal/running.rs",
    ),
    ("systemctl edit entitle-portal", "needs systemd and an editor"),
    (
        "systemd-run --pipe -p LoadCredentialEncrypted=signing.key -p User=entitle-portal entitle-portal ...",
        "needs systemd",
    ),
];

/// Lists of what the tests below run, each of which runs all of its own.
const RUN: [&[&str]; 8] = [
    operating::PEOPLE,
    operating::SALES,
    keys::LINES,
    environments::LOST,
    environments::FORKED,
    environments::WAITING,
    serving::LINES,
    databases::LINES,
];

/// The commands of a page: lines of blocks of shell without their remarks, and what stands between backticks.
fn commands(page: &str) -> BTreeSet<String> {
    let lines = blocks(page).concat();
    let lines = lines.iter().map(|line| bare(line).to_owned());
    let prose: Vec<&str> = page.split("\n```").step_by(2).collect();
    let spans =
        prose.iter().flat_map(|part| part.lines()).flat_map(|l| l.split('`').skip(1).step_by(2));
    let programs = [
        "entitle-portal ",
        "entitlectl ",
        "entitled ",
        "systemctl ",
        "systemd-",
        "journalctl ",
        "curl ",
        "openssl ",
    ];
    let spans = spans.filter(|span| programs.iter().any(|program| span.starts_with(program)));
    lines.chain(spans.map(str::to_owned)).collect()
}

/// A line without the remark at its end.
fn bare(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(command, _)| command).trim()
}

#[test]
fn each_command_of_the_page_is_run_or_is_named_with_a_reason() {
    let told = commands(PAGE);
    let not_run = NOT_RUN.iter().map(|(line, reason)| {
        assert!(reason.len() > 10, "why is {line} not run?");
        *line
    });
    let run = RUN.iter().flat_map(|lines| lines.iter().copied());
    let known: Vec<&str> = run.chain(receiving::LINES.iter().copied()).chain(not_run).collect();
    let new: Vec<_> = told.iter().filter(|line| !known.contains(&line.as_str())).collect();
    let stale: Vec<_> = known.iter().filter(|line| !told.contains(**line)).collect();
    assert!(new.is_empty() && stale.is_empty(), "nobody runs {new:#?}; the page has no {stale:#?}");
}

/// The page on a vendor's portal: a list of its lines, each of which must be run before this is gone.
struct Reader {
    desk: Desk,
    left: BTreeSet<&'static str>,
}

impl Reader {
    fn new(vendor: &Vendor, lines: &[&'static str]) -> Self {
        Self { desk: Desk::new(vendor, vendor.path("desk")), left: lines.iter().copied().collect() }
    }

    /// The line as it is typed: with what its words in capital letters stand for, and with what may be left out.
    fn line(&mut self, line: &'static str, meant: &[(&str, &str)]) -> String {
        assert!(self.left.remove(line), "{line} is not to be run, or was");
        let mut typed = line.replace(['[', ']'], "");
        for (word, value) in meant {
            assert!(typed.contains(word), "{line} has no {word}");
            typed = typed.replace(word, value);
        }
        typed
    }

    /// Runs it on an agent's socket, which must succeed: what it prints.
    #[track_caller]
    fn on(
        &mut self,
        socket: &Path,
        line: &'static str,
        meant: &[(&str, &str)],
        input: &str,
    ) -> String {
        let typed = self.line(line, meant);
        self.desk.run(&typed, socket, input).out
    }

    #[track_caller]
    fn run(&mut self, line: &'static str, meant: &[(&str, &str)]) -> String {
        self.on(Path::new("/nonexistent/entitled.sock"), line, meant, "")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path(name)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.left.is_empty(), "not run: {:#?}", self.left);
    }
}

/// The value behind a name in what a command prints for people.
fn after<'a>(said: &'a str, name: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {said}")).trim()
}
