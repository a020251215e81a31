//! Both ends of the connection over real sockets, with a clock that is set.

use super::stated::{at, key};
use crate::{
    health::Metrics,
    members::{
        Asked, Authority, Connection, Frame, Host, JoinToken, Joined, Latest, Listener,
        MemberIdentity, MembersError, Presence, Renewed, Word, join, policy::CERTIFICATE_LIFE,
    },
};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use uuid::Uuid;

/// A listener with a loop behind it that says yes to everything.
struct Controller {
    address: String,
    authority: Arc<Authority>,
    presence: Arc<Presence>,
    latest: Arc<watch::Sender<Latest>>,
    clock: Arc<Mutex<Timestamp>>,
    metrics: Arc<Metrics>,
    /// Ends with this.
    _held: (oneshot::Sender<()>, [JoinHandle<()>; 2]),
}

impl Controller {
    fn start(authority: u8) -> Self {
        let authority = Arc::new(Authority::of(&key(authority)).unwrap());
        let (presence, metrics) = (Arc::<Presence>::default(), Arc::<Metrics>::default());
        let latest = Arc::new(watch::Sender::new(Latest::default()));
        let clock = Arc::new(Mutex::new(at("2026-06-01T00:00:00Z")));
        let (asked, asks) = mpsc::channel(1);
        let told = Arc::clone(&clock);
        let host = Host {
            presence: Arc::clone(&presence),
            latest: Arc::clone(&latest),
            asked,
            metrics: Arc::clone(&metrics),
            clock: Arc::new(move || *told.lock().unwrap()),
        };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &authority, host).unwrap();
        let address = listener.address().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(async {
            let _ = stopped.await;
        }));
        let answering = tokio::spawn(answer(
            asks,
            Arc::clone(&authority),
            Arc::clone(&presence),
            Arc::clone(&clock),
        ));
        let held = (stop, [serving, answering]);
        Self { address, authority, presence, latest, clock, metrics, _held: held }
    }

    fn pass(&self, days: i64) {
        *self.clock.lock().unwrap() += SignedDuration::from_hours(24 * days);
    }

    async fn member(&self) -> (Joined, MemberIdentity) {
        let token = JoinToken::generate(self.authority.thumbprint()).unwrap();
        join(&self.address, &token, "test").await.unwrap()
    }

    async fn connect(&self, identity: &MemberIdentity) -> Connection {
        Connection::to(&self.address, self.authority.thumbprint(), identity).await.unwrap()
    }

    fn say(&self, generation: u64) {
        let frame = Frame::new(generation, format!("statement {generation}").into(), 4_000);
        self.latest.send_modify(|latest| latest.frame = Some(Arc::new(frame)));
    }
}

async fn answer(
    mut asks: mpsc::Receiver<Asked>,
    authority: Arc<Authority>,
    presence: Arc<Presence>,
    clock: Arc<Mutex<Timestamp>>,
) {
    let certify = |request: &str, id| {
        let now = *clock.lock().unwrap();
        let certificate = authority.certify_member(request, id, now).unwrap().pem;
        Renewed { certificate, life_seconds: CERTIFICATE_LIFE.as_secs() }
    };
    while let Some(asked) = asks.recv().await {
        match asked {
            Asked::Join { joining, reply, .. } => {
                let id = Uuid::now_v7();
                let certificate = certify(&joining.signing_request, id);
                presence.know(id, false);
                let joined = Joined { id, environment_key: key(3).public(), certificate };
                assert!(reply.send(Ok(joined)).is_ok());
            }
            Asked::Adopt { member, reply, .. } => {
                presence.know(member, false);
                assert!(reply.send(Ok(())).is_ok());
            }
            Asked::Renew { member, signing_request, reply } => {
                assert!(reply.send(Ok(certify(&signing_request, member))).is_ok());
            }
            Asked::Present { reply, .. } => assert!(reply.send(Ok(())).is_ok()),
            Asked::SuccessorStated { .. } => {}
        }
    }
}

fn code<T>(result: Result<T, MembersError>) -> String {
    result.err().expect("it should be refused").code().to_owned()
}

#[tokio::test]
async fn an_expired_certificate_renews_itself_and_does_nothing_else() {
    let controller = Controller::start(4);
    let (_, identity) = controller.member().await;
    assert!(controller.connect(&identity).await.watch().await.is_ok());
    controller.pass(31);
    let connection = controller.connect(&identity).await;
    assert_eq!(code(connection.watch().await), "member-certificate-expired");
    assert_eq!(code(connection.present(String::new()).await), "member-certificate-expired");
    let (renewed, life) = connection.renew().await.unwrap();
    assert_eq!(life, CERTIFICATE_LIFE);
    assert!(controller.connect(&renewed).await.watch().await.is_ok());
    // The old one is what it was.
    assert_eq!(
        code(controller.connect(&identity).await.watch().await),
        "member-certificate-expired"
    );
    // 30 days, the lease that no license says (30), and 30 more.
    controller.pass(60);
    let connection = controller.connect(&identity).await;
    assert_eq!(code(connection.renew().await), "member-certificate-over");
    assert!(controller.connect(&renewed).await.renew().await.is_ok());
}

#[tokio::test]
async fn clocks_set_wrong_part_no_environment() {
    let controller = Controller::start(4);
    for clock in ["1969-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "9000-06-01T00:00:00Z"] {
        *controller.clock.lock().unwrap() = at(clock);
        let (_, identity) = controller.member().await;
        assert!(controller.connect(&identity).await.watch().await.is_ok(), "{clock}");
        // The clock is mended, whichever way.
        *controller.clock.lock().unwrap() = at("2026-06-01T00:00:00Z");
        let connection = controller.connect(&identity).await;
        let opened = connection.watch().await;
        // Of a certificate from 1969 nothing is left; from the future it is good for long.
        assert_eq!(opened.is_ok(), !clock.starts_with("1969"), "{clock}");
    }
}

#[tokio::test]
async fn only_the_pinned_authoritys_controller_is_believed() {
    let (controller, other) = (Controller::start(4), Controller::start(5));
    let token = JoinToken::generate(controller.authority.thumbprint()).unwrap();
    assert_eq!(code(join(&other.address, &token, "x").await), "controller-impostor");
    let (_, identity) = controller.member().await;
    let there = Connection::to(&other.address, controller.authority.thumbprint(), &identity);
    assert_eq!(code(there.await.unwrap().watch().await), "controller-impostor");
    // And the other way around: the other controller believes no foreign member.
    let there = Connection::to(&other.address, other.authority.thumbprint(), &identity);
    assert!(there.await.unwrap().watch().await.is_err());
    let metrics = other.metrics.render();
    assert!(
        metrics.contains("member_refusals_total{cause=\"foreign-certificate\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_watch_brings_the_newest_and_ends_with_its_member() {
    let controller = Controller::start(4);
    controller.say(1);
    let (joined, identity) = controller.member().await;
    let mut watch = controller.connect(&identity).await.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Word::Statement("statement 1".to_owned()));
    // Of those that came while it did not listen, the last alone may be heard.
    for generation in 2..50 {
        controller.say(generation);
    }
    loop {
        match watch.next().await.unwrap() {
            Word::Statement(text) if text == "statement 49" => break,
            _ => {}
        }
    }
    // A license that was given back is stated no more, and that is no sign of life for the lease.
    controller.latest.send_modify(|latest| latest.frame = None);
    while watch.next().await.unwrap() != Word::Nothing {}
    controller.say(50);
    while watch.next().await.unwrap() != Word::Statement("statement 50".to_owned()) {}
    assert_eq!(watch.spread().as_secs(), 10, "4,000 members return at 400 a second");
    assert_eq!(controller.presence.seen(joined.id).unwrap().watching, 1);
    controller.presence.know(joined.id, true);
    controller.latest.send_modify(|latest| latest.removals += 1);
    while watch.next().await.is_ok() {}
    assert_eq!(code(controller.connect(&identity).await.watch().await), "member-removed");
}
