//! The answer to a sign-in request, right or, by a [`Fault`], wrong in one thing.

use anyhow::Context as _;
use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::pages::{internal_error, scripted_page};
use super::super::state::State;
use super::super::{Fault, Faults, IdpEventKind};
use super::attributes;
use super::fault::{bend, bend_seal, break_sealed};
use super::{Encrypts, NameIdKind, Participant, SamlClient, SamlLogin};
use crate::saml::{
    DigestAlgorithm, EMAIL_ADDRESS, Login, NO_PASSIVE, NameId, PERSISTENT, RESPONDER,
    Response as Message, Seal, Status, TRANSIENT, UNSPECIFIED,
};
use crate::{Person, chance, clock};

const NO_AUTHN_CONTEXT: &str = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";

/// How a request is answered.
#[derive(Clone, Copy)]
pub(super) enum Outcome<'a> {
    /// With the person of this browser session.
    SignedIn { cookie: &'a str },
    /// Nobody is signed in, and nobody may be asked.
    NobodyThere,
    /// The provider has no such way to authenticate.
    NoSuchContext,
}

/// A page that sends a message on by form.
#[derive(Template)]
#[template(path = "idp/post.html")]
pub(super) struct PostPage<'a> {
    pub(super) company: &'a str,
    pub(super) action: &'a str,
    pub(super) parameter: &'a str,
    pub(super) message: &'a str,
    pub(super) relay_state: Option<&'a str>,
}

pub(super) async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript")],
        "document.forms[0].submit();",
    )
}

/// Sends the answer through the browser (saml-bindings §3.5).
pub(super) fn send(state: &State, login: &SamlLogin, outcome: Outcome<'_>) -> Response {
    let faults = state.lock().faults.clone();
    let message = match make(state, login, outcome, &faults) {
        Ok(message) => message,
        Err(error) => return internal_error(&error),
    };
    let relay_state = if faults.has(Fault::SamlRelayStateDropped) {
        None
    } else if faults.has(Fault::SamlRelayStateChanged) {
        Some("of-another-login")
    } else {
        login.relay_state.as_deref()
    };
    scripted_page(
        StatusCode::OK,
        &PostPage {
            company: &state.company,
            action: &login.acs_url,
            parameter: "SAMLResponse",
            message: &message,
            relay_state,
        },
    )
}

/// The form field.
fn make(
    state: &State,
    login: &SamlLogin,
    outcome: Outcome<'_>,
    faults: &Faults,
) -> anyhow::Result<String> {
    let (client, key, last) = {
        let mut inner = state.lock();
        let client = inner.saml.client(&login.entity_id).cloned();
        let last = inner.saml.last.get(&login.entity_id).cloned();
        (
            client.context("the client went away")?,
            inner.saml.key()?,
            last,
        )
    };
    if let Some(last) = last.filter(|_| faults.has(Fault::SamlReplay)) {
        return Ok(last);
    }
    let facts = facts(state, login, &client, outcome, faults)?;
    let status = refusal(outcome, faults);
    let mut response = match status {
        None => Message::new(client.style, &facts)?,
        Some(status) => Message::refusal(client.style, &facts, status)?,
    };
    bend(&mut response, faults, &facts);
    let mut seal = client.style.seal(&key);
    if response.assertions.is_empty() && seal.response.is_none() {
        // Without an assertion the response itself is all that can be signed.
        seal.response = seal.assertion.take();
    }
    encrypt(&mut seal, &client);
    bend_seal(&mut seal, faults, &key)?;
    let sealed = response.seal(&seal)?;
    let xml = break_sealed(client.style, sealed, faults);
    let field = STANDARD.encode(xml);
    state
        .lock()
        .saml
        .last
        .insert(login.entity_id.clone(), field.clone());
    if let Outcome::SignedIn { cookie } = outcome {
        let user_name = state.lock().session(cookie).map(|s| s.user_name.clone());
        state.tell(
            IdpEventKind::AssertionIssued,
            user_name.as_deref(),
            Some(&login.entity_id),
        );
    }
    Ok(field)
}

fn encrypt(seal: &mut Seal, client: &SamlClient) {
    match client.encrypts {
        Encrypts::Assertion => seal.encrypt_assertion.clone_from(&client.encrypter),
        Encrypts::NameId => seal.encrypt_name_id.clone_from(&client.encrypter),
    }
}

fn refusal(outcome: Outcome<'_>, faults: &Faults) -> Option<Status> {
    match outcome {
        Outcome::SignedIn { .. } => faults.saml_status(),
        Outcome::NobodyThere => Some(Status::of(RESPONDER, Some(NO_PASSIVE))),
        Outcome::NoSuchContext => Some(Status::of(RESPONDER, Some(NO_AUTHN_CONTEXT))),
    }
}

/// What is true, seen from the provider's clock.
fn facts(
    state: &State,
    login: &SamlLogin,
    client: &SamlClient,
    outcome: Outcome<'_>,
    faults: &Faults,
) -> anyhow::Result<Login> {
    let now = clock::unix_seconds() + faults.saml_clock_ahead();
    let mut facts = Login::new(
        &state.saml_entity_id(),
        &client.entity_id,
        &client.acs_url,
        NameId::persistent(""),
        now,
    );
    facts.in_response_to.clone_from(&login.request_id);
    let Outcome::SignedIn { cookie } = outcome else {
        return Ok(facts);
    };
    let mut inner = state.lock();
    let session = inner.session(cookie).context("the session ended")?.clone();
    let person = inner.person(&session.user_name);
    let person = person.context("the person left meanwhile")?.clone();
    let groups = inner.saml.groups.get(&person.user_name);
    let groups = groups.cloned().unwrap_or_default();
    let mut participant = Participant {
        entity_id: client.entity_id.clone(),
        name_id: name_id(state, &person, client, login.name_id_format.as_deref())?,
        session_index: format!("_{}", session.sid),
    };
    let known = session.saml.iter();
    let known = known.filter(|known| known.entity_id == client.entity_id);
    // A transient identifier lasts as long as the session.
    for known in known.filter(|known| known.name_id.format.as_deref() == Some(TRANSIENT)) {
        if known.name_id.format == participant.name_id.format {
            participant.name_id = known.name_id.clone();
        }
    }
    inner.add_participant(cookie, participant.clone());
    facts.name_id = participant.name_id;
    facts.session_index = Some(participant.session_index);
    facts.authn_instant = session.auth_time + faults.saml_clock_ahead();
    facts.session_not_on_or_after = client.session_ttl.map(|ttl| session.auth_time + ttl);
    facts.attributes = attributes::of(&person, &groups, client.style);
    Ok(facts)
}

/// What the person is called: as the request asks, else as the client is registered.
fn name_id(
    state: &State,
    person: &Person,
    client: &SamlClient,
    asked: Option<&str>,
) -> anyhow::Result<NameId> {
    let kind = match (asked, client.name_id) {
        (Some(PERSISTENT), kind @ (NameIdKind::Persistent | NameIdKind::ObjectId)) => kind,
        (Some(PERSISTENT), _) => NameIdKind::Persistent,
        (Some(EMAIL_ADDRESS), _) => NameIdKind::EmailAddress,
        (Some(TRANSIENT), _) => NameIdKind::Transient,
        (_, kind) => kind,
    };
    Ok(match kind {
        NameIdKind::Persistent => {
            let input = format!("{}\n{}", person.sub, client.entity_id);
            let digest = DigestAlgorithm::Sha256.digest(input.as_bytes());
            let value: String = digest
                .iter()
                .take(16)
                .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            NameId {
                name_qualifier: Some(state.saml_entity_id()),
                sp_name_qualifier: Some(client.entity_id.clone()),
                ..NameId::persistent(&value)
            }
        }
        NameIdKind::ObjectId => NameId::persistent(&person.oid),
        NameIdKind::EmailAddress => NameId::email(&person.email),
        NameIdKind::UserName => NameId::new(&person.user_name, UNSPECIFIED),
        NameIdKind::Transient => NameId::new(&format!("_{}", chance::token()?), TRANSIENT),
    })
}
