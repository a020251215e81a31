//! What waits for somebody of the vendor's, as it stands on a page.

use super::super::page::moment;
use crate::portal::{AskedRelease, Portal, PortalError, domain::PendingRebind};
use uuid::Uuid;

/// Whose environment it is about.
pub(super) struct About {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) customer: String,
}

impl About {
    fn of(portal: &Portal, id: Uuid) -> Result<Self, PortalError> {
        let environment = portal.environment(id)?;
        let customer = portal.subscription(environment.subscription_id)?.customer;
        Ok(Self { id, name: environment.name, customer })
    }
}

/// A release that a customer asked for.
pub(super) struct Release {
    pub(super) id: Uuid,
    pub(super) about: About,
    pub(super) asked_by: String,
    pub(super) asked_at: String,
    pub(super) reason: String,
    /// The id of the field in which it is refused.
    pub(super) field: String,
}

impl Release {
    fn of(portal: &Portal, asked: AskedRelease) -> Result<Self, PortalError> {
        let customer =
            asked.asked_by.split_once(" via ").filter(|_| asked.asked_by.starts_with("customer "));
        Ok(Self {
            id: asked.id,
            about: About::of(portal, asked.environment_id)?,
            asked_at: moment(asked.asked_at),
            asked_by: match customer {
                Some((_, address)) => format!("the customer, from {address}"),
                None => asked.asked_by,
            },
            reason: asked.reason,
            field: reason_field(asked.id),
        })
    }
}

/// The id of the field in which that release is refused.
pub(super) fn reason_field(release: Uuid) -> String {
    format!("reason-{release}")
}

/// A key that a machine wants its environment bound to.
pub(super) struct Rebind {
    pub(super) about: About,
    pub(super) machine: String,
    pub(super) key: String,
    pub(super) asked_at: String,
    pub(super) is_approved: bool,
}

impl Rebind {
    fn of(portal: &Portal, pending: PendingRebind) -> Result<Self, PortalError> {
        Ok(Self {
            about: About::of(portal, pending.environment_id)?,
            machine: pending.machine,
            key: pending.key.to_string(),
            asked_at: moment(pending.asked_at),
            is_approved: pending.approved_at.is_some(),
        })
    }
}

/// Releases and keys that wait.
pub(super) struct Waiting {
    pub(super) releases: Vec<Release>,
    pub(super) rebinds: Vec<Rebind>,
}

impl Waiting {
    /// For a decision, of all environments.
    pub(super) fn everywhere(portal: &Portal) -> Result<Self, PortalError> {
        Self::of(portal, None, |pending| pending.approved_at.is_none())
    }

    /// Of one environment, with the keys that were approved and have not been asked with again.
    pub(super) fn of_environment(portal: &Portal, id: Uuid) -> Result<Self, PortalError> {
        Self::of(portal, Some(id), |pending| pending.environment_id == id)
    }

    fn of(
        portal: &Portal,
        environment: Option<Uuid>,
        wanted: impl Fn(&PendingRebind) -> bool,
    ) -> Result<Self, PortalError> {
        let releases = portal.waiting_releases(environment)?;
        let rebinds = portal.pending_rebinds()?.into_iter().filter(wanted);
        Ok(Self {
            releases: releases
                .into_iter()
                .map(|asked| Release::of(portal, asked))
                .collect::<Result<_, _>>()?,
            rebinds: rebinds
                .map(|pending| Rebind::of(portal, pending))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.releases.is_empty() && self.rebinds.is_empty()
    }
}
