//! A move of the controller to another machine, by one sealed bundle.

use super::{
    CliError, DONE, Output,
    arguments::time_to_live,
    changes::{LONGEST_CODE, read, secret, tell},
    client::Agent,
};
use crate::{
    bundle::{Contents, LARGEST, Passphrase, open, seal},
    terminal::Typed,
};
use clap::Subcommand;
use serde_json::json;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(super) enum ControllerCommand {
    /// On the controller: print a sealed bundle, for `controller import` on the new machine
    Export(ExportOptions),
    /// On the new machine: become the controller of a bundle's environment
    Import(ImportOptions),
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportOptions {
    /// Where the members will find the new controller, host or host:port; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(super) address: Vec<String>,
    /// How long the bundle is good for, such as 1h or 7d
    #[arg(long, default_value = "7d", value_parser = time_to_live, value_name = "TIME")]
    pub(super) ttl: Duration,
    /// A file that holds the passphrase; - for standard input [default: one is made, and shown once on standard error]
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Make the bundle that was printed before worthless
    #[arg(long, conflicts_with_all = ["address", "passphrase_file"])]
    pub(super) cancel: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ImportOptions {
    /// The bundle; - for standard input
    pub(super) bundle: PathBuf,
    /// A file that holds the passphrase [default: standard input]
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Print the request for a courier; its answer is installed by `license install`
    #[arg(long)]
    pub(super) by_hand: bool,
}

pub(super) async fn controller(
    agent: &Agent,
    output: Output,
    command: ControllerCommand,
) -> Result<u8, CliError> {
    match command {
        ControllerCommand::Export(ExportOptions { cancel: true, .. }) => {
            tell(output, &agent.change("/v1/controller/export/cancel", &json!({})).await?)
        }
        ControllerCommand::Export(options) => export(agent, output, options).await,
        ControllerCommand::Import(options) => import(agent, output, options).await,
    }
}

/// Prints the sealed bundle: what the agent tells is sealed before it touches anything.
async fn export(agent: &Agent, output: Output, options: ExportOptions) -> Result<u8, CliError> {
    // Before anything is made: a passphrase that is too short makes no bundle.
    let (passphrase, is_made) = match options.passphrase_file {
        Some(path) => (Passphrase::chosen(&read(&path, LONGEST_CODE)?)?, false),
        None => (Passphrase::generate()?, true),
    };
    let body = json!({ "controllers": options.address, "ttl_seconds": options.ttl.as_secs() });
    let contents: Contents = agent.post("/v1/controller/export", &body).await?;
    let sealed = seal(&contents, &passphrase)?;
    output.answer(&json!({ "bundle": sealed }), |_| sealed.trim_end().to_owned())?;
    if is_made {
        // Beside the bundle and not in it: they go by two roads.
        let told = format!("Passphrase: {}\n", passphrase.expose());
        let told = Zeroizing::new(told);
        io::stderr().write_all(told.as_bytes()).map_err(CliError::Output)?;
    }
    Ok(DONE)
}

async fn import(agent: &Agent, output: Output, options: ImportOptions) -> Result<u8, CliError> {
    let ImportOptions { bundle, passphrase_file, by_hand } = options;
    let sealed = read(&bundle, LARGEST as u64 + 1)?;
    let contents = open(&sealed, &passphrase(passphrase_file.as_deref(), &bundle)?)?;
    if by_hand {
        let request: String = agent.document_of("/v1/controller/request", &contents).await?;
        output.answer(&json!({ "request": request }), |_| request.clone())?;
        return Ok(DONE);
    }
    tell(output, &agent.change("/v1/controller/import", &contents).await?)
}

/// The passphrase, which can't come from standard input where the bundle does.
fn passphrase(file: Option<&Path>, bundle: &Path) -> Result<Passphrase, CliError> {
    if file.is_none() && bundle == Path::new("-") {
        return Err(CliError::NoPassphrase);
    }
    let text = secret(file, "Passphrase: ", Typed::Hidden)?;
    if text.trim().is_empty() {
        return Err(CliError::NoPassphrase);
    }
    Ok(Passphrase::chosen(&text)?)
}
