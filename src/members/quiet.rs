//! A log that is told once of what happens a thousand times.

use std::{collections::HashMap, time::Duration};

/// The time between two lines about one cause.
const PERIOD: Duration = Duration::from_mins(10);
/// Causes that are told apart; what comes beyond is one cause.
const MOST: usize = 1_000;

/// Says what is worth a line.
#[derive(Debug, Default)]
pub(super) struct Quiet(HashMap<String, Told>);

#[derive(Debug)]
struct Told {
    at: Duration,
    since: u64,
}

impl Quiet {
    /// Whether a cause is worth a line at `now` (any growing time), and of how many silent ones that tells.
    pub(super) fn worth_telling(&mut self, cause: &str, now: Duration) -> Option<u64> {
        if self.0.len() >= MOST && !self.0.contains_key(cause) {
            self.0.retain(|_, told| now.saturating_sub(told.at) < PERIOD);
        }
        let cause = if self.0.len() >= MOST && !self.0.contains_key(cause) { "" } else { cause };
        match self.0.get_mut(cause) {
            Some(told) if now.saturating_sub(told.at) < PERIOD => {
                told.since += 1;
                None
            }
            Some(told) => {
                let silent = std::mem::take(&mut told.since);
                told.at = now;
                Some(silent)
            }
            None => {
                self.0.insert(cause.to_owned(), Told { at: now, since: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_a_period_with_the_number_of_those_that_were_not() {
        let mut quiet = Quiet::default();
        let at = Duration::from_secs;
        assert_eq!(quiet.worth_telling("a", at(0)), Some(0));
        for second in 1..600 {
            assert_eq!(quiet.worth_telling("a", at(second)), None);
        }
        assert_eq!(quiet.worth_telling("b", at(5)), Some(0));
        assert_eq!(quiet.worth_telling("a", at(600)), Some(599));
        assert_eq!(quiet.worth_telling("a", at(601)), None);
    }

    #[test]
    fn ever_new_causes_are_no_way_to_fill_the_log_or_the_memory() {
        let mut quiet = Quiet::default();
        let now = Duration::ZERO;
        let told = (0..5_000).filter_map(|i| quiet.worth_telling(&i.to_string(), now)).count();
        assert!(told <= MOST + 1 && quiet.0.len() <= MOST + 1, "{told}");
    }
}
