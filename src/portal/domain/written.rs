//! Features, limits and times as people write them, in commands and in forms.

use crate::license::{Enforcement, Limit};
use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde_json::Value;

/// A day, for its first second, or a second.
///
/// # Errors
/// What is expected.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let midnight = |day: Date| TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight()));
    let day = || text.parse::<Date>().and_then(midnight);
    text.parse::<Timestamp>().or_else(|_| day()).map_err(|_| {
        "expected a day (2026-01-31) or a time with its zone (2026-01-31T12:00:00Z)".to_owned()
    })
}

/// `NAME` for true, or `NAME=VALUE` with true, false, a number or a text.
///
/// # Errors
/// What is expected.
pub fn feature(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    if name.is_empty() {
        return Err("expected NAME or NAME=VALUE".to_owned());
    }
    let value = match serde_json::from_str::<Value>(value) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        _ => Value::String(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

/// A feature as [`feature`] reads it.
pub fn write_feature(name: &str, value: &Value) -> String {
    match value {
        // What reads as something else is quoted, and what a line of a form does not keep as it is.
        Value::String(text) if is_kept(text) && serde_json::from_str::<Value>(text).is_err() => {
            format!("{name}={text}")
        }
        other => format!("{name}={other}"),
    }
}

/// Whether a line of a form keeps it: it has one, and is not trimmed.
fn is_kept(text: &str) -> bool {
    text.trim() == text && !text.contains(char::is_control)
}

/// `NAME=NUMBER` or `NAME=unlimited`, with `:hard` after it where programs are to refuse more.
///
/// # Errors
/// What is expected.
pub fn limit(text: &str) -> Result<(String, Limit), String> {
    let wanted =
        || "expected NAME=NUMBER or NAME=unlimited, with :soft or :hard after it".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wanted)?;
    let (value, enforcement) = match value.split_once(':') {
        None => (value, Enforcement::Soft),
        Some((value, "soft")) => (value, Enforcement::Soft),
        Some((value, "hard")) => (value, Enforcement::Hard),
        Some(_) => return Err(wanted()),
    };
    let limit = match value {
        "unlimited" => None,
        number => Some(number.parse().map_err(|_| wanted())?),
    };
    Ok((name.to_owned(), Limit { limit, enforcement }))
}

/// A limit as [`limit`] reads it.
pub fn write_limit(name: &str, limit: Limit) -> String {
    let number = limit.limit.map_or_else(|| "unlimited".to_owned(), |number| number.to_string());
    let hard = if limit.enforcement == Enforcement::Hard { ":hard" } else { "" };
    format!("{name}={number}{hard}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_true_a_number_or_a_text() {
        for (text, name, value) in [
            ("sso", "sso", Value::Bool(true)),
            ("sso=false", "sso", Value::Bool(false)),
            ("nodes=12", "nodes", Value::from(12)),
            ("region=eu=west", "region", Value::from("eu=west")),
            ("odd=[1]", "odd", Value::from("[1]")),
            ("code=\"12\"", "code", Value::from("12")),
        ] {
            assert_eq!(feature(text), Ok((name.to_owned(), value.clone())), "{text}");
            assert_eq!(
                feature(&write_feature(name, &value)),
                Ok((name.to_owned(), value)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_limit_is_soft_unless_it_says_hard() {
        let read = |text| limit(text).map(|(_, l)| (l.limit, l.enforcement));
        assert_eq!(read("users=10"), Ok((Some(10), Enforcement::Soft)));
        assert_eq!(read("users=10:hard"), Ok((Some(10), Enforcement::Hard)));
        assert_eq!(read("users=unlimited"), Ok((None, Enforcement::Soft)));
        for wrong in ["users", "users=", "users=-1", "users=1:firm"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for text in ["users=10", "users=10:hard", "users=unlimited"] {
            let (name, read) = limit(text).unwrap();
            assert_eq!(write_limit(&name, read), text);
        }
    }

    #[test]
    fn a_time_is_a_day_or_a_second() {
        assert_eq!(time("2026-01-31"), time("2026-01-31T00:00:00Z"));
        assert_eq!(time("2026-01-31T01:00:00+01:00"), time("2026-01-31"));
        assert!(time("31.1.2026").is_err());
    }
}
