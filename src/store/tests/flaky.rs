//! A store that can be told to fail, and that outlives whoever works with it.

use crate::{store::*, usage::DayPeak};
use jiff::civil::Date;
use std::sync::{Arc, Mutex, MutexGuard};

/// Shared by its clones.
#[derive(Clone, Default)]
pub(crate) struct FlakyStore(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    fails: bool,
    complains: bool,
    commits: u32,
}

impl FlakyStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Takes no commits from now on, or takes them again.
    pub(crate) fn fail(&self, fails: bool) {
        self.inner().fails = fails;
    }

    /// Takes commits and complains.
    pub(crate) fn complain(&self, complains: bool) {
        self.inner().complains = complains;
    }

    /// Tries to commit so far.
    pub(crate) fn commits(&self) -> u32 {
        self.inner().commits
    }

    /// All that is stored, to be put back.
    pub(crate) fn snapshot(&self) -> MemoryStore {
        self.inner().store.clone()
    }

    /// Puts that in the place of what is stored.
    pub(crate) fn restore(&self, snapshot: MemoryStore) {
        self.inner().store = snapshot;
    }

    /// What is stored.
    pub(crate) fn state(&self) -> AgentState {
        self.inner().store.load().unwrap()
    }
}

impl Store for FlakyStore {
    fn load(&mut self) -> Result<AgentState, StoreError> {
        self.inner().store.load()
    }

    fn roster(&mut self) -> Result<Roster, StoreError> {
        self.inner().store.roster()
    }

    fn commit_with(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.commits += 1;
        if inner.fails {
            return Err(full());
        }
        inner.store.commit_with(state, events, changes)
    }

    fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner.fails {
            return Err(full());
        }
        inner.store.keep_peaks(peaks)
    }

    fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError> {
        self.inner().store.peaks(from, to)
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.inner().store.events(limit)
    }

    fn complaint(&self) -> Option<String> {
        self.inner().complains.then(|| "the copy is old".to_owned())
    }
}

fn full() -> StoreError {
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    StoreError::File { operation: "write", path: "disk".into(), source }
}
