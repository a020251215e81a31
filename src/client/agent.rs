//! Asks the agent each time, and reports usage.

use super::{
    ClientError, DEFAULT_SOCKET, PATIENCE, reading,
    wire::{Deadline, Wire},
};
use crate::entitlement::{Allowance, Status};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// The agent behind its sockets, asked once a call: for programs that run for a moment, for checks of limits, and to report
/// usage.
///
/// Every call opens a connection, waits for its answer, and gives up after its patience, five seconds unless told
/// otherwise. In an asynchronous program a call belongs where blocking is allowed.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
    patience: Duration,
}

impl Default for Agent {
    fn default() -> Self {
        Self::new(DEFAULT_SOCKET)
    }
}

impl Agent {
    /// The agent with that `entitled.sock`; its `usage.sock` lies beside it.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), patience: PATIENCE }
    }

    /// The same, with another patience for each question; a day at the most.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The status.
    ///
    /// # Errors
    /// Where the agent can't be asked, or has no status yet (`not-ready`, for a moment after its start).
    pub fn status(&self) -> Result<Status, ClientError> {
        let body = self.ask(&self.socket, "GET", "/v1/status", None)?;
        reading::status(&body).map_err(|error| self.not_an_agent(&error))
    }

    /// Whether `amount` more may be taken of a limit, by what is used in the whole environment now. Nothing is reserved: report at
    /// once what is taken.
    ///
    /// # Errors
    /// Where the agent can't be asked: the program decides by itself, as it does for a stale answer.
    pub fn check_limit(&self, name: &str, amount: u64) -> Result<Allowance, ClientError> {
        let route = format!("/v1/limits/{}/check?amount={amount}", encoded(name));
        self.decoded(&self.ask(&self.socket, "GET", &route, None)?)
    }

    /// Reports how much of a limit `reporter` uses now, on `usage.sock`. Each reporter of a server has one gauge a limit, and their
    /// sum counts; it is forgotten after `time_to_live` (whole seconds, a day at the most) unless it is reported again.
    ///
    /// # Errors
    /// Where the agent can't be asked, or refuses: `no-such-limit`, `bad-reporter`, `too-many-reporters`.
    pub fn report_usage(
        &self,
        limit: &str,
        reporter: &str,
        value: u64,
        time_to_live: Duration,
    ) -> Result<(), ClientError> {
        let ttl_seconds = time_to_live.as_secs();
        let body = Gauge { reporter, value, ttl_seconds };
        self.put(&format!("/v1/usage/{}", encoded(limit)), &body)
    }

    /// Reports users of a limit that are there now, and those that left, by names or ids, on `usage.sock`. Each is counted once
    /// in the whole environment; the agent keeps keyed hashes of them and no names.
    ///
    /// # Errors
    /// As [`report_usage`](Self::report_usage); an agent that knows no users answers `no-such-route`.
    pub fn report_users(
        &self,
        limit: &str,
        users: &[&str],
        left: &[&str],
        time_to_live: Duration,
    ) -> Result<(), ClientError> {
        let body = Users { users, left, ttl_seconds: time_to_live.as_secs() };
        self.put(&format!("/v1/usage/{}/users", encoded(limit)), &body)
    }

    fn put(&self, route: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.not_an_agent(&error))?;
        let socket = self.socket.with_file_name("usage.sock");
        self.ask(&socket, "PUT", route, Some(&body)).map(drop)
    }

    fn ask(
        &self,
        socket: &Path,
        method: &str,
        route: &str,
        body: Option<&[u8]>,
    ) -> Result<Vec<u8>, ClientError> {
        let mut request = format!("{method} {route} HTTP/1.0\r\nHost: localhost\r\n");
        if let Some(body) = body {
            request.push_str("Content-Type: application/json\r\n");
            // Writing to a string does not fail.
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        let deadline = Deadline::within(self.patience);
        let mut wire = Wire::connect(socket, deadline)?;
        wire.send(&[request.as_bytes(), body.unwrap_or_default()].concat(), deadline)?;
        let head = wire.head(deadline)?;
        wire.body(&head, deadline)
    }

    fn decoded<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.not_an_agent(&error))
    }

    fn not_an_agent(&self, error: &serde_json::Error) -> ClientError {
        ClientError::NotAnAgent { path: self.socket.clone(), found: error.to_string() }
    }
}

#[derive(Serialize)]
struct Gauge<'a> {
    reporter: &'a str,
    value: u64,
    ttl_seconds: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the member is called as the contract says")]
struct Users<'a> {
    users: &'a [&'a str],
    left: &'a [&'a str],
    ttl_seconds: u64,
}

/// A name as a part of a path, RFC 3986 section 2.
fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Also a dot: `..` alone would be another path.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_is_in_it() {
        assert_eq!(encoded("users-1_a~"), "users-1_a~");
        assert_eq!(encoded("../x?y=1 ü\r\n"), "%2E%2E%2Fx%3Fy%3D1%20%C3%BC%0D%0A");
    }
}
