//! Operators: their passwords, their roles, their signing in.

use super::stage::{Stage, at};
use crate::portal::{
    ClientAddress, PortalError,
    access::{AccessError, Operator, Password, Right, Rights, Role, SignInError},
    domain::Terms,
    store::{AuditFilter, EnvironmentFilter, SubscriptionFilter},
};
use jiff::SignedDuration;
use std::net::IpAddr;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(super) const PASSWORD: &str = "correct horse battery";

fn address(n: u8) -> ClientAddress {
    ClientAddress(IpAddr::from([192, 0, 2, n]))
}

pub(super) fn password(text: &str) -> Password {
    Password::typed(Zeroizing::new(text.to_owned()))
}

pub(super) fn operator(stage: &Stage, name: &str, role: Role) -> Operator {
    let chosen = Password::chosen(PASSWORD).unwrap();
    stage.portal.add_operator(name, &chosen, role).unwrap()
}

async fn sign_in(stage: &Stage, name: &str, text: &str, from: ClientAddress) -> String {
    match stage.portal.sign_in(name, password(text), from).await {
        Ok(operator) => operator.name,
        Err(error) => error.code().to_owned(),
    }
}

#[test]
fn a_password_is_long_enough_and_kept_as_a_hash() {
    let refused = |text: &str| Password::chosen(text).err().unwrap().code();
    assert_eq!(refused("elevenchars"), "password-short");
    assert_eq!(refused("elevenchars\n"), "password-short", "the end of the line is none of it");
    assert_eq!(refused(&"a".repeat(1_025)), "password-long");
    let digest = Password::chosen("zwölf Zeichen\r\n").unwrap().digest().unwrap();
    assert!(digest.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", digest.text());
    assert_eq!(format!("{digest:?}"), "PasswordDigest");
    assert!(password("zwölf Zeichen").fits(Some(&digest)));
    assert!(!password("zwölf Zeichen!").fits(Some(&digest)));
    assert!(!password("zwölf Zeichen").fits(None));
    let again = Password::chosen("zwölf Zeichen").unwrap().digest().unwrap();
    assert_ne!(digest, again, "salted");
}

#[tokio::test]
async fn an_operator_signs_in_until_it_is_disabled() {
    let stage = Stage::new();
    operator(&stage, "alice", Role::Support);
    assert_eq!(sign_in(&stage, "alice", PASSWORD, address(1)).await, "alice");
    for (name, text) in [("alice", "wrong"), ("bob", PASSWORD), ("' OR 1=1 --", PASSWORD)] {
        assert_eq!(sign_in(&stage, name, text, address(1)).await, "sign-in-refused");
    }
    stage.portal.disable_operator("alice").unwrap();
    assert_eq!(sign_in(&stage, "alice", PASSWORD, address(1)).await, "sign-in-refused");
    assert!(stage.portal.signed_in("alice").unwrap().is_none());
    let twice = stage.portal.disable_operator("alice").unwrap_err();
    assert_eq!(twice.code(), "operator-standing");
    stage.later(SignedDuration::from_secs(1));
    let enabled = stage.portal.enable_operator("alice").unwrap();
    assert!(enabled.changed_at > enabled.created_at, "its sessions have ended");
    let other = Password::chosen("another long one").unwrap();
    stage.portal.set_operator_password("alice", &other).unwrap();
    assert_eq!(sign_in(&stage, "alice", PASSWORD, address(1)).await, "sign-in-refused");
    assert_eq!(sign_in(&stage, "alice", "another long one", address(1)).await, "alice");
    assert_eq!(
        stage.events(),
        ["operator-added", "operator-disabled", "operator-enabled", "operator-password-set"]
    );
    let audit = format!("{:?}", stage.portal.audit(None, 100).unwrap());
    assert!(!audit.contains("argon2") && !audit.contains("another long one"));
}

#[tokio::test]
async fn whoever_guesses_waits_and_locks_nobody_out() {
    let stage = Stage::new();
    operator(&stage, "alice", Role::Admin);
    for _ in 0..10 {
        assert_eq!(sign_in(&stage, "alice", "wrong", address(1)).await, "sign-in-refused");
    }
    // Neither a right password nor another name helps from there.
    let waiting = stage.portal.sign_in("alice", password(PASSWORD), address(1)).await;
    assert!(matches!(waiting, Err(SignInError::TooMany { seconds: 900 })), "{waiting:?}");
    assert_eq!(sign_in(&stage, "bob", PASSWORD, address(1)).await, "too-many-sign-ins");
    // From elsewhere the operator signs in, and a guesser has one try only.
    assert_eq!(sign_in(&stage, "alice", PASSWORD, address(2)).await, "alice");
    assert_eq!(sign_in(&stage, "alice", "wrong", address(3)).await, "too-many-sign-ins");
    let waiting = stage.portal.sign_in("alice", password(PASSWORD), address(3)).await;
    assert!(matches!(waiting, Err(SignInError::TooMany { .. })));
    stage.later(SignedDuration::from_mins(15));
    assert_eq!(sign_in(&stage, "alice", PASSWORD, address(1)).await, "alice");
}

#[tokio::test]
async fn neither_many_at_once_nor_one_who_hangs_up_has_more_tries() {
    let stage = Stage::new();
    let at_once = (0..20).map(|_| sign_in(&stage, "alice", "wrong", address(1)));
    let answers = futures_util::future::join_all(at_once).await;
    let refused = answers.iter().filter(|answer| *answer == "sign-in-refused").count();
    let too_many = answers.iter().filter(|answer| *answer == "too-many-sign-ins").count();
    assert_eq!((refused, too_many), (10, 10), "{answers:?}");
    for _ in 0..10 {
        let asked = sign_in(&stage, "bob", "wrong", address(2));
        assert!(tokio::time::timeout(std::time::Duration::ZERO, asked).await.is_err());
    }
    assert_eq!(sign_in(&stage, "bob", "wrong", address(2)).await, "too-many-sign-ins");
}

#[tokio::test]
async fn the_addresses_of_one_network_count_as_one() {
    let stage = Stage::new();
    for n in 0..10_u16 {
        let from = ClientAddress(IpAddr::from([0x2001, 0xdb8, 0, 1, n, 2, 3, 4]));
        assert_eq!(sign_in(&stage, "nobody", "wrong", from).await, "sign-in-refused");
    }
    let from = ClientAddress(IpAddr::from([0x2001, 0xdb8, 0, 1, 99, 2, 3, 4]));
    assert_eq!(sign_in(&stage, "alice", "wrong", from).await, "too-many-sign-ins");
    let from = ClientAddress(IpAddr::from([0x2001, 0xdb8, 0, 2, 99, 2, 3, 4]));
    assert_eq!(sign_in(&stage, "alice", "wrong", from).await, "sign-in-refused");
}

#[test]
fn names_are_plain_and_taken_once() {
    let stage = Stage::new();
    let chosen = Password::chosen(PASSWORD).unwrap();
    let add = |name: &str| stage.portal.add_operator(name, &chosen, Role::Admin);
    add("alice@vendor.example").unwrap();
    assert_eq!(add("alice@vendor.example").unwrap_err().code(), "operator-exists");
    for name in ["", "Alice", ".alice", "<b>", "a b", "a'b", &"a".repeat(65)] {
        assert_eq!(add(name).unwrap_err().code(), "access-name", "{name:?}");
    }
    let nobody = stage.portal.set_operator_role("nobody", Role::Admin).unwrap_err();
    assert_eq!(nobody.code(), "no-operator");
}

#[test]
fn what_support_may_not_do_is_refused_where_it_is_done() {
    let stage = Stage::new();
    let sold = stage.sell();
    let support = stage.portal.as_operator(&operator(&stage, "bob", Role::Support));
    let terms = Terms::new("a", "b", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let chosen = Password::chosen(PASSWORD).unwrap();
    let id = sold.id;
    let refusals: Vec<PortalError> = vec![
        support.create_subscription("ACME", terms).unwrap_err(),
        support.update_subscription(id, |_| ()).unwrap_err(),
        support.renew_subscription(id, at("2028-01-01T00:00:00Z")).unwrap_err(),
        support.suspend_subscription(id).unwrap_err(),
        support.resume_subscription(id).unwrap_err(),
        support.revoke_subscription(id, "why").unwrap_err(),
        support.release_environment(Uuid::nil()).unwrap_err(),
        support.add_operator("eve", &chosen, Role::Admin).unwrap_err(),
        support.set_operator_role("bob", Role::Admin).unwrap_err(),
        support.operators().unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), "not-allowed");
    }
    // What it may do fails for other reasons.
    let a_day = SignedDuration::from_hours(24);
    let code = support.make_rebind_code(Uuid::nil(), a_day).err().unwrap();
    assert_eq!(code.code(), "no-environment");
    assert_eq!(support.approve_rebind(Uuid::nil(), None).unwrap_err().code(), "no-environment");
    assert_eq!(
        support.name_survivor(Uuid::nil(), Uuid::nil()).unwrap_err().code(),
        "no-environment"
    );
    assert_eq!(support.approve_release(Uuid::nil()).unwrap_err().code(), "no-asked-release");
    let admin = stage.portal.as_operator(&operator(&stage, "carol", Role::Admin));
    admin.suspend_subscription(id).unwrap();
    let last = stage.portal.audit(Some(id), 1).unwrap().remove(0);
    assert_eq!(
        (last.actor.as_str(), last.event.as_str()),
        ("operator carol", "subscription-suspended")
    );
}

#[test]
fn each_right_is_its_own() {
    for right in Right::ALL {
        assert_eq!(right.as_str().parse::<Right>(), Ok(right));
        let only = Rights::of([right]);
        assert_eq!(only.iter().collect::<Vec<_>>(), [right]);
        assert!(Rights::ALL.has(right));
        let written = serde_json::to_value(right).unwrap();
        assert_eq!(written, right.as_str());
    }
    assert_eq!(
        Rights::of([]).check(Right::AuditRead),
        Err(AccessError::NotAllowed { needs: Right::AuditRead })
    );
}

#[test]
fn what_was_begun_before_a_revocation_is_not_done_after_it() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let end = at("2027-01-01T00:00:00Z");
    let scopes = [Right::SubscriptionsWrite, Right::ActivationCodesRead];
    let (token, _) = stage.portal.create_token("crm", &scopes, Some(end)).unwrap();
    let program = stage.portal.as_token(&token);
    program.suspend_subscription(id).unwrap();
    stage.portal.revoke_token("crm").unwrap();
    let before = stage.events();
    assert_eq!(program.resume_subscription(id).unwrap_err().code(), "access-ended");
    assert_eq!(program.reveal_activation_code(id).err().unwrap().code(), "access-ended");
    for change in ["role", "password", "disable"] {
        let name = format!("{change}d");
        let admin = stage.portal.as_operator(&operator(&stage, &name, Role::Admin));
        match change {
            "role" => drop(stage.portal.set_operator_role(&name, Role::Support).unwrap()),
            "disable" => drop(stage.portal.disable_operator(&name).unwrap()),
            _ => {
                let chosen = Password::chosen("another long one").unwrap();
                stage.portal.set_operator_password(&name, &chosen).unwrap();
            }
        }
        let late = admin.resume_subscription(id).unwrap_err();
        assert_eq!(late.code(), "access-ended", "{change}");
        let chosen = Password::chosen(PASSWORD).unwrap();
        let eve = admin.add_operator("eve", &chosen, Role::Admin).unwrap_err();
        assert_eq!(eve.code(), "access-ended", "{change}");
    }
    let after = stage.events();
    assert!(after[before.len()..].iter().all(|event| event.starts_with("operator-")));
    // One that has expired meanwhile, too.
    let (token, _) = stage.portal.create_token("short", &scopes, Some(end)).unwrap();
    *stage.time.lock().unwrap() = end;
    let late = stage.portal.as_token(&token).resume_subscription(id).unwrap_err();
    assert_eq!(late.code(), "access-ended");
}

#[test]
fn nothing_is_read_without_the_right_to() {
    let stage = Stage::new();
    let nobody = stage.portal.with_rights(Rights::of([]));
    let (all, id) = (u32::MAX, Uuid::nil());
    let refusals: Vec<PortalError> = vec![
        nobody.subscription(id).unwrap_err(),
        nobody.subscriptions().unwrap_err(),
        nobody.search_subscriptions(&SubscriptionFilter::default(), None, all).unwrap_err(),
        nobody.audit(None, all).unwrap_err(),
        nobody.check_audit(None).unwrap_err(),
        nobody.search_audit(&AuditFilter::default(), None, all).unwrap_err(),
        nobody.environment(id).unwrap_err(),
        nobody.environments(None).unwrap_err(),
        nobody.search_environments(&EnvironmentFilter::default(), None, all).unwrap_err(),
        nobody.forks(id).unwrap_err(),
        nobody.pending_rebinds().unwrap_err(),
        nobody.waiting_releases(None).unwrap_err(),
        nobody.set_trial_terms(None).unwrap_err(),
        nobody.operators().unwrap_err(),
        nobody.tokens().unwrap_err(),
        nobody.webhooks().unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), "not-allowed");
    }
}
