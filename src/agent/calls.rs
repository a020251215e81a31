//! What the sockets ask.

use super::{Agent, exchange::Asking};
use crate::{
    api::{BundleOrder, Call, Command, Problem, Reply},
    license::{Faults, RequestKind},
};
use axum::http::StatusCode;
use tokio::sync::oneshot;

type Waiting = oneshot::Sender<Result<Reply, Problem>>;

impl Agent {
    /// Does what is asked. Where the portal must be asked, the answer comes when it answers.
    pub(super) fn call(&mut self, call: Call) {
        if self.is_early(&call.command) {
            self.early.push(call);
            return;
        }
        let Call { command, actor, reply } = call;
        match command {
            Command::Activate { code, name, purpose } => {
                self.exchanging(reply, |agent| agent.activate(code, name, purpose, &actor));
            }
            Command::Rebind { code, rebind_code } => {
                self.exchanging(reply, |agent| agent.rebind(code, rebind_code.as_ref(), &actor));
            }
            Command::Release => self.exchanging(reply, |agent| agent.release(&actor)),
            Command::Refresh => self.refresh(&actor, reply),
            Command::Install { text } => answer(reply, self.install(&text, &actor)),
            Command::Request(request) => {
                let made = self.request_by_hand(request, &actor);
                answer(reply, made);
            }
            Command::OfferMove => {
                let offered = self.offer_move(&actor);
                answer(reply, offered);
            }
            Command::ConsentToMove { offer } => {
                let consented = self.consent_to_move(&offer, &actor);
                answer(reply, consented);
            }
            Command::AcceptMove { consent, by_hand: true } => {
                let made = self.accept_move(&consent, true, &actor);
                answer(reply, made.map(Reply::Document));
            }
            Command::AcceptMove { consent, by_hand: false } => {
                self.exchanging(reply, |agent| {
                    agent.need_portal(RequestKind::Move)?;
                    agent.accept_move(&consent, false, &actor)?;
                    agent.send();
                    Ok(())
                });
            }
            Command::Bundle(order) => self.move_by_bundle(order, &actor, reply),
            Command::Events { limit } => {
                let events = self.parts.keeper.events(limit);
                let events = events.map(Reply::Events).map_err(|error| {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    let title = "The audit can't be read";
                    Problem::new(status, error.code(), title, error.to_string())
                });
                answer(reply, events);
            }
            Command::MakeToken(order) => answer(reply, self.make_token(&order, &actor)),
            Command::Members => answer(reply, Ok(self.member_lines())),
            Command::RemoveMember { member } => answer(reply, self.remove_member(&member, &actor)),
            Command::Join(_) => answer(reply, Err(not_a_member())),
            Command::ReportUsage(report) => {
                let taken = self.take_gauge(&report);
                answer(reply, taken);
            }
            Command::ReportUsers(report) => {
                let taken = self.take_users(&report);
                answer(reply, taken);
            }
            Command::Usage => {
                let overview = self.usage_overview();
                answer(reply, overview);
            }
            Command::UsageReport { from, to } => {
                let report = self.usage_report(from, to, &actor);
                answer(reply, report);
            }
        }
    }

    /// A move by a bundle, on either machine.
    fn move_by_bundle(&mut self, order: BundleOrder, actor: &str, reply: Waiting) {
        match order {
            BundleOrder::Export(order) => {
                let exported = self.export(&order, actor);
                answer(reply, exported);
            }
            BundleOrder::Cancel => self.cancel(actor, reply),
            BundleOrder::Import { contents, by_hand: true } => {
                let made = self.import(&contents, true, actor);
                answer(reply, made.map(Reply::Document));
            }
            BundleOrder::Import { contents, by_hand: false } => {
                self.exchanging(reply, |agent| {
                    agent.need_portal(RequestKind::Move)?;
                    agent.import(&contents, false, actor)?;
                    agent.send();
                    Ok(())
                });
            }
        }
    }

    /// Whether a command needs the hardware, which is still being read for the first time.
    fn is_early(&self, command: &Command) -> bool {
        let needs_hardware = match command {
            Command::Activate { .. }
            | Command::Rebind { .. }
            | Command::Refresh
            | Command::Release
            | Command::OfferMove
            | Command::AcceptMove { .. }
            | Command::Bundle(BundleOrder::Import { .. } | BundleOrder::Cancel)
            | Command::Request(_) => true,
            // A license is for a Serial Number; once there is one, a probe that hangs locks no cure.
            Command::Install { .. } => self.parts.keeper.state().enrolled.is_none(),
            _ => false,
        };
        needs_hardware && self.survey.is_none() && self.surveying.is_some()
    }

    /// Does what was asked before the hardware was read.
    pub(super) fn catch_up(&mut self) {
        for call in std::mem::take(&mut self.early) {
            self.call(call);
        }
    }

    fn install(&mut self, text: &str, actor: &str) -> Result<Reply, Problem> {
        match self.install_text(text, actor) {
            Ok(message) => {
                if self.schedule.refresh_at.is_none() {
                    let uptime = self.uptime();
                    self.schedule.answered(uptime, self.refresh_interval());
                }
                self.done(message)
            }
            Err(refused) => {
                let problem = refused_document(&refused.faults);
                self.note_refusal(refused, actor);
                Err(problem)
            }
        }
    }

    /// A refresh joins the one that is under way.
    fn refresh(&mut self, actor: &str, reply: Waiting) {
        let pending = self.waiting_request();
        if self.exchange.is_some() && pending == Some(RequestKind::Refresh) {
            self.waiting.push(reply);
            return;
        }
        let waits = pending.is_some();
        self.exchanging(reply, |agent| {
            agent.need_portal(RequestKind::Refresh)?;
            if waits {
                // What waits to be sent is sent: an activation that could not be reached for, say.
                agent.send();
                return Ok(());
            }
            let environment = agent.activated_environment()?;
            agent.ask(&Asking::new(RequestKind::Refresh, environment), actor)
        });
    }

    /// A bundle is worthless as soon as the portal has heard of it; where none is set, by the next courier.
    fn cancel(&mut self, actor: &str, reply: Waiting) {
        if self.parts.portal.is_none() {
            let told = "the bundle is void here; the portal takes no request of it after the next request of this machine (`entitlectl request refresh`)";
            let cancelled = self.cancel_export(actor).and_then(|()| self.done(told.to_owned()));
            answer(reply, cancelled);
            return;
        }
        self.exchanging(reply, |agent| {
            agent.cancel_export(actor)?;
            let environment = agent.activated_environment()?;
            agent.ask(&Asking::new(RequestKind::Refresh, environment), actor)
        });
    }

    /// Begins an exchange for a command, which is answered when it ends.
    fn exchanging(&mut self, reply: Waiting, begin: impl FnOnce(&mut Self) -> Result<(), Problem>) {
        if self.exchange.is_some() {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let detail =
                "another request is under way to the portal: try again when it is answered";
            let problem = Problem::new(status, "exchange-under-way", "The agent is busy", detail);
            answer(reply, Err(problem.retry_after(5)));
            return;
        }
        match begin(self) {
            Ok(()) => self.waiting.push(reply),
            Err(problem) => answer(reply, Err(problem)),
        }
    }
}

fn refused_document(faults: &Faults) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, faults.code(), "The document was refused", faults.to_string())
}

fn not_a_member() -> Problem {
    let detail = "this agent is set to be a controller: set `role = \"member\"` in its settings and restart it, then join";
    Problem::new(StatusCode::CONFLICT, "not-a-member", "This is no member", detail)
}

fn answer(reply: Waiting, result: Result<Reply, Problem>) {
    // One who does not wait any more needs no answer.
    let _ = reply.send(result);
}
