//! `entitle-portal license`.

use super::output::Output;
use crate::{
    codes::SerialNumber,
    license::Purpose,
    portal::{Portal, PortalError},
};
use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the license of a Serial Number, bound to that alone, with its trust document: what `entitlectl license install`
    /// reads. The first one takes a free slot
    Issue(Issue),
}

#[derive(Args)]
pub(super) struct Issue {
    /// The subscription's id
    #[arg(long, value_name = "ID")]
    subscription: Uuid,
    /// The machine's Serial Number, as `entitlectl serial` shows it
    #[arg(long, value_name = "SERIAL NUMBER")]
    serial: SerialNumber,
    /// What the environment is for: development, quality, production or management
    #[arg(long)]
    purpose: Purpose,
    /// The environment's name; the purpose unless given
    #[arg(long)]
    name: Option<String>,
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let Self::Issue(Issue { subscription, serial, purpose, name }) = self;
        let made = portal.issue_for_serial_number(subscription, serial, purpose, name)?;
        let value = json!({
            "environment_id": made.environment.id,
            "serial_number": made.environment.serial_number,
            "sequence": made.environment.sequence,
            "trust": made.trust,
            "license": made.license,
        });
        out.show(&value, || format!("{}\n{}", made.trust, made.license))
    }
}
