//! One environment: what is known of it, its files, and what may be done to it.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        faults::Faults,
        form::Posted,
        page::{Layout, day, download, moment, see_other, show},
    },
    Customer, Done, SUBSCRIPTION,
    told::{self, Badge},
};
use crate::{
    license::MEDIA_TYPE,
    portal::{
        AskedRelease, ForkView, PortalError, ReleaseAnswer, ReleaseState,
        domain::{Environment, RebindPolicy, Terms},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "customer/environment.html")]
struct EnvironmentPage {
    layout: Layout,
    id: Uuid,
    name: String,
    purpose: String,
    standing: Badge,
    serial_number: String,
    key: Option<String>,
    activated: String,
    seen: String,
    license: Option<LicenseFacts>,
    machines: Vec<Machine>,
    forked: bool,
    /// Whether a one-time code may be made here.
    rebinds: bool,
    released: bool,
    /// Releases in 365 days that the vendor need not approve, where it approves others.
    releases_a_year: Option<u32>,
    /// When a release was asked for that waits for the vendor.
    release_asked: Option<String>,
    /// The vendor's word on the one before.
    release_refused: Option<RefusedRelease>,
    /// Why it is to be released, as it was typed.
    reason: String,
}

impl EnvironmentPage {
    /// Whether it was said which of the machines goes on.
    fn survivor_named(&self) -> bool {
        self.machines.iter().any(|machine| machine.survivor)
    }
}

struct RefusedRelease {
    at: String,
    why: String,
}

struct LicenseFacts {
    sequence: String,
    issued: String,
    ends: String,
    installed: String,
}

/// One line of requests.
struct Machine {
    last_request: String,
    heard: String,
    kind: String,
    hardware: String,
    survivor: bool,
}

#[derive(Template)]
#[template(path = "customer/rebind_code.html")]
struct RebindCodePage {
    layout: Layout,
    id: Uuid,
    name: String,
    code: String,
    until: String,
}

pub(super) async fn page(
    State(web): State<Web>,
    At(id): At<Uuid>,
    who: Customer,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    let layout = Layout { notice: done.notice(), ..who.layout(&web, "") };
    shown(&web, &who, id, layout, String::new()).await
}

/// The page again, with why a form on it was refused.
async fn again(
    web: &Web,
    who: &Customer,
    id: Uuid,
    faults: Faults,
    reason: String,
) -> Result<Response, PageError> {
    shown(web, who, id, who.layout(web, "").refused(Some(faults)), reason).await
}

async fn shown(
    web: &Web,
    who: &Customer,
    id: Uuid,
    layout: Layout,
    reason: String,
) -> Result<Response, PageError> {
    let (portal, own) = (who.portal.clone(), who.id);
    let (environment, forks, terms, asked) = web
        .blocking(move || {
            let (environment, forks) = portal.own_environment(own, id)?;
            let terms = portal.subscription(own)?.terms;
            let asked = portal.last_asked_release(&environment)?;
            Ok::<_, PortalError>((environment, forks, terms, asked))
        })
        .await?;
    let reply = layout.reply();
    let page = view(web, layout, &environment, &forks, &terms);
    let (release_asked, release_refused) = asked.map(standing_of).unwrap_or_default();
    Ok(reply.with(&EnvironmentPage { release_asked, release_refused, reason, ..page }))
}

/// Since when a release waits, or why it was refused.
fn standing_of(asked: AskedRelease) -> (Option<String>, Option<RefusedRelease>) {
    match asked.state {
        ReleaseState::Waits => (Some(moment(asked.asked_at)), None),
        ReleaseState::Done => (None, None),
        ReleaseState::Refused => {
            let at = moment(asked.decided_at.unwrap_or(asked.asked_at));
            (None, Some(RefusedRelease { at, why: asked.answer.unwrap_or_default() }))
        }
    }
}

fn view(
    web: &Web,
    layout: Layout,
    environment: &Environment,
    forks: &ForkView,
    terms: &Terms,
) -> EnvironmentPage {
    let now = web.portal.now();
    let never = environment.is_reserved(now);
    let machines = forks.branches.iter().map(|branch| Machine {
        last_request: branch.last_request.to_string(),
        heard: moment(branch.answered_at),
        kind: told::machine(branch),
        hardware: told::hardware(branch),
        survivor: branch.survivor,
    });
    let license = told::issued(environment).map(|license| LicenseFacts {
        sequence: license.seq.to_string(),
        issued: moment(license.iat),
        ends: day(license.subscription.ends_at),
        installed: told::installed(environment, forks),
    });
    let bound = environment.key.is_some() && !environment.is_released();
    EnvironmentPage {
        layout,
        id: environment.id,
        name: environment.name.clone(),
        purpose: told::purpose(environment.purpose),
        standing: told::standing(environment, now),
        serial_number: environment.serial_number.to_string(),
        key: environment.key.map(|key| key.thumbprint().to_string()),
        activated: moment(environment.activated_at),
        seen: if never { "never".to_owned() } else { moment(environment.seen_at) },
        license,
        machines: machines.collect(),
        forked: forks.forked && !environment.is_released(),
        rebinds: bound && terms.rebind != RebindPolicy::Approval,
        released: environment.is_released() && !never,
        // A slot that is kept is given back without anybody's word.
        releases_a_year: terms.releases_a_year.filter(|_| !never),
        release_asked: None,
        release_refused: None,
        reason: String::new(),
    }
}

pub(super) async fn license(
    State(web): State<Web>,
    At(id): At<Uuid>,
    who: Customer,
) -> Result<Response, PageError> {
    let (portal, own) = (who.portal.clone(), who.id);
    let (environment, _) = web.blocking(move || portal.own_environment(own, id)).await?;
    let current = environment.current.ok_or_else(|| PageError::not_found("license"))?;
    // With the trust document before it, as a server takes it that has neither.
    let text = format!("{}\n{}\n", web.portal.keys().trust().text(), current.text());
    Ok(download("license.jwt", MEDIA_TYPE, text))
}

pub(super) async fn trust(State(web): State<Web>, _: Customer) -> Response {
    download("trust.jwt", MEDIA_TYPE, format!("{}\n", web.portal.keys().trust().text()))
}

pub(super) async fn roots(State(web): State<Web>, who: Customer) -> Result<Response, PageError> {
    let path = web.portal.directory().roots();
    let read = move || {
        std::fs::read_to_string(&path)
            .map_err(|source| PageError::from(PortalError::File { doing: "read", path, source }))
    };
    drop(who);
    Ok(download("roots.jwks", "application/jwk-set+json", web.blocking(read).await?))
}

/// A form with nothing in it but its token.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn rebind_code(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, .. }: Posted<Customer, Nothing>,
) -> Result<Response, PageError> {
    let (portal, own) = (who.portal.clone(), who.id);
    let made = match web.blocking(move || portal.make_own_rebind_code(own, id)).await {
        Ok(made) => made,
        Err(error) => {
            let faults = PageError::from(error).on_form("")?;
            return again(&web, &who, id, faults, String::new()).await;
        }
    };
    // On the page that the form leads to, and nowhere else: it is shown once.
    Ok(show(&RebindCodePage {
        layout: who.layout(&web, ""),
        id,
        name: made.environment.name,
        code: made.code.expose().to_string(),
        until: moment(made.expires_at),
    }))
}

#[derive(Deserialize)]
pub(super) struct SurvivorForm {
    branch: Uuid,
}

pub(super) async fn survivor(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, form }: Posted<Customer, SurvivorForm>,
) -> Result<Response, PageError> {
    let (portal, own) = (who.portal.clone(), who.id);
    let named = move || {
        portal.own_environment(own, id)?;
        portal.name_survivor(id, form.branch)
    };
    match web.blocking(named).await {
        Ok(_) => Ok(see_other(&format!("/environments/{id}?done=survivor"))),
        Err(error) => {
            let faults = PageError::from(error).on_form("")?;
            again(&web, &who, id, faults, String::new()).await
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ReleaseForm {
    #[serde(default)]
    reason: String,
}

pub(super) async fn release(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, form }: Posted<Customer, ReleaseForm>,
) -> Result<Response, PageError> {
    let (portal, own, reason) = (who.portal.clone(), who.id, form.reason.clone());
    let release = move || portal.release_own_environment(own, id, reason.trim());
    match web.blocking(release).await {
        Ok(ReleaseAnswer::Done) => Ok(see_other(&format!("{SUBSCRIPTION}?done=released"))),
        Ok(ReleaseAnswer::AwaitsApproval) => {
            Ok(see_other(&format!("/environments/{id}?done=release-asked")))
        }
        Err(error) => {
            let error = PageError::from(error);
            let field = if error.code() == "name" { "reason" } else { "" };
            again(&web, &who, id, error.on_form(field)?, form.reason).await
        }
    }
}
