//! A network that is slow, loses, repeats and reorders, by one seed. What it carries reaches the real portal.

use super::{
    super::peril::{Peril, Place},
    chance::{Chance, Tally},
};
use crate::{
    license::{AnswerClaims, LicenseClaims, Outcome, RequestClaims, Unverified},
    portal,
    upstream::{Exchange, ExchangeError, Portal},
};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// Requests on their way for long that are remembered.
const MOST_IN_THE_AIR: usize = 8;

/// How the network is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Nothing comes through.
    pub cut: bool,
    /// Of a hundred exchanges so many lose their answer.
    pub loses: u64,
    /// The portal is too busy, and asks for so long a pause.
    pub busy: Option<Duration>,
    /// The longest that a message takes, in milliseconds.
    pub slow: u64,
    /// Of a hundred requests so many come twice, or are preceded by one that was lost long ago.
    pub repeats: u64,
    /// Of a hundred answers so many are in truth those to a request before.
    pub stale: u64,
}

struct Inner {
    portal: portal::Portal,
    weather: Weather,
    chance: Chance,
    tally: Tally,
    /// Requests that never arrived: they may yet.
    in_the_air: Vec<String>,
    answers: Vec<String>,
    /// Requests in the order in which they were first sent: their ids are random, and stand in no story.
    sent: Vec<String>,
    notes: Vec<String>,
}

/// The way to the portal.
pub(super) struct Network {
    inner: Arc<Mutex<Inner>>,
    peril: Arc<Peril>,
}

impl Network {
    pub(super) fn new(portal: portal::Portal, peril: Arc<Peril>, seed: u64) -> Self {
        let inner = Inner {
            portal,
            weather: Weather::default(),
            chance: Chance::new(seed),
            tally: Tally::default(),
            in_the_air: Vec::new(),
            answers: Vec::new(),
            sent: Vec::new(),
            notes: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), peril }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn be(&self, weather: Weather) {
        self.inner().weather = weather;
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.inner().weather);
    }

    /// Another portal answers from now on, which has never seen what is in the air.
    pub(super) fn lead_to(&self, portal: portal::Portal) {
        let mut inner = self.inner();
        inner.in_the_air.clear();
        inner.portal = portal;
    }

    /// What came of each exchange since this was asked last.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().notes)
    }

    /// How many requests were sent, each counted once.
    pub(super) fn count_sent(&self) -> usize {
        self.inner().sent.len()
    }

    /// What happened here.
    pub(super) fn tally(&self) -> Tally {
        self.inner().tally.clone()
    }
}

impl Inner {
    fn number(&mut self, request: &str) -> usize {
        self.sent.iter().position(|sent| sent == request).unwrap_or_else(|| {
            self.sent.push(request.to_owned());
            self.sent.len() - 1
        })
    }

    fn note(&mut self, request: &str, what: &str) {
        let number = self.number(request);
        let claims: RequestClaims = Unverified::parse(request).unwrap().peek().unwrap();
        self.notes.push(format!("    request {number} to {}: {what}", claims.request.as_str()));
    }

    fn pause(&mut self) -> Duration {
        // At least a tick of the clock: no message arrives at the moment at which it is sent.
        Duration::from_millis(2 + self.chance.below(self.weather.slow.max(1)))
    }

    fn happens(&mut self, percent: u64, what: &str) -> bool {
        let happens = self.chance.below(100) < percent;
        if happens {
            self.tally.count(&format!("network {what}"));
        }
        happens
    }

    /// The portal is reached.
    fn deliver(&mut self, request: &str) -> Result<String, ExchangeError> {
        let repeats = self.weather.repeats;
        if !self.in_the_air.is_empty() && self.happens(repeats, "delivers late") {
            let late = self.in_the_air.remove(0);
            self.note(&late, "arrives late");
            // Whatever is said to it reaches nobody.
            drop(self.portal.handle_request(late.as_bytes()));
        }
        let answer = self.portal.handle_request(request.as_bytes());
        if self.happens(repeats, "delivers twice") {
            let again = self.portal.handle_request(request.as_bytes());
            let code = |answer: &Result<String, crate::api::Problem>| {
                answer.as_ref().map_err(|problem| problem.code().to_owned()).cloned()
            };
            assert_eq!(code(&again), code(&answer), "the same request, the same answer");
        }
        let answer = answer.map_err(|problem| {
            self.tally.count(&format!("portal refuses {}", problem.code()));
            self.note(request, problem.code());
            ExchangeError::Refused {
                code: problem.code().to_owned(),
                title: problem.title.clone(),
                detail: problem.detail,
            }
        })?;
        self.answers.push(answer.clone());
        let claims: AnswerClaims = Unverified::parse(&answer).unwrap().peek().unwrap();
        self.note(request, &told(&claims));
        Ok(answer)
    }

    /// What arrives of an answer.
    fn give_back(&mut self, answer: String) -> Result<String, ExchangeError> {
        let Weather { cut, loses, stale, .. } = self.weather;
        if cut || self.happens(loses, "loses an answer") {
            return Err(unreachable());
        }
        let older = self.answers.len().saturating_sub(1);
        if older > 0 && self.happens(stale, "gives an old answer") {
            let which = self.chance.below(u64::try_from(older).unwrap());
            return Ok(self.answers[usize::try_from(which).unwrap()].clone());
        }
        Ok(answer)
    }

    fn lose(&mut self, request: String) -> ExchangeError {
        self.tally.count("network is cut");
        self.note(&request, "is lost");
        if self.in_the_air.len() < MOST_IN_THE_AIR && !self.in_the_air.contains(&request) {
            self.in_the_air.push(request);
        }
        unreachable()
    }
}

/// An answer in a story.
fn told(claims: &AnswerClaims) -> String {
    let outcome = match &claims.outcome {
        Outcome::License(text) => {
            let license: LicenseClaims = Unverified::parse(text).unwrap().peek().unwrap();
            format!("license {}", license.seq)
        }
        Outcome::Revocation(_) => "revocation".to_owned(),
        Outcome::NothingNew { sequence } => format!("nothing newer than {sequence}"),
        Outcome::Released { sequence, .. } => format!("released by {sequence}"),
        Outcome::Retired { sequence, .. } => format!("retired by {sequence}"),
    };
    let fork = claims.fork.map_or(String::new(), |fork| format!(", fork {:?}", fork.state));
    format!("{outcome}{fork}")
}

const URL: &str = "https://portal.example";

fn unreachable() -> ExchangeError {
    ExchangeError::Unreachable { url: URL.to_owned(), reason: "connection refused".to_owned() }
}

impl Portal for Network {
    fn url(&self) -> &'static str {
        URL
    }

    fn exchange(&self, request: String) -> Exchange {
        let (inner, peril) = (Arc::clone(&self.inner), Arc::clone(&self.peril));
        Box::pin(async move {
            peril.pass(Place::BeforeSending);
            inner.lock().unwrap().number(&request);
            let pause = inner.lock().unwrap().pause();
            tokio::time::sleep(pause).await;
            let answer = {
                let mut inner = inner.lock().unwrap();
                if inner.weather.cut {
                    return Err(inner.lose(request));
                }
                if let Some(retry_after) = inner.weather.busy {
                    inner.tally.count("network says busy");
                    let retry_after = Some(retry_after);
                    return Err(ExchangeError::Busy {
                        url: URL.to_owned(),
                        status: 503,
                        retry_after,
                    });
                }
                inner.deliver(&request)?
            };
            peril.pass(Place::AfterPortal);
            let pause = inner.lock().unwrap().pause();
            tokio::time::sleep(pause).await;
            let given = inner.lock().unwrap().give_back(answer)?;
            peril.pass(Place::BeforeReceipt);
            Ok(given)
        })
    }
}
