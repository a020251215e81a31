//! The clock, the hardware and the way to the portal, each as wrong as it is told to be.

use crate::{
    agent::Clock,
    entitlement::Reading,
    identity::{self, Fact, Hardware, MachineKind, Source, Survey},
    license::{Enforcement, Limit},
    portal::{self, domain::Terms},
    upstream::{Exchange, ExchangeError, Portal},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What the customer bought: the year 2026, with 30 days of grace.
pub(super) fn terms() -> Terms {
    let limit = |limit, enforcement| Limit { limit, enforcement };
    Terms {
        features: BTreeMap::from([("reports".to_owned(), json!(true))]),
        limits: BTreeMap::from([
            ("users".to_owned(), limit(Some(100), Enforcement::Soft)),
            ("storage".to_owned(), limit(None, Enforcement::Soft)),
        ]),
        ..Terms::new("enterprise", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
    }
}

/// The true time, and what the clock of the machine makes of it.
pub(super) struct World {
    start: Instant,
    truth: Timestamp,
    error: Mutex<SignedDuration>,
    boot: Mutex<Duration>,
    readings: AtomicU64,
}

impl World {
    pub(super) fn new(truth: Timestamp) -> Self {
        let start = Instant::now();
        let (error, boot, readings) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Self { start, truth, error, boot, readings }
    }

    pub(super) fn truth(&self) -> Timestamp {
        self.truth + SignedDuration::try_from(self.start.elapsed()).unwrap()
    }

    /// Sets the machine's clock.
    pub(super) fn set_clock(&self, clock: Timestamp) {
        *self.error.lock().unwrap() = clock.duration_since(self.truth());
    }

    pub(super) fn mend_clock(&self) {
        *self.error.lock().unwrap() = SignedDuration::ZERO;
    }

    /// How often the machine's clock was read.
    pub(super) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    /// The machine boots now.
    pub(super) fn boot(&self) {
        *self.boot.lock().unwrap() = self.start.elapsed();
    }
}

impl Clock for World {
    fn read(&self) -> Reading {
        self.readings.fetch_add(1, Ordering::Relaxed);
        let uptime = self.start.elapsed().saturating_sub(*self.boot.lock().unwrap());
        Reading { clock: self.truth() + *self.error.lock().unwrap(), uptime }
    }
}

/// What the hardware says when it is asked.
pub(super) struct Machine(Mutex<Option<Vec<Fact>>>, AtomicBool);

impl Default for Machine {
    fn default() -> Self {
        Self(Mutex::new(Some(facts("one", "one"))), AtomicBool::new(false))
    }
}

/// The facts of a machine, of which the disk may be another's.
fn facts(machine: &str, disk: &str) -> Vec<Fact> {
    vec![
        Fact::of(Source::SmbiosUuid, format!("uuid of {machine}")),
        Fact::of(Source::BoardSerial, format!("board of {machine}")),
        Fact::of(Source::PermanentMac, format!("mac of {machine}")),
        Fact::of(Source::DiskSerial, format!("disk of {disk}")),
    ]
}

impl Machine {
    pub(super) fn is_collected_anew(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_the_first(&self) {
        *self.0.lock().unwrap() = Some(facts("one", "one"));
    }

    pub(super) fn has_another_disk(&self) {
        *self.0.lock().unwrap() = Some(facts("one", "another"));
    }

    pub(super) fn is_another(&self) {
        *self.0.lock().unwrap() = Some(facts("another", "another"));
    }

    /// Its board was replaced by one that was given the old one's UUID.
    pub(super) fn keeps_its_uuid_alone(&self) {
        let mut facts = facts("another", "another");
        facts[0] = Fact::of(Source::SmbiosUuid, "uuid of one".to_owned());
        *self.0.lock().unwrap() = Some(facts);
    }

    pub(super) fn can_not_be_read(&self) {
        let unreadable = facts("one", "one").into_iter().map(|fact| Fact {
            reading: identity::Reading::Unreadable { why: "permission denied".to_owned() },
            ..fact
        });
        *self.0.lock().unwrap() = Some(unreadable.collect());
    }

    pub(super) fn says_nothing(&self) {
        *self.0.lock().unwrap() = Some(Vec::new());
    }

    /// A probe fails so badly that there is no survey at all.
    pub(super) fn crashes_its_reader(&self) {
        *self.0.lock().unwrap() = None;
    }
}

impl Hardware for Machine {
    fn has_news(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    fn survey(&self) -> Survey {
        self.1.store(false, Ordering::Relaxed);
        let facts = self.0.lock().unwrap().clone();
        let facts = facts.expect("this probe crashes on purpose");
        Survey::new(MachineKind::BareMetal, Some(Duration::from_hours(1)), facts)
    }
}

type Forger = Arc<dyn Fn(&str, String) -> String + Send + Sync>;

/// What becomes of a request.
#[derive(Clone)]
enum Way {
    Open,
    Broken,
    /// It arrives; the answer does not.
    AnswersLost,
    Busy(Option<Duration>),
    /// Somebody answers in the portal's place, who knows the request and the true answer.
    Forged(Forger),
}

/// The way to the portal.
pub(super) struct Link {
    portal: Mutex<portal::Portal>,
    way: Mutex<Way>,
    delay: Mutex<Duration>,
    sent: Mutex<Vec<(Instant, String)>>,
}

impl Link {
    pub(super) fn new(portal: portal::Portal) -> Self {
        let (way, delay, sent) = (Mutex::new(Way::Open), Mutex::default(), Mutex::default());
        Self { portal: Mutex::new(portal), way, delay, sent }
    }

    fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Another portal answers from now on.
    pub(super) fn lead_to(&self, portal: portal::Portal) {
        *self.portal.lock().unwrap() = portal;
    }

    pub(super) fn mend(&self) {
        self.set(Way::Open);
    }

    pub(super) fn cut(&self) {
        self.set(Way::Broken);
    }

    pub(super) fn lose_answers(&self) {
        self.set(Way::AnswersLost);
    }

    pub(super) fn be_busy(&self, retry_after: Option<Duration>) {
        self.set(Way::Busy(retry_after));
    }

    pub(super) fn forge(&self, forger: impl Fn(&str, String) -> String + Send + Sync + 'static) {
        self.set(Way::Forged(Arc::new(forger)));
    }

    pub(super) fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    /// What was sent so far.
    pub(super) fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    /// The pauses between what was sent.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        let sent = self.sent.lock().unwrap();
        sent.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0)).collect()
    }

    pub(super) fn forget_sent(&self) {
        self.sent.lock().unwrap().clear();
    }
}

impl Portal for Link {
    fn url(&self) -> &'static str {
        "https://portal.example"
    }

    fn exchange(&self, request: String) -> Exchange {
        self.sent.lock().unwrap().push((Instant::now(), request.clone()));
        let (way, delay) = (self.way.lock().unwrap().clone(), *self.delay.lock().unwrap());
        let portal = self.portal.lock().unwrap().clone();
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            let url = "https://portal.example".to_owned();
            let unreachable = || ExchangeError::Unreachable {
                url: url.clone(),
                reason: "connection refused".to_owned(),
            };
            match way {
                Way::Broken => return Err(unreachable()),
                Way::Busy(retry_after) => {
                    return Err(ExchangeError::Busy { url, status: 503, retry_after });
                }
                Way::Open | Way::AnswersLost | Way::Forged(_) => {}
            }
            let answer = portal.handle_request(request.as_bytes()).map_err(|problem| {
                ExchangeError::Refused {
                    code: problem.code().to_owned(),
                    title: problem.title.clone(),
                    detail: problem.detail,
                }
            })?;
            match way {
                Way::AnswersLost => Err(unreachable()),
                Way::Forged(forger) => Ok(forger(&request, answer)),
                _ => Ok(answer),
            }
        })
    }
}
