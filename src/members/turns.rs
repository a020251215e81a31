//! Large bodies in turn: what is read at once is bounded, whoever sends it and over how many connections.

use super::listener::Caller;
use crate::problem::Problem;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Large bodies that are read at once; further ones wait.
const AT_ONCE: usize = 8;

/// Who sends a large body now.
pub(super) struct Turns {
    places: Semaphore,
    senders: Mutex<HashSet<Uuid>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE), senders: Mutex::default() }
    }
}

impl Turns {
    /// One turn for each member: nothing while it has one already.
    fn of(self: &Arc<Self>, member: Uuid) -> Option<Turn> {
        self.senders().insert(member).then(|| Turn { turns: Arc::clone(self), member })
    }

    fn senders(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn {
    turns: Arc<Turns>,
    member: Uuid,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.senders().remove(&self.member);
    }
}

/// Lets a request with a large body on when it is its turn. A member that sends several at once is told to come again.
pub(super) async fn in_turn(
    State(turns): State<Arc<Turns>>,
    request: Request,
    next: Next,
) -> Response {
    // Whoever is no member is refused before anything is read.
    let member = match request.extensions().get::<Caller>() {
        Some(Caller::Member(id, _)) => *id,
        _ => return next.run(request).await,
    };
    let Some(_turn) = turns.of(member) else {
        let detail = "expected one large body of this member at a time, found another: send it when that is done";
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Problem::new(status, "member-busy", "One thing at a time", detail);
        return problem.retry_after(5).into_response();
    };
    match turns.places.acquire().await {
        Ok(_place) => next.run(request).await,
        // It is never closed.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_turn_at_a_time_and_gives_it_back() {
        let turns = Arc::<Turns>::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let turn = turns.of(one);
        assert!(turn.is_some() && turns.of(one).is_none() && turns.of(other).is_some());
        drop(turn);
        assert!(turns.of(one).is_some());
    }
}
