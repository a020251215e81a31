//! `entitle-portal backup`, `restore` and `migrate`. None of them needs the keys, and none of them touches them.

use super::{
    operator,
    output::{Output, pairs},
};
use crate::portal::{
    Clock, Directory, PortalError, SystemClock,
    store::{Copied, Event, Location, back_up, migrate, restore},
};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// How a database is named.
pub(super) const URL: &str = "An empty PostgreSQL database, for several portals at once: postgresql://USER@HOST/DATABASE. \
     Others see arguments: put a password into DIR/database-password before";

#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, of mode 0600; it must not be there
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Restore {
    /// A file that `backup` wrote
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Migrate {
    #[arg(long, value_name = "URL", help = URL)]
    to: String,
}

impl Backup {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        let copied = back_up(&Directory::new(dir).location()?, &self.file)?;
        let told = format!(
            "Backed up to {}. The keys are not in it: keep copies of keys/, trust.jwt and roots.jwks apart from it.",
            self.file.display()
        );
        show(out, &copied, &told)
    }
}

impl Restore {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        let directory = Directory::new(dir);
        let actor = operator();
        let scratch = dir.join("restoring.db");
        let note = note("database-restored", &actor);
        let copied = restore(&self.file, &directory.location()?, &scratch, &note)?;
        let told = "Restored. Agents bring what the portal has signed since: it is taken up from their next requests.";
        show(out, &copied, told)
    }
}

impl Migrate {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        let directory = Directory::new(dir);
        let Location::File(file) = directory.location()? else {
            return Err(PortalError::AlreadyMigrated { path: directory.database_url() });
        };
        if !file.exists() {
            let path = dir.to_owned();
            return Err(PortalError::NotInitialized { path, missing: "portal.db" });
        }
        let server = directory.server_at(&self.to)?;
        let actor = operator();
        let note = note("database-migrated", &actor);
        let named = directory.stage_server(&self.to)?;
        let copied = migrate(&file, &server, &note, || named.place())?;
        let told = format!(
            "Migrated to {server}. {} says so. Restart every process that serves this directory: until then it refuses changes. {} is \
             kept as it was, and takes no more.",
            directory.database_url().display(),
            file.display()
        );
        show(out, &copied, &told)
    }
}

fn note<'a>(event: &'a str, actor: &'a str) -> Event<'a> {
    Event {
        at: SystemClock.now(),
        actor,
        event,
        subscription_id: None,
        environment_id: None,
        detail: json!({}),
    }
}

fn show(out: &mut Output, copied: &Copied, told: &str) -> Result<(), PortalError> {
    out.show(copied, || {
        let number = |(name, rows): &(String, u64)| (name.clone(), rows.to_string());
        let tables: Vec<_> = copied.tables.iter().map(number).collect();
        let lines: Vec<(&str, String)> =
            tables.iter().map(|(name, rows)| (&**name, rows.clone())).collect();
        format!("{}\n\n{told}\nHead of the audit  {}", pairs(&lines), copied.audit.head)
    })
}
