//! `examples/entitled_client.py` as a command and as a module. Python is no part of what the tests need, so these are asked for by name:
//! `cargo test --test behaviour -- --ignored python`.

use super::controller;
use crate::stage::{Dev, Running};
use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Output},
};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/entitled_client.py");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// What a program does with the module: it tells each change.
const PROGRAM: &str = "
import entitled_client
client = entitled_client.Client()
for told in client.changes():
    granted = 'granted' if told.granted('reports') else 'refused'
    print(granted, 'live' if told.live else 'stale', told.status and told.status['state'], flush=True)
    assert client.feature('reports').granted == client.snapshot.granted('reports')
    assert client.age is None or 0 <= client.age < 60
";

fn python(socket: &Path) -> Command {
    let mut python = Command::new("python3");
    python.env("ENTITLED_SOCKET", socket).env("PYTHONPATH", FOLDER);
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// How the command ends, and what it says on both its outputs.
fn run(socket: &Path, words: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } =
        python(socket).arg(CLIENT).args(words).output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
#[ignore = "needs Python 3.9 or newer"]
fn the_command_for_python_answers_what_the_agent_says() {
    let dev = Dev::start();
    let socket = &dev.socket.path;
    for (words, code, said) in [
        (&["status"][..], 0, "active, entitled: in term until "),
        (&["feature", "reports"], 0, "true\n"),
        (&["feature", "projects"], 0, "50\n"),
        (&["feature", "no/such thing"], 1, "false\n"),
        (&["usage", "users", "900", "--reporter", "web-1"], 0, ""),
        (&["usage", "no/such thing", "1"], 3, "the license names no limit"),
        (&["check", "users", "50"], 0, "allowed: "),
        (&["users", "users", "ada", "bob"], 0, ""),
        (&["nonsense"], 2, "usage: "),
        (&["--socket", "/nowhere/at.all", "status"], 3, "/nowhere/at.all: "),
    ] {
        let (found, told) = run(socket, words);
        assert_eq!(found, code, "{words:?}: {told}");
        assert!(told.starts_with(said), "{words:?}: {told}");
    }
    assert_eq!(dev.socket.status()["limits"]["users"]["used"], 902);
}

#[test]
#[ignore = "needs Python 3.9 or newer"]
fn the_module_for_python_watches_over_restarts_of_the_agent() {
    let (_vendor, _server, controller, daemon) = controller();
    let mut command = python(&controller.socket.path);
    command.arg("-c").arg(PROGRAM);
    let mut program = Running::start(command);
    program.await_line("granted live active");
    daemon.kill();
    program.await_line("granted stale active");
    let daemon = controller.start();
    program.await_line("granted live active");
    controller.ctl.out(&["release"]);
    program.await_line("refused live unlicensed");
    daemon.stop();
    program.await_line("refused stale unlicensed");
    program.kill();
}

#[test]
#[ignore = "needs Python 3.9 or newer"]
fn the_command_for_python_says_so_where_something_else_answers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("entitled.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let json = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n";
    let answers = [
        (String::new(), "broke off"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "no HTTP"),
        ("x".repeat(5 << 20), "without an end"),
        ("HTTP/1.0 500 Oh\r\n\r\n".to_owned(), "the status 500"),
        (format!("{json}content-length: 99\r\n\r\n{{}}"), "broke off"),
        (format!("{json}\r\n[1, 2"), "no JSON"),
        (format!("{json}\r\n{}", "[".repeat(200_000)), "no JSON"),
        (format!("{json}\r\n[1, 2]"), "no JSON object"),
        (format!("{json}\r\n{}", "x".repeat(5 << 20)), "without an end"),
    ];
    for (answer, part) in answers {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let Ok((mut stream, _)) = listener.accept() else { return };
                // Whoever has read enough hangs up.
                drop(stream.read(&mut [0; 1_000]));
                drop(stream.write_all(answer.as_bytes()));
            });
            let (code, told) = run(&socket, &["status"]);
            assert!(code == 3 && told.contains(part), "{part}: {code}, {told}");
        });
    }
}
