//! `entitle-portal audit`.

use super::output::{Output, table};
use crate::portal::{Portal, PortalError};
use clap::Args;
use uuid::Uuid;

#[derive(Args)]
pub(super) struct Audit {
    /// Of this subscription only
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// How many of the newest entries
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    last: u32,
}

impl Audit {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
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
