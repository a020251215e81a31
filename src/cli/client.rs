//! Asks the agent over its sockets.

use super::CliError;
use crate::{
    api::{Done, PROBLEM_MEDIA_TYPE, Problem},
    entitlement::Status,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the agent may take; an exchange with the portal is part of it.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take for what is ready: monitors give a check ten seconds as a rule, and want an answer of it.
const READ_PATIENCE: Duration = Duration::from_secs(8);

/// The agent behind two of its sockets.
#[derive(Debug)]
pub(super) struct Agent {
    read: PathBuf,
    admin: PathBuf,
}

impl Agent {
    /// The agent whose `entitled.sock` that is; `admin.sock` stands beside it.
    pub(super) fn new(socket: &Path) -> Self {
        Self { read: socket.to_owned(), admin: socket.with_file_name("admin.sock") }
    }

    /// Its `entitled.sock`.
    pub(super) fn socket(&self) -> &Path {
        &self.read
    }

    pub(super) async fn status(&self) -> Result<Status, CliError> {
        self.get("/v1/status").await
    }

    /// Reads what everyone may.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let response = self.send(&self.read, Method::GET, path, soon).await?;
        decode(&self.read, response).await
    }

    /// Reads what operators may.
    pub(super) async fn get_as_admin<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, CliError> {
        let response = self.send(&self.admin, Method::GET, path, soon).await?;
        decode(&self.admin, response).await
    }

    /// Asks for a change.
    pub(super) async fn change(&self, path: &str, body: &impl Serialize) -> Result<Done, CliError> {
        let response = self.send(&self.admin, Method::POST, path, |r| r.json(body)).await?;
        decode(&self.admin, response).await
    }

    /// Asks for a change that is answered with more than the status.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let response = self.send(&self.admin, Method::POST, path, |r| r.json(body)).await?;
        decode(&self.admin, response).await
    }

    /// Removes a member.
    pub(super) async fn remove_member(&self, member: &str) -> Result<Done, CliError> {
        let path = Self::route(&["v1", "members", member]);
        let response = self.send(&self.admin, Method::DELETE, &path, |r| r).await?;
        decode(&self.admin, response).await
    }

    /// Reports usage, as a program does: over `usage.sock`, which needs no right to change anything else.
    pub(super) async fn report_usage(
        &self,
        of: &[&str],
        body: &impl Serialize,
    ) -> Result<Done, CliError> {
        let path = Self::route(&[&["v1", "usage"], of].concat());
        let socket = self.read.with_file_name("usage.sock");
        let response = self.send(&socket, Method::PUT, &path, |r| r.json(body)).await?;
        decode(&socket, response).await
    }

    /// Asks for a usage report.
    pub(super) async fn usage_report(&self, path: &str) -> Result<String, CliError> {
        let response = self.send(&self.admin, Method::GET, path, |r| r).await?;
        self.text(response).await
    }

    /// The metrics, in `OpenMetrics` text.
    pub(super) async fn metrics(&self) -> Result<String, CliError> {
        let response = self.send(&self.read, Method::GET, "/metrics", soon).await?;
        self.text(response).await
    }

    /// A path of these segments, whatever is in them.
    pub(super) fn route(segments: &[&str]) -> String {
        let Ok(mut url) = Url::parse("http://localhost") else { return String::new() };
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url.path().to_owned()
    }

    /// Sends a document, or nothing, for another one.
    pub(super) async fn document(&self, path: &str, text: String) -> Result<String, CliError> {
        let response =
            self.send(&self.admin, Method::POST, path, |r| with_document(r, text)).await?;
        self.text(response).await
    }

    /// Sends JSON for a document.
    pub(super) async fn document_of(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<String, CliError> {
        let response = self.send(&self.admin, Method::POST, path, |r| r.json(body)).await?;
        self.text(response).await
    }

    async fn text(&self, response: Response) -> Result<String, CliError> {
        response.text().await.map_err(|error| CliError::NotAnAgent {
            path: self.admin.clone(),
            found: error.to_string(),
        })
    }

    /// Sends the consent to a move.
    pub(super) async fn accept_move(&self, text: String) -> Result<Done, CliError> {
        let with_text = |request| with_document(request, text);
        let response = self.send(&self.admin, Method::POST, "/v1/move/accept", with_text).await?;
        decode(&self.admin, response).await
    }

    /// Whether the agent's loop turns.
    pub(super) async fn is_alive(&self) -> bool {
        self.send(&self.read, Method::GET, "/livez", soon).await.is_ok()
    }

    /// Sends a document.
    pub(super) async fn install(&self, text: String) -> Result<Done, CliError> {
        let with_text = |request| with_document(request, text);
        let response = self.send(&self.admin, Method::POST, "/v1/install", with_text).await?;
        decode(&self.admin, response).await
    }

    /// Opens the stream of changes.
    pub(super) async fn watch(&self) -> Result<Response, CliError> {
        let forever =
            |request: RequestBuilder| request.timeout(Duration::from_secs(u64::from(u32::MAX)));
        self.send(&self.read, Method::GET, "/v1/watch", forever).await
    }

    async fn send(
        &self,
        socket: &Path,
        method: Method,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, CliError> {
        // The connection's own error says more than the client's.
        UnixStream::connect(socket).map_err(|error| unreachable(socket, &error))?;
        let failed = |error: reqwest::Error| CliError::Unreachable {
            path: socket.to_owned(),
            reason: if error.is_timeout() {
                "it gave no answer in time".to_owned()
            } else {
                error.without_url().to_string()
            },
        };
        let client = Client::builder()
            .unix_socket(socket)
            .timeout(PATIENCE)
            .no_proxy()
            // No TLS is spoken on a socket: a machine without the certificates of any CA has an agent too.
            .tls_certs_only([])
            .build()
            .map_err(failed)?;
        let request = client.request(method, format!("http://localhost{path}"));
        let response = with(request).send().await.map_err(failed)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with(PROBLEM_MEDIA_TYPE)) {
            let problem: Problem = decode(socket, response).await?;
            return Err(CliError::Refused(problem));
        }
        Err(CliError::NotAnAgent { path: socket.to_owned(), found: format!("status {status}") })
    }
}

fn soon(request: RequestBuilder) -> RequestBuilder {
    request.timeout(READ_PATIENCE)
}

fn with_document(request: RequestBuilder, text: String) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, crate::license::MEDIA_TYPE).body(text)
}

async fn decode<T: DeserializeOwned>(socket: &Path, response: Response) -> Result<T, CliError> {
    response
        .json()
        .await
        .map_err(|error| CliError::NotAnAgent { path: socket.to_owned(), found: error.to_string() })
}

fn unreachable(path: &Path, error: &io::Error) -> CliError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => CliError::Forbidden { path },
        _ => CliError::Unreachable { path, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_hangs_is_waited_for_as_long_as_a_monitor_waits() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("entitled.sock");
        let _never_answers = UnixListener::bind(&socket).unwrap();
        let start = Instant::now();
        let error = Agent::new(&socket).status().await.unwrap_err();
        assert_eq!((error.code(), start.elapsed().as_secs()), ("agent-unreachable", 8));
        assert!(error.to_string().contains("no answer in time"), "{error}");
    }
}
