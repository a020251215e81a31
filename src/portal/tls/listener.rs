//! Connections whose handshake is done.
//!
//! Handshakes go on beside each other, and apart from the server: one who never finishes theirs keeps nobody out.

use crate::{
    api::{Listener, Network, Peer},
    members::{Handshake, Handshakes},
};
use prometheus_client::metrics::counter::Counter;
use rustls::ServerConfig;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// From the first packet to the end of the handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted: out of file descriptors, say.
const PAUSE: Duration = Duration::from_millis(20);

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// A TCP socket on which TLS is spoken.
pub(in crate::portal) struct TlsListener {
    accepted: Mutex<mpsc::Receiver<Accepted>>,
    accepting: JoinHandle<()>,
}

impl TlsListener {
    /// Accepts on `listener` from now on, within a runtime; `failed` counts handshakes that came to nothing.
    pub(in crate::portal) fn new(
        listener: TcpListener,
        config: ServerConfig,
        failed: Counter,
    ) -> Self {
        let (sender, accepted) = mpsc::channel(1);
        let accepting =
            tokio::spawn(accept_all(listener, TlsAcceptor::from(Arc::new(config)), sender, failed));
        Self { accepted: Mutex::new(accepted), accepting }
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Stream = TlsStream<TcpStream>;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let accepted = self.accepted.lock().await.recv().await;
        let (stream, address) = accepted.ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok((stream, Peer::Address(address)))
    }
}

async fn accept_all(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<Accepted>,
    failed: Counter,
) {
    let handshakes = Arc::<Handshakes>::default();
    let mut tasks = JoinSet::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        let handshake = handshakes.begin(Network::of(address.ip()).site()).await;
        let (acceptor, sender, failed) = (acceptor.clone(), sender.clone(), failed.clone());
        tasks.spawn(async move {
            match greet(&acceptor, stream, &handshake).await {
                // The place is kept until the server takes the connection: they can't pile up in front of one that is full.
                Ok(stream) => tokio::select! {
                    _ = sender.send((stream, address)) => {}
                    () = handshake.left() => {}
                },
                Err(error) => {
                    failed.inc();
                    tracing::debug!(%address, %error, "a handshake came to nothing");
                }
            }
        });
    }
}

async fn greet(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    handshake: &Handshake,
) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    tokio::select! {
        accepted = timeout(PATIENCE, acceptor.accept(stream)) => accepted?,
        () = handshake.left() => Err(io::Error::other("it made room for others")),
    }
}
