//! The environment's members, and this server as one.

use super::{
    CliError, DONE, Output,
    arguments::{JoinOptions, TokenOptions},
    changes::{secret, tell},
    client::Agent,
    output::shown,
    status::{ago, day},
};
use crate::{
    api::{MadeToken, MemberLine},
    members::{JoinToken, TokenError},
    terminal::Typed,
};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;
use std::{
    env,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Prints the token alone, to be piped on.
pub(super) async fn token(
    agent: &Agent,
    output: Output,
    options: TokenOptions,
) -> Result<u8, CliError> {
    let body = json!({
        "ttl_seconds": options.ttl.as_secs(),
        "uses": options.uses,
        "from": options.from,
    });
    let made: MadeToken = agent.post("/v1/member-tokens", &body).await?;
    output.answer(&made, |made| made.token.to_string())?;
    Ok(DONE)
}

pub(super) async fn list(agent: &Agent, output: Output) -> Result<u8, CliError> {
    let members: Vec<MemberLine> = agent.get_as_admin("/v1/members").await?;
    output.answer(&members, |members| table(members, Timestamp::now()))?;
    Ok(DONE)
}

fn table(members: &[MemberLine], now: Timestamp) -> String {
    if members.is_empty() {
        return "no server has joined: `entitlectl member token` makes a token for `entitlectl join`"
            .to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "ADDRESS", "VERSION", "SEEN", "GENERATION", "CLOCK", "LEASE", "ID"]);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for member in members {
        let seen = member.last_seen.map(|at| ago(at, now));
        let seen = if member.connected { Some("now".to_owned()) } else { seen };
        table.add_row([
            shown(&member.name),
            member.address.clone(),
            or_none(member.version.as_deref().map(shown)),
            or_none(seen),
            or_none(member.generation.map(|generation| generation.to_string())),
            or_none(member.clock_offset_seconds.map(|seconds| format!("{seconds:+} s"))),
            or_none(member.lease_ends_at.map(day)),
            member.id.to_string(),
        ]);
    }
    table.trim_fmt()
}

pub(super) async fn remove(agent: &Agent, output: Output, member: &str) -> Result<u8, CliError> {
    tell(output, &agent.remove_member(member).await?)
}

pub(super) async fn join(
    agent: &Agent,
    output: Output,
    options: JoinOptions,
) -> Result<u8, CliError> {
    let token = join_token(options.token_file)?;
    let body = json!({ "controllers": options.controllers, "token": token.as_str() });
    tell(output, &agent.change("/v1/join", &body).await?)
}

/// The token: from a file, a credential of the service, or as [`secret`] says. Checked here: an altered one is told before anything is
/// asked.
fn join_token(file: Option<PathBuf>) -> Result<Zeroizing<String>, CliError> {
    let credential = || {
        let path = Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join("join-token");
        path.exists().then_some(path)
    };
    let text = secret(file.or_else(credential).as_deref(), "Join token: ", Typed::Hidden)?;
    let token = text.parse::<JoinToken>().map_err(|error: TokenError| CliError::Token(error))?;
    Ok(token.expose())
}
