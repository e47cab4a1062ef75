use axum::{
    Form,
    extract::{RawForm, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;
use vestibule_engine::{LogoutConsent, LogoutOutcome};
use vestibule_issuer::{
    logout::{LogoutError, LogoutRequest},
    params::Params,
};

use crate::{
    Web,
    cookies::FromBrowser,
    csrf,
    failure::PageFailure,
    now::Now,
    pages::{ConfirmLogoutPage, ErrorPage, Frame, SignedOutPage},
    sso,
};

/// Where the request waits, in the page's state, while the person is asked.
const WAITING: &str = "logout";

/// `GET /oauth/logout` (RP-Initiated Logout 1.0 §2).
pub(crate) async fn get(
    state: State<Web>,
    now: Now,
    browser: FromBrowser,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, PageFailure> {
    begin(state, now, browser, session, query.unwrap_or_default()).await
}

/// `POST /oauth/logout`.
pub(crate) async fn post(
    state: State<Web>,
    now: Now,
    browser: FromBrowser,
    session: Session,
    RawForm(body): RawForm,
) -> Result<Response, PageFailure> {
    begin(
        state,
        now,
        browser,
        session,
        String::from_utf8(body.to_vec()).unwrap_or_default(),
    )
    .await
}

async fn begin(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    parameters: String,
) -> Result<Response, PageFailure> {
    let request = match read(&parameters) {
        Ok(request) => request,
        Err(error) => return Ok(refused(&locales(&parameters), error)),
    };
    match web
        .engine
        .logout(request, browser, LogoutConsent::NotAsked, now)
        .await?
    {
        LogoutOutcome::Confirm {
            application,
            user_name,
            brand,
            returns_to,
        } => {
            session.insert(WAITING, &parameters).await?;
            let page = ConfirmLogoutPage {
                page: Frame::branded(brand)
                    .returning_to(returns_to)
                    .wished(&locales(&parameters)),
                action: web.engine.url("/oauth/logout/confirm"),
                csrf: csrf::token(&session, &web.engine).await?,
                user_name,
                application: application.unwrap_or_default(),
            };
            Ok(page.into_response())
        }
        outcome => Ok(done(&web, &locales(&parameters), outcome)),
    }
}

/// What the page's form sends.
#[derive(Debug, Deserialize)]
pub(crate) struct Confirmation {
    csrf: String,
}

/// The person said yes.
pub(crate) async fn confirm(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Confirmation>,
) -> Result<Response, PageFailure> {
    let ask_again = || Redirect::to(&web.engine.url("/oauth/logout")).into_response();
    // A form from elsewhere does not take away what the person is being asked.
    if !csrf::is_own(&session, &form.csrf).await {
        return Ok(ask_again());
    }
    let Some(parameters) = session.remove::<String>(WAITING).await? else {
        return Ok(ask_again());
    };
    match read(&parameters) {
        Ok(request) => Ok(done(
            &web,
            &locales(&parameters),
            web.engine
                .logout(request, browser, LogoutConsent::Given, now)
                .await?,
        )),
        Err(error) => Ok(refused(&locales(&parameters), error)),
    }
}

fn read(parameters: &str) -> Result<LogoutRequest, LogoutError> {
    let params = Params::from_urlencoded(parameters).map_err(|_| LogoutError::TooLong)?;
    LogoutRequest::parse(&params)
}

fn done(web: &Web, locales: &str, outcome: LogoutOutcome) -> Response {
    match outcome {
        LogoutOutcome::SignedOut {
            sessions,
            upstream,
            return_url,
            brand,
            ..
        } => {
            let mut response = match (upstream, return_url) {
                (Some(upstream), _) => sso::to_provider(web, upstream),
                (None, Some(url)) => Redirect::to(&url).into_response(),
                (None, None) => SignedOutPage {
                    page: Frame::branded(brand).wished(locales),
                    login_url: web.engine.url("/login"),
                }
                .into_response(),
            };
            if let Some(cookie) = web.cookies.set_sessions(&sessions) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        LogoutOutcome::Refused(error) => refused(locales, error),
        // Only an unasked request leads to the question.
        LogoutOutcome::Confirm { .. } => {
            Redirect::to(&web.engine.url("/oauth/logout")).into_response()
        }
    }
}

/// The languages that the application wishes for (RP-Initiated Logout 1.0 §2).
fn locales(parameters: &str) -> String {
    let params = Params::from_urlencoded(parameters).ok();
    let wished = params
        .as_ref()
        .and_then(|params| params.get("ui_locales").ok());
    wished.flatten().unwrap_or_default().to_owned()
}

fn refused(locales: &str, error: LogoutError) -> Response {
    let page = ErrorPage {
        page: Frame::plain().wished(locales),
        trouble: error.into(),
    };
    (StatusCode::BAD_REQUEST, page).into_response()
}
