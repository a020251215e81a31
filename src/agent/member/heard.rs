//! What the way to the controller brings.

use super::{Heard, MemberAgent, Order};
use crate::{
    agent::{Reload, holdings::believed_roots},
    entitlement::{ConditionType, Finding, Lease},
    license::RevocationClaims,
    members::{
        Accepted, MOST_ADDRESSES, MemberIdentity, MembersError, Refusal, Way, controller_address,
        judge, judge_signpost,
    },
    store::{Action, Event, Membership},
};
use std::time::Duration;

impl MemberAgent {
    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Connected { address } => {
                self.controller = Some(address);
                self.reachable = Some(true);
                self.expelled = None;
                self.usage_parted();
            }
            Heard::Statement(text) => {
                self.take(&text);
                self.usage_holds();
            }
            Heard::Usage(figures) => {
                self.renew_lease();
                self.hear_usage(figures);
            }
            Heard::UsageTold(told) => self.usage_told(told),
            Heard::UsageKey(key) => self.hear_usage_key(key),
            Heard::Beat => {
                self.renew_lease();
                self.usage_holds();
            }
            Heard::Signpost(text) => self.follow(&text),
            Heard::Claimed(text) => self.hear_claim(&text),
            Heard::Lost(error) => self.lost(&error),
            Heard::Renewed(identity, life) => self.take_certificate(identity, life),
            Heard::Joined(joining) => self.joined(*joining),
        }
        let state = self.draft();
        self.conclude(state, Vec::new());
    }

    /// Takes a statement, or refuses it by name.
    fn take(&mut self, text: &str) {
        let Some(membership) = self.parts.keeper.state().membership.clone() else { return };
        let now = self.now();
        let roots = believed_roots(&self.parts.roots, self.parts.keeper.state().root);
        let pinned = self.pinned(&membership, &roots);
        let judged = judge(text, &pinned, self.held.as_ref(), now).and_then(|accepted| {
            // Joined again to the environment that it was in: what was stated there before is no less true.
            let id = |accepted: &Accepted| accepted.license().claims().environment.id;
            let former = self.former.as_ref().filter(|former| id(former) == id(&accepted));
            match former {
                Some(former) => judge(text, &pinned, Some(former), now),
                None => Ok(accepted),
            }
        });
        match judged {
            Ok(accepted) => self.accept(accepted, membership, Vec::new()),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    fn accept(&mut self, accepted: Accepted, membership: Membership, mut events: Vec<Event>) {
        self.refused = None;
        let before_known = self.addresses(&membership);
        let license = accepted.license().claims().clone();
        // Of times those alone count that the portal signed: the controller's clock may be wrong.
        self.time.prove(license.iat);
        if let Some(RevocationClaims { iat, .. }) = accepted.statement.revocation() {
            self.time.prove(*iat);
        }
        let now = self.now();
        self.lease = Some(Lease { received_at: now, days: license.lease_days, exp: license.exp });
        let before = self.held.as_ref().map(Accepted::sequence);
        if before != Some(accepted.sequence()) {
            let detail = format!(
                "license sequence {} of {} until {}, from the controller",
                license.seq, license.environment.name, license.subscription.ends_at
            );
            events.push(self.event("controller", Action::LicenseInstalled, detail));
        }
        let mut state = self.draft();
        state.root = Some(*accepted.statement.trust().root());
        state.trust = Some(accepted.statement.trust().text().to_owned());
        state.membership = Some(Membership {
            statement: Some(accepted.statement.text().to_owned()),
            lease: self.lease,
            // The portal may have bound the environment to a new key.
            environment_key: *accepted.statement.key(),
            moved_to: self.found_at(&membership),
            successors: successors_of(&accepted),
            former: None,
            ..membership
        });
        self.former = None;
        let known = state.membership.as_ref().map(|membership| self.addresses(membership));
        let generation = accepted.generation();
        self.held = Some(accepted);
        self.conclude(state, events);
        let lease_ends_at = self.lease.map(Lease::ends_at);
        self.order(Order::Hold { generation, lease_ends_at });
        if let Some(controllers) = known.filter(|known| *known != before_known) {
            self.order(Order::Know { controllers });
        }
    }

    /// Believes another authority where the portal's license says that it took the place of the known one, and has itself
    /// certified by it; else nothing happens.
    fn hear_claim(&mut self, text: &str) {
        let Some(mut membership) = self.parts.keeper.state().membership.clone() else { return };
        let now = self.now();
        let roots = believed_roots(&self.parts.roots, self.parts.keeper.state().root);
        let judged = judge(text, &self.pinned(&membership, &roots), self.held.as_ref(), now);
        let Ok(accepted) = judged else { return };
        let Some(ca) = accepted.license().claims().ca.clone() else { return };
        if ca == membership.ca {
            return;
        }
        let detail = format!("{ca} in the place of {}", membership.ca);
        let event = self.event("controller", Action::AuthorityReplaced, detail);
        membership.ca = ca;
        // With the statement in one step: neither is of use without the other.
        self.accept(accepted, membership, vec![event]);
        self.attach();
    }

    /// Goes where a signpost leads: what is stated there is judged as it is anywhere.
    fn follow(&mut self, text: &str) {
        let Some(membership) = self.parts.keeper.state().membership.clone() else { return };
        let roots = believed_roots(&self.parts.roots, self.parts.keeper.state().root);
        let way = judge_signpost(text, &self.pinned(&membership, &roots), self.held.as_ref());
        match way {
            Ok(Way::To(controllers)) if membership.moved_to.starts_with(&controllers) => {
                // It was followed already, and the new controller is not there yet.
                self.order(Order::Elsewhere);
            }
            Ok(Way::To(controllers)) => {
                self.refused = None;
                let detail = format!("to {}", controllers.join(", "));
                let event = self.event("controller", Action::SignpostFollowed, detail);
                let mut state = self.draft();
                let moved_to = merged([controllers, membership.moved_to.clone()]);
                let membership = Membership { moved_to, ..membership };
                let controllers = self.addresses(&membership);
                state.membership = Some(membership);
                self.conclude(state, vec![event]);
                self.order(Order::Follow { controllers });
            }
            Ok(Way::Here) => self.order(Order::Elsewhere),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Where the controller was found that no setting names: it is remembered, for the word that led there is gone when that
    /// one speaks for itself.
    fn found_at(&self, membership: &Membership) -> Vec<String> {
        let found = self.controller.iter().filter(|found| !self.named(membership).contains(found));
        merged([found.cloned().collect(), membership.moved_to.clone()])
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let code = refusal.code();
        self.parts.metrics.refused_document();
        self.parts.metrics.member_refused(code);
        // Once, and again after one that was accepted: a controller may send the same for days.
        if self.refused != Some(code) {
            self.refused = Some(code);
            let event =
                self.event("controller", Action::DocumentRefused, format!("{code}: {refusal}"));
            let state = self.draft();
            self.conclude(state, vec![event]);
        }
        match (self.shown(), refusal) {
            (Some(held), Refusal::Older { .. }) => {
                let statement = held.statement.text().to_owned();
                self.order(Order::Present { statement });
            }
            (_, Refusal::Misleading { .. }) => self.order(Order::Elsewhere),
            // Perhaps another address is the right one, or a clock is mended meanwhile.
            _ => self.order(Order::TryLater),
        }
    }

    /// The controller is there, and what it stated still holds.
    fn renew_lease(&mut self) {
        let Some(held) = &self.held else { return };
        if self.refused.is_some() {
            return;
        }
        let license = held.license().claims();
        let (days, exp) = (license.lease_days, license.exp);
        let now = self.now();
        self.lease = Some(Lease { received_at: now, days, exp });
    }

    fn lost(&mut self, error: &MembersError) {
        if self.reachable != Some(false) {
            tracing::warn!(code = error.code(), "{error}");
        }
        self.reachable = Some(false);
        self.usage_parted();
        self.expelled = match error {
            MembersError::Refused { code, detail }
                if matches!(code.as_str(), "member-removed" | "member-certificate-over") =>
            {
                Some(detail.clone())
            }
            _ => None,
        };
        if matches!(error, MembersError::Refused { code, .. } if code == "member-certificate-expired")
        {
            self.renewing = self.parts.orders.send(Order::Renew).is_ok();
        }
    }

    fn take_certificate(&mut self, identity: MemberIdentity, life: Duration) {
        self.renewing = false;
        if let Err(error) = self.parts.directory.keep_member_identity(identity.pem()) {
            tracing::warn!(
                "the renewed certificate could not be kept, the old one goes on: {error}"
            );
            return;
        }
        let now = self.now();
        let mut state = self.draft();
        let Some(membership) = &mut state.membership else { return };
        membership.certified_at = now;
        membership.certificate_life = life.as_secs();
        let detail = format!("for {} days", life.as_secs() / 86_400);
        let event = self.event("agent", Action::CertificateRenewed, detail);
        self.conclude(state, vec![event]);
        self.order(Order::Identify { identity });
    }

    /// Sends the way to the controller out, where this server has joined.
    pub(super) fn attach(&mut self) {
        let Some(membership) = self.parts.keeper.state().membership.clone() else { return };
        let identity = match self.parts.directory.member_identity() {
            Ok(Some(pem)) => MemberIdentity::from_pem(pem),
            Ok(None) => {
                tracing::error!("the member's key is lost: join again, `entitlectl join`");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "the member's key can't be read");
                return;
            }
        };
        let controllers = self.addresses(&membership);
        self.order(Order::Attach { controllers, ca: membership.ca.clone(), identity });
        if let Some(held) = &self.held {
            let lease_ends_at = self.lease.map(Lease::ends_at);
            self.order(Order::Hold { generation: held.generation(), lease_ends_at });
        }
    }

    /// The addresses of the settings, where there are any: they are the operator's last word.
    pub(super) fn controllers(&self, joined: &[String]) -> Vec<String> {
        let configured = &self.parts.controllers;
        let chosen = if configured.is_empty() { joined } else { configured };
        chosen.iter().filter_map(|address| controller_address(address).ok()).collect()
    }

    /// Everywhere where the controller may be found, in the order in which it is looked for.
    pub(super) fn addresses(&self, membership: &Membership) -> Vec<String> {
        let Membership { moved_to, successors, .. } = membership;
        merged([moved_to.clone(), self.named(membership), successors.clone()])
    }

    /// Those that an operator named.
    fn named(&self, membership: &Membership) -> Vec<String> {
        self.controllers(&membership.controllers)
    }

    pub(super) fn order(&self, order: Order) {
        // The way is gone where the daemon stops.
        let _ = self.parts.orders.send(order);
    }

    pub(super) fn reload(&mut self, reload: Reload) {
        self.parts.service_manager.reloading();
        match reload {
            Reload::Settings(settings) => {
                self.parts.roots = settings.roots;
                self.parts.standing = settings.standing;
                let event = self.event("agent", Action::SettingsTaken, "new settings were read");
                let state = self.draft();
                self.conclude(state, vec![event]);
            }
            Reload::Refused(reason) => {
                tracing::error!("the new settings were refused; the old ones go on: {reason}");
                self.parts.standing.retain(|finding| finding.kind != ConditionType::ConfigInvalid);
                let kind = ConditionType::ConfigInvalid;
                self.parts.standing.push(Finding::new(kind, "ReloadRefused", reason));
                let state = self.draft();
                self.conclude(state, Vec::new());
            }
        }
        self.parts.service_manager.ready("the settings were read");
    }
}

/// Where the controller may be found next, as it stated.
fn successors_of(accepted: &Accepted) -> Vec<String> {
    let stated = accepted.statement.claims().successors.iter();
    stated.filter_map(|at| controller_address(at).ok()).take(MOST_ADDRESSES).collect()
}

/// Addresses, each once; the first count.
fn merged<const N: usize>(lists: [Vec<String>; N]) -> Vec<String> {
    let mut merged = Vec::new();
    for address in lists.into_iter().flatten() {
        if !merged.contains(&address) && merged.len() < 2 * MOST_ADDRESSES {
            merged.push(address);
        }
    }
    merged
}
