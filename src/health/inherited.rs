//! What the service manager hands to a process when it starts (`sd_listen_fds(3)`): the listening sockets, which it keeps over
//! restarts, and the connections that the process before left with it.

use listenfd::ListenFd;
use std::{
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
};

/// Sockets that were inherited. An accepted connection has the address of the socket that it came by, so that no names are
/// needed to tell them apart.
#[derive(Debug)]
pub struct Inherited<L, C> {
    /// Sockets that listen.
    pub listeners: Vec<L>,
    /// Connections that wait for their next request.
    pub connections: Vec<C>,
}

impl<L, C> Inherited<L, C> {
    /// None.
    pub const fn none() -> Self {
        Self { listeners: Vec::new(), connections: Vec::new() }
    }
}

impl Inherited<UnixListener, UnixStream> {
    /// The unix sockets. Those that can't be used are told and closed.
    pub fn unix() -> Self {
        let mut given = ListenFd::from_env();
        sorted((0..given.len()).map(|i| given.take_unix_listener(i)))
    }
}

impl Inherited<TcpListener, TcpStream> {
    /// The TCP sockets. Those that can't be used are told and closed.
    pub fn tcp() -> Self {
        let mut given = ListenFd::from_env();
        sorted((0..given.len()).map(|i| given.take_tcp_listener(i)))
    }
}

/// Tells the listeners from the connections: the library takes every socket for a listener.
fn sorted<L: AsFd + Into<OwnedFd>, C: From<OwnedFd>>(
    given: impl Iterator<Item = std::io::Result<Option<L>>>,
) -> Inherited<L, C> {
    let mut inherited = Inherited::none();
    for socket in given {
        match socket {
            Ok(Some(socket)) => match rustix::net::sockopt::socket_acceptconn(&socket) {
                Ok(false) => inherited.connections.push(C::from(socket.into())),
                Ok(true) | Err(_) => inherited.listeners.push(socket),
            },
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a socket of the service manager's can't be used");
            }
        }
    }
    inherited
}
