//! `entitle-portal dev`.

use super::{
    output::{Output, pairs},
    serve::{Log, serve_until_stopped},
};
use crate::portal::{Clock, Options, Portal, PortalError, SystemClock, sample};
use clap::Args;
use serde_json::json;
use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Args)]
pub(super) struct Dev {
    /// Where to listen, on this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
    /// Who bought what, and what became of it; the same for the same number
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Make it in this directory, and leave it there; unsaid, it is gone at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    log: Log,
}

/// A directory that is gone when this is.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left then is the system's to clean up.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Temporary {
    fn make() -> Result<Self, PortalError> {
        let name = format!("entitle-portal-dev-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Never one that is there already: whose it is, nobody knows.
        DirBuilder::new().mode(0o700).create(&path).map_err(|source| PortalError::File {
            doing: "made",
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Dev {
    pub(super) fn run(self, out: &mut Output) -> Result<(), PortalError> {
        self.log.start();
        let address = self.listen;
        if !address.ip().to_canonical().is_loopback() {
            return Err(PortalError::PlainHttp { address });
        }
        if let Some(directory) = &self.keep {
            return self.serve(directory, out);
        }
        let made = Temporary::make()?;
        self.serve(&made.0, out)
    }

    fn serve(&self, directory: &Path, out: &mut Output) -> Result<(), PortalError> {
        let sample = sample::make(directory, self.seed, SystemClock.now())?;
        let codes: Vec<_> = sample
            .codes
            .iter()
            .map(|(who, code)| json!({ "who": who, "code": code.expose() }))
            .collect();
        let value = json!({
            "directory": directory,
            "operator": { "name": sample.operator, "password": sample.password },
            "activation_codes": codes,
        });
        out.show(&value, || {
            let mut lines = vec![
                ("Directory", directory.display().to_string()),
                (
                    "Operator, at /vendor/",
                    format!("{}, password {}", sample.operator, sample.password),
                ),
            ];
            lines.extend(sample.codes.iter().map(|(who, code)| {
                ("Activation Code, at /", format!("{} ({who})", code.expose()))
            }));
            pairs(&lines)
        })?;
        let options = Options { actor: super::operator(), ..Options::default() };
        let portal = Portal::open(directory, options, Arc::new(SystemClock))?;
        serve_until_stopped(portal, self.listen, out)
    }
}
