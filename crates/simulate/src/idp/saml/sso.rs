//! Sign-in: the request, the login form, the answer (saml-profiles §4.1).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Query, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::authorize::{Pending, ask};
use super::super::pages::message;
use super::super::state::{COOKIE, State};
use super::answer::Outcome;
use super::{RequestRule, SamlClient, answer as messages};
use crate::place::cookie_of;
use crate::saml::{AuthnRequest, Direction, Element, PASSWORD_PROTECTED, RedirectMessage};

type Parameters = HashMap<String, String>;

/// A login that waits for the person, or that the person begins here.
#[derive(Debug, Clone)]
pub(in super::super) struct SamlLogin {
    pub(in super::super) entity_id: String,
    /// The request that is answered; none for a login that began here.
    pub(super) request_id: Option<String>,
    pub(super) relay_state: Option<String>,
    pub(super) name_id_format: Option<String>,
    pub(in super::super) login_hint: Option<String>,
    /// Shown on the login form.
    pub(in super::super) acs_url: String,
}

pub(super) async fn by_redirect(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let read = RedirectMessage::read(&query.unwrap_or_default()).and_then(|sent| {
        anyhow::ensure!(sent.direction == Direction::Request, "not a request");
        Ok((AuthnRequest::read(&sent.xml)?, sent))
    });
    match read {
        Ok((request, sent)) => {
            let proof = |client: &SamlClient| match sent.is_signed() {
                false => Proof::Absent,
                true if client.certificates.iter().any(|key| sent.is_signed_by(key)) => Proof::Good,
                true => Proof::Bad,
            };
            begin(&state, &headers, &request, sent.relay_state.clone(), proof)
        }
        Err(error) => unreadable(&state, &error),
    }
}

pub(super) async fn by_post(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(mut parameters): Form<Parameters>,
) -> Response {
    let relay_state = parameters.remove("RelayState");
    let read = posted(&parameters, Direction::Request).and_then(|xml| AuthnRequest::read(&xml));
    match read {
        Ok(request) => begin(&state, &headers, &request, relay_state, |client| {
            proof_of(&request.element, client)
        }),
        Err(error) => unreadable(&state, &error),
    }
}

/// The message in a form.
pub(super) fn posted(parameters: &Parameters, direction: Direction) -> anyhow::Result<String> {
    use anyhow::Context as _;
    let field = parameters
        .get(direction.parameter())
        .context("the form has no message")?;
    let digits: String = field.split_ascii_whitespace().collect();
    Ok(String::from_utf8(STANDARD.decode(digits)?)?)
}

/// What a message's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Absent,
    Good,
    Bad,
}

pub(super) fn proof_of(element: &Element, client: &SamlClient) -> Proof {
    let good = |certificate| element.verify(certificate).is_ok();
    match element.is_signed() {
        false => Proof::Absent,
        true if client.certificates.iter().any(good) => Proof::Good,
        true => Proof::Bad,
    }
}

fn begin(
    state: &State,
    headers: &HeaderMap,
    request: &AuthnRequest,
    relay_state: Option<String>,
    proof: impl Fn(&SamlClient) -> Proof,
) -> Response {
    let client = state.lock().saml.client(&request.issuer).cloned();
    let refused = match &client {
        None => Some("The application is not registered here."),
        Some(client) => refusal(state, client, request, proof(client)),
    };
    let (Some(client), None) = (client, refused) else {
        let text = refused.unwrap_or_default();
        return message(
            state,
            StatusCode::BAD_REQUEST,
            "This link does not work",
            text,
        );
    };
    let login = SamlLogin {
        entity_id: client.entity_id,
        request_id: Some(request.id.clone()),
        relay_state,
        name_id_format: request.name_id_format.clone(),
        login_hint: request.subject.clone(),
        acs_url: client.acs_url,
    };
    let classes = &request.context_classes;
    if !classes.is_empty() && !classes.iter().any(|class| class == PASSWORD_PROTECTED) {
        return messages::send(state, &login, Outcome::NoSuchContext);
    }
    let cookie = cookie_of(headers, COOKIE)
        .filter(|cookie| !request.force_authn && state.lock().session(cookie).is_some());
    match (cookie, request.is_passive) {
        (Some(cookie), _) => answer(state, &login, &cookie),
        (None, true) => messages::send(state, &login, Outcome::NobodyThere),
        (None, false) => ask(state, &Pending::Saml(login)),
    }
}

/// Why a request is not followed.
fn refusal(
    state: &State,
    client: &SamlClient,
    request: &AuthnRequest,
    proof: Proof,
) -> Option<&'static str> {
    let here = state.saml_url("sso");
    if proof == Proof::Bad && !client.certificates.is_empty() {
        Some("The application's request has a bad signature.")
    } else if proof == Proof::Absent && client.requests == RequestRule::MustBeSigned {
        Some("The application's request is not signed.")
    } else if request
        .acs_url
        .as_ref()
        .is_some_and(|url| *url != client.acs_url)
    {
        Some("The application's return address is not registered here.")
    } else if request.destination.as_ref().is_some_and(|to| *to != here) {
        Some("The application's request is for another provider.")
    } else {
        None
    }
}

/// Begins a login here, as a tile on a company's start page does.
pub(super) async fn start(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    let wanted = parameters.get("sp").map(String::as_str).unwrap_or_default();
    let client = state.lock().saml.client(wanted).cloned();
    let Some(client) = client else {
        let text = "The application is not registered here.";
        return message(
            &state,
            StatusCode::BAD_REQUEST,
            "This link does not work",
            text,
        );
    };
    let relay_state = parameters.get("RelayState").cloned();
    let login = SamlLogin {
        entity_id: client.entity_id,
        request_id: None,
        relay_state: relay_state.or(client.start_relay_state),
        name_id_format: None,
        login_hint: None,
        acs_url: client.acs_url,
    };
    let cookie =
        cookie_of(&headers, COOKIE).filter(|cookie| state.lock().session(cookie).is_some());
    match cookie {
        Some(cookie) => answer(&state, &login, &cookie),
        None => ask(&state, &Pending::Saml(login)),
    }
}

/// Answers for a browser that is signed in.
pub(in super::super) fn answer(state: &State, login: &SamlLogin, cookie: &str) -> Response {
    messages::send(state, login, Outcome::SignedIn { cookie })
}

pub(super) fn unreadable(state: &State, error: &anyhow::Error) -> Response {
    tracing::warn!(error = %error, "A SAML message could not be read");
    message(
        state,
        StatusCode::BAD_REQUEST,
        "This link does not work",
        "The application's message cannot be read.",
    )
}
