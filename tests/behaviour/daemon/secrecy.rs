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

/// What is said here and there, and by whom.
#[derive(Default)]
struct Told(Vec<(String, String)>);

impl Told {
    fn note(&mut self, who: &str, text: String) {
        self.0.push((who.to_owned(), text));
    }

    /// What comes of an activation, in every way that it may go wrong.
    fn activate(&mut self, controller: &Controller, code: &str) {
        for arguments in [&["activate"][..], &["activate", "--json"]] {
            let done = controller.ctl.run_with(arguments, code);
            assert_eq!(done.code, 0, "{done:?}");
            self.note("activate", done.out + &done.err);
        }
        let nearly = format!("{}{}", &code[..30], if code.ends_with('0') { '1' } else { '0' });
        let done = controller.ctl.run_with(&["activate", "--json"], &nearly);
        assert_eq!(done.code, 1, "{done:?}");
        self.note("a typing error", done.out + &done.err);
        let admin = controller.socket.beside("admin.sock");
        let body = format!("{{\"activation_code\": \"{code}\", \"x\": 1}}");
        let answer = admin.send(&reqwest::Method::POST, "/v1/activate", |r| r.body(body));
        self.note("a body that can't be used", answer.body);
    }

    /// What the agent tells whoever asks.
    fn ask(&mut self, controller: &Controller) {
        for command in ["refresh", "status", "hardware", "features", "events", "check"] {
            let done = controller.ctl.run(&[command]);
            self.note(command, done.out + &done.err);
            self.note(command, controller.ctl.run(&[command, "--json"]).out);
        }
        for path in ["/v1/status", "/v1/license", "/v1/hardware", "/metrics", "/v1/openapi.json"] {
            self.note(path, controller.socket.get(path).body);
        }
    }

    /// What the portal tells its operator.
    fn ask_vendor(&mut self, vendor: &Vendor, id: &str) {
        for arguments in [
            &["audit"][..],
            &["subscription", "list"],
            &["subscription", "show", id],
            &["environment", "list"],
        ] {
            let out = vendor.run(arguments).stdout;
            self.note("entitle-portal", String::from_utf8(out).unwrap());
        }
        self.note("the portal's log", fs::read_to_string(vendor.path("serve.log")).unwrap());
    }
}

#[test]
fn the_activation_code_is_nowhere_to_be_read() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let expose = code.expose();
    let controller = Controller::new(&vendor, &server);
    let mut command = controller.command();
    command.env("ENTITLED_LOG", "trace");
    let daemon = controller.start_with(command);
    let mut told = Told::default();
    told.activate(&controller, &expose);
    told.ask(&controller);
    told.ask_vendor(&vendor, &id);
    let log = daemon.stop();
    assert!(log.contains("TRACE") && log.contains("requested"), "{log}");
    told.note("the agent's log", log);

    let secrets = [expose.clone(), expose.replace('.', ""), expose[..27].to_owned()];
    for (who, text) in &told.0 {
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{who}: {text}");
    }
    // It is kept in one file, for its owner alone.
    let mut found = Vec::new();
    files(&controller.path("state"), &mut found);
    let has = |bytes: &[u8], s: &str| bytes.windows(s.len()).any(|window| window == s.as_bytes());
    found.retain(|(_, bytes)| secrets.iter().any(|secret| has(bytes, secret)));
    let holding: Vec<_> = found.iter().map(|(path, _)| path).collect();
    assert!(holding.len() == 1 && holding[0].ends_with("/activation-code"), "{holding:?}");
    let revealed = vendor.json(&["subscription", "show", &id, "--reveal"]);
    assert_eq!(revealed["activation_code"], expose);
}
