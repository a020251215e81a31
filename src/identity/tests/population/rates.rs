//! How often what is so: the table of `rates.toml`.

use super::random::{MILLION, Random};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    /// How many of a million.
    #[serde(rename = "rate")]
    pub(super) per_million: u64,
    /// A name that can be looked up, or why it is assumed.
    pub(super) source: String,
    #[serde(default)]
    pub(super) assumed: bool,
}

/// The table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    pub(super) shares: BTreeMap<String, Rate>,
    pub(super) facts: BTreeMap<String, Rate>,
    pub(super) changes: BTreeMap<String, Rate>,
}

impl Rates {
    /// The table as it is written.
    pub(super) fn read() -> Self {
        toml::from_str(include_str!("rates.toml")).unwrap()
    }

    /// The same with everything that is assumed so many times as often. Shares stay: figures are told by kind.
    pub(super) fn with_assumed_times(mut self, times: u64) -> Self {
        for (rate, most) in (self.facts.values_mut().map(|rate| (rate, 900_000)))
            .chain(self.changes.values_mut().map(|rate| (rate, 12 * MILLION)))
        {
            if rate.assumed {
                rate.per_million = (rate.per_million * times).min(most).max(rate.per_million);
            }
        }
        self
    }

    /// Whether a machine is as the fact says.
    pub(super) fn is(&self, fact: &str, random: &mut Random) -> bool {
        random.chance(self.facts[fact].per_million)
    }
}

#[test]
fn shares_add_up_and_every_rate_has_a_source_and_is_used() {
    let rates = Rates::read();
    assert_eq!(rates.shares.values().map(|share| share.per_million).sum::<u64>(), MILLION);
    let source = [
        include_str!("machines.rs"),
        include_str!("smbios.rs"),
        include_str!("changes.rs"),
        include_str!("kind.rs"),
    ]
    .concat();
    for (name, rate) in rates.shares.iter().chain(&rates.facts).chain(&rates.changes) {
        assert_eq!(rate.assumed, rate.source.starts_with("assumed"), "{name}");
        let for_servers_and_desktops = name.split_once('_').map_or("", |(_, rest)| rest);
        let is_used = [name.as_str(), for_servers_and_desktops]
            .iter()
            .any(|name| source.contains(&format!("\"{name}\"")));
        assert!(is_used, "{name}");
    }
}

/// The page tells every rate, so that it can be argued with without reading TOML.
#[test]
fn the_page_has_every_rate_and_its_source() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/population.md"));
    let page = page.unwrap();
    let rates = Rates::read();
    for (name, rate) in rates.shares.iter().chain(&rates.facts).chain(&rates.changes) {
        let row = format!("| `{name}` | {} | {} |", rate.per_million, rate.source);
        assert!(page.contains(&row), "expected in docs/population.md: {row}");
    }
}
