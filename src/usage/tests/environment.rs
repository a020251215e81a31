//! What the controller adds up.

use super::{key, seconds, user};
use crate::usage::{Batch, Environment, GaugeEntry, Outbox, Server, UserEntries, UserHash};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

/// One report of a program on one server.
#[derive(Debug, Clone)]
enum Report {
    Gauge { server: u8, reporter: u8, value: u64, life: u64 },
    Users { server: u8, users: Vec<u32>, life: u64 },
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let gauge =
        (0..4u8, 0..3u8, 0..1_000u64, 1..100u64).prop_map(|(server, reporter, value, life)| {
            Report::Gauge { server, reporter, value, life }
        });
    let users = (0..4u8, prop::collection::vec(0..20u32, 0..6), 1..100u64)
        .prop_map(|(server, users, life)| Report::Users { server, users, life });
    prop::collection::vec(prop_oneof![gauge, users], 0..40)
}

fn member(server: u8) -> Uuid {
    Uuid::from_u128(u128::from(server))
}

/// Server 0 is the controller; the others tell what they have in one batch each.
fn told(
    environment: &mut Environment,
    servers: &BTreeMap<u8, Vec<Report>>,
    number: u64,
    now: Duration,
) {
    for (server, reports) in servers {
        let mut batch = Batch { session: 1, number, ..Batch::default() };
        for report in reports {
            match report {
                Report::Gauge { reporter, value, life, .. } if *server == 0 => environment
                    .gauge("seats", &reporter.to_string(), *value, now + seconds(*life))
                    .unwrap(),
                Report::Users { users, life, .. } if *server == 0 => {
                    let users: Vec<_> = users.iter().map(|n| user("seats", *n)).collect();
                    environment.users("seats", &users, now + seconds(*life)).unwrap();
                }
                Report::Gauge { reporter, value, life, .. } => batch.gauges.push(GaugeEntry {
                    limit: "seats".to_owned(),
                    reporter: reporter.to_string(),
                    value: *value,
                    seconds: *life,
                }),
                Report::Users { users, life, .. } => {
                    let users: Vec<_> = users.iter().map(|n| user("seats", *n)).collect();
                    let hashes = UserHash::write_all(&users);
                    let limit = "seats".to_owned();
                    batch.users.push(UserEntries { limit, seconds: *life, hashes });
                }
            }
        }
        if *server > 0 {
            environment.take(member(*server), &batch, |limit| limit == "seats", now).unwrap();
        }
    }
}

fn by_server(reports: &[Report]) -> BTreeMap<u8, Vec<Report>> {
    let mut servers = BTreeMap::<u8, Vec<Report>>::new();
    for report in reports {
        let (Report::Gauge { server, .. } | Report::Users { server, .. }) = report;
        servers.entry(*server).or_default().push(report.clone());
    }
    servers
}

/// The same by plain counting: what is used after `age` seconds.
fn expected(reports: &[Report], age: u64) -> Option<u64> {
    let (mut gauges, mut users) = (BTreeMap::new(), BTreeMap::new());
    for report in reports {
        match report {
            Report::Gauge { server, reporter, value, life } => {
                gauges.insert((server, reporter), (*value, *life));
            }
            Report::Users { server, users: these, life } => {
                users.extend(these.iter().map(|user| ((server, *user), *life)));
            }
        }
    }
    gauges.retain(|_, (_, life)| *life > age);
    users.retain(|_, life| *life > age);
    let distinct: BTreeSet<u32> = users.keys().map(|(_, user)| *user).collect();
    let sum: u64 = gauges.values().map(|(value, _)| value).sum();
    (!gauges.is_empty() || !users.is_empty()).then_some(sum + distinct.len() as u64)
}

fn used(environment: &Environment) -> Option<u64> {
    environment.totals().get("seats").copied()
}

proptest! {
    #[test]
    fn what_is_used_is_the_sum_of_gauges_and_the_union_of_users(reports in reports(), age in 0..100u64) {
        let mut environment = Environment::default();
        told(&mut environment, &by_server(&reports), 1, seconds(1_000));
        environment.forget(seconds(1_000));
        prop_assert_eq!(used(&environment), expected(&reports, 0));
        environment.forget(seconds(1_000 + age));
        prop_assert_eq!(used(&environment), expected(&reports, age));
        environment.forget(seconds(1_100));
        prop_assert_eq!((used(&environment), environment.next_expiry()), (None, None));
    }

    #[test]
    fn the_order_of_servers_and_repetition_change_nothing(reports in reports(), age in 0..100u64) {
        let servers = by_server(&reports);
        let (mut one, mut other) = (Environment::default(), Environment::default());
        told(&mut one, &servers, 1, seconds(5));
        for server in servers.iter().rev() {
            let server = BTreeMap::from([(*server.0, server.1.clone())]);
            // The same batch again, and the same contents in a later one.
            for number in [1, 1, 2] {
                told(&mut other, &server, number, seconds(5));
            }
        }
        prop_assert_eq!(one.totals(), other.totals());
        prop_assert_eq!(one.shares("seats"), other.shares("seats"));
        one.forget(seconds(5 + age));
        other.forget(seconds(5 + age));
        prop_assert_eq!(one.totals(), other.totals());
    }

    #[test]
    fn a_removed_member_takes_its_part_along_and_no_other(reports in reports(), gone in 1..4u8) {
        let mut environment = Environment::default();
        told(&mut environment, &by_server(&reports), 1, seconds(0));
        environment.remove(member(gone));
        let others: Vec<_> = by_server(&reports).into_iter().filter(|(server, _)| *server != gone).flat_map(|(_, all)| all).collect();
        prop_assert_eq!(used(&environment), expected(&others, 0));
    }

    #[test]
    fn what_a_member_tells_bit_by_bit_is_what_it_has(reports in reports()) {
        let mut outbox = Outbox::new(3);
        let mut environment = Environment::default();
        let mut direct = Environment::default();
        for report in &reports {
            match report {
                Report::Gauge { reporter, value, life, .. } => {
                    let reporter = reporter.to_string();
                    outbox.gauge("seats", &reporter, *value, seconds(*life)).unwrap();
                    direct.gauge("seats", &reporter, *value, seconds(*life)).unwrap();
                }
                Report::Users { users, life, .. } => {
                    let users: Vec<_> = users.iter().map(|n| user("seats", *n)).collect();
                    outbox.users("seats", &users, seconds(*life)).unwrap();
                    direct.users("seats", &users, seconds(*life)).unwrap();
                }
            }
            if let Some(batch) = outbox.batch(seconds(0)) {
                environment.take(member(1), &batch, |_| true, seconds(0)).unwrap();
                outbox.taken(&batch, seconds(0));
            }
            prop_assert!(outbox.growth().is_empty());
            prop_assert_eq!(environment.totals(), direct.totals());
        }
        // All told again changes nothing.
        outbox.tell_again();
        if let Some(batch) = outbox.batch(seconds(0)) {
            environment.take(member(1), &batch, |_| true, seconds(0)).unwrap();
        }
        prop_assert_eq!(environment.totals(), direct.totals());
    }
}

#[test]
fn a_user_on_two_servers_counts_once_and_stays_while_one_has_it() {
    let mut environment = Environment::default();
    let ada = key().hash("users", "ada");
    environment.users("users", &[ada], seconds(60)).unwrap();
    let batch = |number, seconds| Batch {
        session: 1,
        number,
        gauges: Vec::new(),
        users: vec![UserEntries {
            limit: "users".to_owned(),
            seconds,
            hashes: UserHash::write_all(&[ada]),
        }],
    };
    environment.take(member(1), &batch(1, 120), |_| true, seconds(0)).unwrap();
    assert_eq!(environment.totals(), BTreeMap::from([("users".to_owned(), 1)]));
    assert_eq!((environment.distinct_users("users"), environment.shares("users").len()), (1, 2));
    environment.left("users", &[ada]);
    assert_eq!(environment.totals(), BTreeMap::from([("users".to_owned(), 1)]));
    assert_eq!(environment.shares("users")[0].server, Server::Member(member(1)));
    environment.take(member(1), &batch(2, 0), |_| true, seconds(0)).unwrap();
    assert_eq!(environment.totals(), BTreeMap::new());
}

#[test]
fn bounds_refuse_and_keep_what_was_there() {
    let mut environment = Environment::default();
    let hash = |n: u128| UserHash::from_bytes(n.to_be_bytes());
    let users: Vec<_> = (0..100_000).map(hash).collect();
    environment.users("users", &users, seconds(60)).unwrap();
    let one_more = [hash(100_000)];
    let refused = environment.users("users", &one_more, seconds(60)).unwrap_err();
    assert_eq!(refused.code(), "too-many-users");
    assert!(refused.to_string().contains("100000"), "{refused}");
    // Those that are there may be repeated, and other limits and servers have bounds of their own.
    environment.users("users", &users, seconds(90)).unwrap();
    for server in 1..10u32 {
        for (number, some) in users.chunks(5_000).enumerate() {
            let batch = Batch {
                session: 1,
                number: number as u64 + 1,
                gauges: Vec::new(),
                users: vec![UserEntries {
                    limit: "users".to_owned(),
                    seconds: 60,
                    hashes: UserHash::write_all(some),
                }],
            };
            let member = Uuid::from_u128(u128::from(server));
            environment.take(member, &batch, |_| true, seconds(0)).unwrap();
        }
    }
    assert_eq!(environment.totals()["users"], 100_000);
    let refused = environment.gauge("users", "one", 1, seconds(60)).unwrap_err();
    assert_eq!(refused.code(), "too-much-usage");
    assert!(refused.to_string().contains("1000000"), "{refused}");
    environment.forget(seconds(60));
    environment.gauge("users", "one", 1, seconds(120)).unwrap();
    assert_eq!(environment.totals()["users"], 100_001);
}

#[test]
fn the_reporters_of_a_server_are_bounded_and_a_late_batch_is_not_taken_for_a_newer_one() {
    let mut environment = Environment::default();
    for n in 0..10_000 {
        environment.gauge("seats", &n.to_string(), 1, seconds(60)).unwrap();
    }
    assert_eq!(
        environment.gauge("seats", "more", 1, seconds(60)).unwrap_err().code(),
        "too-many-reporters"
    );
    environment.gauge("seats", "1", 2, seconds(60)).unwrap();
    assert_eq!(environment.totals()["seats"], 10_001);

    let batch = |session, number, value| Batch {
        session,
        number,
        gauges: vec![GaugeEntry {
            limit: "seats".to_owned(),
            reporter: "app".to_owned(),
            value,
            seconds: 60,
        }],
        users: Vec::new(),
    };
    let mut environment = Environment::default();
    for (batch, used) in [(batch(1, 2, 20), 20), (batch(1, 1, 10), 20), (batch(2, 1, 30), 30)] {
        environment.take(member(1), &batch, |_| true, seconds(0)).unwrap();
        assert_eq!(environment.totals()["seats"], used);
    }
    // A limit that the license does not name is not counted.
    environment.take(member(1), &batch(2, 2, 99), |_| false, seconds(0)).unwrap();
    assert_eq!(environment.totals()["seats"], 30);
}
