//! What any store of the portal must keep; each test of the contract runs against every kind of it.
//!
//! Those on PostgreSQL are asked for by name (`tests/postgres/run`) and need the URL of an admin role in `ENTITLED_TEST_POSTGRES`: each
//! makes a database of its own and drops it.

mod audit;
mod contract;
mod copy;
mod failures;
mod migration;
mod pages;
mod postgres;
mod proxy;
pub(in crate::portal) mod statements;
mod succession;
mod usage;
mod vendor;

use super::{Change, Event, Location, Server, Store, StoreError, View, WriterKind};
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

/// Where a store is kept, and where its changes are done.
#[derive(Debug, Clone, Copy)]
struct Kind {
    on_server: bool,
    writer: WriterKind,
}

const FILES: [Kind; 2] = kinds(false);
const SERVERS: [Kind; 2] = kinds(true);

const fn kinds(on_server: bool) -> [Kind; 2] {
    [Kind { on_server, writer: WriterKind::Thread }, Kind { on_server, writer: WriterKind::Inline }]
}

/// Runs each test of a contract, a function of a [`Kind`], on both databases.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                crate::portal::store::tests::FILES.into_iter().for_each(super::$test);
            })*
        }
        mod postgres {
            $(#[test]
            #[ignore = "it needs a server: tests/postgres/run"]
            fn $test() {
                crate::portal::store::tests::SERVERS.into_iter().for_each(super::$test);
            })*
        }
    };
}
use on_both;

fn read<T>(store: &Store, work: impl FnOnce(&View<'_>) -> Result<T, StoreError>) -> T {
    store.read(work).unwrap()
}

fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&Change<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(work).unwrap()
}

/// A database that is gone with this.
enum Place {
    File(TempDir),
    Server { url: String, name: String },
}

impl Place {
    fn new(on_server: bool) -> Self {
        if !on_server {
            return Self::File(tempfile::tempdir().unwrap());
        }
        let name = format!("entitled_{}", Uuid::new_v4().simple());
        admin(&format!("CREATE DATABASE {name}"));
        let (server, _) =
            admin_url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        Self::Server { url: format!("{server}/{name}"), name }
    }

    /// A store on it; several are what several processes have.
    fn store(&self, writer: WriterKind) -> Store {
        Store::at(&self.location(), writer).unwrap()
    }

    fn location(&self) -> Location {
        match self {
            Self::File(folder) => Location::File(folder.path().join("portal.db")),
            Self::Server { url, .. } => Location::Server(Box::new(Server::parse(url).unwrap())),
        }
    }

    /// Runs statements as somebody who goes past the portal.
    fn tamper(&self, sql: &str) {
        match self {
            Self::File(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("portal.db"));
                connection.unwrap().execute_batch(sql).unwrap();
            }
            Self::Server { url, .. } => {
                ::postgres::Client::connect(url, ::postgres::NoTls)
                    .unwrap()
                    .batch_execute(sql)
                    .unwrap();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Server { name, .. } = self {
            admin(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn admin_url() -> String {
    std::env::var("ENTITLED_TEST_POSTGRES").expect("ENTITLED_TEST_POSTGRES is the URL of a server")
}

fn admin(sql: &str) {
    let mut client = ::postgres::Client::connect(&admin_url(), ::postgres::NoTls).unwrap();
    client.batch_execute(sql).unwrap();
}

fn store(kind: Kind) -> (Place, Store) {
    let place = Place::new(kind.on_server);
    let store = place.store(kind.writer);
    (place, store)
}

/// A store in an SQLite file, whose folder is gone with the first.
fn file(writer: WriterKind) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("portal.db"), writer).unwrap();
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
