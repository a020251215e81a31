//! A portal that is none, before the real agent: one clear error, and nothing changes but the chain, in which a request waits
//! for its true answer, and the audit.

use super::{
    activated::{Activated, Stored},
    impostor::{Manners, head},
};
use crate::stage::Done;
use entitled::{
    codes::SerialNumber,
    license::{AnswerClaims, KeyPair, LicenseClaims, Outcome, Unverified, sign},
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

/// Far below the minute after which an exchange is given up.
const PROMPT: Duration = Duration::from_secs(20);
/// What hostile input may cost in memory, KiB.
const MOST_MEMORY: u64 = 32 << 10;

/// Refreshes, which must fail with that code and a mend, and leaves everything as it is stored but the chain.
#[track_caller]
fn refused(agent: &Activated, manners: Manners, code: &str, told: &str) {
    let before = agent.stored();
    agent.impostor.be(manners);
    let done = agent.controller.ctl.run(&["refresh", "--json"]);
    assert_error(&done, code, told);
    let status = agent.controller.socket.status();
    assert_eq!((&status["state"], &status["entitled"]), (&json!("active"), &json!(true)), "{code}");
    assert_untouched(&before, &agent.stored(), code);
    agent.assert_well();
}

#[track_caller]
fn assert_error(done: &Done, code: &str, told: &str) {
    assert_eq!(done.code, 1, "{done:?}");
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["code"], code, "{error}");
    let detail = error.to_string();
    assert!(detail.contains(told), "no {told:?} in {detail}");
    assert!(detail.len() < 2_000, "it repeats what came: {}", detail.len());
}

#[track_caller]
fn assert_untouched(before: &Stored, after: &Stored, code: &str) {
    let lasting = |stored: &Stored| {
        let mut state = stored.state.clone();
        // Its conditions tell of the portal.
        state.remove("status").unwrap();
        // That the portal has issued what was refused is told until it is installed.
        state.remove("pending_license");
        state
    };
    assert_eq!(lasting(after), lasting(before), "{code}");
    assert_eq!(after.chain["previous"], before.chain["previous"], "{code}");
    assert_eq!(
        after.chain["pending"]["id"],
        *after.chain["unsettled"].as_array().unwrap().last().unwrap()
    );
    let new = &after.actions[before.actions.len()..];
    let expected: &[&str] = if code.starts_with("document-") {
        &["requested", "document-refused", "status-changed"]
    } else {
        &["requested", "status-changed"]
    };
    assert!(new.iter().all(|action| expected.contains(&action.as_str())), "{code}: {new:?}");
    let refusals = new.iter().filter(|action| *action == "document-refused").count();
    let requests = new.iter().filter(|action| *action == "requested").count();
    assert_eq!(refusals, if expected.len() == 3 { requests } else { 0 }, "{code}: {new:?}");
}

fn document(text: &str) -> Manners {
    Manners::Says((head(text.len()) + text).into_bytes())
}

#[test]
fn who_answers_garbage_is_told_from_a_portal() {
    let agent = Activated::new();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    refused(&agent, Manners::Says(noise), "portal-unreachable", "entitlectl doctor");
    refused(&agent, Manners::Says(Vec::new()), "portal-unreachable", "entitlectl doctor");
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    refused(&agent, Manners::Says(page.to_vec()), "portal-not-an-answer", "[portal] url");
    refused(&agent, document("garbage"), "document-not-compact", "three parts");
    refused(&agent, document("a.b.c"), "document-malformed", "carry or download it again");
}

#[test]
fn a_redirection_is_not_followed_and_ten_gibibytes_are_not_read() {
    let agent = Activated::new();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    for status in ["301 Moved", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("http://{}/v1/requests", elsewhere.local_addr().unwrap());
        let answer =
            format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        refused(&agent, Manners::Says(answer.into_bytes()), "portal-not-an-answer", "[portal] url");
        assert!(elsewhere.accept().is_err(), "{status} was followed");
    }
    let before = agent.peak_memory();
    refused(&agent, Manners::Floods, "portal-not-an-answer", "more than 1 MiB");
    assert!(agent.peak_memory() < before + MOST_MEMORY, "{} KiB", agent.peak_memory());
}

#[test]
fn another_answer_than_the_one_that_was_asked_for_is_refused() {
    let agent = Activated::new();
    agent.assert_well();
    let earlier = agent.impostor.answers().remove(0);
    refused(&agent, document(&earlier), "document-reply", "expected the answer to request");
    let key = agent.portal_key();
    let for_another = move |change: fn(&mut AnswerClaims)| {
        let key = key.clone();
        Manners::forges(move |_, answer| {
            let mut claims: AnswerClaims = Unverified::parse(answer).unwrap().peek().unwrap();
            change(&mut claims);
            sign(&claims, &key).unwrap()
        })
    };
    let audience = for_another(|claims| claims.aud = "another-product".to_owned());
    refused(&agent, audience, "document-audience", "another-product");
    let serial = SerialNumber::mint("smbios-uuid", "other");
    let license = agent.license(|claims| claims.sub = serial);
    refused(&agent, answering(&agent, license), "document-serial", &serial.to_string());
    let stranger = KeyPair::from_seed(&[9; 32]);
    let forge = Manners::forges(move |_, answer| {
        let claims: AnswerClaims = Unverified::parse(answer).unwrap().peek().unwrap();
        sign(&claims, &stranger).unwrap()
    });
    refused(&agent, forge, "document-unknown-key", "entitlectl refresh");
    let cut = Manners::forges(|_, answer| answer[..answer.len() - 10].to_owned());
    refused(&agent, cut, "document-signature", "changed or damaged");
    let back = Manners::forges(|request, _| request.to_owned());
    refused(&agent, back, "document-type", "entitled-answer+jwt");
}

/// The true answer with that license in it, signed by the portal.
fn answering(agent: &Activated, license: String) -> Manners {
    let key = agent.portal_key();
    Manners::forges(move |_, answer| {
        let mut claims: AnswerClaims = Unverified::parse(answer).unwrap().peek().unwrap();
        claims.outcome = Outcome::License(license.clone());
        sign(&claims, &key).unwrap()
    })
}

#[test]
fn a_license_that_does_not_fit_is_refused_on_line_too() {
    let agent = Activated::new();
    let stranger = KeyPair::from_seed(&[9; 32]).public();
    let refuse = |change: &dyn Fn(&mut LicenseClaims), code, told: &str| {
        let license = agent.license(change);
        refused(&agent, answering(&agent, license), code, told);
    };
    refuse(
        &|c| c.cnf = Some(entitled::license::Confirmation { jwk: stranger }),
        "document-binding",
        "entitlectl activate",
    );
    refuse(
        &|c| c.environment.id = uuid::Uuid::from_u128(5),
        "document-environment",
        "00000000-0000",
    );
    refuse(&|c| c.aud = "another-product".to_owned(), "document-audience", "another-product");
    refuse(&|c| c.seq = entitled::license::Sequence(0), "document-sequence", "sequence 1");
    refuse(&super::documents::expired, "document-expired", "2020-07-01");
}

/// While one portal hangs or drips, everybody is answered, the stop is prompt, and the request goes on after it.
#[test]
fn a_portal_that_hangs_or_drips_holds_nobody_up() {
    let mut agent = Activated::new();
    for manners in [Manners::Hangs, Manners::Drips] {
        let before = agent.stored();
        agent.impostor.be(manners);
        let mut asking = agent.controller.socket.beside("admin.sock").connect();
        asking
            .write_all(b"POST /v1/refresh HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        // It is stored before it is sent.
        while agent.stored().chain["pending"].is_null() {
            std::thread::yield_now();
        }
        let begin = Instant::now();
        let ctl = &agent.controller.ctl;
        assert_eq!(ctl.run(&["status"]).code, 0);
        ctl.json(&["events"]);
        let (trust, license) = agent.held();
        let installed = ctl.run_with(&["license", "install", "-"], &format!("{trust}\n{license}"));
        assert_eq!(installed.code, 0, "{installed:?}");
        ctl.run(&["release"]).failed(1, "under way");
        assert_untouched(&before, &agent.stored(), "portal-hangs");

        let Activated { vendor, server, impostor, controller, daemon } = agent;
        daemon.stop();
        assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
        let mut back = Vec::new();
        let _ = asking.read_to_end(&mut back);
        impostor.be(Manners::Honest);
        let daemon = controller.start();
        agent = Activated { vendor, server, impostor, controller, daemon };
        agent.assert_well();
    }
    drop(agent.server);
}
