//! A vendor's portal and a server on it.

use entitled::{codes::ActivationCode, license::Roots};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

pub(crate) const PRODUCT: &str = "example-product";

/// A portal's directory, and the commands on it.
pub(crate) struct Vendor {
    folder: TempDir,
}

impl Vendor {
    pub(crate) fn new() -> Self {
        let vendor = Self { folder: tempfile::tempdir().unwrap() };
        vendor.json(&["init", "--product", PRODUCT, "--issuer", "Example Vendor"]);
        vendor
    }

    /// The same on a PostgreSQL database.
    pub(crate) fn on(url: &str) -> Self {
        let vendor = Self { folder: tempfile::tempdir().unwrap() };
        let init = ["init", "--product", PRODUCT, "--issuer", "Example Vendor", "--database", url];
        vendor.json(&init);
        vendor
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitle-portal"));
        command.env("ENTITLE_PORTAL_DIR", self.folder.path()).env_remove("ENTITLE_PORTAL_LOG");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// The JSON that a command prints, which must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sells a subscription: its id and its Activation Code.
    pub(crate) fn sell(&self) -> (String, ActivationCode) {
        let sold = self.json(&["subscription", "create", "--customer", "ACME", "--days", "365"]);
        let code = sold["activation_code"].as_str().unwrap().parse().unwrap();
        (sold["id"].as_str().unwrap().to_owned(), code)
    }

    pub(crate) fn roots(&self) -> Roots {
        let mut roots = Roots::none();
        roots.add_key_set(&std::fs::read_to_string(self.path("roots.jwks")).unwrap()).unwrap();
        roots
    }

    pub(crate) fn serve(&self) -> Server {
        self.serve_on("127.0.0.1:0")
    }

    /// Serves on an address, such as that of a server that was killed.
    pub(crate) fn serve_on(&self, address: &str) -> Server {
        let log = self.path("serve.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.command();
        command.args(["serve", "--listen", address, "--log", "debug"]).stderr(log);
        Server::of(command)
    }
}

/// A portal that serves; killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Starts `serve`, and waits until it listens.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url }
    }

    pub(crate) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        self.try_post(body).await.unwrap()
    }

    /// The same, where the server may be killed meanwhile.
    pub(crate) fn try_post<B: Into<reqwest::Body>>(
        &self,
        body: B,
    ) -> impl Future<Output = reqwest::Result<(u16, String)>> + use<B> {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/requests", self.url))
            .header("content-type", "application/jose")
            .body(body);
        async move {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}
