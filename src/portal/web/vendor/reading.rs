//! What is typed into the fields of a form, and how it is written there.

use crate::portal::{
    domain::{Terms, written},
    web::faults::Fault,
};
use jiff::Timestamp;

/// A field by its id and what it is called.
pub(super) type Field = (&'static str, &'static str);

fn wrong_in((id, name): Field, expected: &str) -> Fault {
    Fault::new(id, format!("{name}: {expected}."))
}

/// A time as a field shows it: a day where it is its first second.
pub(super) fn date(time: Timestamp) -> String {
    let text = time.to_string();
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.clone(), str::to_owned)
}

pub(super) fn read_date(field: Field, typed: &str, place: &mut Timestamp, wrong: &mut Vec<Fault>) {
    match written::time(typed.trim()) {
        Ok(time) => *place = time,
        Err(expected) => wrong.push(wrong_in(field, &expected)),
    }
}

pub(super) fn read_number(field: Field, typed: &str, place: &mut u32, wrong: &mut Vec<Fault>) {
    match typed.trim().parse() {
        Ok(number) => *place = number,
        Err(_) => wrong.push(wrong_in(field, "expected a number")),
    }
}

pub(super) fn read_optional(
    field: Field,
    typed: &str,
    place: &mut Option<u32>,
    wrong: &mut Vec<Fault>,
) {
    if typed.trim().is_empty() {
        *place = None;
        return;
    }
    match typed.trim().parse() {
        Ok(number) => *place = Some(number),
        Err(_) => wrong.push(wrong_in(field, "expected a number, or nothing")),
    }
}

fn lines(typed: &str) -> impl Iterator<Item = &str> {
    typed.lines().map(str::trim).filter(|line| !line.is_empty())
}

pub(super) fn read_features(typed: &str, terms: &mut Terms, wrong: &mut Vec<Fault>) {
    let read: Result<_, String> = lines(typed).map(written::feature).collect();
    match read {
        Ok(features) => terms.features = features,
        Err(expected) => wrong.push(wrong_in(("features", "Features"), &expected)),
    }
}

pub(super) fn read_limits(typed: &str, terms: &mut Terms, wrong: &mut Vec<Fault>) {
    let read: Result<_, String> = lines(typed).map(written::limit).collect();
    match read {
        Ok(limits) => terms.limits = limits,
        Err(expected) => wrong.push(wrong_in(("limits", "Limits"), &expected)),
    }
}

pub(super) fn written_features(terms: &Terms) -> String {
    let lines = terms.features.iter().map(|(name, value)| written::write_feature(name, value));
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn written_limits(terms: &Terms) -> String {
    let lines = terms.limits.iter().map(|(name, limit)| written::write_limit(name, *limit));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::{Enforcement, Limit};
    use proptest::prelude::*;
    use serde_json::Value;

    fn name() -> impl Strategy<Value = String> {
        let odd = prop_oneof![
            Just("\u{2028}".to_owned()),
            Just("\u{feff}".to_owned()),
            Just("true".to_owned()),
            "[a-z \"':;=\\\\]{1,12}".prop_map(|text: String| text),
            "\\PC{1,12}".prop_map(|text: String| text),
        ];
        odd.prop_filter("a name that terms may have", |name| {
            let mut terms = usual();
            terms.features.insert(name.clone(), Value::Bool(true));
            terms.check().is_ok()
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_i32..1_000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
            ".{0,12}".prop_map(Value::from),
            "[ \ta-z=\"\\n\\r0-9{}\\[\\]\\\\]{0,8}".prop_map(Value::from),
            Just(Value::from("true")),
            Just(Value::from("\u{85}edge\u{a0}")),
        ]
    }

    fn limit() -> impl Strategy<Value = Limit> {
        let enforcement = prop_oneof![Just(Enforcement::Soft), Just(Enforcement::Hard)];
        (proptest::option::of(any::<u64>()), enforcement)
            .prop_map(|(limit, enforcement)| Limit { limit, enforcement })
    }

    fn usual() -> Terms {
        let at = |text: &str| text.parse().unwrap();
        Terms::new("a", "b", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
    }

    proptest! {
        #[test]
        fn what_a_form_shows_and_nobody_touches_is_read_as_it_was(
            features in proptest::collection::btree_map(name(), value(), 0..6),
            limits in proptest::collection::btree_map(name(), limit(), 0..4),
        ) {
            let mut sold = usual();
            (sold.features, sold.limits) = (features, limits);
            prop_assume!(sold.check().is_ok());
            let (mut read, mut wrong) = (usual(), Vec::new());
            // As a browser sends it.
            let typed = |text: String| text.replace('\n', "\r\n");
            read_features(&typed(written_features(&sold)), &mut read, &mut wrong);
            read_limits(&typed(written_limits(&sold)), &mut read, &mut wrong);
            prop_assert!(wrong.is_empty(), "{:?}", wrong);
            prop_assert_eq!(read.features, sold.features);
            prop_assert_eq!(read.limits, sold.limits);
        }
    }

    #[test]
    fn a_text_of_two_lines_sells_no_second_feature() {
        let mut sold = usual();
        sold.features.insert("note".to_owned(), Value::from("a\nb"));
        let (mut read, mut wrong) = (usual(), Vec::new());
        read_features(&written_features(&sold), &mut read, &mut wrong);
        assert_eq!(read.features, sold.features);
        for name in ["a=b", " a", "a "] {
            let mut odd = usual();
            odd.features.insert(name.to_owned(), Value::Bool(true));
            assert_eq!(odd.check().unwrap_err().code(), "terms-name", "{name:?}");
        }
    }
}
