//! Clocks of real machines: without a battery, from before their making, from the far future.

use super::*;

fn truth() -> Timestamp {
    at("2026-06-01T12:00:00Z")
}

/// A machine that has heard of the portal at the true time.
fn proven_machine() -> Machine {
    let mut machine = Machine::new(truth());
    machine.time.prove(truth());
    machine
}

#[test]
fn a_clock_without_battery_stands_at_what_is_proven() {
    for clock in ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1901-12-13T20:45:52Z"] {
        let mut machine = proven_machine();
        machine.reboot();
        machine.set_clock(at(clock));
        assert_eq!(machine.now(), truth(), "{clock}");
        assert!(machine.time.behind(machine.reading()).is_some());
        machine.run(DAY * 2);
        assert_eq!(machine.now(), truth(), "{clock}");
        machine.mend_clock();
        assert_eq!(machine.now(), machine.truth);
        assert_eq!(machine.time.behind(machine.reading()), None);
    }
}

#[test]
fn a_clock_of_1969_before_anything_is_known_is_taken_as_it_is() {
    let mut machine = Machine::new(truth());
    machine.set_clock(at("1969-07-20T20:17:00Z"));
    assert_eq!(machine.now(), at("1969-07-20T20:17:00Z"));
    machine.run(DAY * 2);
    machine.time.settle(machine.truth);
    assert_eq!(machine.now(), machine.truth);
}

#[test]
fn a_clock_of_the_far_future_at_boot_that_is_mended_leaves_no_trace() {
    let futures = ["2038-01-19T03:14:08Z", "2099-01-01T00:00:00Z", "2106-02-07T06:28:16Z"];
    for clock in futures {
        let mut machine = proven_machine();
        machine.reboot();
        machine.set_clock(at(clock));
        machine.run(MINUTE * (24 * 60 - 1));
        assert!(machine.now() >= at(clock));
        machine.mend_clock();
        assert_eq!(machine.now(), machine.truth, "{clock}");
        machine.run(DAY * 3);
        assert_eq!(machine.now(), machine.truth, "{clock}");
    }
}

#[test]
fn a_clock_that_stays_in_the_future_for_a_day_is_believed_until_the_portal_speaks() {
    let mut machine = proven_machine();
    machine.set_clock(at("2099-01-01T00:00:00Z"));
    machine.run(DAY + HOUR);
    machine.mend_clock();
    assert!(machine.now() >= at("2099-01-01T00:00:00Z"));
    assert!(machine.time.behind(machine.reading()).is_some());
    machine.reboot();
    assert!(machine.now() >= at("2099-01-01T00:00:00Z"));

    machine.time.settle(machine.truth);
    assert_eq!(machine.now(), machine.truth);
    // Nor do the samples of those days bring it back.
    machine.run(DAY * 3);
    assert_eq!(machine.now(), machine.truth);
}

#[test]
fn a_clock_turned_back_gains_nothing() {
    let mut machine = proven_machine();
    machine.run(DAY * 100);
    let before = machine.now();
    machine.set_clock(truth());
    let day = SignedDuration::from_hours(24);
    let quarter = SignedDuration::from_mins(15);
    assert!(machine.now() >= before - day - quarter, "{}", machine.now());
    machine.reboot();
    assert!(machine.now() >= before - day - quarter, "{}", machine.now());
}

#[test]
fn an_hour_behind_is_put_up_with_and_a_second_more_is_told() {
    let mut machine = proven_machine();
    let hour = SignedDuration::from_hours(1);
    machine.error = -hour;
    assert_eq!(machine.time.behind(machine.reading()), None);
    let more = hour + SignedDuration::from_secs(1);
    machine.error = -more;
    assert_eq!(machine.time.behind(machine.reading()), Some(more));
}

#[test]
fn an_answer_lowers_what_was_observed_to_what_is_proven_and_no_further() {
    let mark = TimeMark {
        proven: Some(at("2026-06-01T00:00:00Z")),
        observed: Some(at("2026-07-01T00:00:00Z")),
    };
    // An answer that was carried for a month is older than what is proven since.
    let mut time = EffectiveTime::new(mark);
    time.settle(at("2026-05-01T00:00:00Z"));
    assert_eq!(time.mark().observed, Some(at("2026-06-01T00:00:00Z")));
    assert_eq!(time.mark().proven, Some(at("2026-06-01T00:00:00Z")));

    let mut time = EffectiveTime::new(mark);
    time.settle(at("2026-06-15T00:00:00Z"));
    assert_eq!(time.mark().observed, Some(at("2026-06-15T00:00:00Z")));

    let mut time = EffectiveTime::new(mark);
    time.settle(at("2026-08-01T00:00:00Z"));
    assert_eq!(time.mark().observed, mark.observed);
    assert_eq!(time.mark().proven, Some(at("2026-08-01T00:00:00Z")));
}

#[test]
fn only_what_is_later_is_news() {
    let mut time = EffectiveTime::new(TimeMark::default());
    assert!(time.prove(truth()));
    assert!(!time.prove(truth()));
    assert!(!time.prove(at("2020-01-01T00:00:00Z")));
    assert_eq!(time.mark().proven, Some(truth()));
}

#[test]
fn the_ends_of_all_calendars_overflow_nothing() {
    let mut time = EffectiveTime::new(TimeMark::default());
    for (clock, uptime) in [
        (Timestamp::MIN, Duration::ZERO),
        (Timestamp::MAX, DAY * 2),
        (Timestamp::MIN, Duration::MAX),
    ] {
        time.read(Reading { clock, uptime });
    }
    time.prove(Timestamp::MAX);
    let reading = Reading { clock: Timestamp::MIN, uptime: Duration::ZERO };
    assert_eq!(time.read(reading), Timestamp::MAX);
    assert!(time.behind(reading).is_some());
}
