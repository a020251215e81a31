//! A vendor's portal, a server on it, and agents that ask it.

use entitled::{
    codes::{ActivationCode, SerialNumber},
    license::{
        Activation, KeyPair, MachineFacts, OpenedAnswer, Purpose, RequestClaims, RequestId,
        RequestKind, RequestedEnvironment, Roots, open_answer, sign_request,
    },
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;
use uuid::Uuid;

pub(super) const PRODUCT: &str = "example-product";

/// A portal's directory, and the commands on it.
pub(super) struct Vendor {
    folder: TempDir,
}

impl Vendor {
    pub(super) fn new() -> Self {
        let vendor = Self { folder: tempfile::tempdir().unwrap() };
        vendor.json(&["init", "--product", PRODUCT, "--issuer", "Example Vendor"]);
        vendor
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitle-portal"));
        command.env("ENTITLE_PORTAL_DIR", self.folder.path()).env_remove("ENTITLE_PORTAL_LOG");
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// The JSON that a command prints, which must succeed.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sells a subscription: its id and its Activation Code.
    pub(super) fn sell(&self) -> (String, ActivationCode) {
        let sold = self.json(&["subscription", "create", "--customer", "ACME", "--days", "365"]);
        let code = sold["activation_code"].as_str().unwrap().parse().unwrap();
        (sold["id"].as_str().unwrap().to_owned(), code)
    }

    pub(super) fn roots(&self) -> Roots {
        let mut roots = Roots::none();
        roots.add_key_set(&std::fs::read_to_string(self.path("roots.jwks")).unwrap()).unwrap();
        roots
    }

    pub(super) fn serve(&self) -> Server {
        let log = self.path("serve.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut process = self
            .command()
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "debug"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Server { process, url }
    }
}

/// A portal that serves; killed when dropped.
pub(super) struct Server {
    pub process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    pub(super) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = reqwest::Client::new()
            .post(format!("{}/v1/requests", self.url))
            .header("content-type", "application/jose")
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// An agent as far as the portal sees it.
pub(super) struct Agent {
    key: KeyPair,
    serial: SerialNumber,
    held: Option<String>,
    previous: Option<RequestId>,
}

impl Agent {
    pub(super) fn new(hardware: &str) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            serial: SerialNumber::mint("smbios-uuid", hardware),
            held: None,
            previous: None,
        }
    }

    pub(super) fn request(&self, request: RequestKind, code: Option<&ActivationCode>) -> String {
        let jti = RequestId(Uuid::now_v7());
        let claims = RequestClaims {
            aud: PRODUCT.to_owned(),
            jti,
            iat: Timestamp::now(),
            request,
            sub: self.serial,
            activation: code.map(|code| Activation::new(code, jti, &self.key.public())),
            environment: RequestedEnvironment {
                id: None,
                name: "Main site".to_owned(),
                purpose: Purpose::Production,
            },
            candidates: Vec::new(),
            evidence: Vec::new(),
            machine: MachineFacts {
                kind: "bare-metal".to_owned(),
                overridden: false,
                agent: "0.1.0".to_owned(),
            },
            previous: self.previous,
            unsettled: Vec::new(),
            held: self.held.clone(),
            trust_version: 0,
        };
        sign_request(&claims, &self.key).unwrap()
    }

    pub(super) fn settle(&mut self, answer: &str, vendor: &Vendor) -> OpenedAnswer {
        let opened = open_answer(answer, PRODUCT, &vendor.roots(), None).unwrap();
        self.previous = Some(opened.in_reply_to);
        if let Some(license) = &opened.license {
            license.check_binding(self.serial, &self.key.thumbprint()).unwrap();
            self.held = Some(license.text().to_owned());
        }
        opened
    }

    pub(super) async fn activate(
        &mut self,
        server: &Server,
        vendor: &Vendor,
        code: &ActivationCode,
    ) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Activate, Some(code))).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }

    pub(super) async fn refresh(&mut self, server: &Server, vendor: &Vendor) -> OpenedAnswer {
        let (status, answer) = server.post(self.request(RequestKind::Refresh, None)).await;
        assert_eq!(status, 200, "{answer}");
        self.settle(&answer, vendor)
    }
}
