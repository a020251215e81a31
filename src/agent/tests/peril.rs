//! Where an agent dies. A death unwinds from within the agent's own task, so nothing that it would have done next is done:
//! as exact as a power cut, at any await, before or after any commit, on either side of the portal's answer.

use crate::{
    agent::Clock,
    entitlement::Reading,
    store::{AgentState, Event, Roster, RosterChange, Store, StoreError, StoredEvent},
    usage::DayPeak,
};
use jiff::civil::Date;
use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex},
};

/// A place in the agent's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It looks at the clock: between any two awaits, and in the middle of what it does between them. Awaits themselves can't be
    /// counted: how often a task is woken for a survey in another thread is no matter of a seed.
    AtTheClock,
    /// A change is made in memory, and nothing of it is stored.
    BeforeCommit,
    /// A change is stored, and nobody was told.
    AfterCommit,
    /// A request is stored, and did not go out.
    BeforeSending,
    /// The portal has stored its answer, which did not come through.
    AfterPortal,
    /// The answer arrived, and was not looked at.
    BeforeReceipt,
}

impl Place {
    pub(super) const ALL: [Self; 6] = [
        Self::AtTheClock,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeSending,
        Self::AfterPortal,
        Self::BeforeReceipt,
    ];
}

/// Where the next death is, if there is one: at a place, after it was passed so many times.
#[derive(Default)]
pub(super) struct Peril(Mutex<Option<(Place, u64)>>);

impl Peril {
    pub(super) fn await_at(&self, place: Place, after: u64) {
        *self.0.lock().unwrap() = Some((place, after));
    }

    pub(super) fn avert(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// The agent is at a place, alive or not any more.
    pub(super) fn pass(&self, place: Place) {
        let mut next = self.0.lock().unwrap();
        match &mut *next {
            Some((awaited, left)) if *awaited == place && *left > 0 => *left -= 1,
            Some((awaited, _)) if *awaited == place => {
                *next = None;
                drop(next);
                // No panic: no hook runs, nothing is printed, no lock is poisoned.
                resume_unwind(Box::new("died"));
            }
            _ => {}
        }
    }
}

/// A clock that is in peril whenever it is looked at, which the agent does before, within and after all that it does.
pub(super) struct PerilousClock {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) peril: Arc<Peril>,
}

impl Clock for PerilousClock {
    fn read(&self) -> Reading {
        self.peril.pass(Place::AtTheClock);
        self.clock.read()
    }
}

/// A store that is in peril before and after each commit. A commit itself is whole or nothing: that of the real one is
/// SQLite's matter, and `store::tests::accidents` tries it.
pub(super) struct PerilousStore<S> {
    pub(super) store: S,
    pub(super) peril: Arc<Peril>,
}

impl<S: Store> Store for PerilousStore<S> {
    fn load(&mut self) -> Result<AgentState, StoreError> {
        self.store.load()
    }

    fn roster(&mut self) -> Result<Roster, StoreError> {
        self.store.roster()
    }

    fn commit_with(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<(), StoreError> {
        self.peril.pass(Place::BeforeCommit);
        let committed = self.store.commit_with(state, events, changes);
        self.peril.pass(Place::AfterCommit);
        committed
    }

    fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError> {
        self.store.keep_peaks(peaks)
    }

    fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError> {
        self.store.peaks(from, to)
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.store.events(limit)
    }

    fn complaint(&self) -> Option<String> {
        self.store.complaint()
    }
}
