//! What any store of the portal must keep; each test runs against every kind of it.

mod contract;
mod failures;
mod migration;
mod succession;

use super::{Change, Event, Store, StoreError, WriterKind};
use crate::{
    codes::{ActivationCode, SerialNumber},
    license::{KeyPair, Purpose, Sequence},
    portal::{
        PortalError,
        domain::{Chain, Environment, Revision, Standing, Subscription, Terms},
    },
};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

/// When the tests count slots.
const NOW: Timestamp = Timestamp::constant(1_772_323_200, 0);

const KINDS: [WriterKind; 2] = [WriterKind::Thread, WriterKind::Inline];

fn store(kind: WriterKind) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("portal.db"), kind).unwrap();
    (folder, store)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn subscription(n: u8) -> Subscription {
    let terms =
        Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    Subscription {
        id: Uuid::from_u128(u128::from(n)),
        activation_code: ActivationCode::from_content(&[n; 16]),
        customer: format!("Customer {n}"),
        terms,
        standing: Standing::Active,
        revision: Revision(1),
        created_at: at("2026-01-01T00:00:00Z"),
    }
}

fn environment(subscription: &Subscription, n: u8) -> Environment {
    Environment {
        id: Uuid::from_u128(u128::from(n) + 1_000),
        subscription_id: subscription.id,
        serial_number: SerialNumber::mint("smbios-uuid", &n.to_string()),
        name: format!("Environment {n}"),
        purpose: Purpose::Production,
        key: Some(KeyPair::from_seed(&[n; 32]).public()),
        sequence: Sequence(0),
        current: None,
        made_from: Revision::NONE,
        chain: Chain::default(),
        activated_at: at("2026-02-01T00:00:00Z"),
        seen_at: at("2026-02-01T00:00:00Z"),
        released_at: None,
        slot_held_until: None,
    }
}

fn event(name: &str) -> Event<'_> {
    Event {
        at: at("2026-02-01T00:00:00Z"),
        actor: "test",
        event: name,
        subscription_id: None,
        environment_id: None,
        detail: serde_json::json!({}),
    }
}

fn add(store: &Store, new: Subscription) -> Result<(), StoreError> {
    store.write(move |change: &Change<'_>| change.add_subscription(&new))
}

fn all_sold(store: &Store) -> Vec<Subscription> {
    store.read(|view| Ok::<_, PortalError>(view.subscriptions()?)).unwrap()
}
