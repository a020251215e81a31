//! The options of `entitlectl usage`.

use crate::cli::arguments::time_to_live;
use clap::Subcommand;
use jiff::civil::Date;
use std::{path::PathBuf, time::Duration};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UsageOptions {
    #[command(subcommand)]
    pub(super) command: Option<UsageCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum UsageCommand {
    /// Report a gauge of a limit, as a program does
    Set(SetOptions),
    /// Report users of a limit, as a program does: names, one a line; they are hashed by the agent, and not kept
    Users(UsersOptions),
    /// Ask whether more may be taken of a limit
    #[command(after_help = "Exit codes: 0 allowed, 4 not allowed, 3 the agent can't be reached")]
    Check {
        /// The limit
        limit: String,
        /// How much more
        #[arg(default_value_t = 1)]
        amount: u64,
    },
    /// On the controller: print the usage report, the peak of each day, signed by the environment
    Report(ReportOptions),
    /// Verify a usage report and show what it says, without the agent
    Verify(VerifyOptions),
}

#[derive(Debug, clap::Args)]
pub(super) struct SetOptions {
    /// The limit
    pub(super) limit: String,
    /// How much is used
    pub(super) value: u64,
    /// Who reports: each reporter of a server has one gauge a limit
    #[arg(long, default_value = "entitlectl", value_name = "NAME")]
    pub(super) reporter: String,
    /// How long it counts unless it is reported again, such as 5m; a day at the most
    #[arg(long, default_value = "5m", value_parser = time_to_live, value_name = "TIME")]
    pub(super) ttl: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct UsersOptions {
    /// The limit
    pub(super) limit: String,
    /// The file with the names; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub(super) file: PathBuf,
    /// They are not there any more
    #[arg(long)]
    pub(super) left: bool,
    /// How long they count unless they are reported again, such as 5m; a day at the most
    #[arg(long, default_value = "5m", value_parser = time_to_live, value_name = "TIME")]
    pub(super) ttl: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReportOptions {
    /// The first day, such as 2026-11-01 [default: 30 days up to the last one]
    #[arg(long, value_name = "DAY")]
    pub(super) from: Option<Date>,
    /// The last day, in UTC [default: today]
    #[arg(long, value_name = "DAY")]
    pub(super) to: Option<Date>,
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyOptions {
    /// The report; - for standard input
    pub(super) file: PathBuf,
    /// Root keys of the vendor: a JWK set, or a folder of *.jwks [default: the folders of the installed product]
    #[arg(long, value_name = "PATH")]
    pub(super) roots: Vec<PathBuf>,
    /// The product that the report must be for [default: whatever it says]
    #[arg(long, value_name = "NAME")]
    pub(super) product: Option<String>,
}
