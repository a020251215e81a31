//! An agent's socket, asked over HTTP by a client that is not ours.

use super::PATIENCE;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Instant,
};

/// One of an agent's sockets.
#[derive(Clone)]
pub(crate) struct Socket {
    pub(crate) path: PathBuf,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts that it is a problem document (RFC 9457) with that status and stable code; its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media_type, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:entitled:problem:{code}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Socket {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The socket of that name beside this one.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self::new(self.path.with_file_name(name))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Method::GET, path, |request| request)
    }

    /// The JSON at a path that must be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) fn status(&self) -> Value {
        self.json("/v1/status")
    }

    pub(crate) fn send(
        &self,
        method: &Method,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::builder().unix_socket(self.path.as_path()).timeout(PATIENCE);
        let request = client.build().unwrap();
        let request = with(request.request(method.clone(), format!("http://localhost{path}")));
        runtime.block_on(async {
            let response = request.send().await.unwrap();
            let media_type = response.headers().get("content-type");
            Answer {
                status: response.status().as_u16(),
                media_type: media_type.map_or("", |kind| kind.to_str().unwrap()).to_owned(),
                body: response.text().await.unwrap(),
            }
        })
    }

    /// Waits for a status, each time until the next generation.
    pub(crate) fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut status = self.status();
        while !is(&status) {
            assert!(Instant::now() < deadline, "it never came to be {what}: {status:#}");
            let after = &status["generation"];
            status = self.json(&format!("/v1/status?after={after}&wait=10s"));
        }
        status
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes as they are; all that comes back until the other end closes. A peer that closes early is no error.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back);
        String::from_utf8_lossy(&back).into_owned()
    }

    pub(crate) fn is_gone(&self) -> bool {
        !Path::new(&self.path).exists()
    }
}
