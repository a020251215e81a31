//! Trials: what they are is the vendor's word, who starts one is up to visitors.

use super::super::{
    Portal, PortalError,
    access::Right,
    clock::whole_second,
    directory::check_name,
    domain::{Revision, Standing, Subscription, TrialTerms, normalised},
    store::{Event, StartedTrial},
};
use crate::codes::ActivationCode;
use serde_json::json;

impl Portal {
    /// What a trial is; none where there are none.
    ///
    /// # Errors
    /// What the store says.
    pub fn trial_terms(&self) -> Result<Option<TrialTerms>, PortalError> {
        self.store().read(|view| Ok(view.trial_terms()?))
    }

    /// Says what trials are from now on; none: there are none. Those that were started stay as they are.
    ///
    /// # Errors
    /// [`PortalError::Terms`], and what the store says.
    pub fn set_trial_terms(&self, terms: Option<TrialTerms>) -> Result<(), PortalError> {
        self.needs(Right::SubscriptionsWrite)?;
        terms.as_ref().map_or(Ok(()), TrialTerms::check)?;
        self.act(move |act| {
            act.change().put_trial_terms(terms.as_ref())?;
            let event = if terms.is_some() { "trials-offered" } else { "trials-ended" };
            act.told(event, None, None, json!({ "terms": terms }))
        })
    }

    /// Starts the one trial of a company and an e-mail address.
    pub(in crate::portal) fn start_trial(
        &self,
        company: &str,
        email: &str,
    ) -> Result<Subscription, PortalError> {
        check_name("company's name", company)?;
        check_address(email)?;
        let (normal_company, normal_email) = (normalised(company), normalised(email));
        if normal_company.is_empty() {
            return Err(PortalError::Name { what: "company's name" });
        }
        let (now, actor) = (whole_second(self.now()), self.actor().to_owned());
        let (customer, email) = (company.trim().to_owned(), email.trim().to_owned());
        let (id, activation_code) = (Self::new_id(now)?, ActivationCode::random()?);
        self.store().write(move |change| {
            let terms = change.trial_terms()?.ok_or(PortalError::NoTrials)?.begun(now);
            if change.had_trial(&normal_company, &normal_email)? {
                return Err(PortalError::HadTrial);
            }
            let new = Subscription {
                id,
                activation_code,
                customer,
                terms,
                standing: Standing::Active,
                revision: Revision::FIRST,
                created_at: now,
            };
            change.add_subscription(&new)?;
            change.add_trial(&StartedTrial {
                company: normal_company,
                email: normal_email,
                subscription_id: id,
                started_at: now,
            })?;
            change.audit_event(&Event {
                at: now,
                actor: &actor,
                event: "trial-started",
                subscription_id: Some(id),
                environment_id: None,
                detail: json!({ "customer": new.customer, "email": email, "terms": new.terms }),
            })?;
            Ok(new)
        })
    }
}

/// That it may be an e-mail address. Whether it is one is not asked: nothing is sent there.
fn check_address(email: &str) -> Result<(), PortalError> {
    let what = "e-mail address";
    check_name(what, email)?;
    let parts = email.trim().rsplit_once('@');
    let fits = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !email.trim().contains(char::is_whitespace)
    });
    if fits { Ok(()) } else { Err(PortalError::Name { what }) }
}
