//! The state in memory, with a store behind it that may fail.

use super::{AgentState, Event, Roster, RosterChange, Store, StoreError, StoredEvent};
use crate::{license::RequestId, usage::DayPeak};
use jiff::civil::Date;

/// Entries kept for a store that can't take them yet; the oldest go first.
const WAITING: usize = 1_000;

/// Holds the state and commits each change of it. Where the store fails, the change stands in memory and waits.
pub struct Keeper {
    state: AgentState,
    store: Box<dyn Store>,
    waiting: Vec<Event>,
    roster: Roster,
    /// Changes of the roster that belong to the waiting entries.
    changes: Vec<RosterChange>,
    /// What the last commit failed of.
    failed: Option<String>,
    /// The reserve of request ids as it is stored.
    reserve: Vec<RequestId>,
    /// Those of them that this process has used.
    drawn: Vec<RequestId>,
    /// The same of reserves before this one: what bears such an id may wait to be sent yet.
    drawn_before: Vec<RequestId>,
}

impl Keeper {
    /// Loads the state.
    ///
    /// # Errors
    /// What the store says.
    pub fn load(mut store: Box<dyn Store>) -> Result<Self, StoreError> {
        let mut state = store.load()?;
        state.chain.reserve.inherit();
        let reserve = state.chain.reserve.ids().to_vec();
        // A roster that can't be read costs names: members show certificates, which are taken for what they are.
        let roster = store.roster().unwrap_or_else(|error| {
            tracing::error!(%error, "what is known of the members can't be read");
            Roster::default()
        });
        let (waiting, changes) = (Vec::new(), Vec::new());
        let (drawn, drawn_before) = (Vec::new(), Vec::new());
        Ok(Self {
            state,
            store,
            waiting,
            roster,
            changes,
            failed: None,
            reserve,
            drawn,
            drawn_before,
        })
    }

    /// The state.
    pub const fn state(&self) -> &AgentState {
        &self.state
    }

    /// Why the store could not take the last change whole, if it could not.
    pub fn failure(&self) -> Option<String> {
        self.failed.clone().or_else(|| self.store.complaint())
    }

    /// Puts `state` in the place of the current one, with the audit entries that belong to it, in one transaction.
    /// True where it is stored; otherwise it stands in memory until [`retry`](Self::retry) stores it.
    pub fn commit(&mut self, state: AgentState, events: impl IntoIterator<Item = Event>) -> bool {
        self.commit_with(state, events, [])
    }

    /// What is known of the environment's members.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The same with changes of the roster.
    pub fn commit_with(
        &mut self,
        state: AgentState,
        events: impl IntoIterator<Item = Event>,
        changes: impl IntoIterator<Item = RosterChange>,
    ) -> bool {
        for change in changes {
            self.roster.apply(change.clone());
            self.changes.push(change);
        }
        let revision = self.state.revision + 1;
        self.state = AgentState { revision, ..state };
        self.waiting.extend(events);
        let excess = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..excess);
        self.store_now()
    }

    /// The same, where it can be stored; otherwise nothing changes.
    pub fn commit_if_stored(&mut self, state: AgentState, event: Event) -> bool {
        let before = self.state.clone();
        let stored = self.commit(state, [event]);
        if !stored {
            // The copy beside the database may have it: the revision never falls.
            self.state = AgentState { revision: self.state.revision, ..before };
            self.waiting.pop();
        }
        stored
    }

    /// An id for a request that can't be stored, which the next process knows: one of the stored reserve that was not drawn
    /// yet. Which one is chance (`chance` says), for an earlier process may have drawn as well.
    pub fn draw(&mut self, chance: u128) -> Option<RequestId> {
        let left = || self.reserve.iter().filter(|id| !self.drawn.contains(id));
        let count = u128::try_from(left().count()).ok().filter(|count| *count > 0)?;
        let id = left().nth(usize::try_from(chance % count).ok()?).copied()?;
        self.drawn.push(id);
        Some(id)
    }

    /// Whether that id was drawn from the reserve, and may have been used by an earlier process.
    pub fn has_drawn(&self, id: RequestId) -> bool {
        self.drawn.contains(&id) || self.drawn_before.contains(&id)
    }

    /// Tries again to store what waits; true where nothing waits any more.
    pub fn retry(&mut self) -> bool {
        self.failure().is_none() || self.store_now()
    }

    /// What the store had to mend since it was opened, told once.
    pub fn recovered(&mut self) -> Option<String> {
        self.store.recovered()
    }

    /// The newest audit entries, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.store.events(limit)
    }

    /// Stores the peaks of usage.
    ///
    /// # Errors
    /// What the store says; they are to be stored again later then.
    pub fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError> {
        self.store.keep_peaks(peaks)
    }

    /// The stored peaks of those days.
    ///
    /// # Errors
    /// What the store says.
    pub fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError> {
        self.store.peaks(from, to)
    }

    fn store_now(&mut self) -> bool {
        match self.store.commit_with(&self.state, &self.waiting, &self.changes) {
            Ok(()) => {
                self.waiting.clear();
                self.changes.clear();
                if self.reserve != self.state.chain.reserve.ids() {
                    self.reserve = self.state.chain.reserve.ids().to_vec();
                    // Of the last reserve alone: what came before that was answered, or given up.
                    if !self.drawn.is_empty() {
                        self.drawn_before = std::mem::take(&mut self.drawn);
                    }
                }
                if self.failed.take().is_some() {
                    tracing::info!("the state is stored again");
                }
                true
            }
            Err(error) => {
                let message = error.to_string();
                if self.failed.as_ref() != Some(&message) {
                    tracing::error!(%error, "the state could not be stored; it is kept in memory");
                }
                self.failed = Some(message);
                false
            }
        }
    }
}
