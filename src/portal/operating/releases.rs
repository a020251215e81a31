//! Releases that a customer asks for on its page: done at once as often as the terms allow in 365 days, and after that when
//! somebody of the vendor's approves.

use super::{
    super::{
        Portal, PortalError,
        access::Right,
        directory::check_name,
        domain::{Environment, YEAR},
    },
    Act,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::str::FromStr;
use uuid::Uuid;

/// What becomes of a release that a customer asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseAnswer {
    /// The environment is released, its slot is free.
    Done,
    /// The vendor was asked to approve it, now or before; the environment stays as it is until then.
    AwaitsApproval,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// It waits for approval.
    Waits,
    /// The environment was released.
    Done,
    /// The vendor has refused it.
    Refused,
}

impl ReleaseState {
    /// The word in listings and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for ReleaseState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Waits, Self::Done, Self::Refused];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("expected waits, done or refused, found {text:?}"))
    }
}

/// A release that a customer asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AskedRelease {
    /// Its id.
    pub id: Uuid,
    /// The subscription.
    pub subscription_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// Why, in the customer's words.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    #[schema(value_type = String)]
    pub asked_at: Timestamp,
    /// Where it stands.
    pub state: ReleaseState,
    /// Who decided, where somebody had to.
    pub decided_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>)]
    pub decided_at: Option<Timestamp>,
    /// Why it was refused, for the customer.
    pub answer: Option<String>,
}

impl Portal {
    /// Releases an environment as its customer asks, who says why: at once while the subscription's `releases_a_year` allow it, else once
    /// the vendor approves. Asking again while that is waited for changes nothing. For the customer's page, which has made sure whose the environment
    /// is; who asks is the handle's actor.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], [`PortalError::AlreadyReleased`], [`PortalError::Name`] for the reason, and what the store says.
    pub fn ask_release(
        &self,
        environment: Uuid,
        reason: &str,
    ) -> Result<ReleaseAnswer, PortalError> {
        let reason = reason.to_owned();
        self.act(move |act| act.ask_release(environment, &reason))
    }

    /// The releases that customers have asked for and that wait for approval, oldest first; of one environment or all.
    ///
    /// # Errors
    /// What the store says.
    pub fn waiting_releases(
        &self,
        environment: Option<Uuid>,
    ) -> Result<Vec<AskedRelease>, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        Ok(self.store().read(|view| view.waiting_releases(environment))?)
    }

    /// The release of an environment that its customer asked for last, however it stands.
    ///
    /// # Errors
    /// What the store says.
    pub(in crate::portal) fn last_asked_release(
        &self,
        environment: &Environment,
    ) -> Result<Option<AskedRelease>, PortalError> {
        let (subscription, id) = (environment.subscription_id, environment.id);
        Ok(self.store().read(|view| view.last_asked_release(subscription, id))?)
    }

    /// Approves a release: the environment is released.
    ///
    /// # Errors
    /// [`PortalError::NoAskedRelease`], and what the store says.
    pub fn approve_release(&self, id: Uuid) -> Result<AskedRelease, PortalError> {
        self.act(move |act| act.approve_release(id))
    }

    /// Refuses a release; the customer reads why.
    ///
    /// # Errors
    /// [`PortalError::NoAskedRelease`], [`PortalError::Name`] for the reason, and what the store says.
    pub fn refuse_release(&self, id: Uuid, why: &str) -> Result<AskedRelease, PortalError> {
        let why = why.to_owned();
        self.act(move |act| act.refuse_release(id, &why))
    }
}

impl Act<'_> {
    fn ask_release(&self, id: Uuid, reason: &str) -> Result<ReleaseAnswer, PortalError> {
        check_name("reason", reason)?;
        let environment = self.change.environment(id)?.ok_or(PortalError::NoEnvironment { id })?;
        if let Some(at) = environment.released_at {
            return Err(PortalError::AlreadyReleased { id, at });
        }
        if !self.change.waiting_releases(Some(id))?.is_empty() {
            return Ok(ReleaseAnswer::AwaitsApproval);
        }
        let allowed = self.is_allowed_at_once(&environment)?;
        let asked = AskedRelease {
            id: Portal::new_id(self.now)?,
            subscription_id: environment.subscription_id,
            environment_id: id,
            reason: reason.to_owned(),
            asked_by: self.actor.to_owned(),
            asked_at: self.now,
            state: if allowed { ReleaseState::Done } else { ReleaseState::Waits },
            decided_by: None,
            decided_at: None,
            answer: None,
        };
        self.change.put_asked_release(&asked)?;
        if allowed {
            self.release(id, json!({ "reason": reason }))?;
            return Ok(ReleaseAnswer::Done);
        }
        self.told_of(&asked, "release-asked", reason)?;
        Ok(ReleaseAnswer::AwaitsApproval)
    }

    fn is_allowed_at_once(&self, environment: &Environment) -> Result<bool, PortalError> {
        let id = environment.subscription_id;
        let subscription =
            self.change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
        let Some(allowed) = subscription.terms.releases_a_year else { return Ok(true) };
        let a_year_ago = self.now.checked_sub(YEAR).unwrap_or(Timestamp::MIN);
        Ok(self.change.releases_done(id, a_year_ago)? < allowed)
    }

    /// As [`Portal::approve_release`].
    ///
    /// # Errors
    /// As there.
    pub fn approve_release(&self, id: Uuid) -> Result<AskedRelease, PortalError> {
        let approved = self.decide_release(id, ReleaseState::Done, None)?;
        self.told_of(&approved, "release-approved", &approved.reason)?;
        let environment = approved.environment_id;
        self.release(environment, json!({ "reason": approved.reason }))?;
        Ok(approved)
    }

    /// As [`Portal::refuse_release`].
    ///
    /// # Errors
    /// As there.
    pub fn refuse_release(&self, id: Uuid, why: &str) -> Result<AskedRelease, PortalError> {
        check_name("reason", why)?;
        let refused = self.decide_release(id, ReleaseState::Refused, Some(why.to_owned()))?;
        self.told_of(&refused, "release-refused", why)?;
        Ok(refused)
    }

    fn decide_release(
        &self,
        id: Uuid,
        state: ReleaseState,
        answer: Option<String>,
    ) -> Result<AskedRelease, PortalError> {
        self.needs(Right::EnvironmentsAssist)?;
        let found = self.change.asked_release(id)?;
        let found = found.filter(|asked| asked.state == ReleaseState::Waits);
        let mut asked = found.ok_or(PortalError::NoAskedRelease { id })?;
        asked.state = state;
        asked.decided_by = Some(self.actor.to_owned());
        asked.decided_at = Some(self.now);
        asked.answer = answer;
        self.change.put_asked_release(&asked)?;
        Ok(asked)
    }

    fn told_of(&self, asked: &AskedRelease, event: &str, reason: &str) -> Result<(), PortalError> {
        let detail = json!({ "release": asked.id, "reason": reason });
        self.told(event, Some(asked.subscription_id), Some(asked.environment_id), detail)
    }
}
