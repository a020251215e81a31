//! The command line as it is read.

use super::*;

#[test]
fn the_definitions_are_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn times_are_read_with_their_unit() {
    assert_eq!(time_to_live("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(time_to_live("1h"), Ok(Duration::from_hours(1)));
    assert_eq!(time_to_live("7d"), Ok(Duration::from_hours(168)));
    for text in ["", "1", "h", "0h", "-1h", "1w", "1é"] {
        assert!(time_to_live(text).is_err(), "{text}");
    }
}

#[test]
fn days_are_read_with_and_without_their_unit() {
    assert_eq!(days("30d"), Ok(30));
    assert_eq!(days("7"), Ok(7));
    assert!(days("-1").is_err() && days("d").is_err() && days("1w").is_err());
}
