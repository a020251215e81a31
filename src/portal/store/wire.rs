//! The way to a PostgreSQL server: it moves while somebody waits for an answer, and needs no thread of its own.

use super::{
    Fault,
    postgres::fault,
    server::{Server, untrusted},
};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error};

/// A client, and the way to its server.
pub(super) struct Wire {
    pub(super) client: Client,
    pub(super) way: Way,
}

/// What carries the client's questions.
pub(super) struct Way {
    runtime: Runtime,
    /// None once it has ended.
    moves: Option<Moves>,
}

/// The socket's side of a connection.
pub(super) type Moves = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Wire {
    pub(super) fn connect(server: &Server) -> Result<Self, Fault> {
        let unable = |reason: String| Fault::Unreachable { reason };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unable(error.to_string()))?;
        let connected = runtime.block_on(server.client());
        let (client, moves) =
            connected.map_err(|error| untrusted(&error).unwrap_or_else(|| fault(&error)))?;
        Ok(Self { client, way: Way { runtime, moves: Some(moves) } })
    }

    /// Tells the server that this is the end, so that it logs nothing about it.
    pub(super) fn close(self) {
        let Self { client, way: Way { runtime, moves } } = self;
        drop(client);
        if let Some(moves) = moves {
            // It may be lost already.
            drop(runtime.block_on(moves));
        }
    }
}

impl Way {
    /// Waits for an answer. What the server says as it ends the connection is told in the place of one.
    pub(super) fn wait<T>(
        &mut self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Self { runtime, moves } = self;
        let mut answer = pin!(answer);
        runtime.block_on(poll_fn(|context| {
            if let Some(Poll::Ready(ended)) = moves.as_mut().map(|m| m.as_mut().poll(context)) {
                *moves = None;
                ended?;
            }
            answer.as_mut().poll(context)
        }))
    }
}

/// Tells the server all of `before`, and then asks it, without waiting in between. The first fault is the answer: those after it follow
/// from it, since the server does nothing more in a transaction that has failed.
pub(super) async fn in_turn<T>(
    before: impl Iterator<Item = impl Future<Output = Result<u64, Error>>>,
    ask: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut before: Vec<_> = before.map(|told| (Box::pin(told), None)).collect();
    let mut ask = pin!(ask);
    let mut answer = None;
    // Each is sent as it is polled first.
    poll_fn(|context| {
        let mut is_done = true;
        for (told, result) in before.iter_mut().filter(|(_, result)| result.is_none()) {
            match told.as_mut().poll(context) {
                Poll::Ready(ended) => *result = Some(ended),
                Poll::Pending => is_done = false,
            }
        }
        if answer.is_none() {
            match ask.as_mut().poll(context) {
                Poll::Ready(ended) => answer = Some(ended),
                Poll::Pending => is_done = false,
            }
        }
        match answer.take() {
            Some(answer) if is_done => {
                let failed = before.iter_mut().find_map(|(_, result)| result.take()?.err());
                Poll::Ready(failed.map_or(answer, Err))
            }
            kept => {
                answer = kept;
                Poll::Pending
            }
        }
    })
    .await
}
