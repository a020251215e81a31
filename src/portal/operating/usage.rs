//! Usage reports that customers carry here.

use super::super::{
    Portal, PortalError,
    clock::whole_second,
    directory::read_file,
    domain::Refusal,
    store::{Event, ReportedUsage},
};
use crate::license::{Roots, verify_usage};
use serde_json::json;
use uuid::Uuid;

impl Portal {
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
        let claims = verified.claims();
        let report = ReportedUsage {
            environment_id: id,
            made_at: claims.iat,
            received_at: now,
            from: claims.from,
            to: claims.to,
            peaks: claims.peaks.clone(),
        };
        self.store().write(move |change| {
            let kept = change.reported_usage(subscription)?;
            let kept = kept.iter().find(|kept| kept.environment_id == id);
            if let Some(held) = kept.map(|kept| kept.made_at).filter(|held| *held > report.made_at)
            {
                return Err(PortalError::UsageReportOld { held });
            }
            change.put_usage(&report)?;
            change.audit_event(&Event {
                at: now,
                actor: &actor,
                event: "usage-reported",
                subscription_id: Some(subscription),
                environment_id: Some(id),
                detail: json!({ "made_at": report.made_at, "from": report.from, "to": report.to }),
            })?;
            Ok(id)
        })
    }
}
