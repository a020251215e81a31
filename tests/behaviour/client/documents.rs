//! Every command of `docs/programs.md`, against a real agent. It needs curl and Python, so it is asked for by name:
//! `cargo test --test behaviour -- --ignored documents`.

use crate::stage::{Dev, Running};
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/programs.md");

/// The commands in the blocks of shell, each on one line.
fn commands() -> Vec<String> {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole = blocks.map(|block| block.replace("\\\n", " "));
    whole.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
#[ignore = "needs curl and Python 3.9 or newer"]
fn each_command_for_programs_does_what_the_page_says() {
    let dev = Dev::start();
    let folder = dev.socket.path.parent().unwrap().display().to_string();
    let commands = commands();
    assert!(commands.len() > 15, "{commands:#?}");
    for command in &commands {
        // What is exported for the commands after it is given to each.
        let socket = command.trim_start().strip_prefix("export ENTITLED_SOCKET=");
        if socket.is_some_and(|path| path == "/run/entitled/entitled.sock") {
            continue;
        }
        let mut shell = Command::new("sh");
        // In the shell's place, so that it ends with it.
        shell.arg("-c").arg(format!("exec {}", command.replace("/run/entitled", &folder)));
        shell.current_dir(env!("CARGO_MANIFEST_DIR")).env("PYTHONDONTWRITEBYTECODE", "1");
        shell.env("ENTITLED_SOCKET", &dev.socket.path);
        if command.contains("/v1/watch") {
            // It goes on for ever.
            let mut watching = Running::start(shell);
            watching.await_line("data: {");
            watching.kill();
            continue;
        }
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(!said.contains("urn:entitled:problem"), "{command}: {said}");
    }
    assert_eq!(dev.socket.status()["limits"]["users"]["used"], 814);
}
