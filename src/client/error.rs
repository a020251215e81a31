//! Why the agent could not be asked.

use crate::problem::Problem;
use std::{io, path::PathBuf, time::Duration};

/// Why the agent could not be asked. None of these says anything of the license.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error(
        "the agent can't be reached on {path} ({reason}): is it running (`systemctl status entitled`)?"
    )]
    Unreachable {
        /// Which socket.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The socket is for others.
    #[error(
        "{path} is not for this user: usage.sock is for the group `entitled-usage`, and the folder of the sockets must be open to all"
    )]
    Forbidden {
        /// Which socket.
        path: PathBuf,
    },
    /// It took longer than it may.
    #[error(
        "the agent on {path} gave no answer within {patience:?}: ask again, or be more patient"
    )]
    TimedOut {
        /// Which socket.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// What answers is no agent, or one of another age.
    #[error(
        "expected an answer of the agent from {path}, found {found}: is another program behind this socket?"
    )]
    NotAnAgent {
        /// Which socket.
        path: PathBuf,
        /// What came.
        found: String,
    },
    /// The agent refused.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// The operating system gives no thread to watch from.
    #[error(
        "no thread to watch the agent from ({reason}): raise the limit on tasks, or ask with `Agent`"
    )]
    NoThread {
        /// Why not.
        reason: String,
    },
}

impl ClientError {
    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "agent-unreachable",
            Self::Forbidden { .. } => "socket-forbidden",
            Self::TimedOut { .. } => "agent-silent",
            Self::NotAnAgent { .. } => "not-an-agent",
            Self::Refused(problem) => problem.code(),
            Self::NoThread { .. } => "no-thread",
        }
    }

    pub(super) fn of_socket(path: PathBuf, error: &io::Error, patience: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden { path },
            // A socket whose queue is full is as good as one that does not answer.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::TimedOut { path, patience }
            }
            _ => Self::Unreachable { path, reason: error.to_string() },
        }
    }
}
