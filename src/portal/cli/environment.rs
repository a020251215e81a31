//! `entitle-portal environment` and `entitle-portal answer`.

use super::{
    output::{Output, day, pairs, table},
    releases, succession, usage,
};
use crate::{
    api::Problem,
    portal::{
        Portal, PortalError, UsageView,
        domain::{Environment, EnvironmentStanding},
    },
};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List environments
    List {
        /// Of this subscription only
        #[arg(long, value_name = "ID")]
        subscription: Option<Uuid>,
        /// Released ones too
        #[arg(long)]
        all: bool,
    },
    /// Show an environment, and what it uses
    Show {
        /// The environment's id
        id: Uuid,
    },
    /// Take an environment's slot back; its agent is told at its next refresh
    Release {
        /// The environment's id
        id: Uuid,
    },
    /// Make a one-time code by which a machine that lost its key gets its environment back
    RebindCode(succession::RebindCode),
    /// List the rebinds that wait for approval
    Pending,
    /// Approve the rebind that waits; it is done when its machine asks again
    Approve(succession::Approve),
    /// List the releases that customers asked for and that wait for approval
    Releases,
    /// Approve a release that a customer asked for: the environment is released
    ApproveRelease(releases::Approve),
    /// Refuse a release that a customer asked for; the environment stays as it is
    RefuseRelease(releases::Refuse),
    /// Show the lines in which an environment's requests come: more than one is a copy, or a restored snapshot
    Forks {
        /// The environment's id
        id: Uuid,
    },
    /// Name the line that is the environment; it is asked for a new key, the others' key is retired with that
    Survivor(succession::Survivor),
}

#[derive(Args)]
pub(super) struct Answer {
    /// The file that `entitlectl request` wrote, or - for standard input; the answer goes to standard output
    request: PathBuf,
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::List { subscription, all } => {
                let mut found = portal.environments(subscription)?;
                let reserved = |e: &Environment| e.is_reserved(portal.now());
                found.retain(|e| all || !e.is_released() || reserved(e));
                list(&found, portal.now(), out)
            }
            Self::Show { id } => show(portal, id, out),
            Self::Release { id } => release(portal, id, out),
            Self::RebindCode(command) => command.run(portal, out),
            Self::Pending => succession::list_pending(portal, out),
            Self::Approve(command) => command.run(portal, out),
            Self::Releases => releases::list(portal, out),
            Self::ApproveRelease(command) => command.run(portal, out),
            Self::RefuseRelease(command) => command.run(portal, out),
            Self::Forks { id } => succession::show_forks(&portal.forks(id)?, out),
            Self::Survivor(command) => command.run(portal, out),
        }
    }
}

fn show(portal: &Portal, id: Uuid, out: &mut Output) -> Result<(), PortalError> {
    let (environment, usage) = (portal.environment(id)?, portal.environment_usage(id)?);
    let shown = Shown { usage: Some(&usage), ..Shown::of(&environment, portal.now()) };
    out.show(&shown, || {
        let optional = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let key = shown.key.clone().unwrap_or_else(|| "none: by Serial Number alone".to_owned());
        let lines = [
            ("Environment", Some(shown.id.to_string())),
            ("Subscription", Some(shown.subscription_id.to_string())),
            ("Name", Some(shown.name.clone())),
            ("Purpose", Some(shown.purpose.clone())),
            ("Status", Some(shown.status.to_owned())),
            ("Serial Number", Some(shown.serial_number.clone())),
            ("Key", Some(key)),
            ("Sequence", Some(shown.sequence.to_string())),
            ("Activated", Some(shown.activated_at.to_string())),
            ("Seen", Some(shown.seen_at.to_string())),
            ("Released", optional(shown.released_at)),
            ("Slot held until", optional(shown.slot_held_until)),
        ];
        let lines: Vec<_> =
            lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        pairs(&lines) + &usage::below(&usage)
    })
}

fn release(portal: &Portal, id: Uuid, out: &mut Output) -> Result<(), PortalError> {
    let shown = Shown::of(&portal.release_environment(id)?, portal.now());
    out.show(&shown, || {
        pairs(&[
            ("Environment", shown.id.to_string()),
            ("Name", shown.name.clone()),
            ("Purpose", shown.purpose.clone()),
            ("Status", "released, its slot is free".to_owned()),
        ])
    })
}

impl Answer {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let failed =
            |source| PortalError::File { doing: "read", path: self.request.clone(), source };
        // One byte more than a request may have, so that a larger one is told apart.
        let limit = crate::license::MAX_DOCUMENT as u64 + 1;
        let mut bytes = Vec::new();
        if self.request.as_os_str() == "-" {
            io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
        } else {
            let file = File::open(&self.request).map_err(failed)?;
            file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        }
        let answer = portal.handle_carried_request(&bytes).map_err(refused)?;
        out.line(answer)
    }
}

fn refused(problem: Problem) -> PortalError {
    PortalError::Refused { code: problem.code().to_owned(), detail: problem.detail }
}

/// An environment as it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    id: Uuid,
    subscription_id: Uuid,
    name: String,
    purpose: String,
    status: &'static str,
    serial_number: String,
    /// None: bound to the Serial Number alone.
    key: Option<String>,
    sequence: u64,
    forked: bool,
    activated_at: Timestamp,
    seen_at: Timestamp,
    released_at: Option<Timestamp>,
    /// Until when it keeps its slot after an off-line release, or is kept one.
    slot_held_until: Option<Timestamp>,
    /// In `show` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a UsageView>,
}

impl Shown<'_> {
    fn of(environment: &Environment, now: Timestamp) -> Self {
        let standing = environment.standing(now);
        Self {
            id: environment.id,
            subscription_id: environment.subscription_id,
            name: environment.name.clone(),
            purpose: environment.purpose.to_string(),
            status: standing.as_str(),
            serial_number: environment.serial_number.to_string(),
            key: environment.key.map(|key| key.thumbprint().to_string()),
            sequence: environment.sequence.0,
            forked: standing == EnvironmentStanding::Forked,
            activated_at: environment.activated_at,
            seen_at: environment.seen_at,
            released_at: environment.released_at,
            slot_held_until: environment.slot_held_until,
            usage: None,
        }
    }
}

fn list(found: &[Environment], now: Timestamp, out: &mut Output) -> Result<(), PortalError> {
    let shown: Vec<Shown<'_>> = found.iter().map(|found| Shown::of(found, now)).collect();
    out.show(&shown, || {
        if shown.is_empty() {
            return "There are no environments; `entitlectl activate` on a server makes one."
                .to_owned();
        }
        let rows = shown.iter().map(|e| {
            vec![
                e.id.to_string(),
                e.name.clone(),
                e.purpose.clone(),
                e.status.to_owned(),
                e.serial_number.clone(),
                e.sequence.to_string(),
                day(e.seen_at),
            ]
        });
        table(&["ID", "NAME", "PURPOSE", "STATUS", "SERIAL NUMBER", "SEQ", "SEEN"], rows)
    })
}
