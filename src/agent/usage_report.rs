//! The usage report, signed by the environment.

use super::{Agent, usage::days};
use crate::{
    api::{Problem, Reply},
    license::{Environment, UsageClaims, UsageDocument, UsagePeak, sign},
    store::Action,
    usage::day_of,
};
use axum::http::StatusCode;
use jiff::civil::Date;

impl Agent {
    /// Signs the report of some days.
    pub(super) fn usage_report(
        &mut self,
        from: Option<Date>,
        to: Option<Date>,
        actor: &str,
    ) -> Result<Reply, Problem> {
        let now = self.now();
        let (from, to) = days(from, to, day_of(now))?;
        let license = (self.published.borrow().as_ref()).and_then(|p| p.license.clone());
        let license = license.ok_or_else(|| {
            let detail = "a usage report names the license that it is for, and there is none: `entitlectl activate`";
            Problem::new(StatusCode::NOT_FOUND, "no-license", "There is no license", detail)
        })?;
        let peaks = self.peaks(from, to)?.into_iter().map(|peak| UsagePeak {
            day: peak.day,
            name: peak.name,
            peak: peak.peak,
            limit: peak.limit,
            enforcement: peak.enforcement,
            at: peak.at,
        });
        let Environment { id, name, purpose } = license.claims.environment.clone();
        let claims = UsageClaims {
            iss: license.claims.sub,
            aud: self.parts.product.clone(),
            iat: now,
            environment: Environment { id, name, purpose },
            from,
            to,
            peaks: peaks.collect(),
            license: license.text,
            trust: license.trust,
        };
        let text = sign(&claims, &self.parts.key).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let detail =
                format!("{error}; fewer days make a smaller report: try again with --from");
            Problem::new(status, error.code(), "The report can't be made", detail)
        })?;
        let detail = format!("{from} to {to}, {} peaks", claims.peaks.len());
        let event = self.event_by(actor, Action::UsageReported, detail);
        let state = self.draft();
        self.conclude(state, vec![event]);
        Ok(Reply::UsageReport(UsageDocument { claims, text }))
    }
}
