//! Single logout, in both directions (saml-profiles §4.4).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::{Form, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::super::logout::notify;
use super::super::pages::{internal_error, message, scripted_page};
use super::super::state::{Session, State};
use super::answer::PostPage;
use super::sso::{Proof, posted, proof_of, unreadable};
use super::{Participant, SamlClient, SloBinding};
use crate::saml::{
    Direction, Element, LogoutRequest, LogoutResponse, PARTIAL_LOGOUT, QuerySigner,
    RedirectMessage, SUCCESS, Status, redirect_url,
};
use crate::{chance, clock};

type Parameters = HashMap<String, String>;

/// A logout that goes from service provider to service provider through the browser.
pub(in super::super) struct Round {
    remaining: VecDeque<Participant>,
    after: After,
    failed: bool,
    /// The request that is under way.
    awaited: Option<String>,
}

/// Where the browser goes when everybody was told.
pub(in super::super) enum After {
    /// To the service provider that asked.
    Answer {
        entity_id: String,
        request_id: Option<String>,
        relay_state: Option<String>,
    },
    /// To an address.
    Go(Url),
    /// Nowhere: a page says so.
    Stay,
}

/// A message as it came in.
struct Received {
    direction: Direction,
    element: Element,
    xml: String,
    relay_state: Option<String>,
    redirect: Option<RedirectMessage>,
}

impl Received {
    fn proof(&self, client: &SamlClient) -> Proof {
        let Some(sent) = &self.redirect else {
            return proof_of(&self.element, client);
        };
        match sent.is_signed() {
            false => Proof::Absent,
            true if client.certificates.iter().any(|key| sent.is_signed_by(key)) => Proof::Good,
            true => Proof::Bad,
        }
    }
}

pub(super) async fn by_redirect(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
) -> Response {
    let read = RedirectMessage::read(&query.unwrap_or_default()).and_then(|sent| {
        Ok(Received {
            direction: sent.direction,
            element: Element::parse(&sent.xml)?,
            xml: sent.xml.clone(),
            relay_state: sent.relay_state.clone(),
            redirect: Some(sent),
        })
    });
    match read {
        Ok(received) => receive(&state, received).await,
        Err(error) => unreadable(&state, &error),
    }
}

pub(super) async fn by_post(
    Shared(state): Shared<Arc<State>>,
    Form(parameters): Form<Parameters>,
) -> Response {
    let direction = match parameters.contains_key("SAMLResponse") {
        true => Direction::Response,
        false => Direction::Request,
    };
    let read = posted(&parameters, direction).and_then(|xml| {
        Ok(Received {
            direction,
            element: Element::parse(&xml)?,
            xml,
            relay_state: parameters.get("RelayState").cloned(),
            redirect: None,
        })
    });
    match read {
        Ok(received) => receive(&state, received).await,
        Err(error) => unreadable(&state, &error),
    }
}

async fn receive(state: &State, received: Received) -> Response {
    let done = match received.direction {
        Direction::Request => asked(state, &received).await,
        Direction::Response => answered(state, &received),
    };
    done.unwrap_or_else(|error| unreadable(state, &error))
}

/// A service provider asks for a session's end.
async fn asked(state: &State, received: &Received) -> anyhow::Result<Response> {
    let request = LogoutRequest::read(&received.xml)?;
    let issuer = request.issuer.clone().unwrap_or_default();
    let client = state.lock().saml.client(&issuer).cloned();
    let refused = match &client {
        None => Some("The application is not registered here."),
        Some(client)
            if !client.certificates.is_empty() && received.proof(client) != Proof::Good =>
        {
            Some("The application's request has no good signature.")
        }
        Some(_)
            if request
                .not_on_or_after
                .is_some_and(|until| until <= clock::unix_seconds()) =>
        {
            Some("The application's request is too old.")
        }
        Some(_) => None,
    };
    if let Some(text) = refused {
        let title = "This sign-out does not work";
        return Ok(message(state, StatusCode::BAD_REQUEST, title, text));
    }
    let name_id = request
        .name_id
        .as_ref()
        .map(|name_id| name_id.value.clone());
    let sessions = state.lock().take_sessions_where(|session| {
        session.saml.iter().any(|participant| {
            participant.entity_id == issuer
                && Some(&participant.name_id.value) == name_id.as_ref()
                && (request.session_indexes.is_empty()
                    || request.session_indexes.contains(&participant.session_index))
        })
    });
    notify(state, &sessions).await?;
    let after = After::Answer {
        entity_id: issuer,
        request_id: request.id,
        relay_state: received.relay_state.clone(),
    };
    Ok(begin(state, &sessions, after))
}

/// A service provider says that it ended what we asked it to end.
fn answered(state: &State, received: &Received) -> anyhow::Result<Response> {
    let response = LogoutResponse::read(&received.xml)?;
    let handle = received.relay_state.clone().unwrap_or_default();
    let issuer = response.issuer.clone().unwrap_or_default();
    let good = {
        let inner = state.lock();
        let client = inner.saml.client(&issuer);
        client.is_some_and(|client| {
            client.certificates.is_empty() || received.proof(client) == Proof::Good
        }) && response.status.is_some_and(|status| status.is_success())
    };
    let expected = {
        let mut inner = state.lock();
        match inner.saml.logouts.get_mut(&handle) {
            Some(round) if round.awaited == response.in_response_to => {
                round.failed |= !good;
                true
            }
            _ => false,
        }
    };
    if expected {
        return Ok(next(state, &handle));
    }
    Ok(message(
        state,
        StatusCode::BAD_REQUEST,
        "This sign-out does not work",
        "The application answers a request that is not under way.",
    ))
}

/// Tells every service provider of these sessions, except the one that asked, and then goes on.
pub(in super::super) fn begin(state: &State, sessions: &[Session], after: After) -> Response {
    let asker = match &after {
        After::Answer { entity_id, .. } => entity_id.clone(),
        After::Go(_) | After::Stay => String::new(),
    };
    let round = Round {
        remaining: sessions
            .iter()
            .flat_map(|session| session.saml.clone())
            .filter(|participant| participant.entity_id != asker)
            .collect(),
        after,
        failed: false,
        awaited: None,
    };
    match chance::token() {
        Ok(handle) => {
            state.lock().saml.logouts.insert(handle.clone(), round);
            next(state, &handle)
        }
        Err(error) => internal_error(&error),
    }
}

fn next(state: &State, handle: &str) -> Response {
    go_on(state, handle).unwrap_or_else(|error| internal_error(&error))
}

fn go_on(state: &State, handle: &str) -> anyhow::Result<Response> {
    loop {
        let (participant, client) = {
            let mut inner = state.lock();
            let Some(round) = inner.saml.logouts.get_mut(handle) else {
                break;
            };
            let Some(participant) = round.remaining.pop_front() else {
                break;
            };
            let client = inner.saml.client(&participant.entity_id).cloned();
            (participant, client)
        };
        let Some((client, slo_url)) = client.and_then(|client| {
            let slo_url = client.slo_url.clone()?;
            Some((client, slo_url))
        }) else {
            continue;
        };
        let request = LogoutRequest::new(
            &state.saml_entity_id(),
            &slo_url,
            participant.name_id,
            Some(&participant.session_index),
            clock::unix_seconds(),
        )?;
        if let Some(round) = state.lock().saml.logouts.get_mut(handle) {
            round.awaited.clone_from(&request.id);
        }
        let element = request.element(client.style);
        return deliver(state, &client, Direction::Request, element, Some(handle));
    }
    let round = state.lock().saml.logouts.remove(handle);
    match round {
        Some(round) => finish(state, round),
        None => Ok(signed_out(state)),
    }
}

fn finish(state: &State, round: Round) -> anyhow::Result<Response> {
    let (entity_id, request_id, relay_state) = match round.after {
        After::Go(url) => return Ok(Redirect::to(url.as_str()).into_response()),
        After::Stay => return Ok(signed_out(state)),
        After::Answer {
            entity_id,
            request_id,
            relay_state,
        } => (entity_id, request_id, relay_state),
    };
    let client = state.lock().saml.client(&entity_id).cloned();
    let Some((client, slo_url)) = client.and_then(|client| {
        let slo_url = client.slo_url.clone()?;
        Some((client, slo_url))
    }) else {
        return Ok(signed_out(state));
    };
    let mut response = LogoutResponse::new(
        &state.saml_entity_id(),
        &slo_url,
        request_id.as_deref(),
        clock::unix_seconds(),
    )?;
    if round.failed {
        response.status = Some(Status::of(SUCCESS, Some(PARTIAL_LOGOUT)));
    }
    let element = response.element(client.style);
    deliver(
        state,
        &client,
        Direction::Response,
        element,
        relay_state.as_deref(),
    )
}

/// Sends a signed message through the browser to a service provider's logout address.
fn deliver(
    state: &State,
    client: &SamlClient,
    direction: Direction,
    mut element: Element,
    relay_state: Option<&str>,
) -> anyhow::Result<Response> {
    let key = state.lock().saml.key()?;
    let to = client.slo_url.as_deref().unwrap_or_default();
    if client.slo_binding == SloBinding::Redirect {
        let xml = client.style.document(&element);
        let signer = QuerySigner::new(&key);
        let url = redirect_url(to, direction, &xml, relay_state, Some(&signer))?;
        return Ok(Redirect::to(&url).into_response());
    }
    client.style.signer(&key).sign_root(&mut element)?;
    let message = STANDARD.encode(client.style.document(&element));
    Ok(scripted_page(
        StatusCode::OK,
        &PostPage {
            company: &state.company,
            action: to,
            parameter: direction.parameter(),
            message: &message,
            relay_state,
        },
    ))
}

fn signed_out(state: &State) -> Response {
    let text = "You can close this page.";
    message(state, StatusCode::OK, "Signed out", text)
}
