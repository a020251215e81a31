//! `entitled run` as a member of a controller's environment.

use super::{Controller, Ctl, PRODUCT, Running, Socket, Vendor, controller::run};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A member's folder, in which the daemon is started and stopped.
pub(crate) struct Member {
    folder: TempDir,
    pub(crate) socket: Socket,
    pub(crate) ctl: Ctl,
}

impl Member {
    /// A server that has not joined yet.
    pub(crate) fn new(vendor: &Vendor, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/entitled.sock");
        let (socket, ctl) = (Socket::new(&path), Ctl::new(&path));
        fs::create_dir(folder.path().join("roots.d")).unwrap();
        fs::copy(vendor.path("roots.jwks"), folder.path().join("roots.d/vendor.jwks")).unwrap();
        let member = Self { folder, socket, ctl };
        let at = |name| member.path(name).display().to_string();
        let settings = format!(
            "product = '{PRODUCT}'\nrole = 'member'\nstate_directory = '{}'\nruntime_directory = '{}'\n\
             root_directories = ['{}']\n{more}",
            at("state"),
            at("run"),
            at("roots.d"),
        );
        fs::write(member.path("entitled.toml"), settings).unwrap();
        member
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon, and waits until it answers.
    pub(crate) fn start(&self) -> Running {
        let mut running = Running::start(run(&self.path("entitled.toml")));
        running.await_line("the agent runs");
        while self.socket.get("/readyz").status != 200 {
            std::thread::yield_now();
        }
        running
    }

    /// Joins by a token of the controller's.
    pub(crate) fn join(&self, controller: &Controller, address: &str) {
        let token = controller.ctl.out(&["member", "token"]);
        let done = self.ctl.run_with(&["join", address], &token);
        assert_eq!(done.code, 0, "{done:?}");
    }

    /// The audit, newest first, as `action: detail`, a line each.
    pub(crate) fn events(&self) -> String {
        let events = self.ctl.json(&["events", "--limit", "100"]);
        let line = |event: &serde_json::Value| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            format!("{}: {}\n", text("action"), text("detail"))
        };
        events.as_array().unwrap().iter().map(line).collect()
    }

    /// The key and certificate that it shows, one PEM file.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path("state/member.pem")
    }
}

/// A client of the members' port that is not ours, as curl with `--cert`, `--cacert` and `--resolve` is.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// A watch that is open.
pub(crate) struct OpenWatch(reqwest::Response, tokio::runtime::Runtime);

impl OpenWatch {
    /// Waits for its end, whatever is sent until then.
    pub(crate) fn end(mut self) {
        self.1.block_on(async { while let Ok(Some(_)) = self.0.chunk().await {} });
    }
}

impl Client {
    /// With a member's certificate.
    pub(crate) fn of(member: &Member, address: &str) -> Self {
        Self::with(&member.identity(), Some(&member.identity()), address)
    }

    /// Without one; it knows the authority from a member's files.
    pub(crate) fn stranger(member: &Member, address: &str) -> Self {
        Self::with(&member.identity(), None, address)
    }

    pub(crate) fn with(authority: &Path, identity: Option<&Path>, address: &str) -> Self {
        let pem = fs::read_to_string(authority).unwrap();
        let begin = pem.rfind("-----BEGIN CERTIFICATE-----").unwrap();
        let authority = reqwest::Certificate::from_pem(&pem.as_bytes()[begin..]).unwrap();
        let address: std::net::SocketAddr = address.parse().unwrap();
        let name = "controller.entitled.internal";
        let mut client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .resolve(name, address)
            .timeout(super::PATIENCE)
            .no_proxy();
        if let Some(identity) = identity {
            let pem = fs::read(identity).unwrap();
            client = client.identity(reqwest::Identity::from_pem(&pem).unwrap());
        }
        let base = format!("https://{name}:{}", address.port());
        Self { http: client.build().unwrap(), base }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.get_with(path, "accept", "*/*")
    }

    pub(crate) fn get_with(&self, path: &str, header: &str, value: &str) -> (u16, String) {
        self.send(|http| http.get(format!("{}{path}", self.base)).header(header, value)).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: String) -> reqwest::Result<(u16, String)> {
        let json = ("content-type", "application/json");
        self.send(|http| {
            http.post(format!("{}{path}", self.base)).header(json.0, json.1).body(body)
        })
    }

    pub(crate) fn try_get(&self, path: &str) -> reqwest::Result<(u16, String)> {
        self.send(|http| http.get(format!("{}{path}", self.base)))
    }

    fn send(
        &self,
        with: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> reqwest::Result<(u16, String)> {
        let runtime = runtime();
        runtime.block_on(async {
            let response = with(&self.http).send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        })
    }

    pub(crate) fn watch(&self) -> OpenWatch {
        let runtime = runtime();
        let url = format!("{}/v1/watch", self.base);
        let response = runtime.block_on(async { self.http.get(url).send().await.unwrap() });
        assert_eq!(response.status(), 200);
        OpenWatch(response, runtime)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
