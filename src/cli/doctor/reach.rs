//! Whether an address can be reached: its name, then a connection. Nothing is sent.

use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpStream, lookup_host};

/// How long a name or a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses of a name.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::time::timeout(PATIENCE, lookup_host((host, port))).await;
    let found: Vec<_> = found.map_err(|_| late("the resolver"))??.collect();
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(found)
}

/// Connects to the first address that takes it.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    let connecting = async { TcpStream::connect(addresses).await?.peer_addr() };
    tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| late("the other end"))?
}

fn late(who: &str) -> io::Error {
    io::Error::other(format!("{who} gave no answer within {} seconds", PATIENCE.as_secs()))
}
