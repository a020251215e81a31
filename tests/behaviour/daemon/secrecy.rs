//! The Activation Code is told once, to who bought it, and whoever asks for it by name; nowhere else, whatever is logged.

use crate::stage::{Controller, Vendor};
use std::{fs, path::Path};

/// Every file of a folder, down to the last.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            // Sockets can't be read.
            found.push((path.display().to_string(), bytes));
        }
    }
}

#[test]
fn the_activation_code_is_nowhere_to_be_read() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let mut command = controller.command();
    command.env("ENTITLED_LOG", "trace");
    let daemon = controller.start_with(command);
    let ctl = &controller.ctl;
    let mut told = vec![];
    let mut tell = |what: &str, text: String| told.push((what.to_owned(), text));
    let expose = code.expose();
    for arguments in [&["activate"][..], &["activate", "--json"]] {
        let done = ctl.run_with(arguments, &expose);
        assert_eq!(done.code, 0, "{done:?}");
        tell("activate", done.out + &done.err);
    }
    let nearly = format!("{}{}", &expose[..30], if expose.ends_with('0') { '1' } else { '0' });
    let done = ctl.run_with(&["activate", "--json"], &nearly);
    assert_eq!(done.code, 1, "{done:?}");
    tell("typing error", done.out + &done.err);
    let with_body = controller.socket.beside("admin.sock").send(
        &reqwest::Method::POST,
        "/v1/activate",
        |request| request.body(format!("{{\"activation_code\": \"{expose}\", \"x\": 1}}")),
    );
    tell("a body that can't be used", with_body.body);
    for command in ["refresh", "status", "hardware", "features", "events", "check"] {
        let text = ctl.run(&[command]);
        tell(command, text.out + &text.err);
        tell(command, ctl.run(&[command, "--json"]).out);
    }
    for path in ["/v1/status", "/v1/license", "/v1/hardware", "/metrics", "/v1/openapi.json"] {
        tell(path, controller.socket.get(path).body);
    }
    for arguments in [
        &["audit"][..],
        &["subscription", "list"],
        &["subscription", "show", &id],
        &["environment", "list"],
    ] {
        tell("entitle-portal", String::from_utf8(vendor.run(arguments).stdout).unwrap());
    }
    tell("the portal's log", fs::read_to_string(vendor.path("serve.log")).unwrap());
    let log = daemon.stop();
    assert!(log.contains("TRACE") && log.contains("requested"), "{log}");
    tell("the agent's log", log);

    let secrets = [expose.clone(), expose.replace('.', ""), expose[..27].to_owned()];
    for (what, text) in &told {
        for secret in &secrets {
            assert!(!text.contains(secret), "{what}: {text}");
        }
    }
    // It is kept in one file, for its owner alone.
    let mut found = Vec::new();
    files(&controller.path("state"), &mut found);
    let contains = |bytes: &[u8]| {
        secrets.iter().any(|s| bytes.windows(s.len()).any(|window| window == s.as_bytes()))
    };
    let holding: Vec<_> = found.iter().filter(|(_, bytes)| contains(bytes)).collect();
    assert_eq!(holding.len(), 1, "{:?}", holding.iter().map(|(path, _)| path).collect::<Vec<_>>());
    assert!(holding[0].0.ends_with("/activation-code"));
    let revealed = vendor.json(&["subscription", "show", &id, "--reveal"]);
    assert_eq!(revealed["activation_code"], expose);
}
