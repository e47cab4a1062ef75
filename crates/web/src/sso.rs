//! What identity providers send browsers back to.

use std::net::IpAddr;

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, Path, Query, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use vestibule_core::{ConnectionId, Secret, Timestamp};
use vestibule_engine::{
    LoginLink, LoginOutcome, OidcLogoutOutcome, PostedResponse, RefusalActor, SamlAnswer,
    SamlLogoutMessage, SamlLogoutOutcome, ToProvider,
};

use crate::{
    Web,
    client_address::ClientAddress,
    cookies::FromBrowser,
    failure::{OAuthFailure, PageFailure},
    now::Now,
    pages::{ForwardPage, Frame, Toward},
    people,
};

/// A response of 1.5 MiB, in base64 and percent-encoded.
const SAML_LIMIT: usize = 3 * 1024 * 1024;

/// Routes for identity providers.
pub(crate) fn router() -> Router<Web> {
    let saml = Router::new()
        .route("/sso/saml/{connection}/acs", post(acs))
        .route("/sso/saml/{connection}/slo", get(slo).post(slo_form))
        .layer(DefaultBodyLimit::max(SAML_LIMIT));
    Router::new()
        .route("/sso/oidc/{connection}/callback", get(callback))
        .route(
            "/sso/oidc/{connection}/login",
            get(oidc_login).post(oidc_login),
        )
        .route("/sso/oidc/{connection}/signed-out", get(oidc_signed_out))
        .route("/sso/saml/{connection}/finish", get(finish))
        .route("/sso/saml/{connection}/login", get(login))
        .merge(saml)
}

/// Routes that are not pages.
pub(crate) fn document_router() -> Router<Web> {
    Router::new()
        .route("/sso/saml/{connection}/metadata", get(metadata))
        .route("/sso/oidc/{connection}/jwks", get(jwks))
        .route(
            "/sso/oidc/{connection}/backchannel-logout",
            post(backchannel_logout),
        )
}

/// `GET /sso/oidc/{connection}/callback`: a browser is back from an OpenID Provider.
async fn callback(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    Path(connection): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    let outcome = web
        .engine
        .finish_oidc(connection_id, pairs, browser, now)
        .await?;
    Ok(show(&web, outcome))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SAMLResponse")]
    response: String,
}

/// `POST /sso/saml/{connection}/acs`: the form that the identity provider let the browser post.
///
/// It comes from another site and without our cookies, so nobody is signed in here (SAML bindings §3.5).
async fn acs(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    Form(form): Form<Answer>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    let posted = PostedResponse {
        connection_id,
        response: Secret::new(form.response),
        address,
    };
    Ok(match web.engine.receive_saml(posted, now).await? {
        SamlAnswer::Continue(url) | SamlAnswer::Restart(url) => Redirect::to(&url).into_response(),
        SamlAnswer::Refused(refusal) => people::refused(&web, refusal),
        SamlAnswer::TooMany => people::too_many(),
        SamlAnswer::Gone => people::gone(),
    })
}

#[derive(Deserialize)]
struct Finish {
    answer: String,
}

/// `GET /sso/saml/{connection}/finish`: our own redirect, with the cookie of the browser that began the login.
async fn finish(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    Path(connection): Path<String>,
    Query(finish): Query<Finish>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    let outcome = web
        .engine
        .finish_saml(connection_id, Secret::new(finish.answer), browser, now)
        .await?;
    Ok(show(&web, outcome))
}

fn show(web: &Web, outcome: LoginOutcome) -> Response {
    match outcome {
        LoginOutcome::SignedIn(signed_in) => people::welcome(web, &signed_in),
        LoginOutcome::Refused(refusal) => people::refused(web, refusal),
        LoginOutcome::WrongPassword(_) | LoginOutcome::TooManyTries(_) | LoginOutcome::Gone => {
            people::gone()
        }
    }
}

/// `GET /sso/saml/{connection}/login`: a link at the identity provider begins a login.
async fn login(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    Path(connection): Path<String>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    let link = web
        .engine
        .begin_saml_link(connection_id, browser, now)
        .await?;
    Ok(follow(&web, link))
}

fn follow(web: &Web, link: Option<LoginLink>) -> Response {
    match link {
        Some(LoginLink::Application(url)) => Redirect::to(&url).into_response(),
        Some(LoginLink::Login(begun)) => people::to_login(web, &begun),
        None => people::gone(),
    }
}

/// What a provider says with a login that it begins (OpenID Connect Core §4).
#[derive(Deserialize)]
struct Started {
    iss: Option<String>,
    login_hint: Option<String>,
}

/// `GET` and `POST /sso/oidc/{connection}/login`: the provider begins a login, by a link or in a form.
async fn oidc_login(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    Path(connection): Path<String>,
    // Of a GET the query.
    Form(started): Form<Started>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    let (issuer, hint) = (started.iss.as_deref(), started.login_hint.as_deref());
    let link = web
        .engine
        .begin_oidc_link(connection_id, issuer, hint, browser, now)
        .await?;
    Ok(follow(&web, link))
}

#[derive(Deserialize)]
struct SignedOut {
    state: Option<String>,
}

/// `GET /sso/oidc/{connection}/signed-out`: the provider is done with a logout (RP-Initiated Logout 1.0 §3).
async fn oidc_signed_out(
    State(web): State<Web>,
    Now(now): Now,
    Path(connection): Path<String>,
    Query(signed_out): Query<SignedOut>,
) -> Result<Response, PageFailure> {
    let url = match connection.parse() {
        Ok(connection_id) => {
            let state = signed_out.state.map(Secret::new);
            web.engine
                .finish_oidc_logout(connection_id, state, now)
                .await?
        }
        Err(_) => web.engine.url("/logout/done"),
    };
    Ok(Redirect::to(&url).into_response())
}

/// `GET /sso/oidc/{connection}/jwks`: the keys with which we prove who we are to the provider of this connection.
async fn jwks(
    State(web): State<Web>,
    Now(now): Now,
    Path(connection): Path<String>,
) -> Result<Response, PageFailure> {
    let keys = match connection.parse::<ConnectionId>() {
        Ok(connection_id) => web.engine.connection_jwks(connection_id, now).await?,
        Err(_) => None,
    };
    Ok(match keys {
        Some(keys) => (
            [
                (header::CONTENT_TYPE, "application/jwk-set+json"),
                (header::CACHE_CONTROL, "public, max-age=300"),
            ],
            keys.to_string(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

#[derive(Deserialize)]
struct LogoutNotice {
    logout_token: String,
}

/// `POST /sso/oidc/{connection}/backchannel-logout`: the provider ends sign-ins (Back-Channel Logout 1.0 §2.5, §2.8).
async fn backchannel_logout(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    Form(notice): Form<LogoutNotice>,
) -> Result<Response, OAuthFailure> {
    let outcome = match connection.parse() {
        Ok(connection_id) => {
            let token = Secret::new(notice.logout_token);
            web.engine
                .receive_oidc_logout(connection_id, token, address, now)
                .await?
        }
        Err(_) => OidcLogoutOutcome::Gone,
    };
    let refused = |status, description: &str| {
        let body =
            serde_json::json!({ "error": "invalid_request", "error_description": description });
        (status, Json(body)).into_response()
    };
    let mut response = match outcome {
        OidcLogoutOutcome::Done => StatusCode::OK.into_response(),
        // The provider tries again where its keys could not be read just now.
        OidcLogoutOutcome::Refused(refusal) if refusal.fault == RefusalActor::Network => {
            refused(StatusCode::SERVICE_UNAVAILABLE, refusal.rule)
        }
        OidcLogoutOutcome::Refused(refusal) => refused(StatusCode::BAD_REQUEST, refusal.rule),
        OidcLogoutOutcome::TooMany => refused(StatusCode::TOO_MANY_REQUESTS, "too many"),
        OidcLogoutOutcome::Gone => refused(StatusCode::NOT_FOUND, "there is no such connection"),
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /sso/saml/{connection}/metadata`: what the identity provider needs to know of us.
async fn metadata(
    State(web): State<Web>,
    Now(now): Now,
    Path(connection): Path<String>,
) -> Result<Response, PageFailure> {
    let document = match connection.parse::<ConnectionId>() {
        Ok(connection_id) => web.engine.saml_metadata(connection_id, now).await?,
        Err(_) => None,
    };
    Ok(match document {
        Some(document) => (
            [
                (header::CONTENT_TYPE, "application/samlmetadata+xml"),
                (header::CACHE_CONTROL, "public, max-age=300"),
            ],
            document,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// `GET /sso/saml/{connection}/slo`: a logout message in the query.
async fn slo(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageFailure> {
    let message = SamlLogoutMessage::Query(query.unwrap_or_default());
    logout(&web, &connection, message, address, now).await
}

#[derive(Deserialize)]
struct LogoutForm {
    #[serde(rename = "SAMLRequest")]
    request: Option<String>,
    #[serde(rename = "SAMLResponse")]
    response: Option<String>,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// `POST /sso/saml/{connection}/slo`: a logout message in a form.
async fn slo_form(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    Form(form): Form<LogoutForm>,
) -> Result<Response, PageFailure> {
    let message = match (form.request, form.response) {
        (Some(request), None) => SamlLogoutMessage::RequestForm {
            message: Secret::new(request),
            relay_state: form.relay_state,
        },
        (None, Some(response)) => SamlLogoutMessage::ResponseForm {
            message: Secret::new(response),
        },
        _ => return Ok(people::gone()),
    };
    logout(&web, &connection, message, address, now).await
}

async fn logout(
    web: &Web,
    connection: &str,
    message: SamlLogoutMessage,
    address: IpAddr,
    now: Timestamp,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone());
    };
    Ok(
        match web
            .engine
            .receive_saml_logout(connection_id, message, address, now)
            .await?
        {
            SamlLogoutOutcome::Answer(answer) => to_provider(web, answer),
            SamlLogoutOutcome::Done(url) => Redirect::to(&url).into_response(),
            SamlLogoutOutcome::Refused(refusal) => people::refused(web, refusal),
            SamlLogoutOutcome::TooMany => people::too_many(),
            SamlLogoutOutcome::Gone => people::gone(),
        },
    )
}

/// Sends the browser to an identity provider with a message.
pub(crate) fn to_provider(web: &Web, message: ToProvider) -> Response {
    match message {
        ToProvider::Redirect(url) => Redirect::to(&url).into_response(),
        ToProvider::Post(form) => {
            let mut fields = vec![(form.parameter, form.message)];
            fields.extend(form.relay_state.map(|state| ("RelayState", state)));
            ForwardPage {
                page: Frame::plain(),
                to: Toward::Provider,
                action: form.action,
                fields,
                script_url: web.engine.url("/assets/forward.js"),
            }
            .into_response()
        }
    }
}
