//! What requests tell of usage: kept with the answer, bounded, and at no cost to who tells nothing.

use super::stage::{Agent, PRODUCT, Stage, at, clock};
use crate::{
    license::{
        Enforcement, Limit, Purpose, RequestClaims, RequestKind, ToldLimit, ToldPeak, ToldUsage,
        sign_request,
    },
    portal::{
        EnvironmentUsage, Options, Portal, UsageRoad,
        domain::Subscription,
        store::{WriterKind, tests::statements},
    },
};
use jiff::{SignedDuration, Timestamp};

fn sell(stage: &Stage) -> Subscription {
    let id = stage.sell().id;
    let limited = stage.portal.update_subscription(id, |terms| {
        for name in ["users", "projects"] {
            let limit = Limit { limit: Some(1000), enforcement: Enforcement::Soft };
            terms.limits.insert(name.to_owned(), limit);
        }
        terms.slots.insert(Purpose::Production, 2);
    });
    limited.unwrap()
}

fn told(measured_at: Timestamp, users: Option<u64>) -> ToldUsage {
    let peak = Some(ToldPeak { used: 900, at: at("2026-02-28T12:00:00Z") });
    let limits = [("users".to_owned(), ToldLimit { used: users, peak })];
    ToldUsage { measured_at, limits: limits.into() }
}

/// A refresh that tells so many users as of now.
fn refresh(stage: &Stage, agent: &Agent, users: Option<u64>) -> RequestClaims {
    let usage = Some(told(stage.portal.now(), users));
    RequestClaims { usage, ..agent.request(RequestKind::Refresh) }
}

/// What is known of the users of each environment.
fn users(stage: &Stage, sold: &Subscription) -> Vec<EnvironmentUsage> {
    let mut limits = stage.portal.usage(sold.id).unwrap().limits;
    limits.retain(|limit| limit.name == "users");
    limits.remove(0).environments
}

fn activated(stage: &Stage, sold: &Subscription, hardware: &str) -> Agent {
    let mut agent = Agent::new(hardware, Purpose::Production);
    agent.activate(stage, &sold.activation_code).unwrap();
    agent
}

#[test]
fn a_request_tells_what_is_used_and_the_newest_counts() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let mut agent = activated(&stage, &sold, "a");
    assert!(users(&stage, &sold).is_empty());
    let request = refresh(&stage, &agent, Some(812));
    agent.send(&stage, &request).unwrap();
    let [known] = &users(&stage, &sold)[..] else { panic!() };
    assert_eq!((known.used, known.peak, known.road), (Some(812), 900, UsageRoad::Online));
    assert_eq!(known.peak_on.to_string(), "2026-02-28");
    assert_eq!((known.measured_at, known.received_at), (stage.portal.now(), stage.portal.now()));

    // One without a word changes nothing; one without a sum says that there is none; by courier it is the same.
    stage.later(SignedDuration::from_hours(1));
    agent.refresh(&stage).unwrap();
    assert_eq!(users(&stage, &sold)[0].used, Some(812));
    stage.later(SignedDuration::from_hours(1));
    let carried = refresh(&stage, &agent, None);
    let text = sign_request(&carried, &agent.key).unwrap();
    stage.portal.handle_carried_request(text.as_bytes()).unwrap();
    let known = &users(&stage, &sold)[0];
    assert_eq!((known.used, known.peak, known.road), (None, 900, UsageRoad::Courier));

    // A late courier brings older figures, which are no news; its request is answered all the same.
    agent.previous = Some(carried.jti);
    let mut late = refresh(&stage, &agent, Some(3));
    late.usage = Some(told(at("2026-02-01T00:00:00Z"), Some(3)));
    agent.send(&stage, &late).unwrap();
    assert_eq!(users(&stage, &sold)[0].used, None);
}

#[test]
fn a_clock_that_is_ahead_keeps_no_later_figures_out() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let mut agent = activated(&stage, &sold, "a");
    let mut ahead = refresh(&stage, &agent, Some(1));
    ahead.usage = Some(told(at("2199-01-01T00:00:00Z"), Some(1)));
    agent.send(&stage, &ahead).unwrap();
    assert_eq!(users(&stage, &sold)[0].measured_at, stage.portal.now());
    stage.later(SignedDuration::from_secs(1));
    let right = refresh(&stage, &agent, Some(2));
    agent.send(&stage, &right).unwrap();
    assert_eq!(users(&stage, &sold)[0].used, Some(2));
}

#[test]
fn figures_of_limits_that_were_not_bought_are_not_kept() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let mut agent = activated(&stage, &sold, "a");
    let mut strange = refresh(&stage, &agent, Some(1));
    let any = ToldLimit { used: Some(u64::MAX), peak: None };
    let names = (0..500).map(|n| (format!("<script>{n}"), any));
    strange.usage = Some(ToldUsage { measured_at: stage.portal.now(), limits: names.collect() });
    agent.send(&stage, &strange).unwrap();
    assert!(stage.portal.search_usage(None, 9).unwrap().is_empty());
}

#[test]
fn sums_are_of_environments_in_place_that_all_have_a_figure() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let [mut one, mut other] = ["a", "b"].map(|hardware| activated(&stage, &sold, hardware));
    let together = || stage.portal.usage(sold.id).unwrap().limits.pop().unwrap().together;
    assert_eq!(together(), None);
    let (first, request) = (stage.portal.now(), refresh(&stage, &one, Some(u64::MAX)));
    one.send(&stage, &request).unwrap();
    stage.later(SignedDuration::from_hours(1));
    let request = refresh(&stage, &other, Some(5));
    other.send(&stage, &request).unwrap();
    let sum = together().unwrap();
    assert_eq!((sum.used, sum.measured_at), (u64::MAX, first), "the oldest of them");
    let request = refresh(&stage, &other, None);
    other.send(&stage, &request).unwrap();
    assert_eq!(together(), None, "a sum without some is no sum");

    // What is given back is in no sum, and tells nothing any more; what it told last is still there for who asks.
    let release = RequestClaims {
        usage: Some(told(stage.portal.now(), Some(7))),
        ..other.request(RequestKind::Release)
    };
    other.send(&stage, &release).unwrap();
    assert_eq!((together().unwrap().used, users(&stage, &sold).len()), (u64::MAX, 1));
    let last = stage.portal.environment_usage(other.id.unwrap()).unwrap();
    assert_eq!(last.limits[1].environments[0].used, None);
}

#[test]
fn who_tells_nothing_costs_no_statement_and_who_does_one() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let mut agent = activated(&stage, &sold, "a");
    let options = Options { writer: WriterKind::Inline, ..Options::default() };
    let portal = Portal::open(stage.folder.path(), options, clock(&stage.time)).unwrap();
    let mut ask = |usage: bool| {
        let mut claims = refresh(&stage, &agent, Some(1));
        claims.usage = claims.usage.filter(|_| usage);
        let text = sign_request(&claims, &agent.key).unwrap();
        let (answer, statements) = statements::of(|| portal.handle_request(text.as_bytes()));
        let answer = answer.unwrap();
        let roots = stage.roots();
        agent.settle(&crate::license::open_answer(&answer, PRODUCT, &roots, None).unwrap());
        statements
    };
    // The first tells which license is held: after it, nothing is new.
    ask(false);
    let silent = ask(false);
    let mut told = ask(true);
    assert!(!silent.is_empty() && !silent.iter().any(|sql| sql.contains("usage")), "{silent:#?}");
    let of_usage: Vec<_> = told.extract_if(.., |sql| sql.contains("usage_reports")).collect();
    assert_eq!(of_usage.len(), 1, "{of_usage:#?}");
    assert_eq!(told, silent, "and nothing else");
}
