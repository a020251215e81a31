//! What a member tells, and when.

use super::{seconds, user};
use crate::usage::{MOST_IN_A_BATCH, Outbox};

#[test]
fn what_is_repeated_is_told_again_only_before_it_would_be_forgotten() {
    let mut outbox = Outbox::new(1);
    let report = |outbox: &mut Outbox, value, now: u64| {
        outbox.gauge("seats", "app", value, seconds(now + 300)).unwrap();
    };
    assert_eq!(outbox.due_at(seconds(0)), None);
    report(&mut outbox, 5, 0);
    assert_eq!(outbox.due_at(seconds(0)), Some(seconds(0)));
    assert_eq!(outbox.growth()["seats"], 5);
    let batch = outbox.batch(seconds(0)).unwrap();
    assert_eq!((batch.gauges[0].value, batch.gauges[0].seconds), (5, 300));
    // Not taken yet: told again, under a number of its own.
    assert_eq!(outbox.batch(seconds(0)).unwrap().number, batch.number + 1);
    outbox.taken(&batch, seconds(0));
    assert_eq!((outbox.due_at(seconds(0)), outbox.growth().len()), (None, 0));
    // Repeated each minute, it is told when half of its time is left there.
    for minute in 1..=2u64 {
        report(&mut outbox, 5, minute * 60);
        assert_eq!(outbox.batch(seconds(minute * 60)), None);
    }
    assert_eq!(outbox.due_at(seconds(120)), Some(seconds(180)));
    assert_eq!(outbox.batch(seconds(180)).unwrap().gauges[0].seconds, 240);
    // Another value at once, and so a shorter life.
    report(&mut outbox, 4, 120);
    assert!(outbox.batch(seconds(121)).is_some());
    outbox.gauge("seats", "app", 5, seconds(150)).unwrap();
    assert_eq!(outbox.batch(seconds(121)).unwrap().gauges[0].seconds, 29);
    outbox.forget(seconds(300));
    assert_eq!((outbox.due_at(seconds(300)), outbox.reported().is_empty()), (None, true));
}

#[test]
fn many_users_go_in_several_batches_and_those_that_left_are_told() {
    let mut outbox = Outbox::new(1);
    let users: Vec<_> = (0..12_000).map(|n| user("users", n)).collect();
    outbox.users("users", &users, seconds(600)).unwrap();
    let mut sizes = Vec::new();
    while let Some(batch) = outbox.batch(seconds(0)) {
        sizes.push(batch.len());
        assert!(serde_json::to_vec(&batch).unwrap().len() < 256 << 10);
        outbox.taken(&batch, seconds(0));
    }
    assert_eq!(sizes, [MOST_IN_A_BATCH, MOST_IN_A_BATCH, 2_000]);
    outbox.left("users", &users[..3]);
    let batch = outbox.batch(seconds(1)).unwrap();
    assert_eq!((batch.len(), batch.users[0].seconds), (3, 0));
    outbox.taken(&batch, seconds(1));
    assert_eq!(outbox.batch(seconds(1)), None);
    // Of another key: all of them left.
    outbox.forget_users();
    let batch = outbox.batch(seconds(1)).unwrap();
    assert!(batch.users.iter().all(|users| users.seconds == 0) && batch.len() == MOST_IN_A_BATCH);
}

#[test]
fn what_is_told_again_is_no_growth() {
    let mut outbox = Outbox::new(1);
    let tell = |outbox: &mut Outbox| {
        let batch = outbox.batch(seconds(0)).unwrap();
        outbox.taken(&batch, seconds(0));
        batch.gauges.iter().map(|gauge| gauge.value).collect::<Vec<_>>()
    };
    outbox.gauge("seats", "app", 30, seconds(300)).unwrap();
    assert_eq!(tell(&mut outbox), [30]);
    outbox.tell_again();
    assert_eq!((outbox.growth().len(), outbox.due_at(seconds(0))), (0, Some(seconds(0))));
    outbox.gauge("seats", "app", 35, seconds(300)).unwrap();
    outbox.tell_again();
    assert_eq!(outbox.growth()["seats"], 5);
    assert_eq!(tell(&mut outbox), [35]);
    assert_eq!((outbox.growth().len(), outbox.batch(seconds(0))), (0, None));
    outbox.gauge("seats", "app", 36, seconds(300)).unwrap();
    assert_eq!(outbox.growth()["seats"], 1);
}

#[test]
fn a_user_that_is_new_here_counts_until_the_controller_has_it() {
    let mut outbox = Outbox::new(1);
    let (ada, bob) = (user("users", 1), user("users", 2));
    outbox.users("users", &[ada, bob, ada], seconds(300)).unwrap();
    assert_eq!(outbox.growth()["users"], 2);
    outbox.left("users", &[bob]);
    assert_eq!(outbox.growth()["users"], 1);
    let batch = outbox.batch(seconds(0)).unwrap();
    outbox.taken(&batch, seconds(0));
    assert!(outbox.growth().is_empty());
    outbox.users("users", &[ada, bob], seconds(400)).unwrap();
    assert_eq!(outbox.growth()["users"], 1);
    outbox.tell_again();
    assert_eq!(outbox.growth()["users"], 1);
    outbox.forget(seconds(400));
    assert!(outbox.growth().is_empty());
}
