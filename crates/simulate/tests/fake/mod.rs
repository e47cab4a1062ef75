//! The few endpoints of Vestibule that the cockpit needs, faked over a second provider.
//!
//! People sign in to the fake with the password [`PASSWORD`]; there is no federation in it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;
use vestibule_simulate::{Client, IdentityProvider, IdpConfig, Person, Place};

pub(crate) const PASSWORD: &str = "at-the-fake";
pub(crate) const KEY: &str = "an-admin-key";
const SCIM_TOKEN: &str = "a-scim-token";

pub(crate) struct Fake {
    pub(crate) url: Url,
    pub(crate) seen: Arc<Mutex<Vec<(String, Value)>>>,
}

#[derive(Clone)]
struct Shared {
    url: Url,
    provider: IdentityProvider,
    users: Arc<Mutex<Vec<(Person, bool)>>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let provider = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
        let provider = IdentityProvider::start(provider).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let shared = Shared {
            url: url.clone(),
            provider,
            users: Arc::default(),
            seen: seen.clone(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/api/v1/organizations", post(organization))
            .route("/api/v1/organizations/org_1/directories", post(directory))
            .route("/api/v1/organizations/org_1/connections", post(connection))
            .route("/sso/saml/con_1/metadata", get(metadata))
            .route("/sso/saml/con_1/acs", post(acs))
            .route("/api/v1/directories/dir_1/tokens", post(token))
            .route("/api/v1/applications", post(application))
            .route("/api/v1/users/{id}", get(user))
            .route("/api/v1/users/{id}/sessions", get(sessions))
            .route("/scim/v2/1/Users", get(look_up).post(create))
            .route("/scim/v2/1/Users/{id}", axum::routing::patch(change))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen }
    }
}

impl Shared {
    fn note(&self, what: &str, headers: &HeaderMap, body: &Value) {
        let got = headers["authorization"].to_str().unwrap();
        let wanted = if what.starts_with("scim") {
            SCIM_TOKEN
        } else {
            KEY
        };
        assert_eq!(got, format!("Bearer {wanted}"), "{what}");
        self.seen
            .lock()
            .unwrap()
            .push((what.to_owned(), body.clone()));
    }
}

async fn discovery(State(fake): State<Shared>) -> Json<Value> {
    Json(json!({"issuer": fake.provider.issuer()}))
}

async fn organization(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    fake.note("organization", &headers, &body);
    (StatusCode::CREATED, Json(json!({"id": "org_1"}))).into_response()
}

async fn directory(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    fake.note("directory", &headers, &body);
    let scim_url = fake.url.join("scim/v2/1").unwrap();
    let body = json!({"id": "dir_1", "scim_url": scim_url.as_str(), "state": "active"});
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn token(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    fake.note("token", &headers, &body);
    (
        StatusCode::CREATED,
        Json(json!({"id": "tok_1", "token": SCIM_TOKEN})),
    )
        .into_response()
}

async fn connection(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    fake.note("connection", &headers, &body);
    let at = |path: &str| fake.url.join(path).unwrap().to_string();
    let answer = match body["protocol"].as_str().unwrap() {
        "oidc" => json!({"id": "con_1", "oidc": {
            "redirect_uri": at("sso/oidc/con_1/callback"),
            "backchannel_logout_uri": at("sso/oidc/con_1/backchannel-logout"),
        }}),
        "saml" => json!({"id": "con_1", "saml": {
            "sp_entity_id": at("sso/saml/con_1/metadata"),
            "acs_url": at("sso/saml/con_1/acs"),
            "metadata_url": at("sso/saml/con_1/metadata"),
        }}),
        other => panic!("there is no protocol {other}"),
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn metadata(State(fake): State<Shared>) -> String {
    let (id, acs) = (
        fake.url.join("sso/saml/con_1/metadata").unwrap(),
        fake.url.join("sso/saml/con_1/acs").unwrap(),
    );
    format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{id}"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{acs}" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>"#
    )
}

async fn acs(
    State(fake): State<Shared>,
    Form(form): Form<std::collections::HashMap<String, String>>,
) -> &'static str {
    let xml = STANDARD.decode(&form["SAMLResponse"]).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    let seen = ("response".to_owned(), json!(xml));
    fake.seen.lock().unwrap().push(seen);
    "received"
}

async fn application(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    fake.note("application", &headers, &body);
    let uri = body["redirect_uris"][0].as_str().unwrap();
    let mut client = Client::new("app-client", "app-secret", [uri]);
    client.backchannel_logout_uri = body["backchannel_logout_uri"].as_str().map(str::to_owned);
    fake.provider.add_client(client);
    let body = json!({"id": "app_1", "client_id": "app-client", "client_secret": "app-secret"});
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn user(State(fake): State<Shared>, Path(id): Path<String>) -> Response {
    let users = fake.users.lock().unwrap();
    match users.iter().find(|(person, _)| person.sub == id) {
        Some((_, active)) => Json(json!({"id": id, "active": active})).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn sessions(State(fake): State<Shared>, Path(id): Path<String>) -> Json<Value> {
    let active = fake
        .users
        .lock()
        .unwrap()
        .iter()
        .any(|(p, active)| p.sub == id && *active);
    let live = if active {
        json!([{"id": "ses_1", "ended_at": null}])
    } else {
        json!([])
    };
    Json(json!({"data": live, "next_cursor": null}))
}

async fn look_up(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Json<Value> {
    fake.note("scim look-up", &headers, &json!(query["filter"]));
    Json(json!({"totalResults": 0, "Resources": []}))
}

async fn create(State(fake): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    fake.note("scim create", &headers, &body);
    let text = |pointer: &str| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut users = fake.users.lock().unwrap();
    let person = Person {
        sub: format!("usr_{}", users.len() + 1),
        oid: text("/externalId"),
        user_name: text("/userName"),
        email: text("/emails/0/value"),
        given_name: text("/name/givenName"),
        family_name: text("/name/familyName"),
        password: PASSWORD.to_owned(),
    };
    fake.provider.add_person(person.clone());
    let id = person.sub.clone();
    users.push((person, true));
    (StatusCode::CREATED, Json(json!({"id": id, "active": true}))).into_response()
}

async fn change(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    fake.note("scim change", &headers, &body);
    let active = body["Operations"][0]["value"] == "True";
    let person = {
        let mut users = fake.users.lock().unwrap();
        let user = users
            .iter_mut()
            .find(|(person, _)| person.sub == id)
            .unwrap();
        user.1 = active;
        user.0.clone()
    };
    if active {
        fake.provider.add_person(person);
    } else {
        let provider = fake.provider.clone();
        tokio::spawn(async move {
            provider.end_sessions(&person.user_name).await.unwrap();
            provider.remove_person(&person.user_name);
        });
    }
    Json(json!({"id": id, "active": active})).into_response()
}
