//! The archive for support: what is in it, and that no secret of the machine is, in any form.

use super::activated;
use crate::stage::{Controller, Done, Member, Vendor, between};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// An archive: as it lies on the disk, unpacked, and by its files.
struct Archive {
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    files: BTreeMap<String, String>,
}

impl Archive {
    fn read(packed: Vec<u8>) -> Self {
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(unpacked.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            let path = entry.path().unwrap().display().to_string();
            let (folder, name) = path.split_once('/').unwrap();
            assert!(folder.starts_with("entitled-doctor-2"), "{path}");
            let name = name.to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(name, text);
        }
        Self { packed, unpacked, files }
    }

    #[track_caller]
    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.files[name]).unwrap()
    }

    /// Where a text is, if it is anywhere.
    fn holds(&self, text: &str) -> Option<String> {
        let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let file = self.files.iter().find(|(_, file)| file.contains(text));
        let file = file.map(|(name, _)| name.clone());
        file.or_else(|| {
            (has(&self.packed) || has(&self.unpacked)).then(|| "the archive".to_owned())
        })
    }
}

/// A secret in the forms in which it might leak.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = secret.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut forms = vec![
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        hex.to_uppercase(),
        hex,
    ];
    forms.extend(String::from_utf8(secret.to_vec()));
    forms
}

/// Keys and secrets of a state directory, in their forms.
fn kept(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["environment.key", "environment-ca.key", "member.pem"] {
        let Ok(pem) = fs::read_to_string(state.join(name)) else { continue };
        let body = between(&pem, "PRIVATE KEY-----\n", "-----END").replace('\n', "");
        let key = BASE64_STANDARD.decode(&body).unwrap();
        found.extend(pem.lines().skip(1).take(1).map(str::to_owned));
        found.extend(forms(&key));
        found.extend(forms(&key[16..48]));
    }
    for name in ["hardware.secret", "usage.key"] {
        let Ok(hex) = fs::read_to_string(state.join(name)) else { continue };
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        found.extend(forms(&(0..64).step_by(2).map(byte).collect::<Vec<_>>()));
        found.extend(forms(hex.as_bytes()));
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn bundle(ctl: &crate::stage::Ctl, settings: &Path, folder: &Path) -> Archive {
    let path: PathBuf = folder.join("support.tar.gz");
    let (file, settings) = (path.display().to_string(), settings.display().to_string());
    let done = ctl.run(&["doctor", "--config", &settings, "--bundle", &file]);
    assert!(done.out.contains("written: "), "{done:?}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    Archive::read(fs::read(path).unwrap())
}

const PASSWORDS: [&str; 3] = ["hunter2-portal", "hunter3@proxy", "hunter4-hook"];

/// A controller whose operator put secrets wherever one may.
fn careless(vendor: &Vendor, url: &str) -> (Controller, Vec<String>, String) {
    let sold =
        ["subscription", "create", "--customer", "ACME", "--days", "365", "--limit", "users=9"];
    let code = vendor.json(&sold)["activation_code"].as_str().unwrap().to_owned();
    let hook = "whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29rLCBzaWduZWQ=";
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.keep().join("hook");
    fs::write(&secret, hook).unwrap();
    let url = url.replace("http://", "http://operator:hunter2-portal@");
    let more = format!(
        "proxy = 'http://operator:hunter3%40proxy@127.0.0.1:9'\n\
         [identity]\noverride = 'asset-override-4711'\n[members]\nlisten = '127.0.0.1:0'\n\
         [webhook]\nurl = 'http://me:hunter4-hook@127.0.0.1:9/services/T0PSECRETPATH?key=QUERYSECRET'\n\
         secret_file = '{}'\n# by hand: {code}\n",
        secret.display()
    );
    let controller = Controller::at(vendor, &url, &more);
    // The operator took one field for another.
    let typed = code.replace('.', "").to_lowercase();
    controller.write("conf.d/90.toml", &format!("[environment]\nname = 'Site {typed}'\n"));
    let mut secrets = vec![
        code.replace('.', "-"),
        code.replace('.', " "),
        code.to_lowercase(),
        typed.to_uppercase(),
        typed,
        "hunter3%40proxy".to_owned(),
        "T0PSECRETPATH".to_owned(),
        "QUERYSECRET".to_owned(),
    ];
    for secret in PASSWORDS.iter().chain(&["asset-override-4711", hook, &hook[6..], &code]) {
        secrets.extend(forms(secret.as_bytes()));
    }
    secrets.extend(forms(b"operator:hunter3@proxy"));
    (controller, secrets, code)
}

#[test]
fn an_archive_has_what_support_asks_for_and_no_secret_in_any_form() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (controller, mut secrets, code) = careless(&vendor, &server.url);
    let daemon = controller.start();
    let done = controller.ctl.run_with(&["activate"], &code);
    assert_eq!(done.code, 0, "{done:?}");
    let address = between(daemon.said(), "members are served address=", "\n").to_owned();
    let token = controller.ctl.out(&["member", "token"]).trim().to_owned();
    let member = Member::new(&vendor, "");
    let _member_runs = member.start();
    let done = member.ctl.run_with(&["join", &address], &token);
    assert_eq!(done.code, 0, "{done:?}");
    let done = controller.ctl.run_with(&["usage", "users", "users"], "ann@example.com\n");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(controller.path("state/usage.key").exists());
    secrets.push(token.clone());
    secrets.extend(forms(token.as_bytes()));
    secrets.extend(kept(&controller.path("state")));

    let archive = bundle(&controller.ctl, &controller.settings(), &controller.path(""));
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert_eq!(archive.holds(secret), None, "{secret}");
    }
    // What would have had them is there.
    let settings = &archive.files["settings/entitled.toml"];
    for part in ["http://[masked]@127.0.0.1:", "override = \"[masked]\"", "127.0.0.1:9/[masked]"] {
        assert!(settings.contains(part), "{settings}");
    }
    let masked = format!("***.{}", &code[28..]);
    assert!(archive.files["settings/conf.d/90.toml"].contains(&masked));
    assert!(archive.files.contains_key("settings/last-good.toml"));
    let status = archive.json("status.json");
    assert_eq!(status["state"], "active");
    assert!(status["license"]["activation_code"].as_str().unwrap().ends_with(&masked));
    assert_eq!(archive.json("members.json").as_array().unwrap().len(), 1);
    assert_eq!(archive.json("license.json")["seq"], 1);
    assert_eq!(archive.json("trust.json")["version"], 1);
    assert_eq!(archive.json("store.json")["database"]["layout"], 3);
    let events = archive.json("events.json").to_string();
    assert!(events.contains("license-installed") && events.contains("member-joined"), "{events}");
    assert!(archive.json("findings.json").as_array().unwrap().len() > 20);
    assert!(archive.json("hardware.json")["facts"].is_array());
    assert!(archive.files["metrics.txt"].contains("entitled_build_info"));
    assert!(archive.json("versions.json")["kernel"].is_string());
    // The license is not there whole: nobody can install it.
    let whole = controller.socket.json("/v1/license")["license"].as_str().unwrap().to_owned();
    let signature = whole.rsplit_once('.').unwrap().1;
    assert_eq!(archive.holds(signature), None);
    for name in archive.files.keys().filter(|name| *name != "README.txt") {
        let part = name.split('/').next().unwrap();
        assert!(archive.files["README.txt"].contains(part), "{name} is not in README.txt");
    }

    let settings = member.path("entitled.toml");
    let archive = bundle(&member.ctl, &settings, &member.path(""));
    secrets.extend(kept(&member.path("state")));
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert_eq!(archive.holds(secret), None, "{secret}");
    }
    assert_eq!(archive.json("status.json")["role"], "member");
}

#[test]
fn what_the_doctor_prints_has_no_password_of_an_address() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (controller, secrets, _) = careless(&vendor, &server.url);
    // No agent, so that the settings alone are gone by.
    for more in ["", "[portal]\nproxy = 'ftp://operator:hunter3%40proxy@127.0.0.1:9'\n"] {
        controller.write("conf.d/91.toml", more);
        let settings = controller.settings().display().to_string();
        for json in
            [&["doctor", "--config", &settings][..], &["doctor", "--json", "--config", &settings]]
        {
            let done = controller.ctl.run(json);
            for secret in &secrets {
                assert!(!done.out.contains(secret) && !done.err.contains(secret), "{done:?}");
            }
        }
    }
}

#[test]
fn an_archive_takes_no_files_place_and_may_go_to_standard_output() {
    let (_vendor, _server, controller, daemon) = activated("");
    let there = controller.write("there", "mine");
    let settings = controller.settings().display().to_string();
    let file = there.display().to_string();
    let done = controller.ctl.run(&["doctor", "--config", &settings, "--bundle", &file]);
    done.failed(1, "name a new file");
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
    // Without an agent as well, and with the audit.
    daemon.stop();
    let mut command = controller.ctl.command();
    command.args(["doctor", "--config", &settings, "--bundle", "-"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let archive = Archive::read(output.stdout);
    assert!(archive.json("events.json").to_string().contains("license-installed"));
    assert!(archive.files["README.txt"].contains("the agent does not answer"));
    let done = Done::of(
        {
            let mut command = controller.ctl.command();
            command.args(["doctor", "--config", &settings, "--bundle", "/nonexistent/x"]);
            command
        },
        "",
    );
    done.failed(1, "could not write the archive");
}
