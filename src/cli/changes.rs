//! Commands that change something.

use super::{
    CliError, DONE, Output,
    arguments::{ActivateOptions, Asked, MoveCommand, RebindOptions, RequestOptions},
    client::Agent,
    status::summary,
};
use crate::{
    api::Done,
    codes::ActivationCode,
    entitlement::{Reason, Status},
    license::{MAX_DOCUMENT, RequestKind},
    terminal::{Typed, is_typed},
};
use jiff::Timestamp;
use serde_json::json;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest Activation Code that is read, with all that may stand around it, bytes.
pub(super) const LONGEST_CODE: u64 = 4_096;

pub(super) async fn activate(
    agent: &Agent,
    output: Output,
    options: ActivateOptions,
) -> Result<u8, CliError> {
    let code = if options.configured { None } else { Some(activation_code(&options)?) };
    let body = json!({
        "activation_code": code.as_ref().map(ActivationCode::expose),
        "environment_name": options.name,
        "purpose": options.purpose,
    });
    tell(output, &agent.change("/v1/activate", &body).await?)
}

/// The code, checked here: a typing error is told before anything is asked.
fn activation_code(options: &ActivateOptions) -> Result<ActivationCode, CliError> {
    let text = match (&options.code, &options.code_file) {
        (Some(code), _) => Zeroizing::new(code.clone()),
        // Who types it from paper compares it with that.
        (None, file) => secret(file.as_deref(), "Activation Code: ", Typed::Shown)?,
    };
    if text.trim().is_empty() {
        let found = options.code_file.as_ref().map_or("standard input".into(), PathBuf::from);
        return Err(CliError::NoCode { found });
    }
    Ok(text.parse()?)
}

pub(super) async fn rebind(
    agent: &Agent,
    output: Output,
    options: RebindOptions,
) -> Result<u8, CliError> {
    let RebindOptions { rebind_code, code_file, configured } = options;
    let activate = ActivateOptions { code: None, code_file, configured, name: None, purpose: None };
    let code = rebind_code_of(agent, &activate, rebind_code.as_deref()).await?;
    let body = json!({
        "activation_code": code.as_ref().map(ActivationCode::expose),
        "rebind_code": rebind_code,
    });
    tell(output, &agent.change("/v1/rebind", &body).await?)
}

/// The Activation Code for a rebind. None is needed where the key that is bound is still there, which consents.
async fn rebind_code_of(
    agent: &Agent,
    options: &ActivateOptions,
    rebind_code: Option<&str>,
) -> Result<Option<ActivationCode>, CliError> {
    let says_code = options.code.is_some() || options.code_file.is_some() || rebind_code.is_some();
    if options.configured || !says_code && has_key(&agent.status().await?) {
        return Ok(None);
    }
    activation_code(options).map(Some)
}

fn has_key(status: &Status) -> bool {
    status.license.is_some() && status.reason != Reason::OtherKey
}

/// Prints a document of a move.
pub(super) async fn movement(
    agent: &Agent,
    output: Output,
    command: MoveCommand,
) -> Result<u8, CliError> {
    let (path, file, member) = match command {
        MoveCommand::Offer => ("/v1/move/offer", None, "offer"),
        MoveCommand::Consent { offer } => ("/v1/move/consent", Some(offer), "consent"),
        MoveCommand::Accept { consent, by_hand: true } => {
            ("/v1/move/request", Some(consent), "request")
        }
        MoveCommand::Accept { consent, by_hand: false } => {
            let text = read_document(&consent)?;
            return tell(output, &agent.accept_move(text.to_string()).await?);
        }
    };
    let text = file.as_deref().map(read_document).transpose()?;
    let document = agent.document(path, text.map_or_else(String::new, |t| t.to_string())).await?;
    output.answer(&json!({ member: document }), |_| document.clone())?;
    Ok(DONE)
}

pub(super) async fn refresh(agent: &Agent, output: Output) -> Result<u8, CliError> {
    tell(output, &agent.change("/v1/refresh", &json!({})).await?)
}

pub(super) async fn release(agent: &Agent, output: Output) -> Result<u8, CliError> {
    tell(output, &agent.change("/v1/release", &json!({})).await?)
}

/// Prints the signed request, for a courier.
pub(super) async fn request(
    agent: &Agent,
    output: Output,
    options: RequestOptions,
) -> Result<u8, CliError> {
    let RequestOptions { kind, activate, rebind_code } = options;
    let (kind, code) = match kind {
        Asked::Activate => {
            let code = (!activate.configured).then(|| activation_code(&activate)).transpose()?;
            (RequestKind::Activate, code)
        }
        Asked::Rebind => {
            let code = rebind_code_of(agent, &activate, rebind_code.as_deref()).await?;
            (RequestKind::Rebind, code)
        }
        Asked::Refresh => (RequestKind::Refresh, None),
        Asked::Release => (RequestKind::Release, None),
    };
    let body = json!({
        "request": kind,
        "activation_code": code.as_ref().map(ActivationCode::expose),
        "environment_name": activate.name,
        "purpose": activate.purpose,
        "rebind_code": rebind_code,
    });
    let document = agent.document_of("/v1/request", &body).await?;
    output.answer(&json!({ "request": document }), |_| document.clone())?;
    Ok(DONE)
}

pub(super) async fn install(agent: &Agent, output: Output, file: &Path) -> Result<u8, CliError> {
    let text = read_document(file)?;
    tell(output, &agent.install(text.to_string()).await?)
}

/// A file of documents, one byte more than is allowed at the most: its size is told by whoever checks it.
pub(super) fn read_document(file: &Path) -> Result<Zeroizing<String>, CliError> {
    read(file, MAX_DOCUMENT as u64 + 1)
}

pub(super) fn read(path: &Path, most: u64) -> Result<Zeroizing<String>, CliError> {
    let error = |source| CliError::File { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    if path == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut bytes).map_err(error)?;
    } else {
        File::open(path).map_err(error)?.take(most).read_to_end(&mut bytes).map_err(error)?;
    }
    let text = std::str::from_utf8(&bytes);
    let text =
        text.map_err(|_| error(io::Error::new(io::ErrorKind::InvalidData, "it is no text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A secret: from that file, typed where a person sits at the terminal, else from standard input; never from the command line, which every user
/// of the machine can read.
pub(super) fn secret(
    file: Option<&Path>,
    prompt: &str,
    typed: Typed,
) -> Result<Zeroizing<String>, CliError> {
    match file {
        None if is_typed() => typed
            .line(prompt)
            .map_err(|source| CliError::File { path: "standard input".into(), source }),
        file => read(file.unwrap_or(Path::new("-")), LONGEST_CODE),
    }
}

pub(super) fn tell(output: Output, done: &Done) -> Result<u8, CliError> {
    output.answer(done, |done| {
        format!("{}\n\n{}", done.message, summary(&done.status, Timestamp::now()))
    })?;
    Ok(DONE)
}
