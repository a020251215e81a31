//! `entitle-portal trial`.

use super::{
    flags,
    output::{Output, pairs},
};
use crate::{
    license::{Limit, Purpose},
    portal::{
        Portal, PortalError,
        domain::{TRIALS_A_DAY, TrialTerms},
    },
};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Let visitors of the pages start trials, of these terms from now on
    Set(Set),
    /// Let nobody start trials any more; those that were started stay as they are
    Off,
    /// Show what a trial is
    Show,
}

#[derive(Args)]
pub(super) struct Set {
    /// How long a trial lasts
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// The edition
    #[arg(long, default_value = "trial")]
    edition: String,
    /// The support level
    #[arg(long, default_value = "none")]
    support_level: String,
    /// A feature: NAME for true, or NAME=VALUE; may be repeated
    #[arg(long = "feature", value_name = "NAME[=VALUE]", value_parser = flags::feature)]
    features: Vec<(String, Value)>,
    /// A limit: NAME=NUMBER or NAME=unlimited, with :hard after it where programs are to refuse more; may be repeated
    #[arg(long = "limit", value_name = "NAME=LIMIT[:hard]", value_parser = flags::limit)]
    limits: Vec<(String, Limit)>,
    /// How many environments of a purpose; one for development unless given; may be repeated
    #[arg(long, value_name = "PURPOSE=NUMBER", value_parser = flags::slots)]
    slots: Vec<(Purpose, u32)>,
    /// How many trials are started in 24 hours at most, whoever asks
    #[arg(long, value_name = "NUMBER", default_value_t = TRIALS_A_DAY)]
    most_a_day: u32,
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Set(set) => portal.set_trial_terms(Some(set.terms()))?,
            Self::Off => portal.set_trial_terms(None)?,
            Self::Show => {}
        }
        show(portal.trial_terms()?.as_ref(), out)
    }
}

impl Set {
    fn terms(self) -> TrialTerms {
        let mut slots = self.slots;
        if slots.is_empty() {
            slots.push((Purpose::Development, 1));
        }
        TrialTerms {
            days: self.days,
            edition: self.edition,
            support_level: self.support_level,
            features: self.features.into_iter().collect(),
            limits: self.limits.into_iter().collect(),
            slots: slots.into_iter().collect(),
            most_a_day: self.most_a_day,
        }
    }
}

fn show(terms: Option<&TrialTerms>, out: &mut Output) -> Result<(), PortalError> {
    out.show(&terms, || match terms {
        None => "Visitors can start no trial; `entitle-portal trial set` lets them.".to_owned(),
        Some(terms) => {
            let names = |names: Vec<String>| {
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            };
            let slots = terms.slots.iter().map(|(purpose, number)| format!("{purpose} {number}"));
            pairs(&[
                ("Days", terms.days.to_string()),
                ("Edition", terms.edition.clone()),
                ("Support level", terms.support_level.clone()),
                ("Features", names(terms.features.keys().cloned().collect())),
                ("Limits", names(terms.limits.keys().cloned().collect())),
                ("Environments", names(slots.collect())),
                ("At most a day", terms.most_a_day.to_string()),
            ])
        }
    })
}
