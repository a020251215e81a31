//! What happens at the portal.

use super::life::Life;
use crate::{
    license::{KeyPair, KeyStatus, PortalKey},
    portal::{
        TrustChange,
        domain::{Standing, Terms},
    },
};
use jiff::SignedDuration;
use std::fs;

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

impl Life {
    fn change_terms(&self, edit: impl FnOnce(&mut Terms) + Send + 'static) {
        self.stage.portal.update_subscription(self.stage.subscription.id, edit).unwrap();
    }

    /// The term ends at another time, sooner or later.
    pub(super) fn renew(&mut self) {
        let more = i64::try_from(self.chance.below(400)).unwrap() - 20;
        self.tell("renewal", &format!("{more} days"));
        let ends_at = self.stage.world.truth() + days(more);
        self.change_terms(move |terms| {
            terms.ends_at = ends_at.max(terms.starts_at + SignedDuration::from_hours(1));
        });
    }

    pub(super) fn renew_for_long(&mut self) {
        let ends_at = self.stage.world.truth() + days(300);
        self.tell("renewal", "for long");
        self.change_terms(move |terms| terms.ends_at = ends_at);
    }

    /// Whether the subscription is over, whatever the agent knows of it.
    pub(super) fn is_term_over(&self) -> bool {
        let terms = self.stage.portal.subscription(self.stage.subscription.id).unwrap().terms;
        self.stage.world.truth() >= terms.ends_at + days(i64::from(terms.grace_days))
    }

    /// The portal's clock is set back for a while in which it is asked.
    pub(super) async fn set_portal_clock_behind(&mut self) {
        self.tell("portal's clock behind", "");
        let hours = i64::try_from(self.chance.below(24 * 30)).unwrap();
        self.stage.world.set_portal_behind(SignedDuration::from_hours(hours));
        self.renew();
        self.refresh().await;
        self.stage.world.set_portal_behind(SignedDuration::ZERO);
    }

    /// Whether the vendor revoked it, as the agent or the portal knows.
    pub(super) fn is_revoked(&self) -> bool {
        let revoked = matches!(self.standing(), Standing::Revoked { .. });
        revoked || self.stage.state().revocation.is_some()
    }

    fn standing(&self) -> Standing {
        self.stage.portal.subscription(self.stage.subscription.id).unwrap().standing
    }

    /// Revokes, or takes that back.
    pub(super) fn revoke(&mut self) {
        let id = self.stage.subscription.id;
        if matches!(self.standing(), Standing::Revoked { .. }) {
            self.stand_by_the_subscription();
        } else {
            self.tell("revocation", "");
            self.stage.portal.revoke_subscription(id, "charged back").unwrap();
        }
    }

    /// Suspends, or takes that back.
    pub(super) fn suspend(&mut self) {
        if self.standing() == Standing::Active {
            self.tell("suspension", "");
            self.stage.portal.suspend_subscription(self.stage.subscription.id).unwrap();
        } else {
            self.stand_by_the_subscription();
        }
    }

    pub(super) fn stand_by_the_subscription(&mut self) {
        if self.standing() != Standing::Active {
            self.tell("resumption", "");
            self.stage.portal.resume_subscription(self.stage.subscription.id).unwrap();
        }
    }

    /// The portal signs with a new key; the old one is retired, or revoked.
    pub(super) fn replace_the_signing_key(&mut self) {
        let directory = self.stage.portal.directory();
        let pem = fs::read_to_string(directory.root_key()).unwrap();
        let keys = self.stage.portal.keys();
        let signs = |named: &&PortalKey| named.status == KeyStatus::Active;
        let old = keys.trust().claims().keys.iter().rfind(signs).unwrap().key.thumbprint();
        let old = vec![old.to_string()];
        let add = vec![directory.create_signing_key().unwrap().public()];
        let revokes = self.chance.one_in(3);
        let change = if revokes {
            TrustChange { add, revoke: old, ..Default::default() }
        } else {
            TrustChange { add, retire: old, ..Default::default() }
        };
        let root = KeyPair::from_pem(&pem).unwrap();
        let next = change.sign(keys.trust().text(), &root, self.stage.world.truth()).unwrap();
        fs::write(self.stage.portal.directory().trust(), next).unwrap();
        self.stage.portal.reload_keys().unwrap();
        self.tell(if revokes { "key revoked" } else { "key retired" }, "");
    }

    pub(super) fn back_up_the_portal(&mut self) {
        self.tell("portal backed up", "");
        self.backup = Some(self.stage.back_up_portal());
    }

    pub(super) fn restore_the_portal(&mut self) {
        let Some(copy) = self.backup.take() else { return };
        self.tell("portal restored", "");
        self.stage.restore_portal(copy);
        self.network.lead_to(self.stage.portal.clone());
        self.may_be_forked = true;
        // It may know of no activation since.
        self.may_be_released = true;
    }
}
