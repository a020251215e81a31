//! The commands of `entitle-portal environment` for keys that were lost or copied.

use super::output::{Output, pairs, table};
use crate::{
    license::Thumbprint,
    portal::{ForkView, Portal, PortalError},
};
use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

#[derive(Args)]
pub(super) struct RebindCode {
    /// The environment's id
    id: Uuid,
    /// For how long the code is good
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,
}

#[derive(Args)]
pub(super) struct Approve {
    /// The environment's id
    id: Uuid,
    /// The key to be bound, where several wait
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    key: Option<Thumbprint>,
}

#[derive(Args)]
pub(super) struct Survivor {
    /// The environment's id
    id: Uuid,
    /// The last request of the branch, as `environment forks` and the machine itself show it
    #[arg(long, value_name = "REQUEST")]
    branch: Uuid,
}

impl RebindCode {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let made =
            portal.make_rebind_code(self.id, SignedDuration::from_hours(self.hours.into()))?;
        let code = made.code.expose();
        let value = json!({
            "environment_id": self.id,
            "code": *code,
            "expires_at": made.expires_at,
        });
        out.show(&value, || {
            let shown = pairs(&[
                ("Environment", format!("{} ({})", self.id, made.environment.name)),
                ("One-time code", (*code).clone()),
                ("Good until", made.expires_at.to_string()),
            ]);
            format!(
                "{shown}\n\nIt is shown this once. On the machine that lost its key: `entitlectl rebind --rebind-code CODE`."
            )
        })
    }
}

impl Approve {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let approved = portal.approve_rebind(self.id, self.key)?;
        let value = json!({
            "environment_id": self.id,
            "key": approved.key,
            "approved_at": approved.approved_at,
        });
        out.show(&value, || {
            pairs(&[
                ("Environment", self.id.to_string()),
                ("Key", approved.key.to_string()),
                ("Status", "approved; it is done when the machine asks again".to_owned()),
            ])
        })
    }
}

impl Survivor {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        show_forks(&portal.name_survivor(self.id, self.branch)?, out)
    }
}

pub(super) fn list_pending(portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
    let pending = portal.pending_rebinds()?;
    let value: Vec<_> = pending
        .iter()
        .map(|p| {
            json!({
                "environment_id": p.environment_id,
                "key": p.key,
                "machine": p.machine,
                "asked_at": p.asked_at,
                "approved_at": p.approved_at,
            })
        })
        .collect();
    out.show(&value, || {
        if pending.is_empty() {
            return "No rebind waits.".to_owned();
        }
        let rows = pending.iter().map(|p| {
            let status = if p.approved_at.is_some() { "approved" } else { "waits" };
            vec![
                p.environment_id.to_string(),
                p.key.to_string(),
                p.machine.clone(),
                status.to_owned(),
                p.asked_at.to_string(),
            ]
        });
        table(&["ENVIRONMENT", "KEY", "MACHINE", "STATUS", "ASKED"], rows)
    })
}

pub(super) fn show_forks(view: &ForkView, out: &mut Output) -> Result<(), PortalError> {
    out.show(view, || {
        let rows = view.branches.iter().map(|b| {
            let machine = b.machine.as_ref().map(|m| m.kind.clone()).unwrap_or_default();
            let score = b.hardware_score.map(|s| format!("{s} %")).unwrap_or_default();
            let survivor = if b.survivor { "survivor" } else { "" };
            vec![
                b.last_request.to_string(),
                b.since.to_string(),
                b.answered_at.to_string(),
                machine,
                score,
                survivor.to_owned(),
            ]
        });
        let header = ["LAST REQUEST", "SINCE", "HEARD", "MACHINE", "HARDWARE", ""];
        let table = table(&header, rows);
        if !view.forked {
            return format!("{table}\n\nThe requests come in one line: all is well.");
        }
        format!(
            "{table}\n\nEach machine shows its last request; nothing later is issued until one is named:\n\
             `entitle-portal environment survivor {} --branch REQUEST`",
            view.environment_id
        )
    })
}
