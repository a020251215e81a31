//! `entitle-portal key` and `entitle-portal trust`: replacing a signing key without any agent noticing.
//!
//! `key create` at the portal, `trust sign` where the root key is, `trust install` at the portal, then SIGHUP to `serve`.

use super::{
    Common,
    output::{Output, table},
};
use crate::{
    license::{KeyStatus, PublicKey, Thumbprint},
    portal::{
        Directory, KeyRing, KeyStanding, PortalError, SystemClock, TrustChange,
        clock::Clock,
        directory::{read_file, read_key, write_file},
        key_set::{add_jwk_members, key_set},
    },
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a signing key, and print its public half as a JWK set for `trust sign --add`
    Create,
    /// List the signing keys that are here, and what the trust document says of them; with --json, the public half of each
    List,
}

#[derive(Subcommand)]
pub(super) enum TrustCommand {
    /// Show the trust document that is in use
    Show,
    /// Sign the next trust document; needs the root key, and no portal
    Sign(Sign),
    /// Put a signed trust document in use; `serve` takes it at SIGHUP
    Install {
        /// The trust document
        file: PathBuf,
    },
}

#[derive(Args)]
pub(super) struct Sign {
    /// The vendor's root key
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// The trust document that is in use
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// A JWK set of keys that sign from now on; may be repeated
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// A key that signs no more; what it signed stays believed; may be repeated
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    retire: Vec<String>,
    /// A key that others may have: nothing that it signed is believed; may be repeated
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    revoke: Vec<String>,
    /// Where to write it; standard output unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl KeyCommand {
    pub(super) fn run(self, common: &Common, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Create => {
                let key = common.portal()?.make_signing_key()?;
                out.line(key_set([add_jwk_members(&key)?])?)
            }
            Self::List => {
                let directory = Directory::new(&common.dir);
                list(&KeyRing::load(&directory)?.standing(&directory)?, out)
            }
        }
    }
}

impl TrustCommand {
    pub(super) fn run(self, common: &Common, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Show => {
                let keys = KeyRing::load(&Directory::new(&common.dir))?;
                out.show(keys.trust().claims(), || keys.trust().text().to_owned())
            }
            Self::Sign(sign) => sign.run(out),
            Self::Install { file } => {
                let trust = common.portal()?.install_trust(&read_file(&file)?)?;
                let version = trust.claims().version;
                out.show(trust.claims(), || {
                    format!(
                        "Version {version} is in use; a portal that serves takes it at SIGHUP, agents get it with their next answer."
                    )
                })
            }
        }
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

impl Sign {
    fn run(self, out: &mut Output) -> Result<(), PortalError> {
        let root = read_key(&self.root_key)?;
        let mut add = Vec::new();
        for file in &self.add {
            add.extend(serde_json::from_str::<KeySet>(&read_file(file)?)?.keys);
        }
        let change = TrustChange { add, retire: self.retire, revoke: self.revoke };
        let trust = change.sign(&read_file(&self.trust)?, &root, SystemClock.now())?;
        match self.out {
            Some(file) => write_file(&file, &trust),
            None => out.line(trust),
        }
    }
}

/// A signing key as it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    thumbprint: &'a Thumbprint,
    /// What the trust document says; none: it does not name the key.
    status: Option<KeyStatus>,
    /// Whether its private half is here.
    here: bool,
    /// Whether this portal signs with it.
    signs: bool,
    /// Its public half.
    key: serde_json::Value,
}

impl<'a> Shown<'a> {
    fn of(standing: &'a KeyStanding) -> Result<Self, PortalError> {
        let KeyStanding { status, here, signs, .. } = *standing;
        let (thumbprint, key) = (&standing.thumbprint, add_jwk_members(&standing.key)?);
        Ok(Self { thumbprint, status, here, signs, key })
    }
}

fn list(keys: &[KeyStanding], out: &mut Output) -> Result<(), PortalError> {
    let shown: Vec<Shown<'_>> = keys.iter().map(Shown::of).collect::<Result<_, _>>()?;
    out.show(&shown, || {
        let rows = shown.iter().map(|key| {
            let status =
                key.status.map_or("not in the trust document".to_owned(), |s| s.to_string());
            let here = if key.here { "here" } else { "elsewhere" };
            let signs = if key.signs { "signs" } else { "" };
            vec![key.thumbprint.to_string(), status, here.to_owned(), signs.to_owned()]
        });
        table(&["THUMBPRINT", "STATUS", "PRIVATE HALF", ""], rows)
    })
}
