//! A database of an earlier version is brought up to date with all that is in it.

use super::all_sold;
use crate::{
    license::{KeyPair, RequestId},
    portal::{
        PortalError,
        store::{Store, SubscriptionFilter, WriterKind, schema::STEPS},
    },
};
use rusqlite::Connection;
use uuid::Uuid;

const FIRST: &str = include_str!("../schema/0001.sql");
const SECOND: &str = include_str!("../schema/0002.sql");
const ROWS: &str = r#"
INSERT INTO subscriptions VALUES ('00000000-0000-0000-0000-000000000001', '0', 'CODE', 'ACME', 'TERMS',
    '{"status":"active"}', 1, 0);
INSERT INTO environments VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001',
    'SERIAL', 'Site', 'production', 'KEY', 3, 'license', 'text', 1,
    '{"branches":[{"head":"00000000-0000-0000-0000-000000000003","since":"2026-01-01T00:00:00Z","answered_at":"2026-01-01T00:00:00Z"}]}',
    0, 0, NULL);
INSERT INTO requests VALUES ('kid', '00000000-0000-0000-0000-000000000003', 'activate',
    '00000000-0000-0000-0000-000000000002', 0, 'question', 'answer');
INSERT INTO audit VALUES (1, 0, 'agent', 'environment-activated', '00000000-0000-0000-0000-000000000001',
    '00000000-0000-0000-0000-000000000002', '{}');
"#;

fn old_database(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("portal.db");
    let sold = super::subscription(1);
    let one = super::environment(&sold, 1);
    let rows = ROWS
        .replace("CODE", &sold.activation_code.expose())
        .replace("TERMS", &serde_json::to_string(&sold.terms).unwrap())
        .replace("SERIAL", &one.serial_number.to_string())
        .replace("KEY", &serde_json::to_string(&one.key).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(FIRST).unwrap();
    connection.execute_batch(&rows).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    path
}

#[test]
fn the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = old_database(&folder);
    let store = Store::open(&path, WriterKind::Inline).unwrap();
    assert_eq!(all_sold(&store).len(), 1);
    let by_name =
        SubscriptionFilter { customer: Some("acme".to_owned()), ..SubscriptionFilter::default() };
    assert_eq!(store.read(|v| v.subscriptions_page(&by_name, None, 9)).unwrap().len(), 1);
    let environments = store.read(|v| Ok::<_, PortalError>(v.environments(None)?)).unwrap();
    let [one] = environments.as_slice() else { panic!("{environments:?}") };
    assert_eq!(one.key, super::environment(&super::subscription(1), 1).key);
    assert_eq!((one.sequence.0, one.slot_held_until), (3, None));
    assert!(!one.chain.is_forked() && one.chain.survivor().is_none());
    assert_eq!(store.read(|v| v.audit(None, 9)).unwrap().len(), 1);
    let chained = store.check_audit(None).unwrap();
    assert_eq!((chained.entries, chained.fault), (1, None));
    drop(store);

    // The tables that refer to the environments still do, and it is enforced.
    let connection = crate::portal::store::sqlite::open(&path).unwrap();
    let dangling = connection.execute("UPDATE requests SET environment_id = 'nobody'", []);
    assert!(dangling.unwrap_err().to_string().contains("FOREIGN KEY"));
}

#[test]
fn requests_of_the_second_version_are_answered_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = old_database(&folder);
    let [one, other] = [1, 2].map(|n| KeyPair::from_seed(&[n; 32]).thumbprint());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(SECOND).unwrap();
    // An id counts within its signer's requests: both have used the same ones.
    for id in [9_u128, 4] {
        for key in [&one, &other] {
            let (id, key) = (Uuid::from_u128(id).to_string(), key.as_str());
            let sql = "INSERT INTO requests VALUES (?1, ?2, 'refresh', \
                       '00000000-0000-0000-0000-000000000002', 7, ?3, ?4)";
            let [request, answer] = ["question", "answer"].map(|what| format!("{what} {id} {key}"));
            connection.execute(sql, [key, &id, &request, &answer]).unwrap();
        }
    }
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);

    let store = Store::open(&path, WriterKind::Inline).unwrap();
    let environment = Uuid::from_u128(2);
    for id in [9_u128, 4].map(Uuid::from_u128) {
        for key in [&one, &other] {
            let kept = ["question", "answer"].map(|what| format!("{what} {id} {}", key.as_str()));
            let found = store.read(|v| v.answered(key, RequestId(id))).unwrap();
            assert_eq!(found, Some(kept.into()));
        }
        assert!(store.read(|v| v.has_answered(environment, RequestId(id))).unwrap());
        assert!(!store.read(|v| v.has_answered(Uuid::nil(), RequestId(id))).unwrap());
    }
    let first = RequestId(Uuid::from_u128(3));
    assert_eq!(store.read(|v| v.request_text(environment, first)).unwrap().unwrap(), "question");
    assert_eq!(store.read(|v| v.answered(&one, first)).unwrap(), None);
}

#[test]
fn a_database_whose_rows_refer_to_nothing_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = old_database(&folder);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute("UPDATE requests SET environment_id = 'nobody'", []).unwrap();
    let refused = Store::open(&path, WriterKind::Inline).map(drop);
    assert_eq!(refused.unwrap_err().code(), "store-damaged");
    let version: u32 = connection.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, 1);
    drop(connection);
    assert!(
        Connection::open(&path)
            .unwrap()
            .prepare("SELECT slot_held_until FROM environments")
            .is_err()
    );
}

#[test]
fn reports_that_were_uploaded_before_are_read_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = old_database(&folder);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    for step in &STEPS[1..6] {
        step.take_on_sqlite(&connection).unwrap();
    }
    let before = "INSERT INTO usage_reports (environment_id, made_at, received_at, first_day, last_day, peaks)
        VALUES ('00000000-0000-0000-0000-000000000002', 7, 8, '2026-02-01', '2026-03-01',
        '[{\"day\":\"2026-02-28\",\"name\":\"users\",\"peak\":812,\"limit\":null,\"enforcement\":\"soft\",\"at\":9}]');";
    connection.execute_batch(before).unwrap();
    connection.pragma_update(None, "user_version", 6).unwrap();
    drop(connection);
    let store = Store::open(&path, WriterKind::Inline).unwrap();
    let kept = store.read(|view| view.usage_of(Uuid::from_u128(2))).unwrap().unwrap();
    assert_eq!((kept.road.as_str(), kept.measured_at.as_second()), ("report", 7));
    assert!(kept.used.is_empty());
    assert_eq!(kept.newest_peak("users").map(|peak| peak.peak), Some(812));
}
