//! Every command of the pages for operators, in the order in which they stand, against a real portal and a real agent.

use crate::stage::{Controller, Running, Vendor};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The commands in the blocks of shell, each on one line.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole = blocks.map(|block| block.replace("\\\n", " "));
    whole.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Where the programs were built, before all others.
fn path() -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_entitlectl")).parent().unwrap();
    format!("{}:{}", programs.display(), env::var("PATH").unwrap())
}

/// A controller that knows no portal, and the folder in which its operator and the vendor work.
fn site() -> (Vendor, Controller, Running, PathBuf) {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let settings = fs::read_to_string(controller.settings()).unwrap();
    let apart: Vec<_> = settings.lines().filter(|line| !line.starts_with("url = ")).collect();
    controller.write("entitled.toml", &apart.join("\n"));
    drop(server);
    let daemon = controller.start();
    let folder = controller.path("desk");
    fs::create_dir(&folder).unwrap();
    (vendor, controller, daemon, folder)
}

#[test]
fn a_site_without_a_way_to_the_portal_does_as_its_page_says() {
    let (vendor, controller, daemon, folder) = site();
    let (_, code) = vendor.sell();
    fs::write(folder.join("code"), code.expose()).unwrap();
    let commands = commands(include_str!("../../docs/air-gapped.md"));
    assert!(commands.len() > 12, "{commands:#?}");
    let mut said = Vec::new();
    // The product is not installed here.
    let roots = format!("usage verify --roots '{}'", vendor.path("roots.jwks").display());
    for command in &commands {
        let output = Command::new("sh")
            .args(["-c", &command.replace("usage verify", &roots)])
            .current_dir(&folder)
            .env("PATH", path())
            .env("ENTITLED_SOCKET", controller.path("run/entitled.sock"))
            .env("ENTITLE_PORTAL_DIR", vendor.path(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        said.push((command.as_str(), String::from_utf8(output.stdout).unwrap()));
    }
    let told =
        |begin: &str| &said.iter().find(|(command, _)| command.starts_with(begin)).unwrap().1;
    assert!(told("entitlectl status").contains("active, entitled"), "{said:#?}");
    let shown = told("entitlectl license inspect");
    assert!(!shown.contains(&code.expose()) && shown.contains("activate"), "{shown}");
    assert_eq!(controller.socket.status()["reason"], "released");
    daemon.stop();
}
