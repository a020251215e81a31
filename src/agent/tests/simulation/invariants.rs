//! What may never happen, each by its name. All are looked for after each step, and those of the store after each death too.

use super::{
    life::Life,
    model::{Expected, expected},
};
use crate::{
    entitlement::State,
    store::{AgentState, StoredEvent},
};
use jiff::{SignedDuration, Timestamp};

/// What must not fall.
#[derive(Default)]
pub(super) struct Highest {
    generation: u64,
    sequence: u64,
    trust: u64,
    proven: Option<Timestamp>,
    entries: usize,
}

impl Life {
    pub(super) fn check(&mut self) {
        let truth = self.stage.world.truth();
        let observed = self.stage.state().time.observed;
        self.hardware.look(truth, observed > Some(truth));
        self.only_a_signed_word_the_calendar_and_lasting_evidence_change_entitlement();
        self.the_license_is_not_lost();
        self.nothing_falls();
        self.a_change_and_its_audit_entry_are_stored_together();
        self.an_honest_accident_is_no_fork();
    }

    fn only_a_signed_word_the_calendar_and_lasting_evidence_change_entitlement(&mut self) {
        let status = self.stage.status();
        assert_eq!(status.entitled, status.state.entitled());
        self.tally.count(&format!("state {}", status.state));
        for condition in &status.conditions {
            self.tally.count(&format!("condition {}", condition.kind.as_str()));
        }
        assert_ne!(status.state, State::Invalid, "{status:?}");
        if self.disk_fails {
            // What is stored is not what is held: the next check without this accident will tell.
            return;
        }
        match expected(&self.stage, &self.hardware) {
            Expected::Exactly(state) => {
                self.tally.count("expectation exact");
                assert_eq!(status.state, state, "{status:#?}\n{:?}", self.hardware);
            }
            Expected::NotEntitled => assert!(!status.entitled, "{status:#?}"),
            Expected::Anything => self.tally.count("expectation too near"),
        }
    }

    fn the_license_is_not_lost(&self) {
        let status = self.stage.status();
        // A revoked key, where nothing was entitled and nothing is issued that would take its place: nothing is lost by that.
        let was_over = self.is_term_over() || self.is_revoked();
        // While the disk fails, the trust document that says so stands in memory alone.
        let is_disbelieved =
            self.disk_fails || expected(&self.stage, &self.hardware) == Expected::NotEntitled;
        let is_over = was_over && is_disbelieved;
        let may_be_gone = self.may_be_released || self.state_was_lost || is_over;
        assert!(status.license.is_some() || may_be_gone, "{status:#?}");
    }

    fn nothing_falls(&mut self) {
        let (status, state) = (self.stage.status(), self.stage.state());
        let entries = self.stage.events().len();
        let sequence = state.highest_sequence().map_or(0, |highest| highest.0);
        let trust = self.stage.handle().current().unwrap().license.as_ref().map_or(0, |license| {
            let trust = crate::license::Unverified::parse(&license.trust).unwrap();
            trust.peek::<crate::license::TrustClaims>().unwrap().version
        });
        let highest = &self.highest;
        assert!(status.generation >= highest.generation, "an older generation");
        assert!(sequence >= highest.sequence, "an older sequence");
        assert!(trust >= highest.trust || trust == 0, "an older trust document");
        assert!(state.time.proven >= highest.proven, "proven time fell");
        assert!(entries >= highest.entries, "the audit shrank");
        let signed = self.stage.world.truth() + SignedDuration::from_secs(1);
        assert!(state.time.proven <= Some(signed), "a time is proven that has not come");
        self.highest = Highest {
            generation: status.generation,
            sequence,
            trust: trust.max(highest.trust),
            proven: state.time.proven,
            entries,
        };
    }

    /// Also of a store that nobody has open: what a death left behind.
    pub(super) fn a_change_and_its_audit_entry_are_stored_together(&self) {
        let (state, events) = (self.stage.state(), self.stage.events());
        let last = |action: &str| events.iter().rev().find(|event| event.action == action);
        let generation =
            last("status-changed").map_or(0, |event| number(&event.detail, "generation "));
        assert_eq!(state.status.generation, generation, "the status and its entry");
        let answered = last("answered").map(|event| word(&event.detail, "request "));
        let previous = state.chain.previous.map(|id| id.to_string());
        assert_eq!(previous, answered, "the place in the chain and its entry");
        assert_unsettled_were_requested(&state, &events);
        let closing = ["license-installed", "released", "revoked"];
        let document = events.iter().rev().find(|event| closing.contains(&event.action.as_str()));
        let floor = document.map(|event| number(&event.detail, "sequence "));
        assert_eq!(state.highest_sequence().map(|highest| highest.0), floor, "{document:?}");
        match document.map(|event| event.action.as_str()) {
            Some("license-installed") => assert!(state.license.is_some(), "{document:?}"),
            Some("revoked") => assert!(state.revocation.is_some(), "{document:?}"),
            _ => assert!(state.license.is_none(), "{document:?}"),
        }
    }

    fn an_honest_accident_is_no_fork(&self) {
        let forked = self.stage.environment().chain.is_forked();
        assert!(!forked || self.may_be_forked, "a fork without a copy");
    }

    /// A dead agent's life goes on in another store, or in what an older one had: less may be known from now on.
    pub(super) fn expect_anew(&mut self) {
        self.highest = Highest::default();
    }
}

fn assert_unsettled_were_requested(state: &AgentState, events: &[StoredEvent]) {
    let requested: Vec<String> = events
        .iter()
        .filter(|event| event.action == "requested")
        .map(|event| event.detail.split([' ', ',']).nth(1).unwrap().to_owned())
        .collect();
    let open: Vec<String> = state.chain.unsettled.iter().map(ToString::to_string).collect();
    let newest = &requested[requested.len().saturating_sub(open.len())..];
    assert_eq!(open, newest, "the open requests and their entries");
    if let Some(pending) = &state.chain.pending {
        assert_eq!(Some(&pending.id.to_string()), open.last(), "what is sent is the newest");
    }
}

/// The word after `before`.
fn word(detail: &str, before: &str) -> String {
    let rest = detail.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {detail:?}")).1;
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn number(detail: &str, before: &str) -> u64 {
    word(detail, before)
        .parse()
        .unwrap_or_else(|_| panic!("no number after {before:?} in {detail:?}"))
}
