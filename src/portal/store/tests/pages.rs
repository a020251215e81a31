//! What the pages keep: who is signed in, trials, releases that customers asked for.

use super::{Kind, NOW, add, environment, on_both, read, store, subscription, write};
use crate::portal::{
    AskedRelease, ReleaseState,
    domain::TrialTerms,
    store::{Change, SessionKind, StartedTrial, Store, StoreError, StoredSession},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

on_both! {
    a_session_is_kept_until_it_ends,
    all_sessions_of_one_end_together,
    a_company_and_an_address_have_one_trial,
    the_release_that_was_asked_for_last_is_found,
}

fn later(minutes: i64) -> Timestamp {
    NOW + SignedDuration::from_mins(minutes)
}

fn session(digest: &str, kind: SessionKind, subject: &str) -> StoredSession {
    StoredSession {
        digest: digest.to_owned(),
        kind,
        subject: subject.to_owned(),
        form_token: format!("token of {digest}"),
        created_at: NOW,
        seen_at: NOW,
        expires_at: later(480),
    }
}

fn begin(store: &Store, session: &StoredSession) {
    let session = session.clone();
    write(store, move |c| c.add_session(&session));
}

fn a_session_is_kept_until_it_ends(kind: Kind) {
    let (_place, store) = store(kind);
    let first = session("one", SessionKind::Customer, "a' OR 1=1 --");
    begin(&store, &first);
    assert_eq!(read(&store, |v| v.session("one")), Some(first.clone()));
    assert_eq!(read(&store, |v| v.session("ONE")), None);
    let taken = first.clone();
    assert!(store.write(move |c: &Change<'_>| c.add_session(&taken)).is_err(), "a token is one's");
    write(&store, |c| c.touch_session("one", later(7)));
    let touched = StoredSession { seen_at: later(7), ..first };
    assert_eq!(read(&store, |v| v.session("one")), Some(touched));
    // One that begins when another has ended sweeps that away, and no other.
    let second = StoredSession {
        created_at: later(480),
        expires_at: later(960),
        ..session("two", SessionKind::Operator, "alice")
    };
    let lasting =
        StoredSession { expires_at: later(481), ..session("three", SessionKind::Customer, "b") };
    begin(&store, &lasting);
    begin(&store, &second);
    assert_eq!(read(&store, |v| v.session("one")), None);
    assert_eq!(read(&store, |v| v.session("two")), Some(second));
    assert_eq!(read(&store, |v| v.session("three")), Some(lasting));
    write(&store, |c| c.end_session("two"));
    assert_eq!(read(&store, |v| v.session("two")), None);
}

fn all_sessions_of_one_end_together(kind: Kind) {
    let (_place, store) = store(kind);
    for (digest, kind, subject) in [
        ("one", SessionKind::Customer, "alice"),
        ("two", SessionKind::Customer, "alice"),
        ("operator", SessionKind::Operator, "alice"),
        ("other", SessionKind::Customer, "bob"),
    ] {
        begin(&store, &session(digest, kind, subject));
    }
    write(&store, |c| c.end_sessions_of(SessionKind::Customer, "alice"));
    let left = |digest| read(&store, move |v| v.session(digest)).is_some();
    assert_eq!(["one", "two", "operator", "other"].map(left), [false, false, true, true]);
    // What is undone has ended nobody's.
    let undone = store.write(|c: &Change<'_>| {
        c.end_session("other")?;
        Err::<(), _>(StoreError::Failed)
    });
    assert!(undone.is_err() && left("other"));
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "its lifetime is not general enough without"
)]
fn offered(store: &Store) -> Option<TrialTerms> {
    read(store, |view| view.trial_terms())
}

fn a_company_and_an_address_have_one_trial(kind: Kind) {
    let (_place, store) = store(kind);
    assert_eq!(offered(&store), None);
    let mut terms = TrialTerms {
        days: 30,
        edition: "trial".to_owned(),
        support_level: "none".to_owned(),
        features: [("sso".to_owned(), true.into()), ("nodes".to_owned(), 3.into())].into(),
        limits: [].into(),
        slots: [].into(),
        most_a_day: 20,
    };
    for days in [30, 14] {
        terms.days = days;
        let put = terms.clone();
        write(&store, move |c| c.put_trial_terms(Some(&put)));
        assert_eq!(offered(&store), Some(terms.clone()), "the last word counts");
    }
    write(&store, |c| c.put_trial_terms(None));
    assert_eq!(offered(&store), None);

    let sold = subscription(1);
    let start = |company: &str, email: &str| StartedTrial {
        company: company.to_owned(),
        email: email.to_owned(),
        subscription_id: sold.id,
        started_at: NOW,
    };
    add(&store, sold.clone()).unwrap();
    let first = start("acme ltd", "jo@acme.example");
    write(&store, move |c| c.add_trial(&first));
    for (company, email, had) in [
        ("acme ltd", "else@else.example", true),
        ("else", "jo@acme.example", true),
        ("else", "else@else.example", false),
        ("acme ltd' --", "jo@acme.example' --", false),
    ] {
        assert_eq!(read(&store, |v| v.had_trial(company, email)), had, "{company} {email}");
    }
    // Two that ask at once: the database has the last word.
    for (company, email) in [("acme ltd", "b@c.example"), ("b", "jo@acme.example")] {
        let second = start(company, email);
        let refused = store.write(move |c: &Change<'_>| c.add_trial(&second));
        assert!(refused.is_err(), "{company} {email}");
    }
}

fn the_release_that_was_asked_for_last_is_found(kind: Kind) {
    let (_place, store) = store(kind);
    let sold = subscription(1);
    add(&store, sold.clone()).unwrap();
    let (one, other) = (environment(&sold, 1), environment(&sold, 2));
    for new in [one.clone(), other.clone()] {
        write(&store, move |c| c.put_environment(&new));
    }
    let ask = |n: u128, of: Uuid, minutes, state, answer: Option<&str>| AskedRelease {
        id: Uuid::from_u128(n),
        subscription_id: sold.id,
        environment_id: of,
        reason: "sold".to_owned(),
        asked_by: "customer".to_owned(),
        asked_at: later(minutes),
        state,
        decided_by: answer.map(|_| "operator alice".to_owned()),
        decided_at: answer.map(|_| later(minutes + 1)),
        answer: answer.map(str::to_owned),
    };
    let last = |of: Uuid| read(&store, |v| v.last_asked_release(sold.id, of));
    assert_eq!(last(one.id), None);
    let refused = ask(2, one.id, 5, ReleaseState::Refused, Some("call us"));
    let before = ask(3, one.id, 0, ReleaseState::Done, None);
    let theirs = ask(4, other.id, 9, ReleaseState::Waits, None);
    for put in [refused.clone(), before, theirs.clone()] {
        write(&store, move |c| c.put_asked_release(&put));
    }
    assert_eq!((last(one.id), last(other.id)), (Some(refused), Some(theirs)));
    // Within the same second, too.
    let waits = ask(1, one.id, 5, ReleaseState::Waits, None);
    let put = waits.clone();
    write(&store, move |c| c.put_asked_release(&put));
    assert_eq!(last(one.id), Some(waits));
    let elsewhere = read(&store, |v| v.last_asked_release(Uuid::from_u128(9), one.id));
    assert_eq!(elsewhere, None);
}
