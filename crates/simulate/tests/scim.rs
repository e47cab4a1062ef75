//! What the simulated directories put on the wire.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use vestibule_simulate::scim::Dialect;
use vestibule_simulate::{
    Client, IdentityProvider, IdpConfig, Person, Place, ScimClient, cli, http::Http,
};

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that takes everything, and knows one user and no group.
async fn recorder() -> (String, Seen) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/scim/", listener.local_addr().unwrap());
    let router = Router::new().fallback(record).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, seen)
}

async fn record(State(seen): State<Seen>, request: Request) -> Response {
    assert_eq!(request.headers()["authorization"], "Bearer secret");
    let line = format!("{} {}", request.method(), request.uri());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    seen.lock().unwrap().push((line.clone(), body));
    if line.contains("known%40acme.test") {
        return Json(json!({"totalResults": 1, "Resources": [{"id": "u1"}]})).into_response();
    }
    if line.starts_with("GET") {
        return Json(json!({"totalResults": 0, "Resources": []})).into_response();
    }
    let status = if line.starts_with("POST") {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, Json(json!({"id": "new"}))).into_response()
}

fn operations(seen: &Seen) -> Value {
    seen.lock().unwrap().last().unwrap().1["Operations"].clone()
}

#[tokio::test]
async fn each_dialect_deactivates_in_its_own_words() {
    let (url, seen) = recorder().await;
    let cases = [
        (
            Dialect::Entra,
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
        ),
        (
            Dialect::Okta,
            json!([{"op": "replace", "value": {"active": false}}]),
        ),
        (
            Dialect::Standard,
            json!([{"op": "replace", "path": "active", "value": false}]),
        ),
    ];
    for (dialect, wanted) in cases {
        let scim = ScimClient::new(&url, "secret").unwrap().dialect(dialect);
        let call = scim.deactivate("u1").await.unwrap();
        assert_eq!((call.status, call.path.as_str()), (200, "/Users/u1"));
        assert_eq!(operations(&seen), wanted, "{dialect:?}");
    }
}

#[tokio::test]
async fn hiring_looks_up_first_and_reactivates_who_is_known() {
    let (url, seen) = recorder().await;
    let scim = ScimClient::new(&url, "secret").unwrap();
    let mut person = Person::new("Zoë", "O'Neil", "acme.test").unwrap();
    assert_eq!(person.email, "zo.oneil@acme.test");
    let hired = scim.hire(&person).await.unwrap();
    assert_eq!(hired.id.as_deref(), Some("new"));
    let lines: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(line, _)| line.clone())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /scim/Users?filter=userName%20eq%20%22zo.oneil%40acme.test%22",
            "POST /scim/Users",
        ]
    );
    let body = seen.lock().unwrap()[1].1.clone();
    assert_eq!(body["externalId"], person.oid);
    assert_eq!(body["name"]["givenName"], "Zoë");
    assert!(
        !body.to_string().contains(&person.password),
        "SCIM never carries the password"
    );

    person.user_name = "known@acme.test".to_owned();
    let again = scim.hire(&person).await.unwrap();
    assert_eq!(again.id.as_deref(), Some("u1"));
    assert_eq!(operations(&seen)[0]["value"], "True");
}

#[tokio::test]
async fn group_members_leave_by_value_at_entra_and_by_path_elsewhere() {
    let (url, seen) = recorder().await;
    let entra = ScimClient::new(&url, "secret").unwrap();
    assert_eq!(
        entra
            .push_group("R&D \"x\"", "g")
            .await
            .unwrap()
            .id
            .as_deref(),
        Some("new")
    );
    let lookup = seen.lock().unwrap()[0].0.clone();
    assert!(
        lookup.contains("excludedAttributes=members&filter=displayName%20eq%20%22R%26D%20%5C%22x")
    );
    entra.add_members("g1", &["u1", "u2"]).await.unwrap();
    let value = json!([{"value": "u1"}, {"value": "u2"}]);
    assert_eq!(
        operations(&seen),
        json!([{"op": "Add", "path": "members", "value": value}])
    );
    entra.remove_members("g1", &["u1"]).await.unwrap();
    assert_eq!(operations(&seen)[0]["value"], json!([{"value": "u1"}]));
    entra
        .dialect(Dialect::Okta)
        .remove_members("g1", &["u1"])
        .await
        .unwrap();
    assert_eq!(operations(&seen)[0]["path"], "members[value eq \"u1\"]");
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: cli::Command,
}

#[tokio::test]
async fn the_command_line_fires_by_user_name_and_fails_for_a_stranger() {
    let (url, seen) = recorder().await;
    let line = |user: &str| {
        let words = [
            "x", "scim", "--url", &url, "--token", "secret", "fire", user,
        ];
        Line::try_parse_from(words).unwrap().command
    };
    cli::run(line("known@acme.test")).await.unwrap();
    assert_eq!(
        seen.lock().unwrap().last().unwrap().0,
        "PATCH /scim/Users/u1"
    );
    let error = cli::run(line("nobody@acme.test")).await.unwrap_err();
    assert!(error.to_string().contains("no single user"), "{error}");
}

#[tokio::test]
async fn the_providers_admin_api_needs_its_token() {
    let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
    config.admin_token = Some("admin".to_owned());
    config.clients.push(Client::new("one", "secret", []));
    let idp = IdentityProvider::start(config).await.unwrap();
    let http = Http::new(&[]).unwrap();
    let people = idp.url().join("people").unwrap();
    let new = json!({"given_name": "Ada", "family_name": "Lovelace", "oid": "o-1"});
    for token in [None, Some("wrong")] {
        assert_eq!(
            http.post_json(people.as_str(), token, &new)
                .await
                .unwrap()
                .status,
            401
        );
    }
    let added = http
        .post_json(people.as_str(), Some("admin"), &new)
        .await
        .unwrap();
    assert_eq!((added.status, added.text("oid")), (201, Some("o-1")));
    let list = http.get_json(people.as_str(), Some("admin")).await.unwrap();
    assert_eq!(list.body["data"][0]["email"], "ada.lovelace@acme.test");
    assert_eq!(idp.people().len(), 1);
}
