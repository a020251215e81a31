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
