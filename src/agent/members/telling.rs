//! What the members' listener is told: who is known, and what there is to tell members.

use crate::{agent::Agent, license::VerifiedLicense, members::Frame};
use jiff::Timestamp;
use std::sync::Arc;

impl Agent {
    /// The listener learns who was known before.
    pub(in crate::agent) fn know_members(&self) {
        let Some(members) = &self.parts.members else { return };
        for member in self.parts.keeper.roster().members() {
            members.presence.know(member.id, member.removed_at.is_some());
        }
    }

    /// Members hear what was published.
    pub(in crate::agent) fn tell_members(&self, now: Timestamp) {
        let Some(members) = &self.parts.members else { return };
        members.presence.judge_by(now, self.time.mark().proven, self.lease_days());
        let license = self.holdings.license.as_ref().map(VerifiedLicense::claims);
        members.port.believe_former(license.map_or(&[], |license| &license.former_ca));
        let published = self.published.borrow().clone();
        let generation = published.as_ref().map_or(0, |published| published.status.generation);
        let statement = published.and_then(|published| published.statement.clone());
        let signpost = self.parts.keeper.state().signpost.as_ref().filter(|post| now < post.until);
        let told = members.latest.borrow().frame.as_ref().map(|frame| Arc::clone(&frame.statement));
        let shown = statement.as_deref().or(signpost.map(|post| post.text.as_str()));
        if told.as_deref() == shown {
            return;
        }
        let count = self.parts.keeper.roster().members().filter(|m| m.removed_at.is_none()).count();
        let frame = match (statement, signpost) {
            (Some(statement), _) => Some(Frame::new(generation, statement, count)),
            (None, Some(post)) => {
                Some(Frame::signpost(generation, post.text.as_str().into(), count))
            }
            (None, None) => None,
        };
        members.latest.send_modify(|latest| latest.frame = frame.map(Arc::new));
    }
}
