//! Wrong proofs, counted: whoever sends many is asked to wait, so that guessing and broken agents cost little.
//!
//! In memory only, and of bounded size. A one-time code dies after five wrong proofs whatever is forgotten here.

use crate::codes::ActivationId;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// Trials that one address may ask for within [`WINDOW`].
const MOST_TRIALS: u32 = 5;
/// Wrong proofs within [`WINDOW`] that are simply refused, of one subject.
const FORGIVEN: u32 = 10;
/// The same of one address, behind which there may be a whole company.
const FORGIVEN_ADDRESS: u32 = 30;
/// For how long they are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Subjects that are counted at once; more push the oldest out.
const MOST_SUBJECTS: usize = 4_096;

/// What wrong proofs are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A subscription, known here or not.
    Activation(ActivationId),
    /// An environment.
    Environment(Uuid),
    /// Trials from there: each counts, wrong or not.
    Trials(IpAddr),
    /// Sign-ins to a subscription from there: each counts, because each is kept.
    Entries(Uuid, IpAddr),
    /// Where the sender is, as [`ClientAddress::network`](super::ClientAddress::network) has it.
    Address(IpAddr),
    /// The same for operators who sign in.
    SignInFrom(IpAddr),
    /// An operator, known here or not: a digest of the name.
    Operator([u8; 16]),
}

impl Subject {
    /// The operator of that name.
    pub(super) fn operator(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut subject = [0; 16];
        subject.copy_from_slice(&digest[..16]);
        Self::Operator(subject)
    }

    const fn forgiven(self) -> u32 {
        match self {
            Self::Address(_) | Self::Entries(..) => FORGIVEN_ADDRESS,
            Self::Trials(_) => MOST_TRIALS,
            _ => FORGIVEN,
        }
    }
}

/// The counts.
#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<Subject, Count>>);

#[derive(Clone, Copy)]
struct Count {
    wrong: u32,
    since: Timestamp,
}

impl Count {
    /// Seconds until its window ends; none where it has ended, or the clock was turned back.
    fn left(self, now: Timestamp) -> Option<u32> {
        let passed = now.duration_since(self.since);
        if passed.is_negative() || passed >= WINDOW {
            return None;
        }
        u32::try_from((WINDOW - passed).as_secs()).ok().map(|seconds| seconds.max(1))
    }
}

impl Attempts {
    /// Counts a wrong proof. Returns the seconds to wait where there were too many.
    pub(super) fn wrong(&self, subject: Subject, now: Timestamp) -> Option<u32> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(&subject) && counts.len() >= MOST_SUBJECTS {
            make_room(&mut counts, now);
        }
        let count = counts.entry(subject).or_insert(Count { wrong: 0, since: now });
        if count.left(now).is_none() {
            *count = Count { wrong: 0, since: now };
        }
        count.wrong = count.wrong.saturating_add(1);
        if count.wrong > subject.forgiven() { count.left(now) } else { None }
    }

    /// Takes one back that was counted before it was known.
    pub(super) fn not_wrong(&self, subject: Subject) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&subject) {
            count.wrong = count.wrong.saturating_sub(1);
        }
    }

    /// Seconds to wait before another proof is looked at; none where it may come now.
    pub(super) fn wait(&self, subject: Subject, now: Timestamp) -> Option<u32> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&subject).filter(|count| count.wrong >= subject.forgiven())?.left(now)
    }

    /// Wrong proofs that are counted now.
    pub(super) fn wrong_so_far(&self, subject: Subject, now: Timestamp) -> u32 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&subject).filter(|count| count.left(now).is_some()).map_or(0, |c| c.wrong)
    }
}

/// Forgets what has ended, or else the oldest.
fn make_room(counts: &mut HashMap<Subject, Count>, now: Timestamp) {
    counts.retain(|_, count| count.left(now).is_some());
    if counts.len() < MOST_SUBJECTS {
        return;
    }
    let oldest = counts.iter().min_by_key(|(_, count)| count.since).map(|(subject, _)| *subject);
    if let Some(oldest) = oldest {
        counts.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn environment(n: u128) -> Subject {
        Subject::Environment(Uuid::from_u128(n))
    }

    #[test]
    fn ten_are_forgiven_and_the_next_waits_for_the_end_of_the_window() {
        let attempts = Attempts::default();
        for n in 0..10 {
            assert_eq!(attempts.wait(environment(1), after(n)), None);
            assert_eq!(attempts.wrong(environment(1), after(n)), None);
        }
        assert_eq!(attempts.wait(environment(1), after(100)), Some(800));
        assert_eq!(attempts.wrong(environment(1), after(100)), Some(800));
        assert_eq!(attempts.wait(environment(2), after(100)), None, "others don't wait");
        assert_eq!(attempts.wait(environment(1), after(900)), None);
        assert_eq!(attempts.wrong(environment(1), after(900)), None);
    }

    #[test]
    fn an_address_is_forgiven_more() {
        let attempts = Attempts::default();
        let address = Subject::Address("192.0.2.1".parse().unwrap());
        for _ in 0..30 {
            assert_eq!(attempts.wrong(address, after(0)), None);
        }
        assert_eq!(attempts.wait(address, after(0)), Some(900));
        assert_eq!(attempts.wait(Subject::Address("192.0.2.2".parse().unwrap()), after(0)), None);
    }

    #[test]
    fn however_many_there_are_few_are_kept() {
        let attempts = Attempts::default();
        for n in 0..3 * 4_096 {
            attempts.wrong(environment(n), after(0));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MOST_SUBJECTS);
        attempts.wrong(environment(u128::MAX), after(900));
        assert_eq!(attempts.0.lock().unwrap().len(), 1, "what has ended goes at once");
    }

    #[test]
    fn a_clock_that_is_turned_back_locks_nobody_out() {
        let attempts = Attempts::default();
        for _ in 0..20 {
            attempts.wrong(environment(1), after(1_000_000));
        }
        assert_eq!(attempts.wait(environment(1), after(0)), None);
        assert_eq!(attempts.wrong(environment(1), after(0)), None);
    }
}
