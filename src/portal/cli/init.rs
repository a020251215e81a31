//! `entitle-portal init`.

use super::output::{Output, pairs};
use crate::portal::{Directory, KeyRing, Portal, PortalError, SystemClock, Vendor};
use clap::Args;
use serde_json::json;
use std::path::Path;

#[derive(Args)]
pub(super) struct Init {
    /// The product, which every document names
    #[arg(long, value_name = "NAME")]
    product: String,
    /// The portal's name or address, which every document names
    #[arg(long, value_name = "NAME")]
    issuer: String,
    #[arg(long, value_name = "URL", help = super::database::URL)]
    database: Option<String>,
}

impl Init {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        let vendor = Vendor { product: self.product, issuer: self.issuer };
        let directory = Directory::new(dir);
        if let Some(url) = self.database.filter(|_| !directory.is_initialized()) {
            directory.use_server(&url)?;
        }
        Portal::init(dir, &vendor, &SystemClock)?;
        let keys = KeyRing::load(&directory)?;
        let (root, roots, trust) = (directory.root_key(), directory.roots(), directory.trust());
        let value = json!({
            "directory": dir,
            "product": keys.product(),
            "issuer": keys.issuer(),
            "root_key": root,
            "roots": roots,
            "trust": trust,
            "trust_version": keys.trust().claims().version,
            "signing_key": keys.signing().thumbprint(),
        });
        out.show(&value, || {
            let made = pairs(&[
                ("Product", keys.product().to_owned()),
                ("Issuer", keys.issuer().to_owned()),
                ("Root key", root.display().to_string()),
                ("Signing key", keys.signing().thumbprint().to_string()),
                ("Trust document", format!("{}, version 1", trust.display())),
                ("Root keys for agents", roots.display().to_string()),
            ]);
            format!(
                "{made}\n\nMove {root} off this machine now and keep two copies: whoever has it can make portals that every\n\
                 agent believes, and without it no signing key can be replaced. The portal runs without it.\n\
                 Ship {roots} with the product, as /usr/share/entitled/roots.d/NAME.jwks.",
                root = root.display(),
                roots = roots.display(),
            )
        })
    }
}
