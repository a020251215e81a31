//! What the status must be, told from outside: from the texts that are stored, the hardware as it truly is, and the calendar.
//! It is written from the table of states and shares no code with `evaluate`, `Holdings` or `matching`.

use super::super::{props::at, stage::Stage};
use crate::{
    agent::Clock,
    entitlement::State,
    license::{KeyStatus, LicenseClaims, TrustClaims, Unverified},
    store::AgentState,
};
use jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// So near to a boundary the agent may not have turned yet.
const NEAR: SignedDuration = SignedDuration::from_mins(2);
/// Within so long a changed machine is surveyed, and one that was unsure is surveyed again.
const SURVEYED: SignedDuration = SignedDuration::from_mins(62);
/// Unreadable hardware is put up with for 30 days from the last full match, of which up to a day is not written down.
const UNREADABLE: SignedDuration = SignedDuration::from_hours(24 * 29 - 2);

/// The machine as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Itself,
    WithAnotherDisk,
    Unreadable,
    Another,
}

/// What the hardware must say, as far as a survey may be awaited.
#[derive(Debug, Clone)]
pub(super) struct Hardware {
    pub kind: Kind,
    /// Since when.
    since: Timestamp,
    /// The earliest time from which on it may pass for other hardware, where it may.
    other_from: Option<Timestamp>,
    /// The latest such time.
    other_by: Option<Timestamp>,
    /// Whether a wrong clock or a lost state makes it unsayable until it is itself again.
    blurred: bool,
    /// Since when the agent's time is not ahead of the true one: what was noted before had not come, and is noted anew by the
    /// next survey.
    right_since: Option<Timestamp>,
}

impl Hardware {
    pub(super) fn new() -> Self {
        let since = at("2026-01-01T00:00:00Z");
        let right_since = Some(since);
        let (kind, other_from, other_by) = (Kind::Itself, None, None);
        Self { kind, since, other_from, other_by, blurred: false, right_since }
    }

    /// It becomes another kind.
    pub(super) fn become_kind(&mut self, kind: Kind, now: Timestamp) {
        if kind == self.kind {
            return;
        }
        match kind {
            Kind::Another => {
                if self.kind == Kind::Unreadable || self.clearing(now) {
                    // Of two reasons the agent knows which came first.
                    self.blurred = self.other_from.is_some();
                }
                self.other_from = self.other_from.or(Some(now));
            }
            Kind::Unreadable if self.kind != Kind::Another && self.other_from.is_none() => {
                self.other_from = now.checked_add(UNREADABLE).ok();
            }
            // What of it was surveyed nobody knows.
            Kind::Unreadable => self.blurred = true,
            Kind::Itself | Kind::WithAnotherDisk => {}
        }
        (self.kind, self.since) = (kind, now);
    }

    /// A clock goes wrong, or the agent knows less than it did.
    pub(super) fn blur(&mut self) {
        if self.other_from.is_some() {
            self.blurred = true;
        }
    }

    /// It is itself again, and the agent may not know it yet.
    fn clearing(&self, now: Timestamp) -> bool {
        let is_own = matches!(self.kind, Kind::Itself | Kind::WithAnotherDisk);
        is_own && self.other_from.is_some() && now.duration_since(self.since) < SURVEYED
    }

    /// Time went on; the agent's may be ahead.
    pub(super) fn look(&mut self, now: Timestamp, is_ahead: bool) {
        if is_ahead {
            (self.right_since, self.other_by) = (None, None);
        } else {
            self.right_since.get_or_insert(now);
        }
        let right_for =
            |long| self.right_since.is_some_and(|since| now.duration_since(since) >= long);
        let Some(from) = self.other_from else { return };
        match self.kind {
            Kind::Itself | Kind::WithAnotherDisk => {
                if now.duration_since(self.since) >= SURVEYED {
                    (self.other_from, self.other_by, self.blurred) = (None, None, false);
                }
            }
            Kind::Another if now.duration_since(self.since) >= SURVEYED && right_for(SURVEYED) => {
                self.other_by = self.other_by.or(Some(now));
            }
            Kind::Unreadable
                if now.duration_since(from) >= DAY * 2 && right_for(UNREADABLE + DAY * 2) =>
            {
                self.other_by = self.other_by.or(Some(now));
            }
            Kind::Another | Kind::Unreadable => {}
        }
    }

    /// Whether its grace is over; nothing where nobody can say.
    fn is_over(&self, grace: SignedDuration, now: Timestamp, truth: Timestamp) -> Option<bool> {
        let Some(from) = self.other_from else { return Some(false) };
        if now < from + grace - NEAR && !self.blurred {
            return Some(false);
        }
        if self.blurred || self.clearing(truth) {
            return None;
        }
        let by = self.other_by?;
        (now > by + grace + NEAR).then_some(true)
    }
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Exactly(State),
    /// Not entitled, in whatever words.
    NotEntitled,
    /// Too near to a boundary to say.
    Anything,
}

/// The state that must follow from what is stored.
pub(super) fn expected(stage: &Stage, hardware: &Hardware) -> Expected {
    let state = stage.state();
    let truth = stage.world.truth();
    let Some(license) = held(&state) else { return Expected::Exactly(State::Unlicensed) };
    if is_signed_by_a_revoked_key(&state) {
        return Expected::NotEntitled;
    }
    if state.revocation.is_some() {
        return Expected::Exactly(State::Restricted);
    }
    let now = effective(stage, &state);
    let ends = license.subscription.ends_at;
    let heard = state.last_contact.map_or(license.iat, |contact| contact.max(license.iat));
    let check_in = license.check_in_days.map(|days| heard + DAY * i32::try_from(days).unwrap());
    let boundaries = [Some(license.exp), check_in, Some(ends), Some(ends - DAY * 60)];
    let near = |time: Timestamp| now.duration_since(time).abs() <= NEAR;
    if boundaries.into_iter().flatten().any(near) {
        return Expected::Anything;
    }
    let is_over = now >= license.exp || check_in.is_some_and(|deadline| now >= deadline);
    let grace = SignedDuration::from_hours(i64::from(license.hardware_grace_hours));
    let state = match hardware.is_over(grace, now, truth) {
        _ if is_over => State::Restricted,
        None => return Expected::Anything,
        Some(true) => State::Restricted,
        Some(false) if now >= ends => State::Grace,
        Some(false) if now >= ends - DAY * 60 => State::Expiring,
        Some(false) => State::Active,
    };
    Expected::Exactly(state)
}

/// Which time it is: the clock's, unless more is known to have passed.
fn effective(stage: &Stage, state: &AgentState) -> Timestamp {
    let known = [state.time.proven, state.time.observed];
    known.into_iter().flatten().fold(stage.world.read().clock, Timestamp::max)
}

fn held(state: &AgentState) -> Option<LicenseClaims> {
    let text = &state.license.as_ref()?.text;
    Some(Unverified::parse(text).unwrap().peek().unwrap())
}

fn is_signed_by_a_revoked_key(state: &AgentState) -> bool {
    let (Some(license), Some(trust)) = (&state.license, &state.trust) else { return false };
    let kid = Unverified::parse(&license.text).unwrap().kid();
    let trust: TrustClaims = Unverified::parse(trust).unwrap().peek().unwrap();
    let signer = trust.keys.iter().find(|named| named.key.thumbprint() == kid);
    signer.is_some_and(|named| named.status == KeyStatus::Revoked)
}
