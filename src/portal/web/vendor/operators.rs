//! Operators: who signs in to these pages.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        form::Posted,
        page::{Layout, see_other},
    },
    Done, SignedIn,
    administration::field_of,
    told,
};
use crate::portal::{
    Portal,
    access::{AccessError, Operator, Password, Right, Role},
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "vendor/operators.html")]
struct OperatorsPage {
    layout: Layout,
    operators: Vec<Operator>,
    /// What was typed for a new one, without the password.
    name: String,
    role: String,
    /// Whose change was refused.
    changing: String,
}

pub(super) async fn operators(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    let operators = who.ask(&web, Portal::operators).await?;
    let layout = who.layout(&web, "/vendor/operators", &done);
    let (name, role, changing) = <(String, String, String)>::default();
    Ok(layout.reply().with(&OperatorsPage { layout, operators, name, role, changing }))
}

/// No `Debug`: the password is a secret.
#[derive(Deserialize)]
pub(super) struct NewOperator {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
}

/// A password that was typed twice.
pub(super) fn chosen(password: &str, again: &str) -> Result<Password, PageError> {
    let wrong = |error: AccessError| told(error.into());
    let chosen = Password::chosen(password).map_err(wrong)?;
    if password == again { Ok(chosen) } else { Err(wrong(AccessError::PasswordsDiffer)) }
}

fn role(text: &str) -> Result<Role, PageError> {
    text.parse().map_err(|error: AccessError| told(error.into()))
}

pub(super) async fn add_operator(
    State(web): State<Web>,
    Posted { who, form }: Posted<SignedIn, NewOperator>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let Err(error) = added(&web, &who, &form).await else {
        return Ok(see_other("/vendor/operators?done=stored"));
    };
    let field = field_of(error.code());
    let faults = error.on_form(field)?;
    let operators = who.ask(&web, Portal::operators).await?;
    let layout = who.layout(&web, "/vendor/operators", &Done::default()).refused(Some(faults));
    let (name, role, changing) = (form.name, form.role, String::new());
    Ok(layout.reply().with(&OperatorsPage { layout, operators, name, role, changing }))
}

async fn added(web: &Web, who: &SignedIn, form: &NewOperator) -> Result<(), PageError> {
    let (password, role) = (chosen(&form.password, &form.again)?, role(&form.role)?);
    let name = form.name.trim().to_owned();
    who.ask(web, move |portal| portal.add_operator(&name, &password, role)).await.map(drop)
}

/// No `Debug`: the password is a secret.
#[derive(Deserialize)]
pub(super) struct OperatorChange {
    #[serde(default)]
    act: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
}

pub(super) async fn change_operator(
    State(web): State<Web>,
    At(name): At<String>,
    Posted { who, form }: Posted<SignedIn, OperatorChange>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let Err(error) = changed(&web, &who, name.clone(), form).await else {
        return Ok(see_other("/vendor/operators?done=stored"));
    };
    let operators = who.ask(&web, Portal::operators).await?;
    let field = match field_of(error.code()) {
        "" => String::new(),
        field => format!("{field}-{name}"),
    };
    let faults = error.on_form(field)?;
    let layout = who.layout(&web, "/vendor/operators", &Done::default()).refused(Some(faults));
    let (new, role) = (String::new(), String::new());
    let page = OperatorsPage { layout, operators, name: new, role, changing: name };
    Ok(page.layout.reply().with(&page))
}

async fn changed(
    web: &Web,
    who: &SignedIn,
    name: String,
    form: OperatorChange,
) -> Result<(), PageError> {
    let OperatorChange { act, role: typed, password, again } = form;
    let changed = match act.as_str() {
        "role" => {
            let role = role(&typed)?;
            who.ask(web, move |portal| portal.set_operator_role(&name, role)).await
        }
        "password" => {
            let password = chosen(&password, &again)?;
            who.ask(web, move |portal| portal.set_operator_password(&name, &password)).await
        }
        "disable" => who.ask(web, move |portal| portal.disable_operator(&name)).await,
        "enable" => who.ask(web, move |portal| portal.enable_operator(&name)).await,
        _ => return Err(PageError::not_found("page")),
    };
    changed.map(drop)
}
