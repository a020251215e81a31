//! `entitle-portal operator`: who signs in to the vendor's pages.

use super::{
    output::{Output, pairs, table},
    secret::new_password,
};
use crate::portal::{
    Portal, PortalError,
    access::{LastAdmin, Operator, Role},
};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add an operator; the password is typed twice, or read
    Add {
        /// By which it signs in
        name: String,
        /// `admin` may do everything; `support` sees everything but Activation Codes, makes one-time codes, approves, names survivors
        #[arg(long, value_name = "ROLE", default_value = "support")]
        role: Role,
        #[command(flatten)]
        password: PasswordFlag,
    },
    /// List operators
    List,
    /// Give an operator another role; it signs in again
    SetRole {
        /// The operator
        name: String,
        /// admin or support
        role: Role,
        #[command(flatten)]
        last: LastFlag,
    },
    /// Give an operator another password; it signs in again, everywhere
    Password {
        /// The operator
        name: String,
        #[command(flatten)]
        password: PasswordFlag,
    },
    /// Let an operator sign in no more, and end its sessions
    Disable {
        /// The operator
        name: String,
        #[command(flatten)]
        last: LastFlag,
    },
    /// Let an operator sign in again
    Enable {
        /// The operator
        name: String,
    },
}

#[derive(Args)]
pub(super) struct PasswordFlag {
    /// A file that holds the password, at least 12 characters; - for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct LastFlag {
    /// Also where it is the last administrator who can sign in: another one is made by this command line alone then
    #[arg(long)]
    yes: bool,
}

impl LastFlag {
    const fn meant(&self) -> LastAdmin {
        if self.yes { LastAdmin::MayGo } else { LastAdmin::Stays }
    }
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let changed = match self {
            Self::List => return list(&portal.operators()?, out),
            Self::Add { name, role, password } => {
                Operator::check_name(&name)?;
                let password = new_password(password.password_file.as_deref())?;
                portal.add_operator(&name, &password, role)?
            }
            Self::SetRole { name, role, last } => {
                portal.set_operator_role(&name, role, last.meant())?
            }
            Self::Password { name, password } => {
                let password = new_password(password.password_file.as_deref())?;
                portal.set_operator_password(&name, &password)?
            }
            Self::Disable { name, last } => portal.disable_operator(&name, last.meant())?,
            Self::Enable { name } => portal.enable_operator(&name)?,
        };
        let none_left = !portal.operators()?.iter().any(Operator::is_working_admin);
        show(&changed, none_left, out)
    }
}

const NONE_LEFT: &str = "No administrator can sign in to the pages now; `entitle-portal operator add NAME --role admin` adds one.";

/// An operator as it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    role: Role,
    created_at: Timestamp,
    changed_at: Timestamp,
    disabled_at: Option<Timestamp>,
}

impl<'a> From<&'a Operator> for Shown<'a> {
    fn from(operator: &'a Operator) -> Self {
        Self {
            name: &operator.name,
            role: operator.role,
            created_at: operator.created_at,
            changed_at: operator.changed_at,
            disabled_at: operator.disabled_at,
        }
    }
}

fn show(operator: &Operator, none_left: bool, out: &mut Output) -> Result<(), PortalError> {
    out.show(&Shown::from(operator), || {
        let shown = pairs(&[
            ("Operator", operator.name.clone()),
            ("Role", operator.role.to_string()),
            ("Status", standing(operator).to_owned()),
            ("Changed", operator.changed_at.to_string()),
        ]);
        if none_left { format!("{shown}\n\n{NONE_LEFT}") } else { shown }
    })
}

const fn standing(operator: &Operator) -> &'static str {
    if operator.disabled_at.is_some() { "disabled" } else { "enabled" }
}

fn list(all: &[Operator], out: &mut Output) -> Result<(), PortalError> {
    let shown: Vec<Shown<'_>> = all.iter().map(Shown::from).collect();
    out.show(&shown, || {
        if all.is_empty() {
            return "There are no operators; `entitle-portal operator add NAME --role admin` adds one."
                .to_owned();
        }
        let rows = all.iter().map(|operator| {
            vec![
                operator.name.clone(),
                operator.role.to_string(),
                standing(operator).to_owned(),
                operator.changed_at.to_string(),
            ]
        });
        table(&["NAME", "ROLE", "STATUS", "CHANGED"], rows)
    })
}
