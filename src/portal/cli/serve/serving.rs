//! A portal's life as a server: from its socket to the last answer.

use super::telling::Telling;
use crate::{
    api::{Resumed, ServerOptions, serve},
    health::{Inherited, ServiceManager},
    portal::{
        Portal, PortalError, Transport,
        cli::output::Output,
        tls::{Certificate, TlsListener},
    },
};
use std::{
    future::Future,
    io,
    net::{self, SocketAddr},
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::MissedTickBehavior,
};

/// How often the files of the certificate are looked at.
const LOOK: Duration = Duration::from_mins(1);

/// Monitors that are connected at once.
const MOST_MONITORS: usize = 16;

/// What serves, and how.
pub(super) struct Serving {
    pub(super) portal: Portal,
    pub(super) transport: Transport,
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Where monitors read.
    pub(super) metrics: Option<TcpListener>,
}

/// The inherited socket, with the connections that the process before left, or one at `address`.
pub(super) async fn listen(
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

impl Serving {
    /// Serves until it is told to stop.
    pub(super) async fn run(
        mut self,
        listener: Resumed<TcpListener>,
        out: &mut Output,
    ) -> Result<(), PortalError> {
        let manager = ServiceManager::from_environment();
        let mut terminate = signal(SignalKind::terminate()).map_err(PortalError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(PortalError::Runtime)?;
        let address = listener.listener().local_addr().map_err(PortalError::Runtime)?;
        manager.kept_were_taken();
        tracing::info!(%address, product = self.portal.keys().product(), "the portal is listening");
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        let line = format!("listening on {url}");
        let reloader = self.reload(manager)?;
        let monitored = self.serve_metrics();
        let telling = Telling::start(self.portal.clone())?;
        out.show(&serde_json::json!({ "address": address, "url": url }), || line)?;
        manager.ready("requests are answered");
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            manager.stopping();
            tracing::info!("stopping: answers under way are ended");
        };
        let idle = self.serve(listener, manager, stop).await?;
        manager.keep(&idle);
        reloader.abort();
        monitored.abort();
        telling.stop();
        tracing::info!("stopped");
        Ok(())
    }

    /// Serves until `stop`; gives back the connections that the next process can go on with.
    async fn serve(
        &self,
        listener: Resumed<TcpListener>,
        manager: ServiceManager,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Vec<OwnedFd>, PortalError> {
        let router = self.portal.router_over(self.transport.clone());
        let options = ServerOptions::default();
        let Some(certificate) = &self.certificate else {
            let options = ServerOptions { hand_over: manager.keeps_connections(), ..options };
            return Ok(serve(listener, router, options, stop).await);
        };
        // What a process without TLS left is not spoken on any more.
        let (listener, left) = listener.into_parts();
        drop(left);
        let config = certificate.server_config()?;
        let listener =
            TlsListener::new(listener, config, self.portal.metrics().failed_handshakes().clone());
        Ok(serve(listener, router, options, stop).await)
    }

    /// Serves the metrics as long as the process runs.
    fn serve_metrics(&mut self) -> JoinHandle<()> {
        let (router, listener) = (self.portal.monitoring_router(), self.metrics.take());
        tokio::spawn(async move {
            let Some(listener) = listener else { return };
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "metrics are served");
            }
            let options = ServerOptions { connections: MOST_MONITORS, ..ServerOptions::default() };
            serve(listener, router, options, std::future::pending()).await;
        })
    }

    /// Takes up new keys and a new certificate at SIGHUP, and a certificate whose files changed without it.
    fn reload(&self, manager: ServiceManager) -> Result<JoinHandle<()>, PortalError> {
        let mut asked = signal(SignalKind::hangup()).map_err(PortalError::Runtime)?;
        let (portal, certificate) = (self.portal.clone(), self.certificate.clone());
        if let Some(certificate) = &certificate {
            warn_of_end(certificate, &portal);
        }
        Ok(tokio::spawn(async move {
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let is_asked = tokio::select! {
                    asked = asked.recv() => match asked {
                        Some(()) => true,
                        None => return,
                    },
                    _ = look.tick() => false,
                };
                if is_asked {
                    manager.reloading();
                    read_keys_again(&portal);
                }
                if let Some(certificate) = &certificate {
                    read_again(certificate, &portal, is_asked);
                }
                if is_asked {
                    manager.ready("requests are answered");
                }
            }
        }))
    }
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

/// Takes up a new certificate.
fn read_again(certificate: &Certificate, portal: &Portal, is_asked: bool) {
    let read = if is_asked {
        certificate.reload().map(|()| true)
    } else {
        certificate.reload_if_changed()
    };
    match read {
        Ok(true) => {
            tracing::info!(ends_at = %certificate.ends_at(), "the certificate was read again");
            warn_of_end(certificate, portal);
        }
        Ok(false) => {}
        Err(error) => {
            tracing::error!(%error, code = error.code(), "the old certificate stays in use");
        }
    }
}

fn warn_of_end(certificate: &Certificate, portal: &Portal) {
    let ends_at = certificate.ends_at();
    if ends_at <= portal.now() {
        tracing::warn!(%ends_at, "the certificate has ended: agents and browsers refuse it");
    }
}
