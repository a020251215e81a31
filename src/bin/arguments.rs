//! What `entitled` takes; its manual is made from this as well.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// The entitlement agent: fetches, keeps and serves the license of this environment
#[derive(Debug, Parser)]
#[command(name = "entitled", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent of this server
    Run(RunOptions),
    /// Run an embedded portal, a sample subscription and an activated agent in one directory
    #[cfg(feature = "dev")]
    Dev(entitled::dev::DevOptions),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// The settings; conf.d/*.toml beside the file go over it
    #[arg(long, default_value = "/etc/entitled/entitled.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Where the agent's state is kept, over what the settings say
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the sockets are, over what the settings say
    #[arg(long, value_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
    /// Check the settings and do nothing else
    #[arg(long)]
    pub(crate) check_config: bool,
}
