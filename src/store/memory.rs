//! A store without a disk: for the simulation, for tests, and while the disk can't be used at all.

use super::{AgentState, Event, Roster, RosterChange, Store, StoreError, StoredEvent};

/// Keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: AgentState,
    events: Vec<StoredEvent>,
    roster: Roster,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<AgentState, StoreError> {
        Ok(self.state.clone())
    }

    fn roster(&mut self) -> Result<Roster, StoreError> {
        Ok(self.roster.clone())
    }

    fn commit_with(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<(), StoreError> {
        self.state = state.clone();
        changes.iter().cloned().for_each(|change| self.roster.apply(change));
        self.state.chain.reserve.leave();
        for event in events {
            let id = i64::try_from(self.events.len()).unwrap_or(i64::MAX) + 1;
            self.events.push(event.clone().stored(id));
        }
        Ok(())
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.events.iter().rev().take(limit).cloned().collect())
    }
}
