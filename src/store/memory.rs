//! A store without a disk: for the simulation, for tests, and while the disk can't be used at all.

use super::{AgentState, Event, Roster, RosterChange, Store, StoreError, StoredEvent};
use crate::usage::{DAYS_KEPT, DayPeak};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: AgentState,
    events: Vec<StoredEvent>,
    roster: Roster,
    peaks: BTreeMap<(Date, String), DayPeak>,
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

    fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError> {
        for peak in peaks {
            let held = self.peaks.entry((peak.day, peak.name.clone()));
            let held = held.or_insert_with(|| peak.clone());
            if held.peak < peak.peak {
                held.clone_from(peak);
            }
        }
        let mut days: Vec<Date> = self.peaks.keys().map(|(day, _)| *day).collect();
        days.dedup();
        if let Some(oldest) = days.iter().rev().nth(DAYS_KEPT as usize - 1) {
            self.peaks.retain(|(day, _), _| day >= oldest);
        }
        Ok(())
    }

    fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError> {
        let within = |peak: &&DayPeak| (from..=to).contains(&peak.day);
        Ok(self.peaks.values().filter(within).cloned().collect())
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.events.iter().rev().take(limit).cloned().collect())
    }
}
