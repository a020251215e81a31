//! The loop.

use super::{Agent, Members, documents::refresh_due};
use crate::{
    entitlement::{ConditionType, Finding},
    identity::Survey,
    members::Asked,
    store::{Action, Event},
    upstream::ExchangeError,
};
use jiff::Timestamp;
use std::{
    future::{Future, pending},
    time::Duration,
};
use tokio::sync::oneshot;

/// The longest pause: clocks are set and calendars go on while nothing else happens.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Agent {
    /// Runs until `stop` is done. The stored state is published first, before anything outside is looked at.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        self.start();
        tokio::pin!(stop);
        loop {
            self.heartbeat.beat();
            self.parts.service_manager.alive();
            let pause = self.turn();
            tokio::select! {
                // In this order and no other: what happened is told in the order in which it matters, a simulation by one seed
                // goes one way, and calls, the only ones that may come without end, hold nothing else up.
                biased;
                () = &mut stop => break,
                ended = exchanged(&mut self.exchange) => self.settle(ended),
                survey = surveyed(&mut self.surveying) => {
                    self.surveying = None;
                    if let Some(survey) = survey {
                        self.surveyed(survey);
                    } else {
                        // The blocking thread panicked or could not be had; the schedule tries again.
                        tracing::error!("the survey of the hardware failed");
                        let uptime = self.uptime();
                        self.schedule.surveyed(uptime, true);
                    }
                    self.catch_up();
                }
                Some(reload) = self.parts.reloads.recv() => self.reload(reload),
                call = self.calls.recv() => match call {
                    Some(call) => self.call(call),
                    None => break,
                },
                Some(asked) = member_asked(&mut self.parts.members) => self.asked(asked),
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.store_peaks();
        self.parts.service_manager.stopping();
    }

    fn start(&mut self) {
        self.know_members();
        let mut events = Vec::new();
        if let Some(recovered) = self.parts.recovered.take() {
            events.push(self.tell_recovery(recovered));
        }
        let uptime = self.uptime();
        let interval = self.refresh_interval();
        let now = self.now();
        let due = refresh_due(self.parts.keeper.state(), interval.try_into().unwrap_or_default());
        let left = due.map_or(Duration::ZERO, |due| {
            due.duration_since(now).try_into().unwrap_or(Duration::ZERO).min(interval)
        });
        let state = self.draft();
        let waits = state.chain.to_send().is_some() || state.carried_key;
        if waits || state.environment.is_none() {
            // Somebody waits for this one, or a key that others may have read for another.
            self.schedule.refresh_at = Some(uptime);
        } else {
            self.schedule.started(uptime, left);
        }
        if state.enrolled.is_some() {
            self.conclude(state, events);
        } else {
            self.parts.keeper.commit(state, events);
        }
    }

    /// The audit entry of what had to be done about the database; the status tells it as well.
    fn tell_recovery(&mut self, recovered: String) -> Event {
        let message =
            format!("{recovered}; this is told until the next start or reload: check the disk");
        let finding = Finding::new(ConditionType::StoreDegraded, "Recovered", message);
        self.parts.standing.push(finding);
        self.event(Action::StoreRecovered, recovered)
    }

    /// Does what is due, and says how long there is nothing more.
    fn turn(&mut self) -> Duration {
        let uptime = self.uptime();
        if uptime >= self.schedule.survey_at || self.parts.hardware.has_news() {
            self.start_survey();
        }
        let surveyed = self.survey.is_some();
        if surveyed && self.schedule.refresh_at.is_some_and(|at| uptime >= at) {
            self.turn_to_portal();
        }
        self.parts.keeper.retry();
        let recovered = self.parts.keeper.recovered();
        let recovered = recovered.map(|recovered| self.tell_recovery(recovered));
        self.finish_succession();
        // A stored license is judged without a survey too: a probe that hangs must not stop the calendar.
        let known = surveyed || self.parts.keeper.state().enrolled.is_some();
        let next_change = known.then(|| {
            let state = self.draft();
            self.conclude(state, recovered.into_iter().collect())
        });
        self.pause(uptime, next_change.flatten())
    }

    fn pause(&self, uptime: Duration, next_change: Option<Timestamp>) -> Duration {
        let now = self.time.at(self.parts.clock.read());
        let until_change = next_change.and_then(|at| at.duration_since(now).try_into().ok());
        let can_ask = self.exchange.is_none() && self.survey.is_some();
        let until_refresh = self.schedule.refresh_at.filter(|_| can_ask);
        [
            until_change,
            until_refresh.map(|at| at.saturating_sub(uptime)),
            self.surveying.is_none().then(|| self.schedule.survey_at.saturating_sub(uptime)),
            self.usage_due().map(|at| at.saturating_sub(uptime)),
            self.parts.service_manager.watchdog_interval(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(LONGEST_PAUSE)
        // A time that has come is a matter of the next turn, and a turn at least a tick of the clock apart.
        .clamp(Duration::from_millis(10), LONGEST_PAUSE)
    }
}

/// The end of the exchange under way; never, where there is none.
async fn exchanged(
    exchange: &mut Option<crate::upstream::Exchange>,
) -> Result<String, ExchangeError> {
    match exchange {
        Some(exchange) => exchange.await,
        None => pending().await,
    }
}

/// What a member asks; never, where none are served.
async fn member_asked(members: &mut Option<Members>) -> Option<Asked> {
    match members {
        Some(members) => members.asked.recv().await,
        None => pending().await,
    }
}

/// The end of the survey under way; never, where there is none.
async fn surveyed(surveying: &mut Option<oneshot::Receiver<Survey>>) -> Option<Survey> {
    match surveying {
        Some(surveying) => surveying.await.ok(),
        None => pending().await,
    }
}

/// Done when the process is told to stop: SIGTERM, or Ctrl-C.
///
/// # Errors
/// Where the operating system lets no signals be waited for.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
