//! The pages on which people say who they are.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tower_sessions::Session;
use vestibule_core::{Protocol, Secret};
use vestibule_engine::{
    Brand, LoginBegun, LoginOutcome, LoginPage as Person, LoginRefusal, LoginStep, PasswordLogin,
    SignedIn, ToProvider,
};

use crate::{
    Web, choices,
    client_address::ClientAddress,
    cookies::FromBrowser,
    csrf,
    door::Wish,
    failure::PageFailure,
    language::Language,
    now::Now,
    oauth::authorize::to_application,
    pages::{
        ChoosePage, Frame, LoginPage, PasswordPage, RefusedPage, SignedInPage, SignedOutPage,
        WayIn, trouble,
    },
    sso,
    texts::{FieldTrouble, Trouble},
};

/// Routes for people.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/", get(home))
        .route("/login", get(begin).post(identify))
        .route("/login/choose", post(choose))
        .route("/login/password", post(password))
        .route("/logout", get(sign_out_page).post(sign_out))
        .route("/logout/done", get(signed_out))
}

/// Who is signed in here.
async fn home(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
) -> Result<Response, PageFailure> {
    Ok(match web.engine.current_user(&browser, now).await? {
        Some(user) => SignedInPage {
            page: Frame::branded(web.engine.brand_of(user.organization_id, now).await?),
            user_name: user.display_name.unwrap_or(user.user_name),
            logout_url: web.engine.url("/logout"),
        }
        .into_response(),
        None => Redirect::to(&web.engine.url("/login")).into_response(),
    })
}

#[derive(Debug, Deserialize)]
struct Waiting {
    handle: Option<String>,
    /// Where to go afterwards, on our own host.
    return_to: Option<String>,
    /// Whose people are meant.
    organization: Option<String>,
}

/// `GET /login`: with a handle the waiting login goes on, without one a new one begins.
async fn begin(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Query(waiting): Query<Waiting>,
) -> Result<Response, PageFailure> {
    let Some(handle) = waiting.handle.map(Secret::new) else {
        let organization_id = waiting.organization.and_then(|id| id.parse().ok());
        let begun = web
            .engine
            .begin_sign_in(waiting.return_to, organization_id, browser, now)
            .await?;
        return Ok(to_login(&web, &begun));
    };
    let step = web.engine.login_step(&handle, &browser, now).await?;
    show(&web, &session, &handle, step).await
}

/// To the login page of a login that has just begun, with the browser's cookie.
pub(crate) fn to_login(web: &Web, begun: &LoginBegun) -> Response {
    let mut response = Redirect::to(&web.engine.login_url(&begun.handle)).into_response();
    if let Some(cookie) = web.cookies.set_browser(&begun.browser) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    let locales = begun.ui_locales.iter().map(String::as_str);
    let wish = Wish(Language::of_locales(locales));
    response.extensions_mut().insert(wish);
    response
}

#[derive(Debug, Deserialize)]
struct Address {
    csrf: String,
    handle: String,
    email: String,
}

/// `POST /login`: the person said who they are.
async fn identify(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Address>,
) -> Result<Response, PageFailure> {
    let handle = Secret::new(form.handle);
    if !csrf::is_own(&session, &form.csrf).await {
        return Ok(gone());
    }
    let step = web
        .engine
        .identify(&handle, &browser, &form.email, now)
        .await?;
    show(&web, &session, &handle, step).await
}

#[derive(Debug, Deserialize)]
struct Choice {
    csrf: String,
    handle: String,
    connection: String,
    #[serde(default)]
    email: String,
}

/// `POST /login/choose`: the person chose one of several ways in.
async fn choose(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Choice>,
) -> Result<Response, PageFailure> {
    let handle = Secret::new(form.handle);
    let (true, Ok(way)) = (
        csrf::is_own(&session, &form.csrf).await,
        form.connection.parse(),
    ) else {
        return Ok(gone());
    };
    let step = web
        .engine
        .choose(&handle, &browser, way, &form.email, now)
        .await?;
    show(&web, &session, &handle, step).await
}

#[derive(Debug, Deserialize)]
struct PasswordForm {
    csrf: String,
    handle: String,
    connection: String,
    user_name: String,
    password: String,
}

/// `POST /login/password`.
async fn password(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<PasswordForm>,
) -> Result<Response, PageFailure> {
    let handle = Secret::new(form.handle);
    let (true, Ok(connection_id)) = (
        csrf::is_own(&session, &form.csrf).await,
        form.connection.parse(),
    ) else {
        return Ok(gone());
    };
    let request = PasswordLogin {
        handle: handle.clone(),
        connection_id,
        user_name: form.user_name,
        password: Secret::new(form.password),
        address,
    };
    let (person, status, error) = match web.engine.finish_password(request, browser, now).await? {
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
    let page = password_page(
        &web,
        &session,
        &handle,
        person,
        form.connection,
        Some(error),
    )
    .await?;
    Ok((status, page).into_response())
}

/// `GET /logout`: asks, for anybody may have made the link.
async fn sign_out_page(State(web): State<Web>) -> Redirect {
    Redirect::to(&web.engine.url("/oauth/logout"))
}

#[derive(Debug, Deserialize)]
struct SignOut {
    csrf: String,
}

/// `POST /logout`: signs out of everything in this browser.
async fn sign_out(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<SignOut>,
) -> Result<Response, PageFailure> {
    if !csrf::is_own(&session, &form.csrf).await {
        return Ok(Redirect::to(&web.engine.url("/oauth/logout")).into_response());
    }
    let mut response = match web.engine.sign_out(browser, now).await? {
        Some(upstream) => sso::to_provider(&web, upstream),
        None => signed_out_page(&web, None).into_response(),
    };
    if let Some(cookie) = web.cookies.set_sessions(&[]) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct Left {
    /// Whose pages the person comes from; it says how the page looks and nothing else.
    organization: Option<String>,
}

/// `GET /logout/done`: the identity provider has sent the browser back after a logout.
async fn signed_out(
    State(web): State<Web>,
    Now(now): Now,
    Query(left): Query<Left>,
) -> Result<SignedOutPage, PageFailure> {
    let organization_id = left.organization.and_then(|id| id.parse().ok());
    let brand = match organization_id {
        Some(id) => web.engine.brand_of(id, now).await?,
        None => None,
    };
    Ok(signed_out_page(&web, brand))
}

fn signed_out_page(web: &Web, brand: Option<Brand>) -> SignedOutPage {
    SignedOutPage {
        page: Frame::branded(brand),
        login_url: web.engine.url("/login"),
    }
}

pub(crate) async fn show(
    web: &Web,
    session: &Session,
    handle: &Secret,
    step: LoginStep,
) -> Result<Response, PageFailure> {
    Ok(match step {
        LoginStep::Upstream(url) => Redirect::to(&url).into_response(),
        LoginStep::Post(form) => sso::to_provider(web, ToProvider::Post(form)),
        LoginStep::Refused(refusal) => refused(web, refusal),
        LoginStep::Gone => gone(),
        LoginStep::Answer(answer) => to_application(web, answer),
        LoginStep::Next(handle) => Redirect::to(&web.engine.login_url(&handle)).into_response(),
        LoginStep::Accounts { page, accounts } => {
            choices::accounts_page(web, session, handle, page, accounts).await?
        }
        LoginStep::Consent(request) => {
            choices::consent_page(web, session, handle, *request).await?
        }
        LoginStep::Ask(person) => login_page(web, session, handle, person, None)
            .await?
            .into_response(),
        LoginStep::UnknownAddress(person) => {
            let error = Some(FieldTrouble::UnknownAddress);
            (
                StatusCode::UNPROCESSABLE_ENTITY,
                login_page(web, session, handle, person, error).await?,
            )
                .into_response()
        }
        LoginStep::Password {
            page,
            connection_id,
        } => {
            if page.login_hint.is_none() {
                return Ok(login_page(web, session, handle, page, None)
                    .await?
                    .into_response());
            }
            password_page(web, session, handle, page, connection_id.to_string(), None)
                .await?
                .into_response()
        }
        LoginStep::Choose { page, ways } => ChoosePage {
            page: Frame::of_login(&page),
            action: web.engine.url("/login/choose"),
            csrf: csrf::token(session, &web.engine).await?,
            handle: handle.expose().to_owned(),
            application: page.application.unwrap_or_default(),
            user_name: page.login_hint.unwrap_or_default(),
            back_url: web.engine.url("/login"),
            options: ways
                .into_iter()
                .map(|(id, protocol, name)| WayIn {
                    name: (protocol != Protocol::Password).then_some(name),
                    value: id.to_string(),
                })
                .collect(),
        }
        .into_response(),
    })
}

async fn login_page(
    web: &Web,
    session: &Session,
    handle: &Secret,
    person: Person,
    error: Option<FieldTrouble>,
) -> Result<LoginPage, PageFailure> {
    Ok(LoginPage {
        page: Frame::of_login(&person),
        action: web.engine.url("/login"),
        csrf: csrf::token(session, &web.engine).await?,
        handle: handle.expose().to_owned(),
        application: person.application.unwrap_or_default(),
        login_hint: person.login_hint.unwrap_or_default(),
        error,
    })
}

async fn password_page(
    web: &Web,
    session: &Session,
    handle: &Secret,
    person: Person,
    connection: String,
    error: Option<FieldTrouble>,
) -> Result<PasswordPage, PageFailure> {
    Ok(PasswordPage {
        page: Frame::of_login(&person),
        action: web.engine.url("/login/password"),
        csrf: csrf::token(session, &web.engine).await?,
        handle: handle.expose().to_owned(),
        application: person.application.unwrap_or_default(),
        user_name: person.login_hint.unwrap_or_default(),
        connection,
        back_url: web.engine.url("/login"),
        error,
    })
}

/// The browser after a login: the new cookie, and on to the application.
pub(crate) fn welcome(web: &Web, signed_in: &SignedIn) -> Response {
    let mut response = match &signed_in.answer {
        Some(answer) => to_application(web, answer.clone()),
        None => Redirect::to(&web.engine.url("/")).into_response(),
    };
    if let Some(cookie) = web.cookies.set_sessions(&signed_in.sessions) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A refused login, explained.
pub(crate) fn refused(web: &Web, refusal: LoginRefusal) -> Response {
    let page = RefusedPage {
        page: Frame::branded(refusal.brand.as_deref().cloned()),
        occurred_at: format!("{} UTC", moment(&web.clock.now().to_string())),
        reference: refusal
            .reference
            .map(|id| id.to_string())
            .unwrap_or_default(),
        retry_url: match (&refusal.another_try, refusal.may_be_tried_again()) {
            (Some(login), _) => web.engine.url(&format!("/login?handle={}", login.expose())),
            (None, true) => web.engine.url("/login"),
            (None, false) => String::new(),
        },
        refusal,
    };
    (StatusCode::FORBIDDEN, page).into_response()
}

/// Too many answers of an identity provider were refused from this address.
pub(crate) fn too_many() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, trouble(Trouble::TooMany)).into_response()
}

/// A login that waits no more.
pub(crate) fn gone() -> Response {
    (StatusCode::BAD_REQUEST, trouble(Trouble::Gone)).into_response()
}

/// Date and time of an RFC 3339 text, to the second.
fn moment(text: &str) -> String {
    text.chars()
        .take(19)
        .map(|letter| if letter == 'T' { ' ' } else { letter })
        .collect()
}
