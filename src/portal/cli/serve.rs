//! `entitle-portal serve`.

mod log;
mod serving;
mod telling;

use super::{operator, output::Output};
use crate::{
    health::Inherited,
    members::AddressRange,
    portal::{
        ForwardedBy, Options, Portal, PortalError, SystemClock, Transport,
        store::{KEPT_READERS, WriterKind},
        tls::{Certificate, CertificateFiles},
    },
};
use clap::Args;
pub(super) use log::Log;
use serving::{Serving, listen};
use std::{
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, runtime::Runtime};

#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one. A socket of systemd's goes over it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
    /// Speak TLS with the certificate in this file, PEM, those of its issuers after it. A new one is taken up at SIGHUP, and
    /// within a minute
    #[arg(long, value_name = "FILE", env = "ENTITLE_PORTAL_TLS_CERTIFICATE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", env = "ENTITLE_PORTAL_TLS_KEY", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS: plain HTTP is spoken on an address that others reach, and the proxy believed about who asked
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
    /// Serve `/metrics`, `/livez` and `/readyz` for monitors on this address, without TLS: give one that only they reach
    #[arg(long, value_name = "ADDRESS:PORT", env = "ENTITLE_PORTAL_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    log: Log,
}

impl Serve {
    pub(super) fn run(self, dir: &Path, out: &mut Output) -> Result<(), PortalError> {
        self.log.start();
        let inherited = Inherited::tcp();
        let address = inherited.listeners.first().and_then(|listener| listener.local_addr().ok());
        let address = address.unwrap_or(self.listen);
        if self.tls_certificate.is_none()
            && !self.behind_proxy
            && !address.ip().to_canonical().is_loopback()
        {
            return Err(PortalError::PlainHttp { address });
        }
        let options = Options { actor: operator(), writer: WriterKind::Thread };
        let portal = Portal::open(dir, options, Arc::new(SystemClock))?;
        let certificate = self.certificate(&portal)?;
        let transport = self.transport(certificate.is_some());
        runtime()?.block_on(async {
            let listener = listen(address, inherited).await;
            let listener = listener.map_err(|source| PortalError::Listen { address, source })?;
            let metrics = self.metrics().await?;
            Serving { portal, transport, certificate, metrics }.run(listener, out).await
        })
    }

    /// The socket of the metrics, where they are asked for.
    async fn metrics(&self) -> Result<Option<TcpListener>, PortalError> {
        let Some(address) = self.metrics_listen else { return Ok(None) };
        let bound = TcpListener::bind(address).await;
        bound.map(Some).map_err(|source| PortalError::Listen { address, source })
    }

    fn certificate(&self, portal: &Portal) -> Result<Option<Arc<Certificate>>, PortalError> {
        let Some((certificate, key)) = self.tls_certificate.clone().zip(self.tls_key.clone())
        else {
            return Ok(None);
        };
        let refused = portal.metrics().refused_certificates().clone();
        let files = CertificateFiles { certificate, key };
        let certificate = Certificate::load(files, refused)?;
        portal.metrics().watch_certificate(certificate.clone());
        Ok(Some(certificate))
    }

    fn transport(&self, tls: bool) -> Transport {
        let mut proxies = self.trusted_proxy.clone();
        if self.behind_proxy && proxies.is_empty() {
            proxies = vec![AddressRange::IPV4_LOOPBACK, AddressRange::IPV6_LOOPBACK];
        }
        let (behind_proxy, forwarded_by) = (self.behind_proxy, self.forwarded_by);
        Transport { tls, behind_proxy, proxies, forwarded_by }
    }
}

/// Serves a portal over plain HTTP until it is told to stop, and nothing else with it.
pub(super) fn serve_until_stopped(
    portal: Portal,
    address: SocketAddr,
    out: &mut Output,
) -> Result<(), PortalError> {
    runtime()?.block_on(async {
        let listener = listen(address, Inherited::none()).await;
        let listener = listener.map_err(|source| PortalError::Listen { address, source })?;
        let transport = Transport::default();
        Serving { portal, transport, certificate: None, metrics: None }.run(listener, out).await
    })
}

/// Threads that verify requests: more than there are processors would only get into each other's way, and each has a connection
/// to the database.
fn runtime() -> Result<Runtime, PortalError> {
    let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(processors.clamp(2, KEPT_READERS))
        .enable_all()
        .build()
        .map_err(PortalError::Runtime)
}
