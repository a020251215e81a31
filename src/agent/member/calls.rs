//! What the sockets ask of a member.

use super::{Joining, MemberAgent, Order};
use crate::{
    api::{Call, Command, Done, JoinOrder, Problem, Reply},
    members::{JoinToken, MembersError, controller_address},
    store::{Action, FormerMembership, Membership},
};
use axum::http::StatusCode;
use tokio::sync::oneshot;

impl MemberAgent {
    pub(super) fn call(&mut self, call: Call) {
        let Call { command, actor, reply } = call;
        let result = match command {
            Command::Join(order) => return self.begin_join(&order, actor, Some(reply)),
            Command::Events { limit } => {
                self.parts.keeper.events(limit).map(Reply::Events).map_err(|error| {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    let title = "The audit can't be read";
                    Problem::new(status, error.code(), title, error.to_string())
                })
            }
            Command::ReportUsage(report) => self.take_gauge(&report),
            Command::ReportUsers(report) => self.take_users(&report),
            Command::Usage => self.usage_overview(),
            _ => Err(self.for_the_controller()),
        };
        // One who does not wait any more needs no answer.
        let _ = reply.send(result);
    }

    fn for_the_controller(&self) -> Problem {
        let controller = self.controller.as_deref().map_or(String::new(), |at| format!(" ({at})"));
        let detail = format!(
            "this server is a member, and the license is its controller's: do this there{controller}"
        );
        Problem::new(StatusCode::CONFLICT, "not-a-controller", "This is no controller", detail)
    }

    /// Sends a join off; it is answered when it ended.
    pub(super) fn begin_join(
        &mut self,
        order: &JoinOrder,
        actor: String,
        reply: Option<oneshot::Sender<Result<Reply, Problem>>>,
    ) {
        match self.prepare_join(order) {
            Ok((controllers, token)) => {
                self.order(Order::Join { controllers, token, actor, reply });
            }
            Err(error) => {
                tracing::warn!(code = error.code(), "{error}");
                self.join_later();
                if let Some(reply) = reply {
                    let _ = reply.send(Err(problem(&error)));
                }
            }
        }
    }

    fn prepare_join(&self, order: &JoinOrder) -> Result<(Vec<String>, JoinToken), MembersError> {
        let token = order.token.parse::<JoinToken>()?;
        let given = order.controllers.iter();
        let given = given.map(|at| controller_address(at)).collect::<Result<Vec<_>, _>>()?;
        let controllers = if given.is_empty() { self.controllers(&[]) } else { given };
        if controllers.is_empty() {
            return Err(MembersError::Address { found: String::new() });
        }
        Ok((controllers, token))
    }

    /// Joining ended: the new membership takes the place of the old one, with what was held under that.
    pub(super) fn joined(&mut self, joining: Joining) {
        let Joining { result, controllers, token, actor, reply } = joining;
        let result = result.map_err(|error| {
            tracing::warn!(code = error.code(), "this server could not join: {error}");
            self.join_later();
            problem(&error)
        });
        let answer = result.and_then(|(joined, identity)| {
            let unkept = |detail: String| {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Problem::new(status, "member-identity", "The certificate can't be kept", detail)
            };
            let ca = identity.authority().filter(|authority| token.pins(authority));
            let ca = ca.ok_or_else(|| unkept("it is of another authority".to_owned()))?;
            let kept = self.parts.directory.keep_member_identity(identity.pem());
            kept.map_err(|error| unkept(error.to_string()))?;
            let now = self.now();
            let detail = format!(
                "as {} through {}, by token {}",
                joined.id,
                controllers.join(", "),
                token.id()
            );
            let event = self.event(&actor, Action::MemberJoined, detail);
            let mut state = self.draft();
            // What was stated before goes on for its lease, until something is stated here.
            let former = state.membership.take().and_then(former_of);
            let lease = self.lease.filter(|_| former.is_some());
            state.membership = Some(Membership {
                id: joined.id,
                controllers,
                ca,
                environment_key: joined.environment_key,
                certified_at: now,
                certificate_life: joined.certificate.life_seconds,
                statement: None,
                lease,
                moved_to: Vec::new(),
                successors: Vec::new(),
                former,
            });
            self.former = self.held.take().or_else(|| self.former.take());
            (self.lease, self.refused, self.expelled) = (lease, None, None);
            (self.controller, self.reachable, self.renewing) = (None, None, false);
            self.conclude(state, vec![event]);
            self.attach();
            self.done(format!("this server has joined the environment, as member {}", joined.id))
        });
        if let Some(reply) = reply {
            // One who does not wait any more needs no answer.
            let _ = reply.send(answer);
        }
    }

    pub(super) fn done(&self, message: String) -> Result<Reply, Problem> {
        let published = self.published.borrow().clone().ok_or_else(|| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "not-ready", "The agent can't answer yet", "try again")
        })?;
        Ok(Reply::Done(Box::new(Done { message, status: published.status.clone() })))
    }
}

/// What a membership is entitled by.
fn former_of(membership: Membership) -> Option<FormerMembership> {
    let Membership { statement, ca, environment_key, former, .. } = membership;
    let stated = statement.map(|statement| FormerMembership { statement, ca, environment_key });
    stated.or(former)
}

fn problem(error: &MembersError) -> Problem {
    let status = match error {
        MembersError::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        MembersError::Token(_) | MembersError::Address { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.code(), "This server could not join", error.to_string())
}
