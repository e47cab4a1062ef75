//! Two questions to people who are signed in: which account, and what an application may learn.

use axum::{
    Form, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use tower_sessions::Session;
use vestibule_core::Secret;
use vestibule_engine::{Account, ConsentRequest, LoginPage as Person};

use crate::{
    Web,
    cookies::FromBrowser,
    csrf,
    failure::PageFailure,
    now::Now,
    pages::{AccountsPage, ConsentPage, Frame, SignedInAs},
    people::{gone, show},
};

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/login/account", post(choose))
        .route("/login/consent", post(answer))
}

#[derive(Debug, Deserialize)]
struct Choice {
    csrf: String,
    handle: String,
    /// A sign-in's id; empty for somebody else.
    account: String,
}

/// `POST /login/account`: the person chose one of those who are signed in, or somebody else.
async fn choose(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Choice>,
) -> Result<Response, PageFailure> {
    let account = match form.account.as_str() {
        "" => Ok(None),
        id => id.parse().map(Some),
    };
    let (true, Ok(account)) = (csrf::is_own(&session, &form.csrf).await, account) else {
        return Ok(gone());
    };
    let handle = Secret::new(form.handle);
    let step = web
        .engine
        .choose_account(&handle, &browser, account, now)
        .await?;
    show(&web, &session, &handle, step).await
}

#[derive(Debug, Deserialize)]
struct Answer {
    csrf: String,
    handle: String,
    /// `allow`; anything else is no.
    decision: String,
}

/// `POST /login/consent`: the person said yes or no.
async fn answer(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    session: Session,
    Form(form): Form<Answer>,
) -> Result<Response, PageFailure> {
    if !csrf::is_own(&session, &form.csrf).await {
        return Ok(gone());
    }
    let handle = Secret::new(form.handle);
    let allowed = form.decision == "allow";
    let step = web
        .engine
        .answer_consent(handle.clone(), browser, allowed, now)
        .await?;
    show(&web, &session, &handle, step).await
}

pub(crate) async fn accounts_page(
    web: &Web,
    session: &Session,
    handle: &Secret,
    person: Person,
    accounts: Vec<Account>,
) -> Result<Response, PageFailure> {
    let page = AccountsPage {
        page: Frame::of_login(&person),
        action: web.engine.url("/login/account"),
        csrf: csrf::token(session, &web.engine).await?,
        handle: handle.expose().to_owned(),
        application: person.application.unwrap_or_default(),
        accounts: accounts
            .into_iter()
            .map(|account| SignedInAs {
                name: account
                    .display_name
                    .unwrap_or_else(|| account.user_name.clone()),
                user_name: account.user_name,
                organization: account.organization,
                value: account.session_id.to_string(),
            })
            .collect(),
    };
    Ok(page.into_response())
}

pub(crate) async fn consent_page(
    web: &Web,
    session: &Session,
    handle: &Secret,
    request: ConsentRequest,
) -> Result<Response, PageFailure> {
    let organization = request.brand.name.clone();
    let page = ConsentPage {
        page: Frame::branded(Some(request.brand)).returning_to(Some(request.returns_to)),
        action: web.engine.url("/login/consent"),
        csrf: csrf::token(session, &web.engine).await?,
        handle: handle.expose().to_owned(),
        application: request.application,
        host: request.host,
        user_name: request.user_name,
        organization,
        scope: request.scope.values().collect(),
        claims: request.claims.join(", "),
    };
    Ok(page.into_response())
}
