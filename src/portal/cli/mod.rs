//! The commands of `entitle-portal`: what they are called, what they take, what they print.
//!
//! Each command's folder-mate opens the portal in `--dir` and calls it; they work while `serve` runs on the same directory.

mod audit;
mod database;
mod dev;
mod environment;
mod flags;
mod init;
mod license;
mod operator;
mod output;
mod releases;
mod secret;
mod serve;
mod signing;
mod subscription;
mod succession;
mod token;
mod trial;
mod usage;
mod webhook;

use super::{Options, Portal, PortalError, SystemClock, store::WriterKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use output::Output;
use std::{io, io::Write, path::PathBuf, process::ExitCode, sync::Arc};

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage";

/// The vendor's Licensing Portal
#[derive(Parser)]
#[command(name = "entitle-portal", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// The portal's directory
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        env = "ENTITLE_PORTAL_DIR",
        default_value = "/var/lib/entitle-portal"
    )]
    dir: PathBuf,
    /// Print JSON, errors too
    #[arg(long, global = true, help_heading = "Common options")]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a portal: root key, signing key, trust document, database
    Init(init::Init),
    /// Answer agents over HTTP until SIGTERM or SIGINT; SIGHUP takes up a new trust document
    Serve(serve::Serve),
    /// Make a vendor with forty customers and a year of history, on this machine alone, and serve it until SIGTERM or SIGINT
    Dev(dev::Dev),
    /// Sell, change and end subscriptions
    #[command(subcommand)]
    Subscription(subscription::Command),
    /// See environments, take their slots back, and mend lost keys and forks
    #[command(subcommand)]
    Environment(environment::Command),
    /// Make licenses for customers who can send no request
    #[command(subcommand)]
    License(license::Command),
    /// Say what visitors of the pages may try before they buy
    #[command(subcommand)]
    Trial(trial::Command),
    /// Answer a request that came as a file
    Answer(environment::Answer),
    /// Show what was changed, when, by whom
    Audit(audit::Audit),
    /// Write all but the keys into a file, while the portal goes on
    Backup(database::Backup),
    /// Put a backup into a portal whose database is empty
    Restore(database::Restore),
    /// Move from SQLite to PostgreSQL
    Migrate(database::Migrate),
    /// Add and change who signs in to the vendor's pages
    #[command(subcommand)]
    Operator(operator::Command),
    /// Make, list and revoke tokens of the vendor's HTTP API
    #[command(subcommand)]
    Token(token::Command),
    /// Add and remove receivers that are told of what is changed
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Make and list signing keys
    #[command(subcommand)]
    Key(signing::KeyCommand),
    /// Show, sign and install trust documents
    #[command(subcommand)]
    Trust(signing::TrustCommand),
}

/// What it takes, for who writes its manual.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.common.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has read enough.
        Err(PortalError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error, json);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), PortalError> {
    let Cli { common, command } = cli;
    let mut out = Output::new(common.json);
    match command {
        Command::Init(init) => init.run(&common.dir, &mut out),
        Command::Serve(serve) => serve.run(&common.dir, &mut out),
        Command::Dev(dev) => dev.run(&mut out),
        Command::Subscription(command) => command.run(&common.portal()?, &mut out),
        Command::Environment(command) => command.run(&common.portal()?, &mut out),
        Command::License(command) => command.run(&common.portal()?, &mut out),
        Command::Trial(command) => command.run(&common.portal()?, &mut out),
        Command::Answer(answer) => answer.run(&common.portal()?, &mut out),
        Command::Audit(audit) => audit.run(&common.portal()?, &mut out),
        Command::Backup(backup) => backup.run(&common.dir, &mut out),
        Command::Restore(restore) => restore.run(&common.dir, &mut out),
        Command::Migrate(migrate) => migrate.run(&common.dir, &mut out),
        Command::Operator(command) => command.run(&common.portal()?, &mut out),
        Command::Token(command) => command.run(&common.portal()?, &mut out),
        Command::Webhook(command) => command.run(&common.portal()?, &mut out),
        Command::Key(command) => command.run(&common, &mut out),
        Command::Trust(command) => command.run(&common, &mut out),
    }
}

impl Common {
    /// The portal, for one command.
    fn portal(&self) -> Result<Portal, PortalError> {
        let options = Options { actor: operator(), writer: WriterKind::Inline };
        Portal::open(&self.dir, options, Arc::new(SystemClock))
    }
}

/// Who runs the command; names can be made up, the kernel's number can't.
fn operator() -> String {
    format!("operator uid {}", rustix::process::getuid().as_raw())
}

fn report(error: &PortalError, json: bool) {
    let mut stderr = io::stderr().lock();
    let text = if json {
        serde_json::json!({ "error": { "code": error.code(), "message": error.to_string() } })
            .to_string()
    } else {
        format!("entitle-portal: {error}")
    };
    // Where even this can't be written, the exit code is left.
    drop(writeln!(stderr, "{text}"));
}
