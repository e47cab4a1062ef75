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
    pages::{AnswerPage, ErrorPage, Frame},
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
        return Ok(page(&web, PageError::ClientId));
    };
    Ok(match web.engine.authorize(params, browser, now).await? {
        AuthorizeOutcome::Answer(answer) => to_application(&web, answer),
        AuthorizeOutcome::Page(error) => page(&web, error),
        AuthorizeOutcome::Login(begun) => to_login(&web, &begun),
    })
}

/// Lets the browser bring an answer to the application.
pub(crate) fn to_application(web: &Web, answer: Answer) -> Response {
    match answer {
        Answer::Redirect(url) => Redirect::to(&url).into_response(),
        Answer::Post { action, fields } => AnswerPage {
            page: Frame::below(web.engine.issuer().path()),
            action,
            fields,
            script_url: web.engine.url("/assets/forward.js"),
        }
        .into_response(),
    }
}

/// Nothing may be sent to a redirect URI that is not known to be the application's (RFC 6749 §4.1.2.1).
fn page(web: &Web, error: PageError) -> Response {
    let next_step = match error {
        PageError::UnknownClient | PageError::ClientId => {
            "Whoever runs the application: send the `client_id` that the admin API answered when the application was registered."
        }
        PageError::UnregisteredRedirectUri => {
            "Whoever runs the application: register this exact `redirect_uri`, byte for byte, with the application."
        }
        PageError::RequestUri => "Go back to the application and sign in again.",
        _ => "Whoever runs the application: send one `redirect_uri`, the one that is registered.",
    };
    let page = ErrorPage {
        page: Frame::below(web.engine.issuer().path()),
        title: "The application sent a wrong request".to_owned(),
        explanation: format!("You cannot be signed in: {error}."),
        next_step: next_step.to_owned(),
        reference: String::new(),
    };
    (StatusCode::BAD_REQUEST, page).into_response()
}
