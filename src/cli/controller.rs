//! A move of the controller to another machine, by one sealed bundle.

use super::{
    CliError, DONE, Output,
    arguments::{ControllerCommand, ExportOptions, ImportOptions},
    changes::{LONGEST_CODE, read, tell},
    client::Agent,
    output::is_typed,
};
use crate::bundle::{Contents, LARGEST, Passphrase, open, seal};
use serde_json::json;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

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
    let contents = open(&sealed, &passphrase(passphrase_file, &bundle)?)?;
    if by_hand {
        let request: String = agent.document_of("/v1/controller/request", &contents).await?;
        output.answer(&json!({ "request": request }), |_| request.clone())?;
        return Ok(DONE);
    }
    tell(output, &agent.change("/v1/controller/import", &contents).await?)
}

/// The passphrase: from a file or standard input, never from the command line, which every user of the machine can read.
fn passphrase(file: Option<PathBuf>, bundle: &Path) -> Result<Passphrase, CliError> {
    let text = match file {
        Some(path) => read(&path, LONGEST_CODE)?,
        None if bundle == Path::new("-") => return Err(CliError::NoPassphrase),
        None if is_typed() => {
            let _ = write!(io::stderr(), "Passphrase: ");
            let mut line = Zeroizing::new(String::new());
            match io::stdin().read_line(&mut line) {
                Ok(_) => line,
                Err(source) => {
                    return Err(CliError::File { path: "standard input".into(), source });
                }
            }
        }
        None => read(Path::new("-"), LONGEST_CODE)?,
    };
    if text.trim().is_empty() {
        return Err(CliError::NoPassphrase);
    }
    Ok(Passphrase::chosen(&text)?)
}
