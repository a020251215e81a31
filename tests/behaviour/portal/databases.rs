//! Several portals on one PostgreSQL database, and the commands that carry a portal's data. Asked for by `tests/postgres/run`.

use super::Agent;
use crate::stage::{PATIENCE, Server, Vendor};
use entitled::license::{Outcome, RequestKind, Sequence};
use postgres::{Client, NoTls};
use std::time::Instant;
use uuid::Uuid;

/// A database of its own, gone with this.
pub(crate) struct Database {
    name: String,
    url: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        let name = format!("entitled_{}", Uuid::new_v4().simple());
        admin(format!("CREATE DATABASE {name}"));
        let url = admin_url();
        let (server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), name }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Nobody can connect any more, and whoever is connected is sent away.
    fn close(&self) {
        let name = &self.name;
        admin(format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"));
        admin(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    }

    fn open(&self) {
        admin(format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true", self.name));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        admin(format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn admin_url() -> String {
    std::env::var("ENTITLED_TEST_POSTGRES").expect("ENTITLED_TEST_POSTGRES is the URL of a server")
}

/// On a thread of its own: the client blocks, which a thread that runs tasks may not.
fn admin(sql: String) {
    let run = move || Client::connect(&admin_url(), NoTls).unwrap().batch_execute(&sql).unwrap();
    std::thread::spawn(run).join().unwrap();
}

async fn ready(server: &Server, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    while server.get("/readyz").await.0 != status {
        assert!(Instant::now() < deadline, "it is not {status}");
    }
}

#[tokio::test]
#[ignore = "it needs a server: tests/postgres/run"]
async fn postgres_gives_the_last_slots_once_however_many_portals_ask() {
    let database = Database::new();
    let vendor = Vendor::on(&database.url);
    let (id, code) = vendor.sell();
    let servers = [vendor.serve(), vendor.serve(), vendor.serve()];
    for round in 1..=4 {
        let slots = format!("production={round}");
        vendor.json(&["subscription", "set", &id, "--slots", &slots]);
        let asked = (0..12).map(|n| {
            let machine = format!("{round} {n}");
            let request = Agent::new(&machine).request(RequestKind::Activate, Some(&code));
            servers[n % 3].post(request)
        });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 409)), "{answers:?}");
    }
    assert_eq!(vendor.json(&["environment", "list"]).as_array().unwrap().len(), 4);
    let audit = vendor.json(&["audit", "verify"]);
    assert_eq!(audit["fault"], serde_json::Value::Null, "{audit}");
    assert!(audit["entries"].as_u64().unwrap() >= 12, "{audit}");
}

#[tokio::test]
#[ignore = "it needs a server: tests/postgres/run"]
async fn postgres_portals_answer_as_one_and_outlive_a_server_that_is_gone_for_a_while() {
    let database = Database::new();
    let vendor = Vendor::on(&database.url);
    let (_, code) = vendor.sell();
    let (one, other) = (vendor.serve(), vendor.serve());
    let mut agent = Agent::new("a");
    let request = agent.request(RequestKind::Activate, Some(&code));
    let first = one.post(request.clone()).await;
    assert_eq!(other.post(request).await, first, "the same bytes");
    agent.settle(&first.1, &vendor);

    database.close();
    for server in [&one, &other] {
        ready(server, 503).await;
        let (status, problem) = server.post(agent.request(RequestKind::Refresh, None)).await;
        assert_eq!(status, 503, "{problem}");
        assert!(problem.contains("portal-unavailable"), "{problem}");
    }
    database.open();
    for server in [&one, &other] {
        ready(server, 200).await;
        let nothing = agent.refresh(server, &vendor).await;
        assert_eq!(nothing.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    }
}

#[tokio::test]
#[ignore = "it needs a server: tests/postgres/run"]
async fn postgres_takes_over_a_portal_that_began_on_sqlite() {
    let database = Database::new();
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let old = vendor.serve();
    let mut agent = Agent::new("a");
    agent.activate(&old, &vendor, &code).await;
    let copied = vendor.json(&["migrate", "--to", &database.url]);
    assert_eq!(copied["audit"]["fault"], serde_json::Value::Null, "{copied}");
    let (status, problem) = old.post(agent.request(RequestKind::Refresh, None)).await;
    assert_eq!(status, 503, "what is stored there would be lost: {problem}");
    drop(old);

    let server = vendor.serve();
    let nothing = agent.refresh(&server, &vendor).await;
    assert_eq!(nothing.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    let refused = vendor.run(&["migrate", "--to", &database.url]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!std::fs::read_to_string(vendor.path("serve.log")).unwrap().contains("panicked"));
}

/// What a migration leaves that is killed after its commit on the server, and what one leaves that is killed after the file was closed.
#[tokio::test]
#[ignore = "it needs a server: tests/postgres/run"]
async fn postgres_is_migrated_to_again_where_a_migration_was_cut_short() {
    for is_closed in [false, true] {
        let database = Database::new();
        let vendor = Vendor::new();
        let (id, code) = vendor.sell();
        let before = vendor.path("before.db").display().to_string();
        vendor.json(&["backup", &before]);
        let first = vendor.json(&["migrate", "--to", &database.url]);
        std::fs::remove_file(vendor.path("database")).unwrap();
        if is_closed {
            let sell = vendor.run(&["subscription", "create", "--customer", "B", "--days", "9"]);
            let said = String::from_utf8(sell.stderr).unwrap();
            assert!(said.contains("`entitle-portal migrate` was cut short"), "{said}");
        } else {
            for beside in ["portal.db-wal", "portal.db-shm"] {
                drop(std::fs::remove_file(vendor.path(beside)));
            }
            std::fs::rename(&before, vendor.path("portal.db")).unwrap();
        }
        assert_eq!(vendor.json(&["migrate", "--to", &database.url]), first);
        let server = vendor.serve();
        Agent::new("a").activate(&server, &vendor, &code).await;
        assert_eq!(vendor.json(&["environment", "list"])[0]["subscription_id"], id.as_str());
    }
}

/// A portal whose machine is lost: its keys were kept apart, its data are in the backup.
#[tokio::test]
async fn a_portal_comes_back_from_a_backup_and_its_keys() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let server = vendor.serve();
    let mut agent = Agent::new("a");
    agent.activate(&server, &vendor, &code).await;
    let backup = vendor.path("backup.db");
    let backup = backup.to_str().unwrap();
    let head = vendor.json(&["backup", backup])["audit"]["head"].as_str().unwrap().to_owned();
    assert_eq!(vendor.run(&["backup", backup]).status.code(), Some(1));
    let whole = vendor.run(&["restore", backup]);
    assert_eq!(whole.status.code(), Some(1), "it is not empty");
    drop(server);
    for name in ["portal.db", "portal.db-wal", "portal.db-shm"] {
        drop(std::fs::remove_file(vendor.path(name)));
    }

    vendor.json(&["restore", backup]);
    let server = vendor.serve();
    let nothing = agent.refresh(&server, &vendor).await;
    assert_eq!(nothing.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    let audit = vendor.json(&["audit", "verify", "--head", &head]);
    assert_eq!(audit["noted"].as_u64().unwrap() + 1, audit["entries"].as_u64().unwrap(), "{audit}");
    let unknown = vendor.run(&["audit", "verify", "--head", "00"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("made anew"));
}

#[test]
fn an_entry_that_was_changed_is_named_by_the_command() {
    let vendor = Vendor::new();
    vendor.sell();
    vendor.sell();
    assert_eq!(vendor.json(&["audit", "verify"])["entries"], 2);
    let database = rusqlite::Connection::open(vendor.path("portal.db")).unwrap();
    let tampered =
        "DROP TRIGGER audit_is_not_changed; UPDATE audit SET actor = 'nobody' WHERE id = 2";
    database.execute_batch(tampered).unwrap();
    let told = vendor.run(&["--json", "audit", "verify"]);
    assert_eq!(told.status.code(), Some(1));
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("audit-broken") && told.contains("entry 2"), "{told}");
}
