//! What is PostgreSQL's own: a server that goes and comes back, and what it says of itself.

use super::{
    Kind, Place, SERVERS, add, admin, all_sold, event,
    proxy::{Proxy, Way},
    store, subscription,
};
use crate::portal::store::{Change, Server, Store, StoreError, WriterKind, schema::STEPS};
use std::{collections::BTreeSet, thread, time::Duration};

/// Ends every connection to a database, as a server that is started again does.
fn end_connections(place: &Place) {
    let Place::Server { name, .. } = place else { panic!("it is a file") };
    admin(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    ));
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_lost_server_is_found_again() {
    for kind in SERVERS {
        let (place, store) = store(kind);
        add(&store, subscription(1)).unwrap();
        assert_eq!(all_sold(&store).len(), 1);
        for n in 2..5 {
            end_connections(&place);
            // Nothing has to be told twice: what is found lost before a change is begun is connected anew.
            add(&store, subscription(n)).unwrap();
            assert_eq!(all_sold(&store).len(), usize::from(n));
        }
    }
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_change_whose_server_is_lost_is_told_as_failed() {
    for kind in SERVERS {
        let (place, store) = store(kind);
        add(&store, subscription(1)).unwrap();
        let Place::Server { name, .. } = &place else { panic!("it is a file") };
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        let told = store.write(move |c: &Change<'_>| {
            c.add_subscription(&subscription(2))?;
            admin(&end);
            c.audit_event(&event("lost"))
        });
        let told = told.unwrap_err();
        assert_eq!(told.code(), "store-unavailable", "{told}");
        assert_eq!(all_sold(&store).len(), 1, "nothing of it was done");
        add(&store, subscription(2)).unwrap();
    }
}

/// A store that reaches its server by a way that can be blocked.
fn store_by(proxy: &Proxy, writer: WriterKind) -> (Place, Store) {
    let place = Place::new(true);
    let Place::Server { url, .. } = &place else { panic!("it is a file") };
    let store = Store::connect(Server::parse(&proxy.url(url)).unwrap(), writer).unwrap();
    (place, store)
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_commit_whose_answer_is_lost_is_told_as_unknown() {
    for Kind { writer, .. } in SERVERS {
        let proxy = Proxy::new();
        let (_place, store) = store_by(&proxy, writer);
        add(&store, subscription(1)).unwrap();
        proxy.set(Way::LostAtCommit);
        let told = add(&store, subscription(2)).unwrap_err();
        assert_eq!(told.code(), "store-outcome-unknown", "{told}");
        proxy.set(Way::Open);
        assert_eq!(all_sold(&store).len(), 2, "it was done, and nobody could know");
        add(&store, subscription(3)).unwrap();
    }
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_server_that_takes_a_change_and_does_not_answer_is_noticed() {
    let proxy = Proxy::new();
    let (_place, store) = store_by(&proxy, WriterKind::Thread);
    add(&store, subscription(1)).unwrap();
    proxy.set(Way::Blocked);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| add(&store, subscription(2)));
        // Changes are done by a thread that takes them when it is given a processor.
        let begun = loop {
            match store.figures().begun_at() {
                Some(begun) => break begun,
                None => thread::yield_now(),
            }
        };
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(!store.figures().stands_still(after(30)));
        assert!(store.figures().stands_still(after(31)));
        proxy.set(Way::Open);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(all_sold(&store).len(), 2);
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_what_it_says_tells_no_secret() {
    for kind in SERVERS {
        let (_place, store) = store(kind);
        add(&store, subscription(1)).unwrap();
        let twice = add(&store, subscription(1)).unwrap_err();
        let code = subscription(1).activation_code;
        let mut other = subscription(2);
        other.activation_code = code.clone();
        let same_code = add(&store, other).unwrap_err();
        for told in [twice, same_code] {
            assert_eq!(told.code(), "store-failed");
            let said = format!("{told} {told:?}");
            assert!(!said.contains(&code.expose()), "{said}");
            assert!(!said.contains(&code.id().to_string()), "{said}");
        }
    }
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_newer_database_is_left_alone() {
    let (place, _store) = store(Kind { on_server: true, writer: WriterKind::Inline });
    place.tamper("UPDATE portal_version SET version = 99");
    let Place::Server { url, .. } = &place else { panic!("it is a file") };
    let refused = Store::connect(Server::parse(url).unwrap(), WriterKind::Inline).map(drop);
    assert!(matches!(refused, Err(StoreError::Newer { found: 99, known }) if known == STEPS.len()));
}

/// Whoever writes a step writes it for both.
#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_has_the_tables_that_sqlite_has() {
    let [file, server] = [false, true].map(|on_server| {
        let place = Place::new(on_server);
        drop(place.store(WriterKind::Inline));
        place
    });
    let Place::File(folder) = &file else { panic!("it is a server") };
    let connection = rusqlite::Connection::open(folder.path().join("portal.db")).unwrap();
    let columns = "SELECT m.name || '.' || c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c \
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(columns).unwrap();
    let of_file: BTreeSet<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let Place::Server { url, .. } = &server else { panic!("it is a file") };
    let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                   WHERE table_schema = 'public' AND table_name <> 'portal_version'";
    let rows = ::postgres::Client::connect(url, ::postgres::NoTls).unwrap().query(columns, &[]);
    let of_server: BTreeSet<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(of_file, of_server);
}

#[test]
fn a_url_is_read_without_telling_its_password() {
    let server = Server::parse("postgresql://portal:s3cret@127.0.0.1:5433/licenses").unwrap();
    let shown = format!("{server} {server:?}");
    assert!(shown.contains("127.0.0.1") && shown.contains("licenses"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    for wrong in
        ["", "mysql://a/b", "postgresql://portal:s3cret@host:port/", "postgresql://a/b?s3cret=1"]
    {
        let error = Server::parse(wrong).unwrap_err();
        assert_eq!(error.code(), "store-url", "{wrong}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let halfway = Server::parse("postgresql://db.example/x?sslmode=verify-ca").unwrap_err();
    assert!(halfway.to_string().contains("verify-full"), "{halfway}");
    let missing =
        Server::parse("postgresql://db.example/x?sslrootcert=/no/such.pem&application_name=a");
    assert_eq!(missing.unwrap_err().code(), "store-open");
}
