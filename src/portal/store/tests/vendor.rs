//! What the vendor runs the portal by: searches, kept answers, messages that one process claims.

use super::{Kind, NOW, add, event, on_both, read, store, subscription, write};
use crate::portal::{
    access::{ApiToken, Right, TokenDigest},
    domain::Subscription,
    store::{
        AuditFilter, Change, DueWebhook, KeptAnswer, MessageCounts, Store, StoreError,
        StoredWebhook, SubscriptionFilter, View, folding::fold_all,
    },
};
use jiff::SignedDuration;
use uuid::Uuid;

on_both! {
    a_search_takes_text_for_text,
    a_search_knows_the_case_of_any_letter,
    names_of_an_earlier_version_are_folded,
    an_answer_is_kept_once,
    a_message_is_claimed_by_one,
    a_silent_webhook_is_left_alone,
    what_was_given_up_is_forgotten,
}

const HOSTILE: &str = "100% _ \\ ' \" $1 ?1";

fn a_search_takes_text_for_text(kind: Kind) {
    let (_folder, store) = store(kind);
    let mut odd = subscription(1);
    odd.customer = HOSTILE.to_owned();
    odd.terms.edition = HOSTILE.to_owned();
    for sold in [odd, subscription(2), subscription(3)] {
        add(&store, sold).unwrap();
    }
    let found = |filter: SubscriptionFilter, before, most| -> Vec<u128> {
        let page = read(&store, |v| v.subscriptions_page(&filter, before, most));
        page.iter().map(|sold| sold.id.as_u128()).collect()
    };
    let all = SubscriptionFilter::default;
    assert_eq!(found(all(), None, 2), [3, 2], "the newest first");
    assert_eq!(found(all(), Some(Uuid::from_u128(2)), 2), [1]);
    let customer = |text: &str| SubscriptionFilter { customer: Some(text.to_owned()), ..all() };
    assert_eq!(found(customer(HOSTILE), None, 9), [1]);
    assert_eq!(found(customer("CUSTOMER"), None, 9), [3, 2]);
    assert_eq!(found(customer("%"), None, 9), [1]);
    let edition = |text: &str| SubscriptionFilter { edition: Some(text.to_owned()), ..all() };
    assert_eq!(found(edition(HOSTILE), None, 9), [1]);
    assert_eq!(found(edition("standard"), None, 9), [3, 2]);
    assert!(found(edition("standar"), None, 9).is_empty());
    for hostile in ["\0", "Customer\0", "\u{1}\u{7f}\u{85}"] {
        assert!(found(customer(hostile), None, 9).is_empty());
        assert!(found(edition(hostile), None, 9).is_empty());
        let both = SubscriptionFilter { edition: Some("standard".to_owned()), ..customer(hostile) };
        assert!(found(both, None, 9).is_empty());
        let filter = AuditFilter { event: Some(hostile.to_owned()), ..AuditFilter::default() };
        assert!(read(&store, |v| v.audit_page(&filter, None, 9)).is_empty());
    }
    let code = subscription(2).activation_code.id();
    let by_code = SubscriptionFilter { activation: Some(code), ..all() };
    assert_eq!(found(by_code, None, 9), [2]);
    let standing = SubscriptionFilter { standing: Some("active".to_owned()), ..all() };
    assert_eq!(found(standing, None, 9), [3, 2, 1]);
}

/// The customers that are found by `text`.
fn customers(store: &Store, text: &str) -> Vec<String> {
    let filter =
        SubscriptionFilter { customer: Some(text.to_owned()), ..SubscriptionFilter::default() };
    let found = read(store, |v| v.subscriptions_page(&filter, None, 9));
    found.into_iter().map(|sold| sold.customer).collect()
}

fn a_search_knows_the_case_of_any_letter(kind: Kind) {
    let (_folder, store) = store(kind);
    for (n, name) in [(1, "Îlot Clinics"), (2, "Österreich AG"), (3, "Clinics & Co")] {
        add(&store, Subscription { customer: name.to_owned(), ..subscription(n) }).unwrap();
    }
    for text in ["Îlot Clinics", "îlot", "ÎLOT", "lot c"] {
        assert_eq!(customers(&store, text), ["Îlot Clinics"], "{text}");
    }
    assert_eq!(customers(&store, "öSTERREICH"), ["Österreich AG"]);
    let mut renamed = subscription(3);
    renamed.customer = "Éclair".to_owned();
    write(&store, move |c| c.update_subscription(&renamed));
    assert_eq!(customers(&store, "éCLAIR"), ["Éclair"]);
    assert_eq!(customers(&store, "CLINICS"), ["Îlot Clinics"]);
    // One rule on both databases: the case of ASCII letters.
    let edition = SubscriptionFilter {
        edition: Some("STANDARD".to_owned()),
        standing: Some("active".to_owned()),
        ..SubscriptionFilter::default()
    };
    assert_eq!(read(&store, |v| v.subscriptions_page(&edition, None, 9)).len(), 3);
}

fn names_of_an_earlier_version_are_folded(kind: Kind) {
    let (place, store) = store(kind);
    let sold = Subscription { customer: "Îlot Clinics".to_owned(), ..subscription(1) };
    add(&store, sold).unwrap();
    place.tamper("UPDATE subscriptions SET customer_folded = ''");
    assert!(customers(&store, "îlot").is_empty());
    write(&store, |c| fold_all(c.0.0));
    assert_eq!(customers(&store, "îlot"), ["Îlot Clinics"]);
}

fn an_answer_is_kept_once(kind: Kind) {
    let (_folder, store) = store(kind);
    let token = ApiToken {
        name: "crm".to_owned(),
        digest: TokenDigest::of("secret"),
        scopes: vec![Right::AuditRead],
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    let put = token.clone();
    write(&store, move |c| c.put_token(&put));
    assert_eq!(read(&store, |v| v.token_by_digest(&TokenDigest::of("secret"))), Some(token));
    assert_eq!(read(&store, |v| v.token_by_digest(&TokenDigest::of("other"))), None);
    let answer = |body: Option<&str>, at| KeptAnswer {
        request: "digest".to_owned(),
        status: 201,
        revision: Some(7),
        body: body.map(str::to_owned),
        at,
    };
    let (first, later) = (answer(Some("{}"), NOW), NOW + SignedDuration::from_hours(24));
    let kept = first.clone();
    write(&store, move |c| {
        c.keep_answer("crm", "key", &kept, NOW - SignedDuration::from_hours(24))
    });
    assert_eq!(read(&store, |v| v.kept_answer("crm", "key")), Some(first.clone()));
    let again = store.write(move |c: &Change<'_>| {
        c.keep_answer("crm", "key", &first, NOW - SignedDuration::from_hours(24))
    });
    assert!(again.is_err(), "a key has one answer");
    let second = answer(None, later);
    let kept = second.clone();
    write(&store, move |c| c.keep_answer("crm", "other", &kept, NOW));
    assert_eq!(read(&store, |v| v.kept_answer("crm", "other")), Some(second));
    assert_eq!(read(&store, |v| v.kept_answer("crm", "key")), None, "forgotten after a day");
}

fn webhook(n: u128) -> StoredWebhook {
    StoredWebhook {
        id: Uuid::from_u128(n),
        url: "https://a.example/".to_owned().into(),
        secret: "whsec_".to_owned().into(),
        events: vec!["wanted-*".to_owned()],
        created_at: NOW,
    }
}

fn a_message_is_claimed_by_one(kind: Kind) {
    let (_folder, store) = store(kind);
    write(&store, |c| c.add_webhook(&webhook(1)));
    write(&store, |c| c.audit_event(&event("wanted-event")));
    write(&store, |c| c.audit_event(&event("other-event")));
    let undone = store.write(|c: &Change<'_>| {
        c.audit_event(&event("wanted-undone"))?;
        Err::<(), _>(StoreError::Failed)
    });
    assert!(undone.is_err());
    let is_due = |now| !read(&store, |v| v.due_webhooks(now)).is_empty();
    assert!(is_due(NOW));
    let until = NOW + SignedDuration::from_mins(2);
    let claim = |by: &'static str, now| {
        write(&store, move |c| c.claim_messages(Uuid::from_u128(1), by, now, until, 9))
    };
    let claimed = claim("one", NOW);
    assert_eq!(claimed.len(), 1, "what was undone is told to nobody");
    assert!(claim("other", NOW).is_empty() && !is_due(NOW));
    assert_eq!(claim("other", until).len(), 1, "the claim has ended");
    let (id, due) = (claimed[0].id.clone(), until + SignedDuration::from_mins(1));
    // Who has lost its claim notes nothing.
    let late = id.clone();
    write(&store, move |c| c.message_failed(&late, "one", "late", due, None));
    let counts = |store: &Store| read(store, |v| v.message_counts(Uuid::from_u128(1)));
    assert_eq!(counts(&store).last_error, None);
    let dead = id.clone();
    write(&store, move |c| c.message_failed(&dead, "other", "status 500", due, Some(due)));
    let told = counts(&store);
    assert_eq!((told.waiting, told.dead, told.last_error.as_deref()), (0, 1, Some("status 500")));
    write(&store, |c| c.remove_webhook(Uuid::from_u128(1)));
    assert_eq!(counts(&store).dead, 0);
}

fn a_silent_webhook_is_left_alone(kind: Kind) {
    let (_folder, store) = store(kind);
    for n in [1, 2] {
        write(&store, move |c| c.add_webhook(&webhook(n)));
    }
    for _ in 0..3 {
        write(&store, |c| c.audit_event(&event("wanted-event")));
    }
    let [silent, other] = [1, 2].map(Uuid::from_u128);
    let (until, next) = (NOW + SignedDuration::from_mins(2), NOW + SignedDuration::from_secs(9));
    let claim = |most| write(&store, move |c| c.claim_messages(silent, "one", NOW, until, most));
    assert_eq!(claim(2).len(), 2);
    write(&store, move |c| c.pause_webhook(silent, "one", 1, next));
    let due = |now| read(&store, |v| v.due_webhooks(now));
    let [silent_due, other_due] =
        [(silent, 1), (other, 0)].map(|(id, silent_tries)| DueWebhook { id, silent_tries });
    assert_eq!(due(NOW), [other_due]);
    assert_eq!(due(next), [silent_due, other_due]);
    assert_eq!(claim(9).len(), 3, "what was claimed and not tried is anybody's");
    write(&store, move |c| c.resume_webhook(silent));
    let resumed = DueWebhook { id: silent, silent_tries: 0 };
    assert_eq!(due(until), [resumed, other_due]);
    // What is too old is given up whether it was tried or not, and nothing of another webhook.
    write(&store, move |c| c.give_up_older(silent, NOW, until, "no answer in time"));
    let counts = |id| read(&store, |v| v.message_counts(id));
    let last_error = Some("no answer in time".to_owned());
    assert_eq!(counts(silent), MessageCounts { waiting: 0, dead: 3, last_error });
    assert_eq!(counts(other), MessageCounts { waiting: 3, dead: 0, last_error: None });
}

fn what_was_given_up_is_forgotten(kind: Kind) {
    let (_folder, store) = store(kind);
    write(&store, |c| c.add_webhook(&webhook(1)));
    for _ in 0..2 {
        write(&store, |c| c.audit_event(&event("wanted-event")));
    }
    let id = Uuid::from_u128(1);
    let until = NOW + SignedDuration::from_mins(2);
    let one = write(&store, move |c| c.claim_messages(id, "one", NOW, until, 1)).remove(0).id;
    write(&store, move |c| c.message_failed(&one, "one", "status 500", until, Some(until)));
    let later = until + SignedDuration::from_secs(1);
    assert!(!read(&store, |v| v.has_given_up_before(until)));
    assert_eq!(write(&store, move |c| c.forget_given_up(until)), 0);
    assert!(read(&store, |v| v.has_given_up_before(later)));
    let counted = || {
        let count = |view: &View<'_>| {
            view.census().map(|census| (census.waiting_messages, census.dead_messages))
        };
        read(&store, count)
    };
    assert_eq!(counted(), (1, 1));
    assert_eq!(write(&store, move |c| c.forget_given_up(later)), 1);
    assert_eq!(counted(), (1, 0));
}
