//! What is used: reports that customers carry here, and what is known of it by whatever road.

use super::super::{
    Portal, PortalError,
    clock::whole_second,
    directory::read_file,
    domain::{Environment, Refusal, ReportedUsage, Terms, UsageRoad},
    store::{Event, UsageOf},
};
use crate::license::{Enforcement, Limit, Roots, verify_usage};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// What is used of each limit that was bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UsageView {
    /// Each limit of the subscription.
    pub limits: Vec<LimitUsage>,
}

/// What is used of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LimitUsage {
    /// Its name.
    pub name: String,
    /// The limit of one environment; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happens at the limit.
    pub enforcement: Enforcement,
    /// The sum; `null` where an environment below has no current figure.
    pub together: Option<UsedTogether>,
    /// The environments that have told anything of it.
    pub environments: Vec<EnvironmentUsage>,
}

/// A sum over environments. Somebody who uses two of them is in it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UsedTogether {
    /// It.
    pub used: u64,
    /// When the oldest of its figures was measured.
    #[schema(value_type = String, format = DateTime)]
    pub measured_at: Timestamp,
}

/// What an environment uses of a limit, by its newest figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EnvironmentUsage {
    /// The environment.
    pub environment_id: Uuid,
    /// Its name.
    pub name: String,
    /// What was used at `measured_at`; `null` where a server was away, nobody reported, or a report was uploaded, which has peaks alone.
    pub used: Option<u64>,
    /// The highest use that the figures have of the newest day.
    pub peak: u64,
    /// That day, in UTC.
    #[schema(value_type = String, format = Date)]
    pub peak_on: Date,
    /// When it was measured, by the environment's clock.
    #[schema(value_type = String, format = DateTime)]
    pub measured_at: Timestamp,
    /// When the portal was told.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// By which road.
    pub road: UsageRoad,
}

impl UsageView {
    /// What is used by these environments, where each has what was bought by `terms`.
    pub(in crate::portal) fn of(
        terms: &Terms,
        environments: &[Environment],
        usage: &[ReportedUsage],
    ) -> Self {
        let limits = terms.limits.iter().map(|(name, limit)| {
            let told = environments.iter().filter_map(|environment| {
                let usage = usage.iter().find(|usage| usage.environment_id == environment.id)?;
                EnvironmentUsage::of(name, environment, usage)
            });
            LimitUsage::of(name, *limit, told.collect())
        });
        Self { limits: limits.collect() }
    }
}

impl LimitUsage {
    fn of(name: &str, limit: Limit, environments: Vec<EnvironmentUsage>) -> Self {
        let sum = |sum: u64, told: &EnvironmentUsage| Some(sum.saturating_add(told.used?));
        let used = environments.iter().try_fold(0, sum);
        let oldest = environments.iter().map(|told| told.measured_at).min();
        let together = used.zip(oldest);
        Self {
            name: name.to_owned(),
            limit: limit.limit,
            enforcement: limit.enforcement,
            together: together.map(|(used, measured_at)| UsedTogether { used, measured_at }),
            environments,
        }
    }
}

impl EnvironmentUsage {
    fn of(limit: &str, environment: &Environment, usage: &ReportedUsage) -> Option<Self> {
        let peak = usage.newest_peak(limit)?;
        Some(Self {
            environment_id: environment.id,
            name: environment.name.clone(),
            used: usage.used.get(limit).copied().flatten(),
            peak: peak.peak,
            peak_on: peak.day,
            measured_at: usage.measured_at,
            received_at: usage.received_at,
            road: usage.road,
        })
    }
}

impl Portal {
    /// What the environments of a subscription use; released ones are left out.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], and what the store says.
    pub fn usage(&self, subscription: Uuid) -> Result<UsageView, PortalError> {
        let id = subscription;
        self.store().read(|view| {
            let sold = view.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
            let mut environments = view.environments(Some(id))?;
            environments.retain(|environment| !environment.is_released());
            Ok(UsageView::of(&sold.terms, &environments, &view.reported_usage(id)?))
        })
    }

    /// What one environment uses, or last told before its release.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], and what the store says.
    pub fn environment_usage(&self, id: Uuid) -> Result<UsageView, PortalError> {
        self.store().read(|view| {
            let environment = view.environment(id)?.ok_or(PortalError::NoEnvironment { id })?;
            let subscription = environment.subscription_id;
            let sold = view.subscription(subscription)?;
            let sold = sold.ok_or(PortalError::NoSubscription { id: subscription })?;
            let usage: Vec<_> = view.usage_of(id)?.into_iter().collect();
            Ok(UsageView::of(&sold.terms, &[environment], &usage))
        })
    }

    /// The figures of at most `most` environments that were made before `before`, the newest first, released ones among them.
    ///
    /// # Errors
    /// What the store says.
    pub fn search_usage(
        &self,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<UsageOf>, PortalError> {
        Ok(self.store().read(|view| view.usage_page(before, most))?)
    }

    /// Keeps a usage report of one of the subscription's environments, once it is verified from the root keys down, by the
    /// environment's own key. Returns the environment.
    pub(in crate::portal) fn take_usage_report(
        &self,
        subscription: Uuid,
        text: &str,
    ) -> Result<Uuid, PortalError> {
        let mut roots = Roots::none();
        let key_set = read_file(&self.directory().roots())?;
        roots.add_key_set(&key_set).map_err(PortalError::UsageReport)?;
        let product = self.keys().product().to_owned();
        let verified = verify_usage(text, Some(&product), &roots, None);
        let verified = verified.map_err(PortalError::UsageReport)?;
        let id = verified.license().claims().environment.id;
        let own = self.own_environment(subscription, id);
        own.map_err(|_| Refusal::EnvironmentUnknown)?;
        let (now, actor) = (whole_second(self.now()), self.actor().to_owned());
        let report = ReportedUsage::uploaded(verified.claims(), verified.license().claims(), now);
        self.store().write(move |change| {
            let held = change.usage_of(id)?.map(|kept| kept.measured_at);
            if let Some(held) = held.filter(|held| *held > report.measured_at) {
                return Err(PortalError::UsageReportOld { held });
            }
            change.put_usage(&report)?;
            change.audit_event(&Event {
                at: now,
                actor: &actor,
                event: "usage-reported",
                subscription_id: Some(subscription),
                environment_id: Some(id),
                detail: json!({ "made_at": report.measured_at, "from": report.from, "to": report.to }),
            })?;
            Ok(id)
        })
    }
}
