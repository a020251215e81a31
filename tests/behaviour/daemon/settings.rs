//! Settings: checked before anything starts, and each fault named with where it is.

use crate::stage::{Controller, Done, Vendor};

/// What the check says to settings; with `more` in the place of the portal's.
fn checked(text: &str) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entitled.toml");
    std::fs::write(&path, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entitled"));
    command.arg("run").arg("--check-config").arg("--config").arg(&path);
    command.env_remove("ENTITLED_LOG").env_remove("CREDENTIALS_DIRECTORY");
    let done = Done::of(command, "");
    let names: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(names.len(), 1, "the check makes nothing");
    done
}

#[test]
fn sound_settings_pass_and_nothing_is_started() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let mut command = controller.command();
    command.arg("--check-config");
    let done = Done::of(command, "");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("entitled.toml are sound"), "{done:?}");
    assert!(!controller.path("state").exists() && !controller.path("run").exists());
    assert_eq!(checked("product = 'p'").code, 0);
    assert_eq!(checked("product = 'p'\n[log]\nlevel = 'warn,entitled=trace'").code, 0);
}

#[test]
fn each_fault_is_named() {
    for (text, told) in [
        ("product = 'p'\n\n[portal]\nurll = 'x'\n", ["line 4", "urll", "`url`"]),
        ("product = 'p'\n[portl]\n", ["line 2", "portl", "`portal`"]),
        ("product = 3\n", ["line 1", "expected a string", "entitled.toml"]),
        ("product = 'p\n", ["line 1", "entitled.toml", ""]),
        ("", ["product", "missing", "set it"]),
        ("product = 'p'\n[environment]\npurpose = 'fun'\n", ["line 3", "fun", "`quality`"]),
        ("product = 'p'\n[portal]\nurl = 'portal'\n", ["https", "\"portal\"", "[portal] url"]),
        ("product = 'p'\n[portal]\nurl = 'http://example.com'\n", ["https", "example.com", ""]),
        ("product = 'p'\n[portal]\nurl = 'https://e'\nca_file = '/no'\n", ["/no", "ca_file", ""]),
        ("product = 'p'\n[log]\nlevel = 'loud'\n", ["log.level", "debug", "loud"]),
        ("product = 'p'\n[log]\nformat = 'xml'\n", ["log.format", "json", "xml"]),
        ("product = 'p'\n[identity]\noverride = ''\n", ["identity.override", "nothing", "asset"]),
        (
            "product = 'p'\n[activation]\ncode_file = '/no'\n",
            ["/no", "Activation Code", "code_file"],
        ),
        ("product = 'p'\nstate_directory = 'here'\n", ["state_directory", "begins with /", "here"]),
    ] {
        let done = checked(text);
        for part in told {
            done.failed(1, part);
        }
        assert!(done.err.matches("expected").count() <= 2, "told twice: {}", done.err);
        assert_eq!(done.out, "");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_with_the_option_that_names_it() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entitled"));
    command.args(["run", "--config", "/nonexistent/entitled.toml"]);
    let done = Done::of(command, "");
    done.failed(1, "/nonexistent/entitled.toml");
    assert!(done.err.contains("--config FILE"), "{done:?}");
}

#[test]
fn a_wrong_log_variable_is_told_and_not_passed_over() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let mut command = controller.command();
    command.env("ENTITLED_LOG", "loud");
    Done::of(command, "").failed(1, "$ENTITLED_LOG");
    let mut command = controller.command();
    command.env("ENTITLED_LOG", "entitled=info");
    controller.start_with(command).stop();
}

#[test]
fn the_log_may_be_json() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    controller.write("conf.d/10-log.toml", "[log]\nformat = 'json'\n");
    let said = controller.start().stop();
    assert!(said.lines().count() >= 3, "{said}");
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn an_address_that_can_not_be_used_stops_no_agent() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    controller.write("conf.d/20-portal.toml", "[portal]\nurl = 'http://portal.example'\n");
    let running = controller.start();
    let status =
        controller.socket.wait_for("the first status", |status| status["state"].is_string());
    let conditions = status["conditions"].as_array().unwrap();
    let told = conditions.iter().find(|condition| condition["type"] == "ConfigInvalid").unwrap();
    assert!(told["message"].as_str().unwrap().contains("portal.example"), "{told}");
    running.stop();
}

fn told(status: &serde_json::Value) -> Option<(String, String)> {
    let conditions = status["conditions"].as_array().unwrap();
    let told = conditions.iter().find(|condition| condition["type"] == "ConfigInvalid")?;
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    Some((text("reason"), text("message")))
}

#[test]
fn a_start_with_bad_settings_serves_the_last_good_ones() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let start = || {
        let mut command = controller.command();
        // Where the settings can't be read, this says where the last good ones are.
        command.arg("--state-dir").arg(controller.path("state"));
        controller.start_with(command)
    };
    let daemon = start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    daemon.stop();
    let file = controller.settings();
    let good = std::fs::read_to_string(&file).unwrap();
    let missing = controller.path("no-such-ca.pem").display().to_string();
    let faults = [
        // With its line, and the key that was meant.
        (
            good.replace("[portal]\n", "[portal]\nca_fil = 'x'\n"),
            ["line 6", "did you mean ca_file?"],
        ),
        (good.replace("[portal]\n", "[portal]\nurl = 7\n#"), ["line 6", "expected a string"]),
        (good.replace(&server.url, "http://portal.example"), ["https", "portal.example"]),
        (
            good.replace("[portal]\n", &format!("[portal]\nca_file = '{missing}'\n")),
            [&missing, "ca_file"],
        ),
        (format!("{good}[log]\nlevel = 'loud'\n"), ["log.level", "loud"]),
    ];
    for (text, parts) in &faults[..] {
        controller.write("entitled.toml", text);
        let daemon = start();
        // Each start again: bad settings are never kept as good ones.
        controller.ctl.out(&["refresh"]);
        let status = controller.socket.status();
        assert_eq!(status["state"], "active");
        let (reason, message) = told(&status).unwrap_or_else(|| panic!("{text}: {status:#}"));
        assert_eq!(reason, "LastGoodUsed");
        for part in parts.iter().chain([&file.to_str().unwrap()]) {
            assert!(message.contains(part), "no {part} in: {message}");
        }
        daemon.stop();
    }
}

#[test]
fn a_reload_refuses_bad_settings_and_goes_on_with_the_old_ones() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    let file = controller.settings();
    let good = std::fs::read_to_string(&file).unwrap();
    for (text, part) in [
        (good.replace("[portal]\n", "[portal]\nurll = 'x'\n"), "did you mean url?"),
        (good.replace(&server.url, "http://portal.example"), "portal.example"),
    ] {
        controller.write("entitled.toml", &text);
        daemon.signal(rustix::process::Signal::HUP);
        let status = controller.socket.wait_for("told", |status| told(status).is_some());
        let (reason, message) = told(&status).unwrap();
        assert_eq!(reason, "ReloadRefused");
        assert!(message.contains(part) && message.contains(file.to_str().unwrap()), "{message}");
        controller.ctl.out(&["refresh"]);
        controller.write("entitled.toml", &good);
        daemon.signal(rustix::process::Signal::HUP);
        controller.socket.wait_for("mended", |status| told(status).is_none());
    }
    daemon.stop();
}

#[test]
fn a_key_that_others_may_read_is_told_with_its_mend() {
    use std::os::unix::fs::PermissionsExt;
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    assert!(!controller.start().stop().contains("chmod"));
    let key = controller.path("state/environment.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = controller.start().stop();
    assert!(
        said.contains(&format!("chmod 600 {}", key.display())) && said.contains("0644"),
        "{said}"
    );
}

#[test]
fn without_a_portal_the_couriers_way_is_told() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let good = std::fs::read_to_string(controller.settings()).unwrap();
    controller.write("entitled.toml", &good.replace(&format!("url = '{}'", server.url), ""));
    let _daemon = controller.start();
    for command in ["activate", "refresh", "release"] {
        let (_, code) = vendor.sell();
        let done = controller.ctl.run_with(&[command], &code.expose());
        done.failed(1, &format!("`entitlectl request {command}`"));
    }
}
