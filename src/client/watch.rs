//! Changes as they happen, for programs with an asynchronous runtime and without.

use super::{Client, Snapshot};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// What is known now, and again after each change of it, as a stream that never ends.
///
/// Changes are of the status, and of whether the agent can be heard. Who is slow misses those in between and gets the last
/// one: nothing is queued. Any executor will do. Made by [`Client::watch`].
#[derive(Debug)]
pub struct Watch {
    client: Client,
    id: u64,
    seen: Option<u64>,
}

impl Watch {
    pub(super) fn new(client: Client) -> Self {
        let id = client.shared().enrol();
        Self { client, id, seen: None }
    }
}

impl Stream for Watch {
    type Item = Snapshot;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Snapshot>> {
        let watch = &mut *self;
        let Some(count) = watch.client.shared().poll(watch.seen, watch.id, context.waker()) else {
            return Poll::Pending;
        };
        watch.seen = Some(count);
        Poll::Ready(Some(watch.client.snapshot()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.shared().forget(self.id);
    }
}

/// The same as [`Watch`] for programs that wait: an iterator that never ends. Made by [`Client::watch_blocking`].
#[derive(Debug)]
pub struct BlockingWatch {
    client: Client,
    seen: Option<u64>,
}

impl BlockingWatch {
    pub(super) const fn new(client: Client) -> Self {
        Self { client, seen: None }
    }

    /// The next change, where there is one within that time.
    pub fn next_within(&mut self, patience: Duration) -> Option<Snapshot> {
        self.seen = Some(self.client.shared().wait(self.seen, Some(patience))?);
        Some(self.client.snapshot())
    }
}

impl Iterator for BlockingWatch {
    type Item = Snapshot;

    fn next(&mut self) -> Option<Snapshot> {
        self.seen = Some(self.client.shared().wait(self.seen, None)?);
        Some(self.client.snapshot())
    }
}
