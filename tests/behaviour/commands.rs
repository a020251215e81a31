//! `entitlectl` as operators, scripts and monitors use it.

mod activation;
mod check;
mod documents;
mod hardware;

use crate::stage::{Ctl, Dev, Done};
use serde_json::Value;
use std::path::Path;

/// Every command that reads, with a part of its text and a member of its JSON.
const READING: [(&[&str], &str, &str); 7] = [
    (&["status"], "Development (development): active, entitled", "/serial_number"),
    (&["serial"], "-", "/serial_number"),
    (&["hardware"], "GROUP", "/facts/0/source"),
    (&["features"], "single-sign-on = true", "/reports"),
    (&["license", "show"], "Sequence         1", "/claims/seq"),
    (&["events"], "license-installed", "/0/action"),
    (&["check"], "ENTITLED OK", "/service"),
];

#[test]
fn every_reading_command_speaks_to_people_and_to_programs() {
    let dev = Dev::start();
    for (command, text, member) in READING {
        let told = dev.ctl.out(command);
        assert!(told.contains(text), "{command:?}: {told}");
        assert!(told.ends_with('\n') && !told.ends_with("\n\n"), "{command:?}: {told:?}");
        assert!(!told.contains('\u{1b}'), "{command:?} has colours in a pipe: {told:?}");
        let json = dev.ctl.json(command);
        assert!(json.pointer(member).is_some(), "{command:?}: {json:#}");
    }
    assert_eq!(dev.ctl.json(&["status"]), dev.socket.status());
    assert_eq!(dev.ctl.json(&["license", "show"]), dev.socket.json("/v1/license"));
}

#[test]
fn changing_commands_tell_what_was_done_and_the_status_after_it() {
    let dev = Dev::start();
    assert!(dev.ctl.out(&["refresh"]).starts_with("the license is the newest\n"));
    let refreshed = dev.ctl.json(&["refresh"]);
    assert_eq!(refreshed["message"], "the license is the newest");
    assert_eq!(refreshed["status"]["state"], "active");
    let released = dev.ctl.json(&["release"]);
    assert_eq!(released["status"]["state"], "unlicensed");
    assert_eq!(dev.ctl.run(&["status"]).code, 4);
    dev.ctl.run(&["release"]).failed(1, "entitlectl activate");
    dev.ctl.run(&["license", "show"]).failed(1, "entitlectl activate");
    dev.ctl.run(&["activate", "--configured"]).failed(1, "Activation Code");
}

#[test]
fn a_machine_without_certificates_of_any_ca_has_an_agent_too() {
    let dev = Dev::start();
    let mut command = dev.ctl.command();
    command.args(["status"]);
    command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    let done = Done::of(command, "");
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn the_socket_is_named_by_its_option_before_its_variable() {
    let dev = Dev::start();
    let with = |variable: &Path, option: Option<&Path>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        command.env("ENTITLED_SOCKET", variable).arg("serial");
        if let Some(option) = option {
            command.arg("--socket").arg(option);
        }
        Done::of(command, "").code
    };
    let nothing = Path::new("/nonexistent/socket");
    assert_eq!(with(&dev.socket.path, None), 0);
    assert_eq!(with(nothing, None), 3);
    assert_eq!(with(nothing, Some(&dev.socket.path)), 0);
    // Changing commands find admin.sock beside it.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entitlectl"));
    command.env("ENTITLED_SOCKET", &dev.socket.path).arg("refresh");
    assert_eq!(Done::of(command, "").code, 0);
}

#[test]
fn without_an_agent_each_command_says_so_and_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for socket in [folder.path().join("nothing.sock"), file, folder.path().to_owned()] {
        let ctl = Ctl::new(&socket);
        for command in
            [&["status"][..], &["serial"], &["license", "show"], &["watch"], &["features"]]
        {
            let done = ctl.run(command);
            done.failed(3, socket.to_str().unwrap());
            assert!(done.err.contains("systemctl status entitled"), "{done:?}");
            assert!(done.err.contains("--socket"), "{done:?}");
            assert_eq!(done.out, "");
        }
        ctl.run(&["refresh"]).failed(3, "admin.sock");
        let done = ctl.run(&["--json", "status"]);
        let error: Value = serde_json::from_str(&done.err).unwrap();
        assert_eq!((done.code, &error["code"]), (3, &Value::from("agent-unreachable")));
    }
}

#[test]
fn another_program_behind_the_socket_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entitled.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    Ctl::new(&path).run(&["status"]).failed(3, "is another program behind this socket?");
}

#[test]
fn wrong_command_lines_end_with_2_and_what_was_expected() {
    let ctl = Ctl::alone();
    for (command, told) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&[], "Usage:"),
        (&["license"], "Usage:"),
        (&["license", "install"], "<FILE>"),
        (&["events", "--limit", "0"], "1..=10000"),
        (&["activate", "--purpose", "fun"], "development, quality, production or management"),
        (&["activate", "--configured", "--code-file", "x"], "cannot be used with"),
        (&["completions", "tcl"], "possible values"),
    ] {
        ctl.run(command).failed(2, told);
    }
}

#[test]
fn every_command_has_help() {
    let ctl = Ctl::alone();
    let help = ctl.out(&["--help"]);
    assert!(help.contains("3  the agent can't be reached"), "{help}");
    let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands: Vec<_> = commands
        .take_while(|line| !line.is_empty())
        // Further lines of a description stand below it.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 12 && commands.contains(&"license"), "{commands:?}");
    for command in commands {
        let help = ctl.out(&[command, "--help"]);
        assert!(help.contains("Usage: entitlectl"), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(ctl.out(&["completions", shell]).contains("entitlectl"));
    }
}

#[test]
fn a_full_disk_is_told_and_a_reader_that_went_away_is_no_error() {
    let dev = Dev::start();
    let mut command = dev.ctl.command();
    command.arg("status");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let done = command.stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("could not write the answer"));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = dev.ctl.command();
    let done = command.arg("status").stdout(writer).output().unwrap();
    assert_eq!((done.status.code(), done.stderr), (Some(0), Vec::new()));
}
