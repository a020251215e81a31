//! What a customer bought.

use crate::{
    codes::ActivationCode,
    license::{Limit, Purpose},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

/// Longest name of a customer, an edition, a feature and the like, bytes: they all travel in every license.
const LONGEST_NAME: usize = 200;
/// Most days of grace; a vendor who wants more lengthens the term.
const MOST_GRACE_DAYS: u32 = 3_650;

/// Counts the changes of a subscription; an environment's license tells by it whether it is still what was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Of a subscription that was just made.
    pub const FIRST: Self = Self(1);
    /// Older than any, so that a license made from it is made anew.
    pub const NONE: Self = Self(0);

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A subscription. Its id and its Activation Code never change; `Debug` shows the code masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Its id, which stands in licenses; not a secret.
    pub id: Uuid,
    /// The secret by which its customer activates environments.
    pub activation_code: ActivationCode,
    /// Who bought it.
    pub customer: String,
    /// What was bought.
    pub terms: Terms,
    /// Whether the vendor stands by it.
    pub standing: Standing,
    /// Grows with every change of the terms or the standing.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether the vendor stands by a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Standing {
    /// Licenses are issued.
    Active,
    /// Nothing is issued for now; what was issued stays as it is.
    Suspended,
    /// What was issued is taken back by a signed word.
    Revoked {
        /// From when on.
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        /// Why, for people; stands in the revocation.
        reason: String,
    },
}

impl Standing {
    /// All words.
    pub const WORDS: [&'static str; 3] = ["active", "suspended", "revoked"];

    /// The word in listings and in the store.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// How a machine that lost its key gets its environment back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebindPolicy {
    /// By the Activation Code alone: whoever has it, and names the machine's Serial Number, takes the environment.
    Free,
    /// By a one-time code that the portal gives for one environment.
    #[default]
    Code,
    /// After somebody at the portal has approved it.
    Approval,
}

impl RebindPolicy {
    /// The word in settings and listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Code => "code",
            Self::Approval => "approval",
        }
    }
}

impl FromStr for RebindPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Free, Self::Code, Self::Approval];
        let found = all.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| format!("expected free, code or approval, found {text:?}"))
    }
}

/// What was bought: all that a license says but for the environment it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Terms {
    /// The edition.
    pub edition: String,
    /// The support level.
    pub support_level: String,
    /// The first second of the term.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// The first second after the term.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Days of grace after `ends_at`.
    pub grace_days: u32,
    /// Whether it is a trial.
    pub trial: bool,
    /// Feature by name: a boolean, a number or a text.
    pub features: BTreeMap<String, serde_json::Value>,
    /// Limit by name.
    pub limits: BTreeMap<String, Limit>,
    /// How long a member may go on without its controller, days.
    pub lease_days: u32,
    /// Seconds from one answer to the agent's next request.
    pub refresh_after: u32,
    /// Days without an answer of the portal after which a license is restricted; none: never.
    pub check_in_days: Option<u32>,
    /// How long other hardware stays entitled while the portal is asked, hours.
    pub hardware_grace_hours: u32,
    /// How many environments of each purpose may be activated at once.
    pub slots: BTreeMap<Purpose, u32>,
    /// Whether an environment may have its Serial Number from the documented override instead of hardware.
    pub allow_override: bool,
    /// How a machine that lost its key gets its environment back.
    #[serde(default)]
    pub rebind: RebindPolicy,
    /// Whether a license may be bound to a Serial Number alone, which a customer types into the portal; a copy of it runs
    /// wherever that Serial Number is shown.
    #[serde(default)]
    pub allow_serial_only: bool,
    /// Off-line releases and moves in 365 days whose slot is free at once; after them, when the license ends.
    #[serde(default = "default_offline_releases")]
    pub offline_releases_a_year: u32,
    /// Releases that the customer asks for on its page in 365 days, after which the vendor approves each; none: it never has to.
    #[serde(default)]
    pub releases_a_year: Option<u32>,
}

/// A quarter's planned maintenance.
const fn default_offline_releases() -> u32 {
    4
}

impl Terms {
    /// Terms with the usual settings: 30 days of grace, one environment of each purpose, a refresh a day.
    pub fn new(
        edition: &str,
        support_level: &str,
        starts_at: Timestamp,
        ends_at: Timestamp,
    ) -> Self {
        Self {
            edition: edition.to_owned(),
            support_level: support_level.to_owned(),
            starts_at,
            ends_at,
            grace_days: 30,
            trial: false,
            features: BTreeMap::new(),
            limits: BTreeMap::new(),
            lease_days: 7,
            refresh_after: 86_400,
            check_in_days: None,
            hardware_grace_hours: 72,
            slots: Purpose::ALL.into_iter().map(|purpose| (purpose, 1)).collect(),
            allow_override: true,
            rebind: RebindPolicy::default(),
            allow_serial_only: false,
            offline_releases_a_year: default_offline_releases(),
            releases_a_year: None,
        }
    }

    /// Environments of that purpose that may be activated at once.
    pub fn slots_for(&self, purpose: Purpose) -> u32 {
        self.slots.get(&purpose).copied().unwrap_or(0)
    }

    /// The end of grace, which is a license's `exp`; never before `ends_at`.
    pub fn grace_ends_at(&self) -> Timestamp {
        let grace = SignedDuration::from_hours(24 * i64::from(self.grace_days));
        self.ends_at.checked_add(grace).unwrap_or(Timestamp::MAX)
    }

    /// Whether no license may be issued from them any more.
    pub fn ended(&self, now: Timestamp) -> bool {
        self.grace_ends_at() <= now
    }

    /// What is wrong with them, if anything.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), TermsError> {
        name("edition", &self.edition)?;
        name("support level", &self.support_level)?;
        self.features.keys().try_for_each(|feature| key("feature", feature))?;
        self.limits.keys().try_for_each(|limit| key("limit", limit))?;
        if self.ends_at <= self.starts_at {
            return Err(TermsError::Term { starts_at: self.starts_at, ends_at: self.ends_at });
        }
        if self.grace_days > MOST_GRACE_DAYS {
            return Err(TermsError::Grace { found: self.grace_days });
        }
        // A license that is overdue when it is issued can't be mended by any answer.
        if self.check_in_days == Some(0) {
            return Err(TermsError::CheckIn);
        }
        let scalar = |value: &serde_json::Value| {
            value.is_boolean() || value.is_number() || value.is_string()
        };
        match self.features.iter().find(|(_, value)| !scalar(value)) {
            Some((feature, _)) => Err(TermsError::Feature { name: feature.clone() }),
            None => Ok(()),
        }
    }
}

/// Refuses names that are empty, too long, or would garble a listing.
pub(super) fn name(what: &'static str, text: &str) -> Result<(), TermsError> {
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.len() > LONGEST_NAME {
        "it is longer than 200 bytes"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(TermsError::Name { what, reason })
}

/// The same for what is written as `NAME=VALUE` in commands and forms.
fn key(what: &'static str, text: &str) -> Result<(), TermsError> {
    name(what, text)?;
    let reason = if text.contains('=') {
        "it has a `=`, which stands between name and value"
    } else if text.trim() != text {
        "it begins or ends with a space"
    } else {
        return Ok(());
    };
    Err(TermsError::Name { what, reason })
}

impl Subscription {
    /// Checks the customer's name.
    ///
    /// # Errors
    /// [`TermsError::Name`].
    pub fn check_customer(customer: &str) -> Result<(), TermsError> {
        name("customer's name", customer)
    }
}

/// Why terms are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum TermsError {
    #[error("the {what} is refused, {reason}: give another one")]
    Name { what: &'static str, reason: &'static str },
    #[error(
        "the term would end at {ends_at}, which is not after its start at {starts_at}: give a later end"
    )]
    Term { starts_at: Timestamp, ends_at: Timestamp },
    #[error("expected at most 3650 days of grace, found {found}: give fewer, or a later end")]
    Grace { found: u32 },
    #[error("expected at least 1 day to check in, found 0: give more, or `never`")]
    CheckIn,
    #[error(
        "the feature {name:?} is a list or an object: expected true, false, a number or a text"
    )]
    Feature { name: String },
}

impl TermsError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "terms-name",
            Self::Term { .. } => "terms-term",
            Self::Grace { .. } => "terms-grace",
            Self::CheckIn => "terms-check-in",
            Self::Feature { .. } => "terms-feature",
        }
    }
}
