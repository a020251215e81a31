//! `entitled dev` as a program's developer meets it.

use crate::stage::{Dev, Done, Running, Socket, between};
use entitled::codes::{ActivationCode, SerialNumber};
use rustix::process::Signal;
use std::{fs, process::Command};

/// The Activation Code that the embedded portal made.
fn code_of(dev: &Dev) -> ActivationCode {
    let mut portal = Command::new(env!("CARGO_BIN_EXE_entitle-portal"));
    portal.arg("--dir").arg(dev.path("portal")).arg("--json");
    let mut list = Command::new(portal.get_program());
    list.args(portal.get_args()).args(["subscription", "list"]);
    let listed: serde_json::Value = serde_json::from_str(&Done::of(list, "").out).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    portal.args(["subscription", "show", id, "--reveal"]);
    let revealed: serde_json::Value = serde_json::from_str(&Done::of(portal, "").out).unwrap();
    revealed["activation_code"].as_str().unwrap().parse().unwrap()
}

#[test]
fn it_shows_each_step_and_never_the_whole_code() {
    let dev = Dev::start();
    let code = code_of(&dev);
    let serial = dev.ctl.out(&["serial"]).trim().to_owned();
    serial.parse::<SerialNumber>().unwrap();
    let (said, _folder) = dev.stop();
    for step in ["directory", "subscription", "portal", "hardware", "activation"] {
        assert!(said.contains(&format!("{step}  ")), "no step {step}:\n{said}");
    }
    assert_eq!(between(&said, "Serial Number  ", "\n"), serial);
    for part in [
        "installed license sequence 1 of Development",
        "Development (development): active, entitled",
        "enterprise, support gold",
        "single-sign-on",
        &code.masked(),
    ] {
        assert!(said.contains(part), "no {part:?}:\n{said}");
    }
    assert!(!said.contains(&code.expose()), "{said}");
    assert!(!said.contains('\u{1b}'), "colours are for terminals:\n{said}");
}

#[test]
fn its_three_commands_work_as_they_are_printed() {
    let folder = tempfile::Builder::new().prefix("with space ").tempdir().unwrap();
    let dev = Dev::of(folder, &[]);
    let said = dev.running.said();
    let commands: Vec<_> =
        between(said, "from another terminal:\n", "Ctrl-C").lines().map(str::trim).collect();
    assert_eq!(commands.len(), 3, "{said}");
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]);
        Done::of(shell, "")
    };
    let status = shell(commands[0]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.out.contains("active, entitled"), "{status:?}");
    // The reader goes after the first line, and the command ends with it.
    let watched = shell(&format!("{} | head -n 1", commands[2]));
    assert_eq!(watched.out.lines().count(), 1, "{watched:?}");
    assert!(watched.out.contains("active: in term"), "{watched:?}");
    // The second asks with curl, which need not be here: what it asks for is asked by ourselves.
    let path = commands[1].split_once("http://localhost").unwrap().1;
    assert!(commands[1].starts_with("curl "), "{said}");
    assert!(commands[1].contains(dev.socket.path.to_str().unwrap()), "{said}");
    assert_eq!(dev.socket.json(path)["value"], true);
}

#[test]
fn the_same_directory_goes_on_with_the_same_serial_number_and_license() {
    let mut folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let dev = Dev::of(folder, &[]);
        let status = dev.socket.status();
        seen.push((status["serial_number"].clone(), status["license"]["id"].clone()));
        let said;
        (said, folder) = dev.stop();
        assert_eq!(said.contains("created"), seen.len() == 1, "{said}");
        assert!(!said.contains("ERROR") && !said.contains("WARN"), "{said}");
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn each_scenario_comes_about_on_one_directory_after_the_other() {
    let mut folder = tempfile::tempdir().unwrap();
    let mut serials = Vec::new();
    for (scenario, entitled) in [
        ("expiring", true),
        ("grace", true),
        ("restricted", false),
        ("unlicensed", false),
        ("active", true),
    ] {
        let dev = Dev::of(folder, &["--scenario", scenario]);
        let status = dev.socket.status();
        assert_eq!(status["state"], scenario, "{status:#}");
        assert_eq!(status["entitled"], entitled, "{status:#}");
        assert_eq!(dev.ctl.run(&["status"]).code, if entitled { 0 } else { 4 });
        let feature = dev.socket.json("/v1/features/reports");
        assert_eq!(
            (&feature["entitled"], &feature["state"]),
            (&status["entitled"], &status["state"])
        );
        serials.push(status["serial_number"].clone());
        (_, folder) = dev.stop();
    }
    serials.dedup();
    assert_eq!(serials.len(), 1, "{serials:?}");
}

#[test]
fn each_scenario_comes_about_in_a_new_directory() {
    for scenario in ["expiring", "grace", "restricted", "unlicensed"] {
        let dev = Dev::of(tempfile::tempdir().unwrap(), &["--scenario", scenario]);
        assert_eq!(dev.socket.status()["state"], scenario);
    }
}

#[test]
fn both_signals_end_it_well_and_leave_no_socket() {
    for signal in [Signal::TERM, Signal::INT] {
        let dev = Dev::start();
        let sockets = ["entitled.sock", "usage.sock", "admin.sock"].map(|s| dev.socket.beside(s));
        assert!(sockets.iter().all(|socket| !socket.is_gone()));
        dev.running.signal(signal);
        let Dev { running, .. } = dev;
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(sockets.iter().all(Socket::is_gone), "{said}");
    }
}

#[test]
fn a_second_session_on_a_directory_is_refused_by_name() {
    let first = Dev::start();
    let before = first.socket.status();
    let second = Done::of(Dev::command(&first.path(""), &[]), "");
    let told = format!("another `entitled dev` (process {})", first.running.id());
    second.failed(1, &told);
    assert!(second.err.contains("--dir"), "{second:?}");
    assert_eq!(second.out, "", "nothing was begun");
    assert_eq!(first.socket.status(), before);
}

#[test]
fn a_killed_session_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let mut killed = Running::start(Dev::command(&path, &[]));
    killed.await_line("Ctrl-C stops it");
    let socket = Socket::new(path.join("entitled.sock"));
    let license = socket.status()["license"]["id"].clone();
    killed.kill();
    assert!(!socket.is_gone(), "a killed process removes nothing");
    let dev = Dev::of(folder, &[]);
    assert_eq!(dev.socket.status()["license"]["id"], license);
}

#[test]
fn a_directory_that_can_not_be_used_is_told_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let long = folder.path().join("x".repeat(100));
    for (directory, told) in [
        (file.clone(), "not a directory"),
        (file.join("below"), "Not a directory"),
        ("/proc/entitled".into(), "expected a directory that can be written"),
        (long.clone(), "at most 107 bytes"),
    ] {
        let done = Done::of(Dev::command(&directory, &[]), "");
        done.failed(1, told);
        assert!(done.err.contains("--dir"), "{done:?}");
        assert!(done.err.matches("os error").count() <= 1, "told twice: {done:?}");
    }
    assert!(!long.exists(), "nothing is made where it can't work");
}

#[test]
fn the_embedded_portal_is_for_this_machine_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev");
    let done = Done::of(Dev::command(&path, &["--portal-listen", "0.0.0.0:0"]), "");
    done.failed(1, "127.0.0.1 or ::1");
    assert!(!path.exists());
    let mut running = Running::start(Dev::command(&path, &["--portal-listen", "127.0.0.2:0"]));
    assert!(running.await_line("portal  ").contains("http://127.0.0.2:"));
    running.await_line("Ctrl-C");
}
