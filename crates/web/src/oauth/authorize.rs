use axum::{
    extract::{RawForm, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use vestibule_engine::AuthorizeOutcome;
use vestibule_issuer::{
    authorize::{Answer, PageError},
    params::Params,
};

use crate::{
    Web,
    cookies::FromBrowser,
    failure::PageFailure,
    now::Now,
    pages::{ErrorPage, ForwardPage, Frame, Toward},
    people::to_login,
};

/// `GET /oauth/authorize` (RFC 6749 §4.1.1).
pub(crate) async fn get(
    state: State<Web>,
    now: Now,
    browser: FromBrowser,
    RawQuery(query): RawQuery,
) -> Result<Response, PageFailure> {
    answer(state, now, browser, query.as_deref().unwrap_or_default()).await
}

/// `POST /oauth/authorize` (OpenID Connect Core §3.1.2.1).
pub(crate) async fn post(
    state: State<Web>,
    now: Now,
    browser: FromBrowser,
    RawForm(body): RawForm,
) -> Result<Response, PageFailure> {
    answer(
        state,
        now,
        browser,
        std::str::from_utf8(&body).unwrap_or_default(),
    )
    .await
}

async fn answer(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    parameters: &str,
) -> Result<Response, PageFailure> {
    let Ok(params) = Params::from_urlencoded(parameters) else {
        return Ok(page("", PageError::ClientId));
    };
    let locales = params.get("ui_locales").ok().flatten();
    let locales = locales.unwrap_or_default().to_owned();
    Ok(match web.engine.authorize(params, browser, now).await? {
        AuthorizeOutcome::Answer(answer) => to_application(&web, answer),
        AuthorizeOutcome::Page(error) => page(&locales, error),
        AuthorizeOutcome::Login(begun) => to_login(&web, &begun),
    })
}

/// Lets the browser bring an answer to the application.
pub(crate) fn to_application(web: &Web, answer: Answer) -> Response {
    match answer {
        Answer::Redirect(url) => Redirect::to(&url).into_response(),
        Answer::Post { action, fields } => ForwardPage {
            page: Frame::plain(),
            to: Toward::Application,
            action,
            fields,
            script_url: web.engine.url("/assets/forward.js"),
        }
        .into_response(),
    }
}

/// Nothing may be sent to a redirect URI that is not known to be the application's (RFC 6749 §4.1.2.1).
fn page(ui_locales: &str, error: PageError) -> Response {
    let page = ErrorPage {
        page: Frame::plain().wished(ui_locales),
        trouble: error.into(),
    };
    (StatusCode::BAD_REQUEST, page).into_response()
}
