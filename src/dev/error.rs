//! Why a session can't go on.

use crate::{agent::DaemonError, api::Problem, portal::PortalError};
use std::{fmt::Display, io, net::SocketAddr, time::Duration};

/// Why a session can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// The agent.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The portal.
    #[error(transparent)]
    Portal(#[from] PortalError),
    /// A file or a socket.
    #[error("could not {operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Nothing can be kept there.
    #[error(
        "expected a directory that can be written, found {path}: {source}: choose another with --dir"
    )]
    Directory {
        /// What was given.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Sockets have short names.
    #[error(
        "expected a directory whose sockets have paths of at most {most} bytes, found {found} bytes for {path}: choose a shorter one with --dir"
    )]
    TooLong {
        /// The longest socket.
        path: String,
        /// Its length, bytes.
        found: usize,
        /// What is allowed, bytes.
        most: usize,
    },
    /// One session at a time.
    #[error(
        "{path} is in use by another `entitled dev`{holder}: stop that one, or choose another directory with --dir"
    )]
    InUse {
        /// The directory.
        path: String,
        /// The other one's process, where it is known.
        holder: String,
    },
    /// The embedded portal is for this machine alone.
    #[error(
        "expected an address of this machine for the embedded portal, found {found}: it issues licenses to whoever asks, so it listens on 127.0.0.1 or ::1 alone"
    )]
    Address {
        /// What was asked for.
        found: SocketAddr,
    },
    /// The agent or the portal refused.
    #[error("{0}")]
    Refused(String),
    /// The status did not come about.
    #[error("the agent did not become {wanted} within {} seconds, it is {found}: run it again with ENTITLED_LOG=debug to see why", PATIENCE.as_secs())]
    Late {
        /// What was waited for.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
}

impl From<Problem> for DevError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.detail)
    }
}

/// How long a change of the status is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn failed(
    operation: &'static str,
    path: impl Display,
) -> impl FnOnce(io::Error) -> DevError {
    let path = format!("{path}");
    move |source| DevError::File { operation, path, source }
}
