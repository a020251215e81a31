//! Sound documents, damaged at random: each is read or refused, nothing panics, and nobody but the signer changes what
//! is believed.

use super::samples::*;
use crate::license::*;
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A change of some bytes of a text.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, char),
    Insert(Index, String),
    Delete(Index, Index),
    Repeat(Index, Index),
    Swap(Index, Index),
}

impl Edit {
    fn apply(&self, text: &mut Vec<char>) {
        if text.is_empty() {
            return;
        }
        let span = |a: &Index, b: &Index| {
            let (a, b) = (a.index(text.len()), b.index(text.len()));
            (a.min(b), a.max(b))
        };
        match self {
            Self::Replace(at, c) => {
                let at = at.index(text.len());
                text[at] = *c;
            }
            Self::Insert(at, more) => {
                let at = at.index(text.len());
                text.splice(at..at, more.chars());
            }
            Self::Delete(a, b) => {
                let (from, to) = span(a, b);
                text.drain(from..to);
            }
            Self::Repeat(a, b) => {
                let (from, to) = span(a, b);
                let again = text[from..to].to_vec();
                text.splice(to..to, again);
            }
            Self::Swap(a, b) => {
                let (from, to) = span(a, b);
                text.swap(from, to);
            }
        }
    }
}

fn any_edit() -> impl Strategy<Value = Edit> {
    // What the format and its parts are made of is likelier to come through than any character.
    let character = prop_oneof![
        proptest::char::ranges(vec!['A'..='Z', 'a'..='z', '0'..='9'].into()),
        prop::sample::select(vec!['.', '-', '_', '=', '{', '}', '"', ',', ':', '[', '\\', '\n']),
        any::<char>(),
    ];
    prop_oneof![
        (any::<Index>(), character).prop_map(|(at, c)| Edit::Replace(at, c)),
        (any::<Index>(), any::<String>()).prop_map(|(at, more)| Edit::Insert(at, more)),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Delete(a, b)),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Repeat(a, b)),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        edit.apply(&mut chars);
    }
    chars.into_iter().collect()
}

/// The type of a document, its signer and its payload.
type Parts = (&'static str, KeyPair, String);

/// One of each kind.
static DOCUMENTS: LazyLock<Vec<Parts>> = LazyLock::new(|| {
    let license_answer = answer_claims(Outcome::License(license()), Some(trust_text()));
    let revocation = sign(&revocation_claims(), &portal()).unwrap();
    let revocation_answer = answer_claims(Outcome::Revocation(revocation), None);
    let text = |value: Value| value.to_string();
    vec![
        (LICENSE, portal(), text(json!(license_claims()))),
        (
            TrustClaims::TYPE,
            root(),
            text(json!(trust_claims(6, &[(&portal(), KeyStatus::Active)]))),
        ),
        (AnswerClaims::TYPE, portal(), text(json!(license_answer))),
        (AnswerClaims::TYPE, portal(), text(json!(revocation_answer))),
        (RequestClaims::TYPE, environment(), text(json!(request_claims(RequestKind::Refresh)))),
        (UsageClaims::TYPE, environment(), text(json!(usage_claims()))),
    ]
});

/// Reads `text` in every way there is; whether any of them believed it.
fn read(text: &str) -> bool {
    let errors = [
        Unverified::parse(text).and_then(|d| d.peek::<LicenseClaims>()).err(),
        read_license(text).err(),
        roots().verify_trust(text, PRODUCT, Some(&trust())).err(),
        open_answer(text, PRODUCT, &roots(), None).err(),
        open_answer(text, PRODUCT, &roots(), Some(&trust())).err(),
        verify_request(text, PRODUCT, |_| Some(environment().public())).err(),
        verify_usage(text, Some(PRODUCT), &roots(), None).err(),
    ];
    for error in errors.iter().flatten() {
        assert!(error.to_string().chars().count() < 600, "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    errors[1..].iter().any(Option::is_none)
}

/// A value of another type, size or depth.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts `value` in the place of one of the values within `payload`.
fn transplanted(payload: &str, place: Index, value: Value) -> String {
    fn pointers(at: &str, value: &Value, all: &mut Vec<String>) {
        let members: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::Array(list) => {
                list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
            }
            _ => Vec::new(),
        };
        for (name, member) in members {
            let pointer = format!("{at}/{name}");
            pointers(&pointer, member, all);
            all.push(pointer);
        }
    }
    let mut payload: Value = serde_json::from_str(payload).unwrap();
    let mut all = Vec::new();
    pointers("", &payload, &mut all);
    *payload.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
    payload.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn edited_documents_are_not_believed(
        kind in any::<Index>(),
        edits in prop::collection::vec(any_edit(), 1..4),
    ) {
        let (typ, key, payload) = kind.get(&DOCUMENTS).clone();
        let text = signed(header(typ, &key).to_string(), payload, &key);
        prop_assert!(read(&text));
        let edited = edited(&text, &edits);
        prop_assert_eq!(read(&edited), edited.trim() == text);
    }

    #[test]
    fn edited_payloads_that_are_signed_are_read_or_refused(
        kind in any::<Index>(),
        edits in prop::collection::vec(any_edit(), 1..4),
    ) {
        let (typ, key, payload) = kind.get(&DOCUMENTS).clone();
        read(&signed(header(typ, &key).to_string(), edited(&payload, &edits), &key));
    }

    #[test]
    fn edited_headers_that_are_signed_are_read_or_refused(
        kind in any::<Index>(),
        edits in prop::collection::vec(any_edit(), 1..4),
    ) {
        let (typ, key, payload) = kind.get(&DOCUMENTS).clone();
        read(&signed(edited(&header(typ, &key).to_string(), &edits), payload, &key));
    }

    #[test]
    fn strange_values_that_are_signed_are_read_or_refused(
        kind in any::<Index>(),
        place in any::<Index>(),
        value in any_value(),
    ) {
        let (typ, key, payload) = kind.get(&DOCUMENTS).clone();
        read(&signed(header(typ, &key).to_string(), transplanted(&payload, place, value), &key));
    }

    #[test]
    fn any_text_is_refused(text in any::<String>(), parts in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}") {
        prop_assert!(!read(&text));
        prop_assert!(!read(&parts));
        prop_assert!(Roots::none().add_key_set(&text).is_err());
    }
}
