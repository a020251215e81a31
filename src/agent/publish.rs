//! Judges, stores and publishes: the one way by which anything changes.

use super::Agent;
use crate::{
    api::{Published, PublishedLicense},
    entitlement::{
        ConditionType, EffectiveTime, Evaluation, Finding, Inputs, Reading, State, Status,
        TimeMark, evaluate, merge,
    },
    license::{Fork, ForkState, RequestKind},
    store::{Action, AgentState, Event, PendingLicense, RosterChange, StatusMark},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

impl Agent {
    /// Takes note of the clocks and says which time it is, in whole seconds as documents have it.
    pub(super) fn now(&mut self) -> Timestamp {
        in_seconds(self.time.read(self.parts.clock.read()))
    }

    pub(super) fn uptime(&self) -> Duration {
        self.parts.clock.read().uptime
    }

    /// The state, to be changed and given to [`conclude`](Self::conclude).
    pub(super) fn draft(&self) -> AgentState {
        self.parts.keeper.state().clone()
    }

    /// An audit entry of the agent's own.
    pub(super) fn event(&mut self, action: Action, detail: impl Into<String>) -> Event {
        self.event_by("agent", action, detail)
    }

    /// An audit entry.
    pub(super) fn event_by(
        &mut self,
        actor: &str,
        action: Action,
        detail: impl Into<String>,
    ) -> Event {
        Event { at: self.now(), actor: actor.to_owned(), action, detail: detail.into() }
    }

    /// Puts `state` in the place of the current one: the status that follows from it is made, both are stored with
    /// their audit entries in one transaction, and the status is published. Returns the time of the next change that
    /// the calendar brings.
    pub(super) fn conclude(&mut self, state: AgentState, events: Vec<Event>) -> Option<Timestamp> {
        self.conclude_with(state, events, Vec::new())
    }

    /// The same with changes of the members' roster.
    pub(super) fn conclude_with(
        &mut self,
        mut state: AgentState,
        mut events: Vec<Event>,
        changes: Vec<RosterChange>,
    ) -> Option<Timestamp> {
        let now = self.now();
        events.iter().for_each(note);
        state.time = self.time.mark();
        let (status, evaluation) = self.judge(&mut state, now, &mut events);
        self.cross(&status, now, &mut events);
        let time_moved = moved(self.parts.keeper.state().time, state.time);
        let same = AgentState { time: self.parts.keeper.state().time, ..state.clone() };
        let failed_before = self.parts.keeper.failure().is_some();
        let changes_roster = !changes.is_empty();
        if !events.is_empty() || changes_roster || time_moved || same != *self.parts.keeper.state()
        {
            self.parts.keeper.commit_with(state, events, changes);
        }
        self.tell_usage(&status, now);
        self.publish(status);
        self.tell_members(now);
        self.look_for_successor(now);
        if self.parts.keeper.failure().is_some() != failed_before {
            // The store's own trouble is part of the status: once more, with it.
            let state = self.draft();
            return self.conclude(state, Vec::new());
        }
        evaluation.next_change
    }

    /// The status that follows from `state`; its mark and, where it changed, an audit entry are added.
    fn judge(
        &mut self,
        state: &mut AgentState,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> (Status, Evaluation) {
        let uptime = self.uptime();
        let usage = self.usage.totals(uptime);
        let evaluation = evaluate(&Inputs {
            held: self.holdings.held(),
            serial_number: state.enrolled.as_ref().map(|enrolled| enrolled.serial_number),
            environment_key: &self.parts.key.thumbprint(),
            hardware: state.hardware,
            last_contact: heard(state),
            usage: &usage,
            now,
        });
        let mut findings = evaluation.findings.clone();
        findings.extend(self.own_findings());
        findings.extend(state.fork.map(fork_finding));
        // Of one kind the first counts: what was issued is nearer than what is asked for.
        findings.extend(state.pending_license.as_ref().map(pending_finding));
        findings.extend(self.awaited_finding(state));
        let mut status = self.status(state, &evaluation, now);
        status.conditions = merge(&state.status.conditions, findings, now);
        let digest = digest(&status);
        let before = &state.status;
        if digest != before.digest {
            let changed = before.state != Some(status.state);
            status.generation = before.generation + 1;
            status.since = before.since.filter(|_| !changed).unwrap_or(now);
            events.push(Event {
                at: now,
                actor: "agent".to_owned(),
                action: Action::StatusChanged,
                detail: describe(before, &status),
            });
            state.status = StatusMark {
                generation: status.generation,
                state: Some(status.state),
                since: Some(status.since),
                conditions: status.conditions.clone(),
                digest,
            };
        }
        (status, evaluation)
    }

    /// Conditions that the evaluation does not know of.
    fn own_findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let reading = self.parts.clock.read();
        findings.extend(clock_finding(&self.time, reading));
        // One that was set back since says less than it did.
        if self.asked_ahead.is_some_and(|asked_at| reading.clock >= asked_at) {
            findings.push(ahead_finding());
        }
        if let Some(reason) = &self.unreachable {
            let kind = ConditionType::PortalUnreachable;
            findings.push(Finding::new(kind, "ExchangeFailed", reason.clone()));
        }
        if let Some(failure) = self.parts.keeper.failure() {
            findings.push(Finding::new(ConditionType::StoreDegraded, "NotStored", failure));
        }
        if let Some(trouble) = &self.key_trouble {
            let message = format!(
                "the file of the new environment key could not be put in its place; it is tried again: {trouble}"
            );
            findings.push(Finding::new(ConditionType::StoreDegraded, "KeyNotReplaced", message));
        }
        // After the others: of one kind the first counts, and what fails now is more than what was mended.
        findings.extend(self.parts.standing.iter().cloned());
        findings
    }

    /// That a license was asked for which has not come.
    fn awaited_finding(&self, state: &AgentState) -> Option<Finding> {
        let (reason, message) = if state.rebind_waits {
            let message = "the vendor was asked to bind this key and has not approved it yet; it is asked again every hour, by itself";
            ("AwaitsApproval", message.to_owned())
        } else {
            let (pending, _) = state.chain.to_send().zip(self.unreachable.as_ref())?;
            if !matches!(
                pending.kind,
                RequestKind::Activate | RequestKind::Rebind | RequestKind::Move
            ) {
                return None;
            }
            let message = format!(
                "a request to {} was made at {} and is kept: it is sent again, by itself, until the portal answers",
                pending.kind.as_str(),
                in_seconds(pending.made_at)
            );
            ("Requested", message)
        };
        Some(Finding::new(ConditionType::LicensePending, reason, message))
    }

    fn publish(&self, status: Status) {
        let json = match serde_json::to_vec(&status) {
            Ok(json) => Bytes::from(json),
            Err(error) => {
                tracing::error!(%error, "the status can't be written as JSON; the last one stays");
                return;
            }
        };
        let license = (self.holdings.license.as_ref())
            .zip(self.holdings.trust.as_ref())
            .filter(|_| status.license.is_some())
            .map(|(license, trust)| PublishedLicense {
                claims: license.claims().clone(),
                text: license.text().to_owned(),
                trust: trust.text().to_owned(),
                revocation: self.parts.keeper.state().revocation.clone(),
            });
        self.parts.metrics.show(&status);
        let hardware = self.report.clone();
        let statement = self.statement(&status, license.as_ref());
        let next = Published { status, json, license, statement, hardware };
        self.published.send_if_modified(|published| {
            let unchanged = published.as_ref().is_some_and(|p| {
                p.json == next.json && p.license == next.license && p.hardware == next.hardware
            });
            if unchanged {
                return false;
            }
            let message = &next.status.message;
            if published.as_ref().is_none_or(|p| p.status.generation != next.status.generation) {
                let Status { state, entitled, generation, .. } = &next.status;
                tracing::info!(%state, entitled, generation, "the status is {state}");
            }
            match published.as_ref() {
                // Whoever waits for readiness asks for the status next, whatever it says.
                None => self.parts.service_manager.ready(message),
                Some(p) if p.status.message != *message => {
                    self.parts.service_manager.status(message);
                }
                Some(_) => {}
            }
            *published = Some(Arc::new(next));
            true
        });
    }
}

/// When the portal last spoke. An agent before this one may have stored a time that its clock was ahead by.
pub(super) fn heard(state: &AgentState) -> Option<Timestamp> {
    let proven = state.time.proven;
    state.last_contact.map(|contact| proven.map_or(contact, |proven| contact.min(proven)))
}

/// Logs an audit entry.
pub(super) fn note(Event { actor, action, detail, .. }: &Event) {
    tracing::info!(%actor, %action, "{detail}");
}

/// Whole seconds, as documents have them.
pub(super) fn in_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// That the clock of this machine is behind what is known to have passed.
pub(super) fn clock_finding(time: &EffectiveTime, reading: Reading) -> Option<Finding> {
    let behind = time.behind(reading)?;
    // Not by how much: that changes with every look, and each change of a message is a new generation.
    let known = in_seconds(reading.clock.checked_add(behind).unwrap_or(Timestamp::MAX));
    let message = format!(
        "the clock of this machine is more than an hour behind {known}, which is known to have passed: set it, `timedatectl` shows it"
    );
    Some(Finding::new(ConditionType::ClockSkewed, "Behind", message))
}

/// That the clock of this machine is ahead of the portal's.
fn ahead_finding() -> Finding {
    let message = "the clock of this machine was more than an hour ahead of the portal's when it last asked: a term that it calls over may have long to run; set it, `timedatectl` shows it, then `entitlectl refresh`";
    Finding::new(ConditionType::ClockSkewed, "Ahead", message)
}

/// That the portal saw two machines, or two times of one machine, go on from one request.
fn fork_finding(fork: Fork) -> Finding {
    let since = fork.since;
    let (reason, message) = match fork.state {
        ForkState::Open => (
            "Fork",
            format!(
                "the portal sees two branches of this environment since {since}: a restored snapshot (then this ends by itself after 14 days) or a copy of this machine; both keep their license, and nothing newer is issued until the survivor is named on the portal (`entitle-portal environment forks ID`, then `environment survivor`)"
            ),
        ),
        ForkState::Survivor => (
            "Survivor",
            format!(
                "the environment forked at {since}, and this machine was named its survivor: it makes a new key and has the portal bind it, by itself (by courier: `entitlectl request rebind`); the other machine is told then that its key is retired"
            ),
        ),
        ForkState::Superseded => (
            "Superseded",
            format!(
                "the environment forked at {since}, and another machine was named its survivor: this one is retired as soon as that has its new key; shut a copy down, or give up with `entitlectl release`"
            ),
        ),
    };
    Finding::new(ConditionType::CloneSuspected, reason, message)
}

/// That the portal has issued what is not installed here.
fn pending_finding(pending: &PendingLicense) -> Finding {
    let sequence = pending.sequence;
    let (reason, message) = match &pending.refused {
        Some(why) => (
            "Refused",
            format!(
                "the portal issued license sequence {sequence}, which was refused here ({why}): `entitlectl events` tells what was expected and found"
            ),
        ),
        None => (
            "Issued",
            format!(
                "the portal issued license sequence {sequence}, which is not installed here: `entitlectl refresh`, or install its answer where a courier has it"
            ),
        ),
    };
    Finding::new(ConditionType::LicensePending, reason, message)
}

/// A digest of what a change of makes a new generation: everything but what is known of the last and the
/// next contact, and how far each gauge stands.
pub(super) fn digest(status: &Status) -> String {
    let mut lasting = status.clone();
    lasting.generation = 0;
    lasting.since = Timestamp::UNIX_EPOCH;
    // A restart knows less of the portal for a while and changes nothing; PortalUnreachable tells what matters.
    lasting.upstream.reachable = None;
    lasting.upstream.last_contact = None;
    lasting.upstream.next_refresh = None;
    // A gauge moves all the time; that it comes near its limit is the change.
    for limit in lasting.limits.values_mut() {
        limit.used = None;
    }
    let json = serde_json::to_vec(&lasting).unwrap_or_default();
    let digest = Sha256::digest(json);
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    format!("{:032x}", u128::from_be_bytes(half))
}

pub(super) fn describe(before: &StatusMark, after: &Status) -> String {
    let from = before.state.map_or("nothing", State::as_str);
    let conditions: Vec<_> = after.conditions.iter().map(|c| c.kind.as_str()).collect();
    let with =
        if conditions.is_empty() { "no conditions".to_owned() } else { conditions.join(", ") };
    format!("generation {}: {from} to {}, with {with}", after.generation, after.state)
}

/// Whether the mark of time moved far enough to be worth a write of its own.
pub(super) fn moved(stored: TimeMark, current: TimeMark) -> bool {
    let far = |stored: Option<Timestamp>, current: Option<Timestamp>| match (stored, current) {
        (Some(stored), Some(current)) => {
            stored.duration_since(current).abs() >= SignedDuration::from_hours(1)
        }
        (stored, current) => stored != current,
    };
    stored.proven != current.proven || far(stored.observed, current.observed)
}
