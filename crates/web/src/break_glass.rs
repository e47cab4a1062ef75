//! The page to which an operator's link to a break-glass account leads.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tower_sessions::Session;
use vestibule_core::Secret;
use vestibule_engine::{BreakGlassLogin, LoginOutcome, LoginPage as Person};

use crate::{
    Web,
    client_address::ClientAddress,
    cookies::FromBrowser,
    csrf,
    failure::PageFailure,
    now::Now,
    pages::{BreakGlassPage, Frame},
    people::{gone, refused, welcome},
    texts::FieldTrouble,
};

const PLACE: &str = "/break-glass";

pub(crate) fn router() -> Router<Web> {
    Router::new().route(PLACE, get(ask).post(finish))
}

#[derive(Debug, Deserialize)]
struct Followed {
    link: String,
}

/// `GET /break-glass`: somebody, or something that reads mail, follows the link.
async fn ask(
    State(web): State<Web>,
    Now(now): Now,
    session: Session,
    Query(followed): Query<Followed>,
) -> Result<Response, PageFailure> {
    let link = Secret::new(followed.link);
    match web.engine.break_glass_page(&link, now).await? {
        Some(person) => Ok(page(&web, &session, &link, person, None)
            .await?
            .into_response()),
        None => Ok(gone()),
    }
}

#[derive(Debug, Deserialize)]
struct Typed {
    csrf: String,
    link: String,
    password: String,
}

/// `POST /break-glass`: the person typed the password.
async fn finish(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Typed>,
) -> Result<Response, PageFailure> {
    if !csrf::is_own(&session, &form.csrf).await {
        return Ok(gone());
    }
    let link = Secret::new(form.link);
    let request = BreakGlassLogin {
        link: link.clone(),
        password: Secret::new(form.password),
        address,
    };
    let (person, status, error) = match web.engine.finish_break_glass(request, browser, now).await?
    {
        LoginOutcome::SignedIn(signed_in) => return Ok(welcome(&web, &signed_in)),
        LoginOutcome::Refused(refusal) => return Ok(refused(&web, refusal)),
        LoginOutcome::Gone => return Ok(gone()),
        LoginOutcome::WrongPassword(person) => (
            person,
            StatusCode::UNPROCESSABLE_ENTITY,
            FieldTrouble::WrongPassword,
        ),
        LoginOutcome::TooManyTries(person) => (
            person,
            StatusCode::TOO_MANY_REQUESTS,
            FieldTrouble::TooManyTries,
        ),
    };
    let page = page(&web, &session, &link, person, Some(error)).await?;
    Ok((status, page).into_response())
}

async fn page(
    web: &Web,
    session: &Session,
    link: &Secret,
    person: Person,
    error: Option<FieldTrouble>,
) -> Result<BreakGlassPage, PageFailure> {
    Ok(BreakGlassPage {
        page: Frame::of_login(&person),
        action: web.engine.url(PLACE),
        csrf: csrf::token(session, &web.engine).await?,
        link: link.expose().to_owned(),
        user_name: person.login_hint.unwrap_or_default(),
        error,
    })
}
