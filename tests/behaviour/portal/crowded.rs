//! One who takes all that it gets keeps nobody else out: places for requests and forms, and connections.

use crate::stage::{Server, Vendor};
use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use std::{net::IpAddr, process::Command};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// More than there are places.
const MANY: usize = 300;
/// Of 256 places, those that one network gets.
const SHARE: usize = 128;
const ONE: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];

/// A connection from that address.
async fn connect(server: &Server, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(from), 0).into()).unwrap();
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends the head of a request, and what is given of its body.
async fn sent(server: &Server, from: [u8; 4], path: &str, client: &str, body: &str) -> TcpStream {
    let mut stream = connect(server, from).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/jose\r\nx-forwarded-for: {client}\r\n\
         content-length: 7\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The head of what comes back.
async fn answer(stream: &mut TcpStream) -> String {
    let (mut back, mut bytes) = (Vec::new(), [0; 4_096]);
    while !back.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(read) => back.extend_from_slice(&bytes[..read]),
        }
    }
    String::from_utf8_lossy(&back).to_lowercase()
}

/// Sends a whole request: the status that comes back.
async fn whole(server: &Server, from: [u8; 4], path: &str, client: &str) -> String {
    let mut stream = sent(server, from, path, client, "garbage").await;
    answer(&mut stream).await.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Takes all places that one who sends no body gets at `path`, as long as this is held; what is beyond its share is refused.
async fn crowd(server: &Server, path: &str, client: &str) -> impl Stream + use<> {
    let mut asked = FuturesUnordered::new();
    for _ in 0..MANY {
        let mut stream = sent(server, ONE, path, client, "").await;
        asked.push(async move { answer(&mut stream).await });
    }
    for _ in SHARE..MANY {
        let head = asked.next().await.unwrap();
        assert!(head.starts_with("http/1.1 429 "), "{head}");
        assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
    }
    asked
}

#[tokio::test]
async fn who_sends_heads_without_bodies_keeps_no_other_address_out() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    for path in ["/v1/requests", "/sign-in"] {
        let crowd = crowd(&server, path, "203.0.113.9").await;
        // What anybody who is no proxy says of others is not believed.
        assert_eq!(whole(&server, ONE, path, "203.0.113.10").await, "429", "{path}");
        assert_eq!(whole(&server, OTHER, path, "203.0.113.9").await, "400", "{path}");
        drop(crowd);
    }
    // Who has gone holds nothing.
    while whole(&server, ONE, "/v1/requests", "").await != "400" {}
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_share() {
    let vendor = Vendor::new();
    let mut command = vendor.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--behind-proxy", "--log", "off"]);
    let server = Server::of(command);
    let _crowd = crowd(&server, "/v1/requests", "203.0.113.9").await;
    assert_eq!(whole(&server, ONE, "/v1/requests", "203.0.113.9").await, "429");
    assert_eq!(whole(&server, ONE, "/v1/requests", "203.0.113.10").await, "400");
    // The proxy itself, where it does not say for whom.
    assert_eq!(whole(&server, ONE, "/v1/requests", "").await, "400");
}

#[tokio::test]
async fn silent_connections_of_one_address_keep_no_other_out() {
    let vendor = Vendor::new();
    let mut command = Command::new("sh");
    let portal = vendor.command();
    command.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]).arg(portal.get_program());
    command.envs(portal.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "off"]);
    let server = Server::of(command);
    // A quarter of its files are connections, and half of those one address's.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(connect(&server, ONE).await);
    }
    assert_eq!(whole(&server, OTHER, "/v1/requests", "").await, "400");
    let mut first = [0; 1];
    assert_eq!(silent.last_mut().unwrap().read(&mut first).await.unwrap_or_default(), 0, "closed");
}
