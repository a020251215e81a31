//! Judges by what the controller stated, stores and publishes: the one way by which anything changes on a member.

use super::MemberAgent;
use crate::{
    agent::publish::{clock_finding, describe, digest, in_seconds, moved},
    api::{Published, PublishedLicense},
    entitlement::{
        Condition, ConditionType, EnvironmentStatus, Evaluation, Finding, HardwareStanding, Held,
        Inputs, Lease, LicenseSource, LicenseStatus, Reason, Role, State, Status, UpstreamStatus,
        evaluate, merge, within_lease,
    },
    license::LicenseClaims,
    members::Accepted,
    store::{Action, AgentState, Event, StatusMark},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// How far the lease moves before that is worth a write of its own.
const LEASE_STEP: SignedDuration = SignedDuration::from_hours(6);
/// What the controller knows of the environment, and a member passes on.
const PASSED_ON: [ConditionType; 4] = [
    ConditionType::PortalUnreachable,
    ConditionType::LicensePending,
    ConditionType::CloneSuspected,
    ConditionType::CheckInOverdue,
];

impl MemberAgent {
    pub(super) fn now(&mut self) -> Timestamp {
        in_seconds(self.time.read(self.parts.clock.read()))
    }

    pub(super) fn draft(&self) -> AgentState {
        self.parts.keeper.state().clone()
    }

    /// Puts `state` in the place of the current one, with the status that follows from it and their audit entries in one
    /// transaction, and publishes. Returns the time of the next change that the calendar brings.
    pub(super) fn conclude(
        &mut self,
        mut state: AgentState,
        mut events: Vec<Event>,
    ) -> Option<Timestamp> {
        let now = self.now();
        for Event { actor, action, detail, .. } in &events {
            tracing::info!(%actor, %action, "{detail}");
        }
        state.time = self.time.mark();
        self.lease = self.lease.map(|lease| lease.at(now));
        if let Some(membership) = &mut state.membership
            && far(membership.lease, self.lease)
        {
            membership.lease = self.lease;
        }
        let (status, next_change) = self.judge(&mut state, now, &mut events);
        let current = self.parts.keeper.state();
        let time_moved = moved(current.time, state.time);
        let same = AgentState { time: current.time, ..state.clone() };
        let failed_before = self.parts.keeper.failure().is_some();
        if !events.is_empty() || time_moved || same != *self.parts.keeper.state() {
            self.parts.keeper.commit(state, events);
        }
        self.publish(status);
        if self.parts.keeper.failure().is_some() != failed_before {
            // The store's own trouble is part of the status: once more, with it.
            let state = self.draft();
            return self.conclude(state, Vec::new());
        }
        next_change
    }

    fn judge(
        &mut self,
        state: &mut AgentState,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> (Status, Option<Timestamp>) {
        let evaluation = match (self.shown(), self.lease) {
            (Some(held), Some(lease)) => {
                Some(within_lease(verdict(held, self.usage.used(), now), lease, now))
            }
            (Some(held), None) => Some(verdict(held, self.usage.used(), now)),
            (None, _) => None,
        };
        let mut findings = self.own_findings();
        findings.extend(evaluation.iter().flat_map(|evaluation| evaluation.findings.clone()));
        let mut status = self.status(state, evaluation.as_ref(), now);
        status.conditions = merge(&state.status.conditions, findings, now);
        self.pass_on(&mut status.conditions);
        let digest = digest(&status);
        let before = &state.status;
        if digest != before.digest {
            let changed = before.state != Some(status.state);
            // As the controller counts, where nothing of this server's own came between.
            let stated = self.held.as_ref().map_or(0, Accepted::generation);
            status.generation = (before.generation + 1).max(stated);
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
        (status, evaluation.and_then(|evaluation| evaluation.next_change))
    }

    fn own_findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(clock_finding(&self.time, self.parts.clock.read()));
        if let Some(expelled) = &self.expelled {
            let kind = ConditionType::LeaseAging;
            findings.push(Finding::new(kind, "Expelled", expelled.clone()));
        }
        if let Some(failure) = self.parts.keeper.failure() {
            findings.push(Finding::new(ConditionType::StoreDegraded, "NotStored", failure));
        }
        findings.extend(self.parts.standing.iter().cloned());
        findings
    }

    /// What the controller knows of the environment is true here as well.
    fn pass_on(&self, conditions: &mut Vec<Condition>) {
        let Some(held) = self.shown() else { return };
        let told = held.status.conditions.iter().filter(|told| PASSED_ON.contains(&told.kind));
        for told in told {
            if !conditions.iter().any(|condition| condition.kind == told.kind) {
                conditions.push(told.clone());
            }
        }
        conditions.sort_by_key(|condition| condition.kind);
    }

    fn status(
        &self,
        state: &AgentState,
        evaluation: Option<&Evaluation>,
        now: Timestamp,
    ) -> Status {
        let held = self.shown();
        let claims = held.map(|held| held.license().claims());
        let (found, reason, message) = match evaluation {
            Some(evaluation) => (evaluation.state, evaluation.reason, evaluation.message.clone()),
            None if state.membership.is_some() => {
                let message = "this server has joined, and its controller has stated no license yet: `entitlectl status` there says why";
                (State::Unlicensed, Reason::NotActivated, message.to_owned())
            }
            None => {
                let message = "this server has not joined its environment: `entitlectl join ADDRESS` with a token from the controller (`entitlectl member token` there)";
                (State::Unlicensed, Reason::NotJoined, message.to_owned())
            }
        };
        Status {
            serial_number: held.map(|held| held.statement.claims().iss),
            role: Role::Member,
            state: found,
            entitled: found.entitled(),
            reason,
            message,
            generation: state.status.generation,
            since: state.status.since.unwrap_or(now),
            environment: claims.map(|claims| EnvironmentStatus {
                id: claims.environment.id,
                name: claims.environment.name.clone(),
                purpose: claims.environment.purpose,
            }),
            license: claims.map(|claims| self.license_status(claims, evaluation)),
            features: claims.map(|claims| claims.features.clone()).unwrap_or_default(),
            limits: evaluation.map(|evaluation| evaluation.limits.clone()).unwrap_or_default(),
            conditions: Vec::new(),
            upstream: self.upstream_status(state),
            hardware: held.and_then(|held| held.status.hardware.clone()),
        }
    }

    fn license_status(
        &self,
        claims: &LicenseClaims,
        evaluation: Option<&Evaluation>,
    ) -> LicenseStatus {
        let subscription = &claims.subscription;
        let told = self.shown().and_then(|held| held.status.license.as_ref());
        LicenseStatus {
            id: claims.jti,
            sequence: claims.seq,
            subscription_id: subscription.id,
            edition: subscription.edition.clone(),
            support_level: subscription.support_level.clone(),
            trial: subscription.trial,
            activation_code: told.and_then(|told| told.activation_code.clone()),
            issued_at: claims.iat,
            starts_at: subscription.starts_at,
            ends_at: subscription.ends_at,
            grace_ends_at: claims.exp,
            days_left: evaluation.and_then(|evaluation| evaluation.days_left).unwrap_or_default(),
            source: LicenseSource::Controller,
        }
    }

    fn upstream_status(&self, state: &AgentState) -> UpstreamStatus {
        let joined = state.membership.as_ref().map(|membership| &membership.controllers[..]);
        let first = || self.controllers(joined.unwrap_or_default()).into_iter().next();
        UpstreamStatus {
            kind: "controller".to_owned(),
            url: self.controller.clone().or_else(first),
            reachable: self.reachable,
            last_contact: self.lease.map(|lease| lease.received_at),
            next_refresh: None,
        }
    }

    fn publish(&self, status: Status) {
        let json = match serde_json::to_vec(&status) {
            Ok(json) => Bytes::from(json),
            Err(error) => {
                tracing::error!(%error, "the status can't be written as JSON; the last one stays");
                return;
            }
        };
        self.parts.metrics.show(&status);
        let held = self.shown();
        let license = held.map(|held| PublishedLicense {
            claims: held.license().claims().clone(),
            text: held.license().text().to_owned(),
            trust: held.statement.trust().text().to_owned(),
            revocation: held.statement.claims().revocation.clone(),
        });
        let statement = held.map(|held| Arc::from(held.statement.text()));
        let next = Published { status, json, license, statement, hardware: None };
        self.published.send_if_modified(|published| {
            let unchanged = published.as_ref().is_some_and(|p| {
                p.json == next.json && p.license == next.license && p.statement == next.statement
            });
            if unchanged {
                return false;
            }
            if published.as_ref().is_none_or(|p| p.status.message != next.status.message) {
                self.parts.service_manager.status(&next.status.message);
            }
            *published = Some(Arc::new(next));
            true
        });
    }
}

/// The verdict on the license by this server's own time; what only the controller can know is taken from its status.
/// What is used too, as long as the controller has not told it since.
fn verdict(held: &Accepted, used: Option<BTreeMap<String, u64>>, now: Timestamp) -> Evaluation {
    let statement = &held.statement;
    let told = &held.status;
    let usage = used.unwrap_or_else(|| {
        told.limits.iter().filter_map(|(name, limit)| Some((name.clone(), limit.used?))).collect()
    });
    let hardware = told.hardware.as_ref().map(|hardware| HardwareStanding {
        verdict: hardware.verdict,
        score: hardware.score,
        holds_until: None,
        changed_since: None,
    });
    let mut evaluation = evaluate(&Inputs {
        held: match statement.revocation() {
            Some(revocation) => Held::Revoked(held.license(), revocation),
            None => Held::License(held.license()),
        },
        serial_number: Some(statement.claims().iss),
        environment_key: &statement.key().thumbprint(),
        hardware,
        // When the portal was asked last is the controller's to judge.
        last_contact: Some(now),
        usage: &usage,
        now,
    });
    let of_the_controller = matches!(told.reason, Reason::HardwareChanged | Reason::CheckInOverdue);
    if of_the_controller && evaluation.state.entitled() {
        evaluation.state = told.state;
        evaluation.reason = told.reason;
        evaluation.message.clone_from(&told.message);
    }
    evaluation
}

/// Whether a lease is worth a write.
fn far(stored: Option<Lease>, current: Option<Lease>) -> bool {
    match (stored, current) {
        (Some(stored), Some(current)) => {
            let moved = current.received_at.duration_since(stored.received_at).abs();
            moved >= LEASE_STEP || (current.days, current.exp) != (stored.days, stored.exp)
        }
        (stored, current) => stored != current,
    }
}
