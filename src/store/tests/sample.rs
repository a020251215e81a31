//! States that differ in every member, entries for them, and a state directory.

use crate::{
    codes::SerialNumber,
    entitlement::{
        Condition, ConditionStatus, ConditionType, HardwareStanding, Lease, LicenseSource, State,
        TimeMark,
    },
    identity::{Enrolled, Group, Source, Verdict},
    license::{
        Environment, Fork, ForkState, KeyPair, Purpose, RequestId, RequestKind, Retirement,
        Sequence,
    },
    store::*,
};
use jiff::Timestamp;
use std::{fs, path::PathBuf};
use tempfile::TempDir;
use uuid::Uuid;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).unwrap()
}

/// A small one: it must share a page of the database with the rest, for truncation to show.
fn reserve() -> Reserve {
    serde_json::from_value(serde_json::json!([request(98), request(99)])).unwrap()
}

pub(super) fn request(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

/// A state with something in every member.
pub(super) fn state(revision: u64) -> AgentState {
    let number = i64::try_from(revision).unwrap();
    let pending = PendingRequest {
        id: request(2),
        kind: RequestKind::Refresh,
        text: format!("request {revision}"),
        made_at: at(number),
        by_hand: false,
    };
    AgentState {
        revision,
        enrolled: Some(enrolled()),
        hardware: Some(HardwareStanding {
            verdict: Verdict::Degraded,
            score: 40,
            holds_until: Some(at(1_000)),
            changed_since: Some(at(2)),
        }),
        left: [SerialNumber::mint("smbios-uuid", "yet another")].into(),
        license: Some(HeldLicense {
            text: format!("license {revision}"),
            source: LicenseSource::Portal,
            installed_at: at(number),
        }),
        revocation: Some("revocation".to_owned()),
        released: true,
        floor: Some(Sequence(revision)),
        environment: Some(environment()),
        ended: [(Uuid::from_u128(8), Sequence(revision))].into(),
        retired: Some(Retired {
            by: Retirement::Move,
            serial_number: SerialNumber::mint("smbios-uuid", "another"),
            key: Some(crate::license::KeyPair::from_seed(&[2; 32]).thumbprint()),
            at: at(8),
            parted: true,
        }),
        offer: Some(Offer { id: request(3), made_at: at(9), request: Some("move".to_owned()) }),
        departure: Some(Departure {
            request: request(4),
            key: crate::license::KeyPair::from_seed(&[3; 32]).thumbprint(),
            controllers: vec!["new.example:7443".to_owned()],
            ends_at: at(10),
        }),
        signpost: Some(Signpost {
            text: "signpost".to_owned(),
            controllers: vec!["new.example:7443".to_owned()],
            until: at(11),
        }),
        arrival: Some(Arrival {
            request: request(5),
            environment: environment(),
            carried: "trust license consent".to_owned(),
            ca: Some(crate::license::KeyPair::from_seed(&[4; 32]).thumbprint()),
            by_hand: true,
        }),
        carried_key: true,
        predecessor: Some(Uuid::from_u128(10)),
        rebind_waits: true,
        pending_license: Some(PendingLicense {
            sequence: Sequence(revision + 1),
            refused: Some("it does not fit".to_owned()),
        }),
        trust: Some("trust".to_owned()),
        root: Some(crate::license::KeyPair::from_seed(&[1; 32]).public()),
        chain: Chain {
            previous: Some(request(1)),
            unsettled: vec![request(2)],
            reserve: reserve(),
            pending: Some(pending),
        },
        fork: Some(Fork { since: at(5), state: ForkState::Open }),
        time: TimeMark { proven: Some(at(3)), observed: Some(at(4)) },
        last_contact: Some(at(number)),
        membership: Some(Membership {
            id: Uuid::from_u128(9),
            controllers: vec!["controller.example:7443".to_owned()],
            ca: KeyPair::from_seed(&[8; 32]).thumbprint(),
            environment_key: KeyPair::from_seed(&[9; 32]).public(),
            certified_at: Timestamp::UNIX_EPOCH,
            certificate_life: 86_400,
            statement: Some("a.b.c".to_owned()),
            lease: Some(Lease {
                received_at: Timestamp::UNIX_EPOCH,
                days: 14,
                exp: Timestamp::UNIX_EPOCH,
            }),
            moved_to: vec!["new.example:7443".to_owned()],
            successors: vec!["next.example:7443".to_owned()],
            former: Some(FormerMembership {
                statement: "d.e.f".to_owned(),
                ca: KeyPair::from_seed(&[6; 32]).thumbprint(),
                environment_key: KeyPair::from_seed(&[7; 32]).public(),
            }),
        }),
        status: status_mark(revision),
    }
}

fn environment() -> Environment {
    Environment {
        id: Uuid::from_u128(9),
        name: "Production".to_owned(),
        purpose: Purpose::Production,
    }
}

fn enrolled() -> Enrolled {
    let serial_number = SerialNumber::mint("smbios-uuid", "one machine");
    let facts = serde_json::from_value(serde_json::json!([{
        "group": Group::U,
        "source": Source::SmbiosUuid,
        "digest": "ab".repeat(16),
        "weight": 40,
    }]));
    Enrolled {
        serial_number,
        source: Source::SmbiosUuid,
        algorithm: serial_number.version(),
        overridden: false,
        virtual_machine: true,
        facts: facts.unwrap(),
        enrolled_at: at(0),
        last_full_match: at(1),
    }
}

fn status_mark(revision: u64) -> StatusMark {
    StatusMark {
        generation: revision,
        state: Some(State::Grace),
        since: Some(at(5)),
        conditions: vec![Condition {
            kind: ConditionType::ClockSkewed,
            status: ConditionStatus::True,
            reason: "Behind".to_owned(),
            message: "the clock is behind".to_owned(),
            since: at(6),
        }],
        digest: "digest".to_owned(),
    }
}

pub(super) fn event(detail: &str) -> Event {
    Event {
        at: at(7),
        actor: "agent".to_owned(),
        action: Action::LicenseInstalled,
        detail: detail.to_owned(),
    }
}

/// The details of the audit, oldest first.
pub(super) fn details(store: &mut dyn Store) -> Vec<String> {
    let events = store.events(1_000).unwrap();
    events.into_iter().rev().map(|event| event.detail).collect()
}

/// A state directory of its own.
pub(super) struct Place {
    pub folder: TempDir,
    pub directory: StateDirectory,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(folder.path()).unwrap();
        Self { folder, directory }
    }

    /// With a database and a copy at revision 3, and the entries `one`, `two`, `three`.
    pub(super) fn with_history() -> Self {
        let place = Self::new();
        let mut store = place.open().store;
        for (revision, detail) in (1..).zip(["one", "two", "three"]) {
            let changes = [RosterChange::Token(token())];
            store.commit_with(&state(revision), &[event(detail)], &changes).unwrap();
        }
        // So that no table is empty: what is cut off an empty one is no loss.
        store.keep_peaks(&[peak("2026-11-24".parse().unwrap(), "users", 1)]).unwrap();
        place
    }

    pub(super) fn open(&self) -> Opened {
        SqliteStore::open(&self.directory).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path("entitled.db")
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.path("state.json")
    }

    /// Another program at the database.
    pub(super) fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    /// Makes the database refuse changes of the state, as a full disk would.
    pub(super) fn refuse(&self) {
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no space left'); END;";
        self.connection().execute_batch(trigger).unwrap();
    }

    pub(super) fn relent(&self) {
        self.connection().execute_batch("DROP TRIGGER refuse").unwrap();
    }

    /// Files whose names begin so.
    pub(super) fn files(&self, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        names
    }
}

/// A join token, as the roster has it.
pub(super) fn token() -> TokenRecord {
    TokenRecord {
        id: "one".to_owned(),
        digest: "0123".repeat(16),
        expires_at: at(5),
        uses: 10,
        used: 3,
        from: Some("10.1.0.0/16".to_owned()),
        made_by: "uid 0".to_owned(),
    }
}

/// A member, as the roster has it.
pub(super) fn member(number: u128) -> MemberRecord {
    MemberRecord {
        id: Uuid::from_u128(number),
        name: "web-1".to_owned(),
        address: [192, 0, 2, 1].into(),
        joined_at: at(1),
        certificate_expires_at: at(9),
        token: Some("one".to_owned()),
        removed_at: None,
    }
}

/// A day's highest use of a hard limit.
pub(super) fn peak(day: jiff::civil::Date, name: &str, peak: u64) -> crate::usage::DayPeak {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let enforcement = crate::license::Enforcement::Hard;
    crate::usage::DayPeak { day, name: name.to_owned(), peak, at, limit: Some(10), enforcement }
}
