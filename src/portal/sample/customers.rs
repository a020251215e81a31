//! Who the customers are, what they bought, and what becomes of them.

use super::TURN;
use crate::{
    license::{Enforcement, Limit, Purpose},
    portal::domain::{RebindPolicy, Terms, TrialTerms},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const PLACES: [&str; 10] = [
    "Alpenland",
    "Brennerpass",
    "Cascade",
    "Dune",
    "Estuary",
    "Fjordland",
    "Góra",
    "Hafen",
    "Îlot",
    "Juniper",
];
const TRADES: [&str; 4] = ["Logistics", "Clinics", "Robotics", "Insurance"];

/// What becomes of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Steady,
    Grows,
    Forked,
    RebindWaits,
    ReleaseWaits,
    Released,
    Renewed,
    Suspended,
    Revoked,
    Ended,
    Grace,
    Expiring,
    Trial,
    TrialOver,
}

/// The first forty of them, in order; all others are steady.
const FATES: [Fate; 18] = [
    Fate::Grows,
    Fate::Forked,
    Fate::RebindWaits,
    Fate::Suspended,
    Fate::Revoked,
    Fate::Ended,
    Fate::Ended,
    Fate::Grace,
    Fate::Grace,
    Fate::Expiring,
    Fate::Expiring,
    Fate::Released,
    Fate::Trial,
    Fate::Trial,
    Fate::Trial,
    Fate::TrialOver,
    Fate::Renewed,
    Fate::ReleaseWaits,
];

impl Fate {
    /// Why one would sign in as that customer.
    pub(super) const fn worth_a_look(self) -> Option<&'static str> {
        match self {
            Self::Grows => Some("four environments"),
            Self::Forked => Some("two machines ask as one"),
            Self::Trial => Some("a trial"),
            _ => None,
        }
    }

    /// Days from now to the end of the term.
    const fn days_left(self) -> i32 {
        match self {
            Self::Ended => -70,
            Self::TrialOver => -45,
            Self::Grace => -10,
            // Before it was renewed.
            Self::Renewed => -15,
            Self::Expiring => 20,
            Self::Trial => 17,
            _ => 200,
        }
    }
}

/// A customer before it has bought.
pub(super) struct Customer {
    pub(super) name: String,
    pub(super) fate: Fate,
    /// The turn of the history in which it buys.
    pub(super) buys_in: u32,
    pub(super) terms: Terms,
    pub(super) environments: Vec<(String, Purpose)>,
}

/// Forty customers.
pub(super) fn all(seed: u64, start: Timestamp, now: Timestamp) -> Vec<Customer> {
    let mut dice = Dice(seed ^ 0x9e37_79b9_7f4a_7c15);
    let names = TRADES.iter().flat_map(|trade| PLACES.map(|place| format!("{place} {trade}")));
    let fates = FATES.into_iter().chain(std::iter::repeat(Fate::Steady));
    names.zip(fates).map(|(name, fate)| customer(name, fate, &mut dice, start, now)).collect()
}

fn customer(
    name: String,
    fate: Fate,
    dice: &mut Dice,
    start: Timestamp,
    now: Timestamp,
) -> Customer {
    let is_trial = matches!(fate, Fate::Trial | Fate::TrialOver);
    let buys_in = match fate {
        Fate::Trial => 12,
        Fate::TrialOver => 10,
        Fate::Steady => dice.below(11),
        _ => dice.below(3),
    };
    let starts_at = start + TURN * i32::try_from(buys_in).unwrap_or(0);
    let edition = ["standard", "professional", "enterprise"][dice.index(3)];
    let support = ["bronze", "silver", "gold"][dice.index(3)];
    let mut terms = Terms::new(edition, support, starts_at, now + DAY * fate.days_left());
    terms.trial = is_trial;
    let users = u64::from(50 * (1 + dice.below(20)));
    terms.limits = BTreeMap::from([
        ("users".to_owned(), Limit { limit: Some(users), enforcement: Enforcement::Soft }),
        ("servers".to_owned(), Limit { limit: Some(8), enforcement: Enforcement::Hard }),
    ]);
    terms.features = BTreeMap::from([
        ("single-sign-on".to_owned(), json!(edition != "standard")),
        ("reports".to_owned(), json!(true)),
    ]);
    if fate == Fate::RebindWaits {
        terms.rebind = RebindPolicy::Approval;
    }
    if fate == Fate::ReleaseWaits {
        terms.releases_a_year = Some(0);
    }
    let number = match fate {
        Fate::Grows => 4,
        Fate::Trial | Fate::TrialOver => 1,
        _ => 1 + dice.index(4),
    };
    let purposes =
        [Purpose::Production, Purpose::Quality, Purpose::Development, Purpose::Management];
    let named = |purpose: Purpose| (format!("{} {}", name, purpose.as_str()), purpose);
    let environments = purposes.into_iter().take(number).map(named).collect();
    Customer { name, fate, buys_in, terms, environments }
}

/// What visitors are offered.
pub(super) fn trial() -> TrialTerms {
    let users = Limit { limit: Some(10), enforcement: Enforcement::Hard };
    TrialTerms {
        days: 30,
        edition: "trial".to_owned(),
        support_level: "bronze".to_owned(),
        features: BTreeMap::from([("reports".to_owned(), json!(true))]),
        limits: BTreeMap::from([("users".to_owned(), users)]),
        slots: BTreeMap::from([(Purpose::Development, 1)]),
    }
}

/// Numbers that look random, and are the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        u32::try_from(high % u64::from(bound.max(1))).unwrap_or(0)
    }

    fn index(&mut self, bound: usize) -> usize {
        let bound = u32::try_from(bound).unwrap_or(1);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }
}
