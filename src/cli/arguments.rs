//! The commands and their options.

use super::{
    CliError, DONE, controller::ControllerCommand, doctor::DoctorOptions, output::print,
    usage::UsageOptions,
};
use crate::license::Purpose;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind, value_parser};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// What the exit codes mean; shown by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `status`: entitled
  1  refused, or it failed
  2  the command line can't be used
  3  the agent can't be reached
  4  for `status`: not entitled; for `usage check`: not allowed
`check` exits as monitors expect: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.";

const COMMON: &str = "Common options";
const CHECK_EXIT_CODES: &str = "Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also for a command line that can't be used)";
const STATUS_EXIT_CODES: &str =
    "Exit codes: 0 entitled, 4 not entitled, 3 the agent can't be reached";

/// Ask the entitlement agent of this server, and change what it does
#[derive(Debug, Parser)]
#[command(name = "entitlectl", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    /// The agent's socket; commands that change something use admin.sock beside it
    #[arg(
        long,
        global = true,
        env = "ENTITLED_SOCKET",
        default_value = "/run/entitled/entitled.sock",
        value_name = "PATH",
        help_heading = COMMON
    )]
    pub socket: PathBuf,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = COMMON)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show whether this environment is entitled, and why
    #[command(after_help = STATUS_EXIT_CODES)]
    Status,
    /// Print the Serial Number alone
    Serial {
        /// Make it from a captured tree (laid out as /sys and /proc are; / for this machine), without the agent
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Show the hardware facts behind the Serial Number, in digests
    Hardware(HardwareOptions),
    /// Activate this environment with its Activation Code
    Activate(ActivateOptions),
    /// Give this machine's environment a new key, and this hardware where it was replaced; or get it back where the agent's
    /// state was lost
    Rebind(RebindOptions),
    /// Move an environment from its controller to another machine
    Move {
        #[command(subcommand)]
        command: MoveCommand,
    },
    /// Move this environment's controller to another machine, with its members
    Controller {
        #[command(subcommand)]
        command: ControllerCommand,
    },
    /// Ask the portal for the newest license now
    Refresh,
    /// Give the license back to the portal, so that another machine can be activated
    Release,
    /// Make a request that is carried to the portal by hand; its answer is installed by `license install`
    Request(RequestOptions),
    /// Show, install or look into a license
    License {
        #[command(subcommand)]
        command: LicenseCommand,
    },
    /// List the features of the license
    Features,
    /// Show what is used of each limit, and by which server
    Usage(UsageOptions),
    /// List what happened, newest first
    Events {
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show every change of the status as it happens
    Watch {
        /// Run a command for the status as it is, then for each change: by `sh -c`, one at a time, with the status as JSON on its
        /// standard input, and `ENTITLED_STATE`, `ENTITLED_ENTITLED` (true or false) and `ENTITLED_GENERATION` in its environment. Of
        /// changes that come while it runs, it is told the last
        #[arg(long, value_name = "COMMAND")]
        exec: Option<String>,
    },
    /// Make tokens for servers to join with, list members, remove one
    Member {
        #[command(subcommand)]
        command: MemberCommand,
    },
    /// List the members of this environment
    Members,
    /// Join an environment as a member, with a token from its controller
    Join(JoinOptions),
    /// Check as a monitor does: one line, performance data, exit code
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(CheckOptions),
    /// Try everything that can be wrong, and say how to mend it
    Doctor(DoctorOptions),
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct HardwareOptions {
    #[command(subcommand)]
    pub(super) command: Option<HardwareCommand>,
    #[command(flatten)]
    pub(super) from: HardwareSource,
}

#[derive(Debug, clap::Args)]
pub(super) struct HardwareSource {
    /// Read a captured tree (laid out as /sys and /proc are; / for this machine), without the agent
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Read a saved report, without the agent
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum HardwareCommand {
    /// Print what would be stored for the machine of a tree, as JSON
    Enroll {
        /// The tree
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
    },
    /// Judge a tree or a report by what `enroll` printed
    Explain {
        #[command(flatten)]
        from: HardwareSource,
        /// What `enroll` printed
        #[arg(long, value_name = "FILE")]
        enrolled: PathBuf,
    },
    /// Print a report for support, as JSON
    Report {
        /// The tree
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
        /// Add the identifiers themselves: whoever reads the report can name this machine
        #[arg(long)]
        raw: bool,
    },
    /// Leave what only root may read for an agent that is not root
    Collect {
        /// The file
        #[arg(long, default_value = crate::identity::COLLECTED_FACTS, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum MoveCommand {
    /// On the new machine: print its offer, for `move consent` on the controller
    Offer,
    /// On the controller: print the consent to an offer, for `move accept` on the new machine
    Consent {
        /// The offer; - for standard input
        offer: PathBuf,
    },
    /// On the new machine: take over the environment that consented
    Accept {
        /// The consent; - for standard input
        consent: PathBuf,
        /// Print the request for a courier; its answer is installed by `license install`
        #[arg(long)]
        by_hand: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum LicenseCommand {
    /// Show the license that is held
    Show {
        /// Print the signed documents (trust document, then license), as `license install` reads them
        #[arg(long)]
        raw: bool,
    },
    /// Install a license, or an answer of the portal, that was carried by hand
    Install {
        /// The file; - for standard input
        file: PathBuf,
    },
    /// Look into a file and verify it, without the agent
    Inspect(InspectOptions),
}

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// Print a token for servers to join this environment with; it is a secret
    Token(TokenOptions),
    /// List the members of this environment
    List,
    /// Remove a member: its connections end, and its certificate opens nothing any more
    Remove {
        /// Its name, or its id
        member: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct TokenOptions {
    /// How long it is good for, such as 30m, 1h or 7d
    #[arg(long, default_value = "1h", value_parser = time_to_live, value_name = "TIME")]
    pub(super) ttl: Duration,
    /// How many servers may join with it
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub(super) uses: u32,
    /// From which addresses they must come, such as 10.1.0.0/16 [default: from all]
    #[arg(long, value_name = "RANGE")]
    pub(super) from: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct JoinOptions {
    /// The controller, host or host:port; further addresses of it are tried in their order [default: as the agent's settings
    /// say]
    #[arg(value_name = "ADDRESS")]
    pub(super) controllers: Vec<String>,
    /// A file that holds the token [default: the credential join-token of the service, else standard input]
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ActivateOptions {
    /// The Activation Code. Others on this machine can see it in the list of processes: better leave it out, and type it or
    /// pipe it to standard input
    #[arg(value_name = "CODE", conflicts_with = "code_file")]
    pub(super) code: Option<String>,
    /// A file that holds the Activation Code
    #[arg(long, value_name = "FILE")]
    pub(super) code_file: Option<PathBuf>,
    /// Use the Activation Code that the agent has: from its settings, or from before
    #[arg(long, conflicts_with_all = ["code", "code_file"])]
    pub(super) configured: bool,
    /// The environment's name [default: as the agent's settings say]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// What the environment is for: development, quality, production or management [default: as the settings say]
    #[arg(long, value_name = "PURPOSE")]
    pub(super) purpose: Option<Purpose>,
}

#[derive(Debug, clap::Args)]
pub(super) struct RebindOptions {
    /// The one-time code of the portal, where the vendor asks for one; it is good for one rebind
    #[arg(long, value_name = "CODE")]
    pub(super) rebind_code: Option<String>,
    /// A file that holds the Activation Code; it is needed where the key was lost [default: standard input]
    #[arg(long, value_name = "FILE")]
    pub(super) code_file: Option<PathBuf>,
    /// Use the Activation Code that the agent has: from its settings, or from before
    #[arg(long, conflicts_with = "code_file")]
    pub(super) configured: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct RequestOptions {
    /// What is asked for
    #[arg(value_enum, default_value_t = Asked::Refresh)]
    pub(super) kind: Asked,
    /// To activate or rebind
    #[command(flatten)]
    pub(super) activate: ActivateOptions,
    /// To rebind: the one-time code of the portal, where the vendor asks for one
    #[arg(long, value_name = "CODE")]
    pub(super) rebind_code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Asked {
    /// A slot of the subscription, and its license
    Activate,
    /// The newest license
    Refresh,
    /// To give the license back
    Release,
    /// This machine's environment under a new key, and on this hardware
    Rebind,
}

#[derive(Debug, clap::Args)]
pub(super) struct InspectOptions {
    /// The file; - for standard input
    pub(super) file: PathBuf,
    /// Root keys of the vendor: a JWK set, or a folder of *.jwks [default: the folders of the installed product]
    #[arg(long, value_name = "PATH")]
    pub(super) roots: Vec<PathBuf>,
    /// A trust document, where the file has none
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
    /// The product that the license must be for [default: whatever the file says]
    #[arg(long, value_name = "NAME")]
    pub(super) product: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckOptions {
    /// Warn from so many days before the end of the term on
    #[arg(long, short, default_value = "30d", value_parser = days, value_name = "DAYS")]
    pub(super) warning: i64,
    /// Critical from so many days before the end of the term on
    #[arg(long, short, default_value = "7d", value_parser = days, value_name = "DAYS")]
    pub(super) critical: i64,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments = Self::try_parse_from(line)?;
        if let Command::Check(CheckOptions { warning, critical }) = &arguments.command
            && critical > warning
        {
            let message = format!(
                "expected --critical to be at most --warning ({warning}d), found {critical}d: a term that ends soon is warned of first"
            );
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        Ok(arguments)
    }

    /// How the process ends where `error` was told: a monitor takes 2 for CRITICAL, so `check` ends with UNKNOWN.
    pub fn usage_exit_code(error: &clap::Error, line: impl IntoIterator<Item = OsString>) -> u8 {
        if error.exit_code() == 0 {
            return 0;
        }
        if line.into_iter().skip(1).any(|word| word == "check") { 3 } else { 2 }
    }
}

/// `30d` or `30`.
fn days(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse::<u16>();
    number
        .map(i64::from)
        .map_err(|_| format!("expected a number of days such as 30d, found {text:?}"))
}

/// `90s`, `30m`, `1h` or `7d`.
pub(super) fn time_to_live(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time such as 30m, 1h or 7d, found {text:?}");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    if number == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "entitlectl", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
