//! `entitle-portal serve`.

use super::{operator, output::Output};
use crate::{
    api::{ServerOptions, serve},
    portal::{
        Options, Portal, PortalError, SystemClock,
        store::{KEPT_READERS, WriterKind},
    },
};
use clap::{Args, ValueEnum};
use std::{io, net::SocketAddr, num::NonZero, path::Path, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
    /// Listen on an address that others reach, though the portal speaks plain HTTP: a proxy in front ends TLS
    #[arg(long)]
    behind_proxy: bool,
    /// How to write the log, to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What to log: error, warn, info, debug, or a filter of `tracing`
    #[arg(long, value_name = "FILTER", env = "ENTITLE_PORTAL_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Serve {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        if !self.behind_proxy && !self.listen.ip().to_canonical().is_loopback() {
            return Err(PortalError::PlainHttp { address: self.listen });
        }
        self.start_log();
        let options = Options { actor: operator(), writer: WriterKind::Thread };
        let portal = Portal::open(dir, options, Arc::new(SystemClock))?;
        // Threads that verify requests: more than there are processors would only get into each other's way, and each has
        // a connection to the database.
        let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(processors.clamp(2, KEPT_READERS))
            .enable_all()
            .build()
            .map_err(PortalError::Runtime)?;
        runtime.block_on(run(portal, self.listen, out))
    }

    fn start_log(&self) {
        let filter = EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let started = match self.log_format {
            LogFormat::Text => log.with_ansi(false).try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        // Only where a program that embeds this has a log of its own.
        drop(started);
    }
}

async fn run(portal: Portal, listen: SocketAddr, out: &mut Output) -> Result<(), PortalError> {
    let failed = |source| PortalError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut reload = signal(SignalKind::hangup()).map_err(PortalError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(PortalError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(PortalError::Runtime)?;
    tracing::info!(%address, product = portal.keys().product(), "the portal is listening");
    let line = format!("listening on http://{address}");
    out.show(
        &serde_json::json!({ "address": address, "url": format!("http://{address}") }),
        || line,
    )?;
    let reloading = portal.clone();
    let reloader = tokio::spawn(async move {
        while reload.recv().await.is_some() {
            match reloading.reload_keys() {
                Ok(()) => tracing::info!(
                    version = reloading.keys().trust().claims().version,
                    "the trust document was read again"
                ),
                Err(error) => {
                    tracing::error!(%error, code = error.code(), "the old keys stay in use");
                }
            }
        }
    });
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: answers under way are ended");
    };
    serve(listener, portal.router(), ServerOptions::default(), stop).await;
    reloader.abort();
    tracing::info!("stopped");
    Ok(())
}
