//! The thread that tells webhooks. Names of receivers are looked up by threads that wait for the resolver, and a dead name server keeps each of them
//! for half a minute: so it has a runtime of its own, and what answers requests shares no thread with it.

use crate::portal::{Portal, PortalError};
use std::{
    future::Future,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime, sync::oneshot};

/// Threads that wait for names and for the database: enough for several receivers whose names are not found.
const WAITING: usize = 64;
/// After how long it is begun anew, where it has failed.
const AGAIN: Duration = Duration::from_secs(30);

/// The thread, which runs until it is stopped.
pub(super) struct Telling {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Telling {
    pub(super) fn start(portal: Portal) -> Result<Self, PortalError> {
        let (stop, stopped) = oneshot::channel();
        let mut runtime = runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(WAITING).enable_all().build();
        let runtime = runtime.map_err(PortalError::Runtime)?;
        let run = move || {
            runtime.block_on(async {
                let tell = || {
                    let portal = portal.clone();
                    async move { portal.deliver_webhooks().await }
                };
                tokio::select! {
                    // What is on its way is anybody's again when its claim has ended.
                    _ = stopped => {}
                    () = again_and_again(tell) => {}
                }
            });
            // Nobody waits for names that are still looked up.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("webhooks".to_owned()).spawn(run);
        Ok(Self { stop, thread: thread.map_err(PortalError::Runtime)? })
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the webhooks' thread ended badly");
        }
    }
}

/// Does `work`, which never ends by itself, and begins it anew after a fault of it, which is told.
async fn again_and_again<F>(work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        if let Err(error) = tokio::spawn(work()).await {
            tracing::error!(%error, "telling webhooks has failed by a fault of the portal, and is begun anew; please report it");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::tests::stage::Stage;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    };

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_it_does_not_end_it() {
        let begun = Arc::new(AtomicU32::new(0));
        let (told, mut heard) = tokio::sync::mpsc::channel(1);
        let work = move || {
            let (begun, told) = (begun.clone(), told.clone());
            async move {
                assert!(begun.fetch_add(1, Ordering::SeqCst) > 0, "a fault of the program");
                told.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = again_and_again(work) => panic!("it has ended"),
            heard = heard.recv() => assert_eq!(heard, Some(())),
        }
    }

    /// What answers has one thread that may wait, and that one does.
    #[test]
    fn it_waits_for_no_thread_of_what_answers() {
        let stage = Stage::new();
        let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", receiver.local_addr().unwrap());
        stage.portal.add_webhook(&url, &[]).unwrap();
        stage.sell();
        let mut answering = runtime::Builder::new_current_thread();
        let answering = answering.max_blocking_threads(1).enable_all().build().unwrap();
        let (open, gate) = mpsc::channel::<()>();
        let waiting = answering.spawn_blocking(move || gate.recv());
        let telling = answering.block_on(async { Telling::start(stage.portal.clone()).unwrap() });
        assert!(receiver.accept().is_ok(), "it has come");
        telling.stop();
        drop(open);
        assert!(answering.block_on(waiting).unwrap().is_err());
    }
}
