//! Where connections come from, and who is at their other end.

use std::{future::Future, io, net::SocketAddr, os::fd::OwnedFd, sync::Mutex, sync::PoisonError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// Who is at the other end of a connection; in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine, as the kernel knew it when it connected (`SO_PEERCRED`).
    Process {
        /// Its process id, where the kernel gives it.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// An address.
    Address(SocketAddr),
}

/// A connection that can outlive this process.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + Sized + 'static {
    /// Who is at its other end.
    ///
    /// # Errors
    /// Where the kernel does not say.
    fn peer(&self) -> io::Result<Peer>;

    /// The bare connection, with nothing read ahead.
    ///
    /// # Errors
    /// Where the runtime can't let it go.
    fn release(self) -> io::Result<OwnedFd>;
}

impl Connection for UnixStream {
    fn peer(&self) -> io::Result<Peer> {
        let peer = self.peer_cred()?;
        Ok(Peer::Process { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() })
    }

    fn release(self) -> io::Result<OwnedFd> {
        self.into_std().map(OwnedFd::from)
    }
}

impl Connection for TcpStream {
    fn peer(&self) -> io::Result<Peer> {
        self.peer_addr().map(Peer::Address)
    }

    fn release(self) -> io::Result<OwnedFd> {
        self.into_std().map(OwnedFd::from)
    }
}

/// Its keys can't be handed on: it ends with this process.
impl Connection for TlsStream<TcpStream> {
    fn peer(&self) -> io::Result<Peer> {
        self.get_ref().0.peer()
    }

    fn release(self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What a listener must do to be served.
pub trait Listener: Send + Sync {
    /// A connection.
    type Stream: Connection;

    /// The next connection and who is at its other end.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;

    /// Connections that it holds and that nobody has accepted. Those of the kernel's queue are the socket's.
    fn waiting(self) -> Vec<Self::Stream>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = stream.peer()?;
        Ok((stream, peer))
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, Peer::Address(address)))
    }
}

/// A listener with the connections that the process before left: they come first.
#[derive(Debug)]
pub struct Resumed<L: Listener> {
    listener: L,
    left: Mutex<Vec<L::Stream>>,
}

impl<L: Listener> Resumed<L> {
    /// `left` go on as if they had been accepted.
    pub fn new(listener: L, left: Vec<L::Stream>) -> Self {
        Self { listener, left: Mutex::new(left) }
    }

    /// Where new ones come from, and those that were left.
    pub fn into_parts(self) -> (L, Vec<L::Stream>) {
        (self.listener, self.left.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where new ones come from.
    pub fn listener(&self) -> &L {
        &self.listener
    }
}

impl<L: Listener> Listener for Resumed<L> {
    type Stream = L::Stream;

    async fn accept(&self) -> io::Result<(L::Stream, Peer)> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match left {
            Some(stream) => stream.peer().map(|peer| (stream, peer)),
            None => self.listener.accept().await,
        }
    }

    fn waiting(self) -> Vec<L::Stream> {
        self.left.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
