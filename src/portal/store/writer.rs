//! The one writer of this process: a thread that commits what has queued up in one go, so that a disk that syncs a
//! hundred times a second does not bound the portal to a hundred activations a second.

use super::{
    Change, Figures, StoreError, View,
    session::{Database, Session},
};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// Changes that wait; further callers wait for a place.
const QUEUE: usize = 1_024;
/// Most changes in one commit, so that the first of them does not wait for long.
const MOST_IN_COMMIT: usize = 128;

/// Where changes are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WriterKind {
    /// On a thread of their own, many in one commit.
    #[default]
    Thread,
    /// On the caller's thread, one a commit: a simulation stays deterministic, a command needs no thread.
    Inline,
}

pub(super) enum Writer {
    Thread { queue: Option<mpsc::SyncSender<Box<dyn Job>>>, thread: Option<JoinHandle<()>> },
    Inline(Mutex<Connection>),
}

/// The connection for changes, which is made anew where it was lost.
pub(super) struct Connection {
    database: Arc<dyn Database>,
    session: Option<Box<dyn Session>>,
    figures: Figures,
}

/// A change that was asked for.
pub(super) trait Job: Send {
    /// Does it; false where it is to be undone.
    fn run(&mut self, change: &Change<'_>) -> bool;
    /// Notes that what it has done could not be kept, though the others of its batch may be.
    fn fail(&mut self, error: StoreError);
    /// Tells the asker how it ended.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<F, T, E, R> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: R,
}

/// A change to do, and what to do with its outcome.
fn job<F, T, E, R>(work: F, reply: R) -> Box<dyn Job>
where
    F: FnOnce(&Change<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    R: FnOnce(Result<T, E>) + Send + 'static,
{
    Box::new(Call { work: Some(work), outcome: None, reply })
}

impl<F, T, E, R> Job for Call<F, T, E, R>
where
    F: FnOnce(&Change<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
    R: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, change: &Change<'_>) -> bool {
        let outcome = self.work.take().map(|work| work(change));
        let keep = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        keep
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error.into()));
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.outcome, committed) {
            // A refusal stands whether or not the others' changes were kept.
            (Some(Err(refused)), _) => Err(refused),
            (Some(outcome), Ok(())) => outcome,
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Failed.into()),
        };
        (self.reply)(result);
    }
}

impl Writer {
    pub(super) fn new(
        database: Arc<dyn Database>,
        kind: WriterKind,
        figures: Figures,
    ) -> Result<Self, StoreError> {
        let session = Some(database.connect()?);
        let mut connection = Connection { database, session, figures };
        match kind {
            WriterKind::Inline => Ok(Self::Inline(Mutex::new(connection))),
            WriterKind::Thread => {
                let (queue, jobs) = mpsc::sync_channel(QUEUE);
                let thread = std::thread::Builder::new()
                    .name("portal-store".to_owned())
                    .spawn(move || run(&mut connection, &jobs))
                    .map_err(|e| StoreError::Open {
                        path: "thread portal-store".into(),
                        source: Arc::new(e),
                    })?;
                Ok(Self::Thread { queue: Some(queue), thread: Some(thread) })
            }
        }
    }

    pub(super) const fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    pub(super) fn write<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Change<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = mpsc::sync_channel(1);
        // An asker that has gone away has no use for it.
        let job = job(work, move |result| drop(reply.try_send(result)));
        match self {
            Self::Inline(connection) => alone(connection, job),
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Stopped)?;
                queue.send(job).map_err(|_| StoreError::Stopped)?;
            }
        }
        answer.recv().map_err(|_| StoreError::Stopped)?
    }

    pub(super) async fn write_later<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Change<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = job(work, move |result| drop(reply.send(result)));
        match self {
            Self::Inline(connection) => alone(connection, job),
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Stopped)?;
                queue.try_send(job).map_err(|error| match error {
                    mpsc::TrySendError::Full(_) => StoreError::Busy { doing: "queue a change" },
                    mpsc::TrySendError::Disconnected(_) => StoreError::Stopped,
                })?;
            }
        }
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Drop for Writer {
    /// Lets what is queued be stored.
    fn drop(&mut self) {
        if let Self::Thread { queue, thread } = self {
            drop(queue.take());
            if let Some(thread) = thread.take() {
                drop(thread.join());
            }
        }
    }
}

fn alone(connection: &Mutex<Connection>, job: Box<dyn Job>) {
    let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    connection.commit_together(vec![job]);
}

fn run(connection: &mut Connection, jobs: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(MOST_IN_COMMIT - 1));
        connection.commit_together(batch);
    }
}

impl Connection {
    fn commit_together(&mut self, batch: Vec<Box<dyn Job>>) {
        let figures = self.figures.clone();
        let _under_way = figures.under_way();
        match self.begun() {
            Ok(session) => commit_together(session, batch, &figures),
            Err(error) => {
                figures.failures.inc();
                settle(batch, Err(&error));
            }
        }
    }

    /// The connection, with a transaction begun. One that was lost is made anew once.
    fn begun(&mut self) -> Result<&dyn Session, StoreError> {
        let begin =
            |session: &dyn Session| session.begin_writing().map_err(StoreError::during("begin"));
        if let Some(session) = self.session.take_if(|session| !session.is_lost()) {
            let begun = begin(&*session);
            if begun.is_ok() || !session.is_lost() {
                let session = self.session.insert(session);
                return begun.map(|()| &**session);
            }
        }
        let session = self.session.insert(self.database.connect()?);
        begin(&**session)?;
        Ok(&**session)
    }
}

/// Does `batch` in the transaction that has begun, each job in a savepoint, and tells each asker after the commit.
fn commit_together(session: &dyn Session, batch: Vec<Box<dyn Job>>, figures: &Figures) {
    let mut done = Vec::with_capacity(batch.len());
    let mut rest = batch.into_iter();
    if let Err(error) = do_each(session, &mut rest, &mut done) {
        abandon(session);
        figures.failures.inc();
        tracing::error!(%error, "a batch of changes is undone");
        done.extend(rest);
        return settle(done, Err(&error));
    }
    match run_as(session, "COMMIT", "commit") {
        Ok(()) => {
            figures.committed(done.len());
            settle(done, Ok(()));
        }
        Err(error) => {
            let error = error.of_commit();
            abandon(session);
            figures.failures.inc();
            tracing::error!(%error, "a batch of changes could not be stored");
            settle(done, Err(&error));
        }
    }
}

fn do_each(
    session: &dyn Session,
    jobs: &mut impl Iterator<Item = Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    session.begin_change().map_err(StoreError::during("begin a change"))?;
    for mut job in jobs {
        let result = in_savepoint(session, job.as_mut());
        done.push(job);
        result?;
    }
    Ok(())
}

/// Does one job within the savepoint that has begun, and begins that of the next.
fn in_savepoint(session: &dyn Session, job: &mut dyn Job) -> Result<(), StoreError> {
    // A fault in one change must end neither the others of its batch nor the writer.
    let run = AssertUnwindSafe(|| job.run(&Change(View(session))));
    let keep = panic::catch_unwind(run).unwrap_or_else(|_| {
        tracing::error!("a change has failed by a fault of the portal; it is undone");
        false
    });
    // On a full disk, among others, SQLite rolls back the whole transaction by itself.
    if !session.is_in_transaction() {
        return Err(StoreError::Undone);
    }
    if keep {
        let Err(error) = session.keep_change().map_err(StoreError::during("end a change")) else {
            return Ok(());
        };
        if !session.is_in_transaction() {
            return Err(error);
        }
        tracing::error!(%error, "a change is undone");
        job.fail(error);
    }
    session.undo_change().map_err(StoreError::during("undo a change"))
}

fn abandon(session: &dyn Session) {
    if session.is_in_transaction()
        && let Err(error) = run_as(session, "ROLLBACK", "undo")
    {
        tracing::error!(%error, "a transaction could not be undone");
    }
}

fn settle(jobs: Vec<Box<dyn Job>>, committed: Result<(), &StoreError>) {
    for job in jobs {
        job.settle(committed.map_err(Clone::clone));
    }
}

fn run_as(session: &dyn Session, sql: &str, doing: &'static str) -> Result<(), StoreError> {
    session.run(sql).map_err(StoreError::during(doing))
}
