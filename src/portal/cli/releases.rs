//! The commands of `entitle-portal environment` for releases that customers ask for.

use super::output::{Output, pairs, table};
use crate::portal::{AskedRelease, Portal, PortalError, ReleaseState};
use clap::Args;
use uuid::Uuid;

#[derive(Args)]
pub(super) struct Approve {
    /// The release's id, as `environment releases` shows it
    id: Uuid,
}

#[derive(Args)]
pub(super) struct Refuse {
    /// The release's id, as `environment releases` shows it
    id: Uuid,
    /// Why, for people; the customer reads it
    #[arg(long)]
    reason: String,
}

impl Approve {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        show(&portal.approve_release(self.id)?, out)
    }
}

impl Refuse {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        show(&portal.refuse_release(self.id, &self.reason)?, out)
    }
}

pub(super) fn list(portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
    let waiting = portal.waiting_releases(None)?;
    out.show(&waiting, || {
        if waiting.is_empty() {
            return "No release waits.".to_owned();
        }
        let rows = waiting.iter().map(|asked| {
            vec![
                asked.id.to_string(),
                asked.environment_id.to_string(),
                asked.asked_at.to_string(),
                asked.asked_by.clone(),
                asked.reason.clone(),
            ]
        });
        table(&["ID", "ENVIRONMENT", "ASKED", "BY", "REASON"], rows)
    })
}

fn show(asked: &AskedRelease, out: &mut Output) -> Result<(), PortalError> {
    out.show(asked, || {
        let status = match asked.state {
            ReleaseState::Waits => "waits",
            ReleaseState::Done => "approved; the environment is released",
            ReleaseState::Refused => "refused; the environment stays as it is",
        };
        pairs(&[
            ("Release", asked.id.to_string()),
            ("Environment", asked.environment_id.to_string()),
            ("Status", status.to_owned()),
        ])
    })
}
