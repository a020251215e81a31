//! `entitle-portal serve`.

use super::{operator, output::Output};
use crate::{
    api::{Resumed, ServerOptions, serve},
    health::{Inherited, ServiceManager},
    members::AddressRange,
    portal::{
        ForwardedBy, Options, Portal, PortalError, SystemClock, Transport,
        store::{KEPT_READERS, WriterKind},
    },
};
use clap::{Args, ValueEnum};
use std::{
    io,
    net::{self, SocketAddr},
    num::NonZero,
    path::Path,
    sync::Arc,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one. A socket of systemd's goes over it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
    /// Listen on an address that others reach, though the portal speaks plain HTTP: a proxy in front ends TLS
    #[arg(long, env = "ENTITLE_PORTAL_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Proxies that are believed about who asked them, a range of addresses; may be repeated. Those of this machine, unless said
    #[arg(
        long,
        value_name = "RANGE",
        env = "ENTITLE_PORTAL_TRUSTED_PROXY",
        value_delimiter = ',',
        requires = "behind_proxy"
    )]
    trusted_proxy: Vec<AddressRange>,
    /// The header in which they say it
    #[arg(long, value_enum, default_value_t, env = "ENTITLE_PORTAL_FORWARDED_BY")]
    forwarded_by: ForwardedBy,
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
        self.start_log();
        let inherited = Inherited::tcp();
        let address = inherited.listeners.first().and_then(|listener| listener.local_addr().ok());
        let address = address.unwrap_or(self.listen);
        if !self.behind_proxy && !address.ip().to_canonical().is_loopback() {
            return Err(PortalError::PlainHttp { address });
        }
        let transport = self.transport();
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
        runtime.block_on(async {
            let listener = listen(address, inherited).await;
            let listener = listener.map_err(|source| PortalError::Listen { address, source })?;
            run(portal, transport, listener, out).await
        })
    }

    fn transport(&self) -> Transport {
        let mut proxies = self.trusted_proxy.clone();
        if self.behind_proxy && proxies.is_empty() {
            proxies = vec![AddressRange::IPV4_LOOPBACK, AddressRange::IPV6_LOOPBACK];
        }
        let (behind_proxy, forwarded_by) = (self.behind_proxy, self.forwarded_by);
        Transport { tls: false, behind_proxy, proxies, forwarded_by }
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

/// The inherited socket, with the connections that the process before left, or one at `address`.
async fn listen(
    address: SocketAddr,
    mut inherited: Inherited<net::TcpListener, net::TcpStream>,
) -> io::Result<Resumed<TcpListener>> {
    let listener = match inherited.listeners.pop() {
        Some(listener) => {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)?
        }
        None => TcpListener::bind(address).await?,
    };
    let left = inherited.connections.into_iter().filter_map(|stream| {
        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).ok()
    });
    Ok(Resumed::new(listener, left.collect()))
}

async fn run(
    portal: Portal,
    transport: Transport,
    listener: Resumed<TcpListener>,
    out: &mut Output,
) -> Result<(), PortalError> {
    let manager = ServiceManager::from_environment();
    let mut reload = signal(SignalKind::hangup()).map_err(PortalError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(PortalError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(PortalError::Runtime)?;
    let address = listener.listener().local_addr().map_err(PortalError::Runtime)?;
    manager.kept_were_taken();
    tracing::info!(%address, product = portal.keys().product(), "the portal is listening");
    let line = format!("listening on http://{address}");
    out.show(
        &serde_json::json!({ "address": address, "url": format!("http://{address}") }),
        || line,
    )?;
    manager.ready("requests are answered");
    let reloading = portal.clone();
    let reloader = tokio::spawn(async move {
        while reload.recv().await.is_some() {
            manager.reloading();
            read_keys_again(&reloading);
            manager.ready("requests are answered");
        }
    });
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        manager.stopping();
        tracing::info!("stopping: answers under way are ended");
    };
    let options =
        ServerOptions { hand_over: manager.keeps_connections(), ..ServerOptions::default() };
    let idle = serve(listener, portal.router_over(transport), options, stop).await;
    manager.keep(&idle);
    reloader.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Takes up a new trust document.
fn read_keys_again(portal: &Portal) {
    match portal.reload_keys() {
        Ok(()) => {
            let version = portal.keys().trust().claims().version;
            tracing::info!(version, "the trust document was read again");
        }
        Err(error) => tracing::error!(%error, code = error.code(), "the old keys stay in use"),
    }
}
