//! A controller that was restored from a snapshot follows what its members hold.

use super::{Agent, documents::Road, holdings::believed_roots};
use crate::{
    api::Problem,
    entitlement::LicenseSource,
    license::{Faults, VerifiedStatement, verify_statement},
    store::Action,
};
use axum::http::StatusCode;
use uuid::Uuid;

impl Agent {
    /// A member shows a statement that is newer than what is held here: this controller was restored from a snapshot. It
    /// is believed where this environment's key signed it, and the portal the license in it.
    pub(super) fn follow(&mut self, member: Uuid, text: &str) -> Result<(), Problem> {
        let refused = |code: &str, detail: String| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, code, "The statement was refused", detail)
        };
        let roots = believed_roots(&self.parts.roots, self.parts.keeper.state().root);
        let key = self.parts.key.public();
        let trust = self.holdings.trust.as_ref();
        let statement = verify_statement(text, &self.parts.product, &roots, trust, Some(&key));
        let statement = statement.map_err(|error| refused(error.code(), error.to_string()))?;
        if *statement.key() != key {
            let detail = "expected a statement signed by this environment's key, found another's: nothing changed";
            return Err(refused("statement-foreign", detail.to_owned()));
        }
        let actor = format!("member {member}");
        self.follow_statement(&statement, &actor)
            .map_err(|faults| refused(faults.code(), faults.to_string()))
    }

    /// Takes what a member heard from this environment and this machine does not know any more: the license in the
    /// statement, its revocation, and its generation, so that members go on with this controller.
    fn follow_statement(
        &mut self,
        statement: &VerifiedStatement,
        actor: &str,
    ) -> Result<(), Faults> {
        let mut change = self.change();
        let generation = statement.claims().generation;
        let license = statement.license();
        let floor = change.state.floor;
        let is_news = floor.is_none_or(|floor| license.claims().seq > floor);
        if !is_news && generation <= change.state.status.generation {
            return Ok(());
        }
        let detail = format!("license sequence {}, generation {generation}", license.claims().seq);
        change.events.push(self.event_by(actor, Action::StatementFollowed, detail));
        let road = Road { source: LicenseSource::Member, actor };
        if is_news {
            self.take_trust(&mut change, statement.trust().clone(), actor);
            let now = self.now();
            self.take_license(&mut change, license, &road, now)?;
        }
        let revocation = statement.revocation().zip(statement.claims().revocation.clone());
        if let Some((claims, text)) = revocation.filter(|(claims, _)| Some(claims.seq) > floor) {
            self.take_revocation(&mut change, claims, text, &road)?;
        }
        let status = &mut change.state.status;
        if generation >= status.generation {
            status.generation = generation;
            // What follows is another status than the one of that generation.
            status.digest.clear();
        }
        self.adopt(change);
        Ok(())
    }
}
