//! The provider's own JSON admin API, for those who drive it from outside this process.
//!
//! `GET|POST /people`, `DELETE /people/{user_name}`, `POST /clients`, `POST /saml/clients`, each
//! with the admin token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::pages::{internal_error, json as answer};
use super::state::State;
use super::token::bearer;
use super::{Client, NameIdKind, SamlClient};
use crate::{Person, chance};

fn allowed(state: &State, headers: &HeaderMap) -> bool {
    match (&state.admin_token, bearer(headers)) {
        (Some(wanted), Some(got)) => chance::equal(wanted, &got),
        _ => false,
    }
}

pub(super) async fn list_people(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    if !allowed(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    answer(StatusCode::OK, &json!({"data": state.lock().people}))
}

/// A person; what is absent is made up.
#[derive(Deserialize)]
pub(super) struct NewPerson {
    given_name: String,
    family_name: String,
    domain: Option<String>,
    sub: Option<String>,
    oid: Option<String>,
    user_name: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

impl NewPerson {
    fn complete(self) -> anyhow::Result<Person> {
        let domain = self.domain.as_deref().unwrap_or("acme.test");
        let made_up = Person::new(&self.given_name, &self.family_name, domain)?;
        Ok(Person {
            sub: self.sub.unwrap_or(made_up.sub),
            oid: self.oid.unwrap_or(made_up.oid),
            user_name: self.user_name.unwrap_or(made_up.user_name),
            email: self.email.unwrap_or(made_up.email),
            password: self.password.unwrap_or(made_up.password),
            given_name: self.given_name,
            family_name: self.family_name,
        })
    }
}

pub(super) async fn add_person(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(person): Json<NewPerson>,
) -> Response {
    if !allowed(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match person.complete() {
        Ok(person) => {
            state.add_person(person.clone());
            answer(StatusCode::CREATED, &json!(person))
        }
        Err(error) => internal_error(&error),
    }
}

pub(super) async fn remove_person(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Path(user_name): Path<String>,
) -> Response {
    if !allowed(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match state.remove_person(&user_name) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct NewClient {
    client_id: String,
    client_secret: Option<String>,
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
}

pub(super) async fn add_client(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(new): Json<NewClient>,
) -> Response {
    if !allowed(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let client = Client {
        client_id: new.client_id,
        client_secret: new.client_secret,
        redirect_uris: new.redirect_uris,
        post_logout_redirect_uris: new.post_logout_redirect_uris,
        backchannel_logout_uri: new.backchannel_logout_uri,
    };
    let mut inner = state.lock();
    inner
        .clients
        .retain(|known| known.client_id != client.client_id);
    inner.clients.push(client);
    StatusCode::CREATED.into_response()
}

/// A SAML service provider; what is absent is as [`SamlClient::new`] says.
#[derive(Deserialize)]
pub(super) struct NewSamlClient {
    #[serde(flatten)]
    source: SamlSource,
    name: Option<String>,
    name_id: Option<NameIdKind>,
}

/// Its metadata, or the two values that are needed at least.
#[derive(Deserialize)]
#[serde(untagged)]
enum SamlSource {
    Described {
        metadata_xml: String,
    },
    Named {
        entity_id: String,
        acs_url: String,
        slo_url: Option<String>,
    },
}

pub(super) async fn add_saml_client(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(new): Json<NewSamlClient>,
) -> Response {
    if !allowed(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let client = match new.source {
        SamlSource::Described { metadata_xml } => SamlClient::from_metadata(&metadata_xml),
        SamlSource::Named {
            entity_id,
            acs_url,
            slo_url,
        } => Ok(SamlClient {
            slo_url,
            ..SamlClient::new(&entity_id, &acs_url)
        }),
    };
    match client {
        Ok(mut client) => {
            client.name = new.name;
            client.name_id = new.name_id.unwrap_or_default();
            state.lock().saml.add_client(client);
            StatusCode::CREATED.into_response()
        }
        Err(error) => answer(
            StatusCode::BAD_REQUEST,
            &json!({"error": error.to_string()}),
        ),
    }
}
