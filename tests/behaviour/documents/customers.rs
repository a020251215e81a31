//! The customer's pages on members, hardware, usage and monitoring: their commands, as they stand there.

use super::{Desk, blocks, commands};
use crate::stage::{Captured, Controller, Member, Running, Server, Vendor, between};
use std::{fs, path::Path};

/// A controller that serves members, and what stands around it.
struct Site {
    vendor: Vendor,
    _server: Server,
    controller: Controller,
    daemon: Running,
    address: String,
    desk: Desk,
}

impl Site {
    fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let limits = ["--limit", "users=100", "--limit", "projects=20"];
        let sold =
            [&["subscription", "create", "--customer", "ACME", "--days", "365"], &limits[..]];
        let sold = vendor.json(&sold.concat());
        let more = "[identity]\noverride = 'asset 4711'\n[members]\nlisten = '127.0.0.1:0'\n";
        let controller = Controller::with(&vendor, &server, more);
        let daemon = controller.start();
        let code = sold["activation_code"].as_str().unwrap();
        assert_eq!(controller.ctl.run_with(&["activate"], code).code, 0);
        let address = between(daemon.said(), "members are served address=", "\n").to_owned();
        let desk = Desk::new(&vendor, controller.path("desk"));
        Self { vendor, _server: server, controller, daemon, address, desk }
    }

    fn socket(&self) -> &Path {
        &self.controller.socket.path
    }

    /// Runs all commands of a page that `is` asked about.
    fn run(&self, page: &str, is: impl Fn(&str) -> bool) -> usize {
        let folder = self.socket().parent().unwrap().display().to_string();
        let wanted: Vec<_> = commands(page).into_iter().filter(|line| is(line)).collect();
        for line in &wanted {
            let said =
                self.desk.run(&line.replace("/run/entitled", &folder), self.socket(), "").out;
            assert!(!said.contains("urn:entitled:problem"), "{line}: {said}");
        }
        wanted.len()
    }
}

#[test]
fn a_member_joins_as_its_page_says() {
    let site = Site::new();
    let member = Member::new(&site.vendor, "");
    let _daemon = member.start();
    let page = include_str!("../../../docs/members.md");
    let block = page.split("\n```").find(|block| block.contains("controller$ ")).unwrap();
    let mut said = String::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (place, command) = line.split_once("$ ").unwrap();
        let socket = if place == "member" { &member.socket.path } else { site.socket() };
        let command = command.replace("controller.example", &site.address);
        said += &site.desk.run(&command, socket, "").out;
    }
    member.socket.wait_for("entitled", |status| status["entitled"] == true);
    assert!(said.contains("127.0.0.1"), "no member is listed: {said}");
    // The page's last command is the way of a program that is not ours.
    assert_eq!(blocks(page).len(), 1, "a new block wants a test here");
}

#[test]
#[ignore = "needs curl and openssl"]
fn documents_of_members_are_read_by_curl_as_their_page_says() {
    let site = Site::new();
    let member = Member::new(&site.vendor, "");
    let _daemon = member.start();
    member.join(&site.controller, &site.address);
    fs::copy(member.identity(), site.desk.path("member.pem")).unwrap();
    let port = site.address.rsplit_once(':').unwrap().1;
    let lines = commands(include_str!("../../../docs/members.md"));
    let mut said = String::new();
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        let line = line.replace("7443:10.1.0.5", &format!("{port}:127.0.0.1"));
        let line = line.replace(":7443", &format!(":{port}")).replace("after=7", "after=0");
        said = site.desk.run(&line, site.socket(), "").out;
    }
    assert_eq!(said.matches('.').count(), 2, "a signed statement: {said}");
}

#[test]
fn hardware_is_explained_as_its_page_says() {
    let site = Site::new();
    let captured = Captured::server();
    let lines = commands(include_str!("../../../docs/hardware.md"));
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for line in &lines {
        // This machine may have no evidence at all.
        let line = line.replace("--root /", &format!("--root '{}'", captured.root()));
        let line = line.replace("--root DIR", &format!("--root '{}'", captured.root()));
        let done = site.desk.command(&line, site.socket()).output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{line}: {said}");
        if line.contains("explain --root") {
            assert!(said.contains("\"unchanged\""), "{line}: {said}");
        }
    }
}

#[test]
fn usage_is_reported_to_people_as_its_page_says() {
    let site = Site::new();
    fs::copy(site.vendor.path("roots.jwks"), site.desk.path("roots.jwks")).unwrap();
    let page = include_str!("../../../docs/usage.md");
    assert_eq!(site.run(page, |line| line.starts_with("entitlectl usage")), 2);
}

#[test]
#[ignore = "needs curl"]
fn documents_of_usage_are_sent_by_curl_as_their_page_says() {
    let site = Site::new();
    let page = include_str!("../../../docs/usage.md");
    assert_eq!(site.run(page, |line| line.starts_with("curl ")), 3);
    let limits = &site.controller.socket.status()["limits"];
    assert_eq!((&limits["projects"]["used"], &limits["users"]["used"]), (&12.into(), &2.into()));
}

#[test]
fn monitors_ask_and_are_told_as_their_page_says() {
    let site = Site::new();
    let page = include_str!("../../../docs/monitoring.md");
    assert_eq!(site.run(page, |line| line.starts_with("entitlectl check")), 1);
    let lines = commands(page);
    let watch = lines.iter().find(|line| line.starts_with("entitlectl watch --exec")).unwrap();
    // A log of the test's own.
    let watch = watch.replace("logger", "echo");
    assert!(watch.contains("echo"), "{watch}");
    let mut watching = Running::start(site.desk.command(&format!("exec {watch}"), site.socket()));
    watching.await_line("entitlement is now active");
    watching.kill();
    site.daemon.stop();
}

#[test]
#[ignore = "needs openssl"]
fn documents_of_the_webhook_make_a_secret_as_their_page_says() {
    let site = Site::new();
    let lines = commands(include_str!("../../../docs/monitoring.md"));
    let line = lines.iter().find(|line| line.contains("webhook-secret")).unwrap();
    let place = site.desk.path("webhook-secret").display().to_string();
    site.desk.run(&line.replace("/etc/entitled/webhook-secret", &place), site.socket(), "");
    let webhook =
        format!("[webhook]\nurl = 'https://receiver.example/hook'\nsecret_file = '{place}'\n");
    site.controller.write("conf.d/50-webhook.toml", &webhook);
    let mut check = site.controller.command();
    let checked = check.arg("--check-config").output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let settings = site.controller.settings();
    let found = site.controller.ctl.out(&["doctor", "--config", settings.to_str().unwrap()]);
    assert!(
        found.lines().any(|line| line.starts_with("ok ") && line.contains("credentials")),
        "{found}"
    );
}

#[test]
fn the_page_on_monitoring_has_each_metric_and_no_other() {
    let site = Site::new();
    site.controller.ctl.out(&["usage", "set", "users", "3", "--reporter", "web-1"]);
    site.controller.socket.wait_for("used", |status| status["limits"]["users"]["used"] == 3);
    let page = include_str!("../../../docs/monitoring.md");
    let cells = page.lines().filter(|line| line.starts_with("| `entitled_"));
    let mut told: Vec<_> = cells
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .map(|name| name.split('{').next().unwrap().to_owned())
        .collect();
    let metrics = site.controller.socket.get("/metrics").body;
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut found: Vec<_> = families
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, "info") => format!("{name}_info"),
            (name, _) => name.to_owned(),
        })
        .collect();
    // These come with their first sample, tests of members and of webhooks read them.
    found.extend(
        ["entitled_member_refusals_total", "entitled_webhook_messages_total"].map(str::to_owned),
    );
    told.sort();
    found.sort();
    assert_eq!(told, found);
}
