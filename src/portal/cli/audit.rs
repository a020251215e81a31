//! `entitle-portal audit`.

use super::output::{Output, table};
use crate::portal::{Portal, PortalError, store::AuditTampering};
use clap::{Args, Subcommand};
use uuid::Uuid;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Option<Command>,
    /// Of this subscription only
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// How many of the newest entries
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    last: u32,
}

#[derive(Subcommand)]
enum Command {
    /// Show that no entry was changed, removed or put in; prints the head of the chain, to be noted elsewhere
    Verify(Verify),
}

#[derive(Args)]
struct Verify {
    /// A head that was noted before: it must still be in the chain
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

impl Verify {
    fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let noted = self.head.map(|head| head.to_ascii_lowercase());
        let check = portal.check_audit(noted.as_deref())?;
        if let Some(fault) = check.fault {
            let found = match fault.found {
                AuditTampering::Removed => "entries before it were removed",
                AuditTampering::ChangedOrPutIn => "it was changed or put in",
            };
            return Err(PortalError::AuditBroken { id: fault.id, found, sound: check.entries });
        }
        if let Some(head) = noted.filter(|_| check.noted.is_none()) {
            return Err(PortalError::AuditHead { head, entries: check.entries });
        }
        out.show(&check, || {
            let noted = check.noted.map(|id| format!("\nThe noted head is entry {id}."));
            let (entries, head) = (check.entries, &check.head);
            let noted = noted.unwrap_or_default();
            format!("{entries} entries, each as it was written.\nHead  {head}{noted}")
        })
    }
}

impl Audit {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        if let Some(Command::Verify(verify)) = self.command {
            return verify.run(portal, out);
        }
        let entries = portal.audit(self.subscription, self.last)?;
        out.show(&entries, || {
            if entries.is_empty() {
                return "Nothing was changed yet.".to_owned();
            }
            let rows = entries.iter().map(|e| {
                let about = e.environment_id.as_ref().or(e.subscription_id.as_ref());
                vec![
                    e.at.to_string(),
                    e.event.clone(),
                    about.cloned().unwrap_or_default(),
                    e.actor.clone(),
                ]
            });
            table(&["TIME", "EVENT", "ABOUT", "BY"], rows)
        })
    }
}
