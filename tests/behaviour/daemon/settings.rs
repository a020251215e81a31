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
