//! What no sequence of events can bring about.

use super::*;
use proptest::{collection::vec, prelude::*};

/// Something that happens to a machine.
#[derive(Debug, Clone)]
enum Step {
    Run(Duration),
    /// Nothing is read for so long: the machine is suspended, or the process stopped.
    Sleep(Duration),
    SetClock(Timestamp),
    MendClock,
    Reboot,
    /// The portal signs a time so long ago.
    Prove(Duration),
    /// The same in an answer to a pending request.
    Settle(Duration),
}

impl Step {
    /// The same in steps of one reading each.
    fn pieces(&self) -> Vec<Self> {
        match self {
            Self::Run(duration) => {
                let readings = usize::try_from(duration.as_secs() / 300).unwrap();
                vec![Self::Run(MINUTE * 5); readings]
            }
            other => vec![other.clone()],
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let minutes =
        |most: u64| (1..most).prop_map(|minutes| MINUTE * u32::try_from(minutes).unwrap());
    let clock =
        (-10_000_000_000i64..10_000_000_000).prop_map(|s| Timestamp::from_second(s).unwrap());
    prop_oneof![
        4 => minutes(3_000).prop_map(Step::Run),
        1 => minutes(3_000).prop_map(Step::Sleep),
        2 => clock.prop_map(Step::SetClock),
        2 => Just(Step::MendClock),
        1 => Just(Step::Reboot),
        1 => minutes(100_000).prop_map(Step::Prove),
        1 => minutes(100_000).prop_map(Step::Settle),
    ]
}

impl Machine {
    fn suffer(&mut self, step: &Step) {
        let ago = |d: &Duration| self.truth - SignedDuration::try_from(*d).unwrap();
        match step {
            Step::Run(duration) => self.run(*duration),
            Step::Sleep(duration) => {
                self.truth += SignedDuration::try_from(*duration).unwrap();
                self.uptime += *duration;
                self.now();
            }
            Step::SetClock(clock) => self.set_clock(*clock),
            Step::MendClock => self.mend_clock(),
            Step::Reboot => self.reboot(),
            Step::Prove(duration) => {
                let signed = ago(duration);
                self.time.prove(signed);
            }
            Step::Settle(duration) => {
                let signed = ago(duration);
                self.time.settle(signed);
            }
        }
    }
}

fn machine() -> Machine {
    Machine::new(at("2026-06-01T12:00:00Z"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_brings_time_below_what_is_proven(steps in vec(step(), 1..40)) {
        let mut machine = machine();
        let mut proven = None;
        for step in &steps {
            machine.suffer(step);
            prop_assert!(machine.time.mark().proven >= proven, "{step:?} lowered what is proven");
            proven = machine.time.mark().proven;
            let now = machine.now();
            prop_assert!(proven.is_none_or(|proven| now >= proven), "{step:?}: {now}");
            prop_assert!(machine.time.at(machine.reading()) == now);
        }
    }

    /// `observed` never moves to a time that the clock went below within the last day of uptime.
    #[test]
    fn what_is_observed_was_kept_for_a_day(steps in vec(step(), 1..40)) {
        let mut machine = machine();
        for step in steps.iter().flat_map(Step::pieces) {
            let before = machine.time.mark().observed;
            machine.suffer(&step);
            let after = machine.time.mark().observed;
            prop_assert!(after >= before || matches!(step, Step::Settle(_)), "{step:?} lowered it");
            if after > before {
                let start = machine.uptime.checked_sub(DAY);
                let start = start.expect("moved within the first day of uptime");
                prop_assert!(machine.readings[0].uptime <= start, "moved before a day was seen");
                let within = machine.readings.iter().filter(|reading| reading.uptime > start);
                let lowest = within.map(|reading| reading.clock).min();
                prop_assert!(after <= lowest, "{after:?} above {lowest:?}");
            }
        }
    }

    /// A clock that was wrong for less than a day of uptime, however wrong, leaves an honest machine right.
    #[test]
    fn an_honest_machine_is_never_left_wrong(
        errors in vec((-3_000_000_000i64..3_000_000_000, 0..1_439u32, 0..5_000u32, any::<bool>()), 1..12)
    ) {
        let mut machine = machine();
        machine.time.prove(machine.truth);
        for (seconds, wrong, right, reboots) in errors {
            if reboots {
                machine.reboot();
            }
            machine.error = SignedDuration::from_secs(seconds);
            machine.now();
            machine.run(MINUTE * wrong);
            machine.mend_clock();
            prop_assert_eq!(machine.now(), machine.truth);
            machine.run(MINUTE * right);
            prop_assert_eq!(machine.now(), machine.truth);
            prop_assert_eq!(machine.time.behind(machine.reading()), None);
        }
    }

    /// However long it was wrong: one answer of the portal mends it.
    #[test]
    fn one_answer_mends_any_honest_machine(steps in vec(step(), 1..30)) {
        let mut machine = machine();
        for step in &steps {
            machine.suffer(step);
        }
        machine.mend_clock();
        machine.time.settle(machine.truth);
        prop_assert_eq!(machine.now(), machine.truth);
        machine.run(DAY * 2);
        prop_assert_eq!(machine.now(), machine.truth);
    }
}
