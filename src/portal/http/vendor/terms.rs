//! The terms of a subscription as a caller gives them: what is not given stays as it is, or as usual.

use crate::{
    license::{Limit, Purpose},
    portal::domain::{RebindPolicy, Terms},
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// What of the terms is given
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsGiven {
    pub(super) edition: Option<String>,
    pub(super) support_level: Option<String>,
    /// The first second of the term; now, where it is new and none is given.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) starts_at: Option<Timestamp>,
    /// The first second after the term.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) ends_at: Option<Timestamp>,
    grace_days: Option<u32>,
    trial: Option<bool>,
    /// Added to those that there are; null takes one away.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Value>)]
    features: BTreeMap<String, Option<Value>>,
    /// Added to those that there are; null takes one away.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Limit>)]
    limits: BTreeMap<String, Option<Limit>>,
    lease_days: Option<u32>,
    /// Seconds.
    refresh_after: Option<u32>,
    /// null: never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    check_in_days: Option<OrNone>,
    hardware_grace_hours: Option<u32>,
    /// Environments of each purpose; those that are not given stay.
    #[serde(default)]
    slots: BTreeMap<Purpose, u32>,
    allow_override: Option<bool>,
    rebind: Option<RebindPolicy>,
    allow_serial_only: Option<bool>,
    offline_releases_a_year: Option<u32>,
    /// null: the customer releases as often as it likes.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    releases_a_year: Option<OrNone>,
}

/// A number, or `null`, which is not the same as nothing.
#[derive(Debug, Clone, Copy)]
struct OrNone(Option<u32>);

/// Tells `null` from what is not there.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OrNone>, D::Error> {
    Option::deserialize(from).map(|number| Some(OrNone(number)))
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

impl TermsGiven {
    /// Changes `terms` by what is given.
    pub(super) fn apply(self, terms: &mut Terms) {
        set(&mut terms.edition, self.edition);
        set(&mut terms.support_level, self.support_level);
        set(&mut terms.starts_at, self.starts_at);
        set(&mut terms.ends_at, self.ends_at);
        set(&mut terms.grace_days, self.grace_days);
        set(&mut terms.trial, self.trial);
        set(&mut terms.lease_days, self.lease_days);
        set(&mut terms.refresh_after, self.refresh_after);
        set(&mut terms.check_in_days, self.check_in_days.map(|OrNone(days)| days));
        set(&mut terms.hardware_grace_hours, self.hardware_grace_hours);
        set(&mut terms.allow_override, self.allow_override);
        set(&mut terms.rebind, self.rebind);
        set(&mut terms.allow_serial_only, self.allow_serial_only);
        set(&mut terms.offline_releases_a_year, self.offline_releases_a_year);
        set(&mut terms.releases_a_year, self.releases_a_year.map(|OrNone(number)| number));
        terms.slots.extend(self.slots);
        merge(&mut terms.features, self.features);
        merge(&mut terms.limits, self.limits);
    }
}

fn merge<T>(into: &mut BTreeMap<String, T>, given: BTreeMap<String, Option<T>>) {
    for (name, value) in given {
        match value {
            Some(value) => drop(into.insert(name, value)),
            None => drop(into.remove(&name)),
        }
    }
}
