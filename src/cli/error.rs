//! What a command could not do.

use crate::{
    api::Problem, bundle::BundleError, codes::CodeError, identity::MintError,
    license::DocumentError, members::TokenError,
};
use std::{io, path::PathBuf};

/// What a command could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// Nobody answers on the socket.
    #[error(
        "the agent can't be reached on {path} ({reason}): is it running (`systemctl status entitled`), and may you use its socket? --socket or $ENTITLED_SOCKET names another"
    )]
    Unreachable {
        /// Which socket.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The socket is for others.
    #[error(
        "{path} is not for you: be root, or a member of its group (`entitled-admin` for admin.sock)"
    )]
    Forbidden {
        /// Which socket.
        path: PathBuf,
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
    /// A file.
    #[error("could not read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No code where one was expected.
    #[error(
        "expected an Activation Code, found nothing in {found}: pipe it to the command, or name its file with --code-file; --configured uses the one that the agent has"
    )]
    NoCode {
        /// Where it was looked for.
        found: PathBuf,
    },
    /// A code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A join token.
    #[error(transparent)]
    Token(TokenError),
    /// No passphrase where one was expected.
    #[error(
        "expected the bundle's passphrase, found none: pipe it to the command, or name its file with --passphrase-file"
    )]
    NoPassphrase,
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The hardware.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The output.
    #[error("could not write the answer: {0}")]
    Output(io::Error),
    /// The archive for support.
    #[error(
        "could not write the archive {path} ({source}): name a new file in a directory of yours, or `-` for standard output"
    )]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operating system has no random numbers.
    #[error("the operating system has no random numbers")]
    Random,
}

impl CliError {
    /// How the process ends.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::Forbidden { .. } | Self::NotAnAgent { .. } => 3,
            _ => 1,
        }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "agent-unreachable",
            Self::Forbidden { .. } => "socket-forbidden",
            Self::NotAnAgent { .. } => "not-an-agent",
            Self::Refused(problem) => problem.code(),
            Self::File { .. } => "file",
            Self::NoCode { .. } => "no-activation-code",
            Self::Code(error) => error.code(),
            Self::Token(error) => error.code(),
            Self::NoPassphrase => "no-passphrase",
            Self::Bundle(error) => error.code(),
            Self::Document(error) => error.code(),
            Self::Mint(error) => error.code(),
            Self::Output(_) => "output",
            Self::Archive { .. } => "archive",
            Self::Random => "random",
        }
    }
}
