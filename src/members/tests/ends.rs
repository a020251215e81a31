//! Both ends of the connection over real sockets, with a clock that is set.

use super::stated::{at, key};
use crate::{
    health::Metrics,
    members::{
        Asked, Authority, Connection, FiguresFrame, Frame, Host, JoinToken, Joined, Latest,
        Listener, MemberIdentity, MemberReport, MembersError, Presence, Renewed, Word, join,
        policy::{CERTIFICATE_LIFE, DEFAULT_LEASE_DAYS},
    },
    usage::{Batch, Figure, Figures, GaugeEntry, UserKey},
};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
};
use uuid::Uuid;

/// A listener with a loop behind it that says yes to everything.
pub(crate) struct Controller {
    pub(crate) address: String,
    pub(crate) authority: Arc<Authority>,
    presence: Arc<Presence>,
    latest: Arc<watch::Sender<Latest>>,
    clock: Arc<Mutex<Timestamp>>,
    metrics: Arc<Metrics>,
    /// Told of each question that is left without an answer.
    unanswered: Arc<Notify>,
    /// Ends with this.
    _held: (oneshot::Sender<()>, [JoinHandle<()>; 2]),
}

impl Controller {
    pub(crate) fn start(authority: u8) -> Self {
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
            usage_key: UserKey::from_bytes([9; 32]),
            metrics: Arc::clone(&metrics),
            clock: Arc::new(move || *told.lock().unwrap()),
        };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &authority, host).unwrap();
        let address = listener.address().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(async {
            let _ = stopped.await;
        }));
        let unanswered = Arc::<Notify>::default();
        let answering = tokio::spawn(answer(
            asks,
            Arc::clone(&authority),
            Arc::clone(&presence),
            Arc::clone(&clock),
            Arc::clone(&unanswered),
        ));
        let held = (stop, [serving, answering]);
        Self { address, authority, presence, latest, clock, metrics, unanswered, _held: held }
    }

    /// Waits until something was shown that is not answered.
    pub(crate) async fn presented(&self) {
        self.unanswered.notified().await;
    }

    /// Days pass, and the portal signs that they have.
    fn pass(&self, days: i64) {
        let now = *self.clock.lock().unwrap() + SignedDuration::from_hours(24 * days);
        self.judge_by(now);
    }

    /// It is that time, as the portal has signed.
    pub(crate) fn judge_by(&self, now: Timestamp) {
        *self.clock.lock().unwrap() = now;
        self.presence.judge_by(now, Some(now), DEFAULT_LEASE_DAYS);
    }

    /// The clock is set, and perhaps it is wrong.
    fn set_clock(&self, clock: &str) {
        *self.clock.lock().unwrap() = at(clock);
    }

    pub(crate) async fn member(&self) -> (Joined, MemberIdentity) {
        let token = JoinToken::generate(self.authority.thumbprint()).unwrap();
        join(&self.address, &token, "test").await.unwrap()
    }

    async fn connect(&self, identity: &MemberIdentity) -> Connection {
        Connection::to(&self.address, self.authority.thumbprint(), identity).await.unwrap()
    }

    pub(crate) fn say(&self, generation: u64) {
        self.say_to(generation, 4_000);
    }

    /// The same to an environment of so many members.
    pub(crate) fn say_to(&self, generation: u64, members: usize) {
        self.show(Frame::new(generation, format!("statement {generation}").into(), members));
    }

    /// States that.
    pub(crate) fn say_text(&self, generation: u64, text: &str) {
        self.show(Frame::new(generation, text.into(), 1));
    }

    fn show(&self, frame: Frame) {
        self.latest.send_modify(|latest| latest.frame = Some(Arc::new(frame)));
    }

    /// Gives a sign of life.
    pub(crate) fn beat(&self) {
        self.latest.send_modify(|latest| latest.beats += 1);
    }

    /// A number of the metrics.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_default()
    }
}

async fn answer(
    mut asks: mpsc::Receiver<Asked>,
    authority: Arc<Authority>,
    presence: Arc<Presence>,
    clock: Arc<Mutex<Timestamp>>,
    unanswered: Arc<Notify>,
) {
    let certify = |request: &str, id| {
        let now = *clock.lock().unwrap();
        let certificate = authority.certify_member(request, id, now).unwrap().pem;
        Renewed { certificate, life_seconds: CERTIFICATE_LIFE.as_secs() }
    };
    let mut held = Vec::new();
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
            // Of one who shows nothing nothing comes back, as on a way that was cut.
            Asked::Present { statement, reply, .. } if statement.is_empty() => {
                held.push(reply);
                unanswered.notify_one();
            }
            Asked::Present { reply, .. } => assert!(reply.send(Ok(())).is_ok()),
            Asked::SuccessorStated { .. } => {}
            Asked::Usage { batch, reply, .. } => {
                let figure = Figure { used: batch.gauges[0].value, lowest: 0 };
                let limits = [(batch.gauges[0].limit.clone(), figure)].into();
                let figures = Figures { limits, servers: 2, away: 0, settled: true };
                assert!(reply.send(Ok(figures)).is_ok());
            }
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
        controller.set_clock(clock);
        let (_, identity) = controller.member().await;
        assert!(controller.connect(&identity).await.watch().await.is_ok(), "{clock}");
        // The clock is mended, whichever way: what was signed under a wrong one is renewed.
        controller.set_clock("2026-06-01T00:00:00Z");
        let connection = controller.connect(&identity).await;
        let opened = connection.watch().await;
        assert_eq!(opened.is_ok(), clock.starts_with("2026"), "{clock}");
        let (renewed, _) = connection.renew().await.unwrap();
        assert!(controller.connect(&renewed).await.watch().await.is_ok(), "{clock}");
    }
}

#[tokio::test]
async fn a_controllers_clock_far_ahead_makes_members_renew_and_keeps_none_out() {
    let controller = Controller::start(4);
    controller.pass(1);
    let (_, identity) = controller.member().await;
    let mut watch = controller.connect(&identity).await.watch().await.unwrap();
    controller.set_clock("2099-01-01T00:00:00Z");
    // Asked again at the next sign of life.
    controller.latest.send_modify(|latest| latest.beats += 1);
    while watch.next().await.is_ok() {}
    let connection = controller.connect(&identity).await;
    assert_eq!(code(connection.watch().await), "member-certificate-expired");
    let (there, _) = connection.renew().await.unwrap();
    assert!(controller.connect(&there).await.watch().await.is_ok());
    controller.set_clock("2026-06-02T00:00:00Z");
    let connection = controller.connect(&there).await;
    assert_eq!(code(connection.watch().await), "member-certificate-expired");
    let (back, _) = connection.renew().await.unwrap();
    for identity in [identity, back] {
        assert!(controller.connect(&identity).await.watch().await.is_ok());
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_certificate_and_goes_on_with_the_next() {
    let controller = Controller::start(4);
    controller.say(1);
    let (_, identity) = controller.member().await;
    let mut watch = controller.connect(&identity).await.watch().await.unwrap();
    let beat = || controller.latest.send_modify(|latest| latest.beats += 1);
    controller.pass(29);
    let (renewed, _) = controller.connect(&identity).await.renew().await.unwrap();
    beat();
    while watch.next().await.unwrap() != Word::Beat {}
    controller.pass(1);
    beat();
    while watch.next().await.is_ok() {}
    let mut watch = controller.connect(&renewed).await.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Word::Statement("statement 1".to_owned()));
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

#[tokio::test]
async fn usage_goes_up_and_its_sums_come_back_and_down_the_watch() {
    let controller = Controller::start(4);
    let (_, identity) = controller.member().await;
    let connection = controller.connect(&identity).await;
    let entry = |n: usize| GaugeEntry {
        limit: "users".to_owned(),
        reporter: format!("{n:0200}"),
        value: 5,
        seconds: 300,
    };
    // As much as a batch may have, with the longest names.
    let gauges: Vec<_> = (0..5_000).map(entry).collect();
    let batch = Batch { session: 1, number: 1, gauges, users: Vec::new() };
    let figures = connection.tell_usage(&batch).await.unwrap();
    assert_eq!(figures.limits["users"].used, 5);
    let report = MemberReport {
        name: "one".to_owned(),
        version: "1".to_owned(),
        generation: 1,
        clock: at("2026-06-01T00:00:00Z"),
        lease_ends_at: None,
    };
    assert!(connection.report(&report).await.unwrap() == Some(UserKey::from_bytes([9; 32])));

    // Sums mean nothing without a statement, and come right behind it.
    let frame = FiguresFrame::new(&figures).map(Arc::new);
    controller.latest.send_modify(|latest| latest.figures = frame);
    let mut watch = connection.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Word::Nothing);
    controller.say(1);
    assert_eq!(watch.next().await.unwrap(), Word::Statement("statement 1".to_owned()));
    assert_eq!(watch.next().await.unwrap(), Word::Usage(figures.clone()));
    let more = Figures { away: 1, ..figures };
    let frame = FiguresFrame::new(&more).map(Arc::new);
    controller.latest.send_modify(|latest| latest.figures = frame);
    assert_eq!(watch.next().await.unwrap(), Word::Usage(more));
    controller.say(2);
    assert_eq!(watch.next().await.unwrap(), Word::Statement("statement 2".to_owned()));
    let (other, removed) = controller.member().await;
    controller.presence.know(other.id, true);
    let refused = controller.connect(&removed).await.tell_usage(&batch).await;
    assert_eq!(code(refused), "member-removed");
}
