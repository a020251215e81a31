//! Selling a subscription, and changing what was bought, by one form.

use super::{
    super::{
        PageError, Web,
        address::At,
        faults::{Fault, Faults},
        form::{Sender, Typed},
        page::{Layout, see_other, show_as},
    },
    Done, SignedIn,
    reading::{
        date, read_date, read_features, read_limits, read_number, read_optional, written_features,
        written_limits,
    },
    told,
};
use crate::{
    license::Purpose,
    portal::{
        PortalError,
        access::Right,
        clock::whole_second,
        domain::{Revision, Subscription, Terms, TermsError},
    },
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::SignedDuration;
use serde::Deserialize;
use uuid::Uuid;

/// What is in the fields, as it is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TermsForm {
    customer: String,
    edition: String,
    support_level: String,
    starts_at: String,
    ends_at: String,
    grace_days: String,
    trial: String,
    development: String,
    quality: String,
    production: String,
    management: String,
    features: String,
    limits: String,
    rebind: String,
    releases_a_year: String,
    offline_releases_a_year: String,
    check_in_days: String,
    refresh_after: String,
    lease_days: String,
    hardware_grace_hours: String,
    allow_override: String,
    allow_serial_only: String,
    /// The revision that the form was made from.
    revision: String,
}

#[derive(Template)]
#[template(path = "vendor/subscription_form.html")]
struct FormPage {
    layout: Layout,
    /// None: it is new.
    id: Option<Uuid>,
    form: TermsForm,
    /// Where one signs in, for whose session has ended.
    sign_in: &'static str,
}

fn checkbox(checked: bool) -> String {
    if checked { "yes" } else { "" }.to_owned()
}

impl TermsForm {
    fn of(customer: &str, terms: &Terms, revision: Option<Revision>) -> Self {
        let slots = |purpose| terms.slots_for(purpose).to_string();
        let optional = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
        Self {
            customer: customer.to_owned(),
            edition: terms.edition.clone(),
            support_level: terms.support_level.clone(),
            starts_at: date(terms.starts_at),
            ends_at: date(terms.ends_at),
            grace_days: terms.grace_days.to_string(),
            trial: checkbox(terms.trial),
            development: slots(Purpose::Development),
            quality: slots(Purpose::Quality),
            production: slots(Purpose::Production),
            management: slots(Purpose::Management),
            features: written_features(terms),
            limits: written_limits(terms),
            rebind: terms.rebind.as_str().to_owned(),
            releases_a_year: optional(terms.releases_a_year),
            offline_releases_a_year: terms.offline_releases_a_year.to_string(),
            check_in_days: optional(terms.check_in_days),
            refresh_after: terms.refresh_after.to_string(),
            lease_days: terms.lease_days.to_string(),
            hardware_grace_hours: terms.hardware_grace_hours.to_string(),
            allow_override: checkbox(terms.allow_override),
            allow_serial_only: checkbox(terms.allow_serial_only),
            revision: revision.map(|revision| revision.to_string()).unwrap_or_default(),
        }
    }

    /// What was typed, over `terms`; what is wrong with it, field by field.
    fn read(&self, mut terms: Terms) -> Result<Terms, Vec<Fault>> {
        let mut wrong = Vec::new();
        self.edition.trim().clone_into(&mut terms.edition);
        self.support_level.trim().clone_into(&mut terms.support_level);
        read_date(("starts_at", "Start"), &self.starts_at, &mut terms.starts_at, &mut wrong);
        read_date(("ends_at", "End"), &self.ends_at, &mut terms.ends_at, &mut wrong);
        read_number(
            ("grace_days", "Days of grace"),
            &self.grace_days,
            &mut terms.grace_days,
            &mut wrong,
        );
        for (purpose, field, typed) in [
            (Purpose::Development, ("development", "Development"), &self.development),
            (Purpose::Quality, ("quality", "Quality"), &self.quality),
            (Purpose::Production, ("production", "Production"), &self.production),
            (Purpose::Management, ("management", "Management"), &self.management),
        ] {
            let mut number = terms.slots_for(purpose);
            read_number(field, typed, &mut number, &mut wrong);
            terms.slots.insert(purpose, number);
        }
        read_features(&self.features, &mut terms, &mut wrong);
        read_limits(&self.limits, &mut terms, &mut wrong);
        match self.rebind.parse() {
            Ok(policy) => terms.rebind = policy,
            Err(error) => wrong.push(Fault::new("rebind", format!("Rebind: {error}."))),
        }
        read_optional(
            ("releases_a_year", "Releases a year"),
            &self.releases_a_year,
            &mut terms.releases_a_year,
            &mut wrong,
        );
        read_optional(
            ("check_in_days", "Days without contact"),
            &self.check_in_days,
            &mut terms.check_in_days,
            &mut wrong,
        );
        for (field, typed, place) in [
            (
                ("offline_releases_a_year", "Off-line releases"),
                &self.offline_releases_a_year,
                &mut terms.offline_releases_a_year,
            ),
            (("refresh_after", "Refresh"), &self.refresh_after, &mut terms.refresh_after),
            (("lease_days", "Member lease"), &self.lease_days, &mut terms.lease_days),
            (
                ("hardware_grace_hours", "Hardware grace"),
                &self.hardware_grace_hours,
                &mut terms.hardware_grace_hours,
            ),
        ] {
            read_number(field, typed, place, &mut wrong);
        }
        terms.trial = !self.trial.is_empty();
        terms.allow_override = !self.allow_override.is_empty();
        terms.allow_serial_only = !self.allow_serial_only.is_empty();
        if wrong.is_empty() { Ok(terms) } else { Err(wrong) }
    }
}

/// What differs from what was typed, in a sentence for each field.
fn told_apart(typed: &TermsForm, stored: &TermsForm) -> Vec<Fault> {
    let texts = [
        ("customer", "Customer", &typed.customer, &stored.customer),
        ("edition", "Edition", &typed.edition, &stored.edition),
        ("support_level", "Support level", &typed.support_level, &stored.support_level),
        ("starts_at", "Start", &typed.starts_at, &stored.starts_at),
        ("ends_at", "End", &typed.ends_at, &stored.ends_at),
        ("grace_days", "Days of grace", &typed.grace_days, &stored.grace_days),
        ("development", "Development", &typed.development, &stored.development),
        ("quality", "Quality", &typed.quality, &stored.quality),
        ("production", "Production", &typed.production, &stored.production),
        ("management", "Management", &typed.management, &stored.management),
        ("features", "Features", &typed.features, &stored.features),
        ("limits", "Limits", &typed.limits, &stored.limits),
        ("rebind", "The way back for a machine that lost its key", &typed.rebind, &stored.rebind),
        ("releases_a_year", "Releases a year", &typed.releases_a_year, &stored.releases_a_year),
        (
            "offline_releases_a_year",
            "Off-line releases",
            &typed.offline_releases_a_year,
            &stored.offline_releases_a_year,
        ),
        ("check_in_days", "Days without contact", &typed.check_in_days, &stored.check_in_days),
        ("refresh_after", "Refresh", &typed.refresh_after, &stored.refresh_after),
        ("lease_days", "Member lease", &typed.lease_days, &stored.lease_days),
        (
            "hardware_grace_hours",
            "Hardware grace",
            &typed.hardware_grace_hours,
            &stored.hardware_grace_hours,
        ),
    ];
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    let differ = texts.into_iter().filter_map(|(field, name, typed, stored)| {
        let (typed, stored) = (lines(typed.trim()), lines(stored));
        let now = if stored.is_empty() { "nothing" } else { &stored };
        (typed != stored).then(|| Fault::new(field, format!("{name}: {now} is stored now.")))
    });
    let ticks = [
        ("trial", "It is a trial", &typed.trial, &stored.trial),
        (
            "allow_override",
            "Machines without hardware evidence",
            &typed.allow_override,
            &stored.allow_override,
        ),
        (
            "allow_serial_only",
            "A Serial Number alone",
            &typed.allow_serial_only,
            &stored.allow_serial_only,
        ),
    ];
    let differing =
        ticks.into_iter().filter(|(_, _, typed, stored)| typed.is_empty() != stored.is_empty());
    let ticked = differing.map(|(field, name, _, stored)| {
        let now = if stored.is_empty() { "no" } else { "yes" };
        Fault::new(field, format!("{name}: {now} is stored now."))
    });
    differ.chain(ticked).collect()
}

/// The form again, where somebody else has stored another revision meanwhile: with what was typed, what is stored now, and the revision by which
/// the one is stored over the other.
async fn overtaken(
    web: &Web,
    who: &SignedIn,
    id: Uuid,
    mut form: TermsForm,
) -> Result<Response, PageError> {
    let sold = who.ask(web, move |portal| portal.subscription(id)).await?;
    let stored = TermsForm::of(&sold.customer, &sold.terms, Some(sold.revision));
    let mut faults = vec![Fault::new(
        "",
        "Somebody else has changed the subscription meanwhile, so nothing was stored. The form holds what you typed; sent again, it replaces what is stored now.",
    )];
    faults.extend(told_apart(&form, &stored));
    form.revision = stored.revision;
    Ok(form_page(web, who, Some(id), form, Some(Faults::new(StatusCode::CONFLICT, faults))))
}

/// The form again, which was made in a session that has ended.
fn from_before(web: &Web, by: Sender<SignedIn>, id: Option<Uuid>, form: TermsForm) -> Response {
    match by {
        Sender::Here(who) | Sender::Anew(who) => {
            let text = "You have signed in anew since this form was made, so nothing was stored. Look through it, and send it again.";
            form_page(web, &who, id, form, Some(Faults::one(StatusCode::FORBIDDEN, "", text)))
        }
        Sender::Nobody => {
            let layout = Layout::visitor(web, "");
            let sign_in = super::SIGN_IN;
            let page = FormPage { layout, id, form, sign_in };
            show_as(StatusCode::FORBIDDEN, &page)
        }
    }
}

fn form_page(
    web: &Web,
    who: &SignedIn,
    id: Option<Uuid>,
    form: TermsForm,
    faults: Option<Faults>,
) -> Response {
    let layout = who.layout(web, "", &Done::default()).refused(faults);
    layout.reply().with(&FormPage { layout, id, form, sign_in: "" })
}

/// What was typed can't be read.
fn misread(wrong: Vec<Fault>) -> Faults {
    Faults::new(StatusCode::UNPROCESSABLE_ENTITY, wrong)
}

/// A year from today on.
fn usual(web: &Web) -> Terms {
    const DAY: i64 = 86_400;
    let now = web.portal.now();
    let passed = SignedDuration::from_secs(now.as_second().rem_euclid(DAY));
    let today = whole_second(now).checked_sub(passed).unwrap_or(now);
    let a_year = today.checked_add(SignedDuration::from_secs(365 * DAY)).unwrap_or(today);
    Terms::new("standard", "standard", today, a_year)
}

pub(super) async fn new(State(web): State<Web>, who: SignedIn) -> Result<Response, PageError> {
    who.needs(Right::SubscriptionsWrite)?;
    Ok(form_page(&web, &who, None, TermsForm::of("", &usual(&web), None), None))
}

pub(super) async fn create(
    State(web): State<Web>,
    Typed { by, form }: Typed<SignedIn, TermsForm>,
) -> Result<Response, PageError> {
    let who = match by {
        Sender::Here(who) => who,
        by => return Ok(from_before(&web, by, None, form)),
    };
    who.needs(Right::SubscriptionsWrite)?;
    let terms = match form.read(usual(&web)) {
        Ok(terms) => terms,
        Err(wrong) => return Ok(form_page(&web, &who, None, form, Some(misread(wrong)))),
    };
    let (portal, customer) = (who.portal.clone(), form.customer.trim().to_owned());
    let made = web.blocking(move || portal.create_subscription(&customer, terms)).await;
    settled(&web, &who, None, form, made, "created")
}

/// The page of what was stored, or the form again with what is wrong.
fn settled(
    web: &Web,
    who: &SignedIn,
    id: Option<Uuid>,
    form: TermsForm,
    result: Result<Subscription, PortalError>,
    done: &str,
) -> Result<Response, PageError> {
    match result {
        Ok(stored) => Ok(see_other(&format!("/vendor/subscriptions/{}?done={done}", stored.id))),
        Err(error) => {
            let field = field_of(&error);
            Ok(form_page(web, who, id, form, Some(told(error).on_form(field)?)))
        }
    }
}

/// The field that a refusal is about; none where it is about none of them.
fn field_of(error: &PortalError) -> &'static str {
    let PortalError::Terms(error) = error else { return "" };
    match error {
        TermsError::Name { what: "edition", .. } => "edition",
        TermsError::Name { what: "support level", .. } => "support_level",
        TermsError::Name { what: "feature", .. } | TermsError::Feature { .. } => "features",
        TermsError::Name { what: "limit", .. } => "limits",
        TermsError::Name { .. } => "customer",
        TermsError::Term { .. } => "ends_at",
        TermsError::Grace { .. } => "grace_days",
        TermsError::CheckIn => "check_in_days",
    }
}

pub(super) async fn edit(
    State(web): State<Web>,
    who: SignedIn,
    At(id): At<Uuid>,
) -> Result<Response, PageError> {
    who.needs(Right::SubscriptionsWrite)?;
    let sold = who.ask(&web, move |portal| portal.subscription(id)).await?;
    let form = TermsForm::of(&sold.customer, &sold.terms, Some(sold.revision));
    Ok(form_page(&web, &who, Some(id), form, None))
}

pub(super) async fn change(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Typed { by, form }: Typed<SignedIn, TermsForm>,
) -> Result<Response, PageError> {
    let who = match by {
        Sender::Here(who) => who,
        by => return Ok(from_before(&web, by, Some(id), form)),
    };
    who.needs(Right::SubscriptionsWrite)?;
    let sold = who.ask(&web, move |portal| portal.subscription(id)).await?;
    let seen = form.revision.parse().map_or(Revision::NONE, Revision);
    let terms = match form.read(sold.terms) {
        Ok(terms) => terms,
        Err(wrong) => return Ok(form_page(&web, &who, Some(id), form, Some(misread(wrong)))),
    };
    let (portal, customer) = (who.portal.clone(), form.customer.trim().to_owned());
    let changed = web.blocking(move || {
        portal.act(move |act| {
            act.check_revision(id, seen)?;
            act.update_subscription(id, |subscription| {
                subscription.customer = customer;
                subscription.terms = terms;
            })
        })
    });
    match changed.await {
        Err(PortalError::OtherRevision { .. }) => overtaken(&web, &who, id, form).await,
        changed => settled(&web, &who, Some(id), form, changed, "changed"),
    }
}
