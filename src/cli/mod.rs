//! `entitlectl`: the commands, and how their answers look.
//!
//! Most commands ask the agent over its sockets; those with `--root`, and `license inspect`, need no agent. The binary calls
//! this; it calls `api` for the contract, `bundle`, `usage`, `identity` and `license`.

mod arguments;
mod changes;
mod check;
mod client;
mod controller;
mod doctor;
mod error;
mod exec;
mod hardware;
mod inspect;
mod license;
mod members;
mod output;
mod status;
mod usage;
mod watch;

pub use arguments::{Arguments, EXIT_CODES};
pub use error::CliError;
pub use status::summary;

use arguments::{Command, LicenseCommand, MemberCommand};
use client::Agent;
use output::Output;
use std::process::ExitCode;

/// It is done, and where a status was asked for: entitled.
const DONE: u8 = 0;
/// The agent answered, and the environment is not entitled.
const NOT_ENTITLED: u8 = 4;

/// Runs a command to its end.
///
/// # Errors
/// What the command could not do; [`CliError::exit_code`] says how the process ends.
pub async fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let output = Output::new(arguments.json);
    let agent = Agent::new(&arguments.socket);
    let code = match arguments.command {
        Command::Status => status::show(&agent, output).await?,
        Command::Serial { root } => hardware::serial(&agent, output, root).await?,
        Command::Hardware(options) => hardware::hardware(&agent, output, options).await?,
        Command::Activate(options) => changes::activate(&agent, output, options).await?,
        Command::Rebind(options) => changes::rebind(&agent, output, options).await?,
        Command::Move { command } => changes::movement(&agent, output, command).await?,
        Command::Controller { command } => controller::controller(&agent, output, command).await?,
        Command::Refresh => changes::refresh(&agent, output).await?,
        Command::Release => changes::release(&agent, output).await?,
        Command::Request(options) => changes::request(&agent, output, options).await?,
        Command::License { command } => match command {
            LicenseCommand::Show { raw } => license::show(&agent, output, raw).await?,
            LicenseCommand::Install { file } => changes::install(&agent, output, &file).await?,
            LicenseCommand::Inspect(options) => inspect::inspect(output, &options)?,
        },
        Command::Features => license::features(&agent, output).await?,
        Command::Events { limit } => license::events(&agent, output, limit).await?,
        Command::Usage(options) => usage::usage(&agent, output, options).await?,
        Command::Watch { exec } => watch::watch(&agent, output, exec).await?,
        Command::Check(options) => {
            return Ok(ExitCode::from(check::check(&agent, output, &options).await));
        }
        Command::Member { command } => match command {
            MemberCommand::Token(options) => members::token(&agent, output, options).await?,
            MemberCommand::List => members::list(&agent, output).await?,
            MemberCommand::Remove { member } => members::remove(&agent, output, &member).await?,
        },
        Command::Members => members::list(&agent, output).await?,
        Command::Join(options) => members::join(&agent, output, options).await?,
        Command::Doctor(options) => doctor::doctor(&agent, output, options).await?,
        Command::Completions { shell } => arguments::completions(shell)?,
    };
    Ok(ExitCode::from(code))
}
