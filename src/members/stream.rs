//! The watch: statements as they change, as server-sent events, written by the connection's own task.
//!
//! This future is what each of ten thousand members costs: nothing big may live across its waits.

use super::{FiguresFrame, Frame, Latest};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// How long a member may take to read what it is sent; a slower one is dropped and comes back.
const PATIENCE: Duration = Duration::from_secs(10);
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
    transfer-encoding: chunked\r\n\r\n";
/// Said in the place of a statement while there is no license: what was stated before holds no more.
const NOTHING: &[u8] = b"18\r\nevent: none\ndata: none\n\n\r\n";
/// A comment, so that the member knows that the controller is there.
const BEAT: &[u8] = b"3\r\n:\n\n\r\n";

/// Sends the newest statement now and whenever it changes, until the member leaves, reads too slowly, or is none any more: that
/// is asked before each word, of which there is one at least every 20 seconds.
pub(super) async fn watch_statement(
    mut tls: Box<TlsStream<TcpStream>>,
    mut latest: watch::Receiver<Latest>,
    is_member: impl Fn() -> bool,
) {
    let mut sent: Option<Arc<Frame>> = None;
    let mut told: Option<Arc<FiguresFrame>> = None;
    if send(&mut tls, HEAD).await.is_err() {
        return;
    }
    loop {
        if !is_member() {
            return;
        }
        let (frame, figures) = {
            let latest = latest.borrow_and_update();
            (latest.frame.clone(), latest.figures.clone())
        };
        let is_news = match (&frame, &sent) {
            (Some(frame), Some(sent)) => !Arc::ptr_eq(frame, sent),
            (frame, _) => frame.is_some(),
        };
        let new_figures = figures.as_ref().filter(|figures| {
            frame.is_some() && !told.as_ref().is_some_and(|told| Arc::ptr_eq(figures, told))
        });
        let bytes = match (&frame, new_figures) {
            (Some(frame), _) if is_news => &frame.event[..],
            (Some(_), Some(figures)) => &figures.event[..],
            (Some(_), None) => BEAT,
            (None, _) => NOTHING,
        };
        if send(&mut tls, bytes).await.is_err() {
            return;
        }
        if let Some(figures) = new_figures {
            if is_news && send(&mut tls, &figures.event).await.is_err() {
                return;
            }
            told = Some(Arc::clone(figures));
        }
        // After a time without, the same one again is news.
        sent = frame;
        if !changed(&mut tls, &mut latest).await {
            return;
        }
    }
}

/// Waits for the next change; false where the member or the agent has left.
async fn changed(tls: &mut TlsStream<TcpStream>, latest: &mut watch::Receiver<Latest>) -> bool {
    let mut bytes = [0; 16];
    loop {
        tokio::select! {
            biased;
            changed = latest.changed() => return changed.is_ok(),
            // What it sends is of no interest, but that it leaves.
            read = tls.read(&mut bytes) => if !read.is_ok_and(|read| read > 0) { return false },
        }
    }
}

async fn send(tls: &mut TlsStream<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    let sending = async {
        tls.write_all(bytes).await?;
        tls.flush().await
    };
    timeout(PATIENCE, sending).await?
}
