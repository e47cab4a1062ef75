//! What the browser brings back, and the token endpoint's answer.

use serde_json::json;

use super::provider::{CLIENT_ID, CODE, ISSUER, REDIRECT_URI};
use super::{Login, NOW, RSA, STATE, rule};
use crate::{BeginOptions, Callback, ClientAuth, Connection, Error, Fault, Keys, Secret};

async fn promising() -> Login {
    let login = Login::begin().await;
    let mut metadata = login.connection.metadata().clone();
    metadata.authorization_response_iss_parameter_supported = true;
    let connection =
        Connection::new(super::settings(), metadata, Keys::new()).expect("a connection");
    Login::of(login.provider, connection, &BeginOptions::new())
}

#[tokio::test]
async fn authorize_url_asks_for_code_pkce_and_nonce() {
    let options = BeginOptions::new()
        .login_hint("ada@acme.test")
        .acr_values(["a", "b"])
        .domain_hint("acme.test");
    let login = Login::begin_with(|settings| settings.scopes(["openid", "email"]), options).await;
    let url = &login.begun.authorize_url;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let of = |name: &str| {
        pairs
            .iter()
            .filter(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
            .collect::<Vec<_>>()
    };
    assert!(
        url.as_str()
            .starts_with("https://idp.example/tenant/authorize?realm=1&"),
        "{url}"
    );
    assert_eq!(of("response_type"), ["code"]);
    assert_eq!(of("client_id"), [CLIENT_ID]);
    assert_eq!(of("redirect_uri"), [REDIRECT_URI]);
    assert_eq!(of("scope"), ["openid email"]);
    assert_eq!(of("state"), [STATE]);
    assert_eq!(of("code_challenge_method"), ["S256"]);
    assert_eq!(of("code_challenge").len(), 1);
    assert_eq!(of("nonce")[0].len(), 43);
    assert_eq!(of("login_hint"), ["ada@acme.test"]);
    assert_eq!(of("domain_hint"), ["acme.test"]);
    assert_eq!(of("acr_values"), ["a b"]);
    assert!(
        !url.as_str()
            .contains(login.begun.pending.pkce_verifier.expose())
    );
}

#[tokio::test]
async fn guessable_state_is_refused() {
    let login = Login::begin().await;
    let error = login
        .connection
        .begin("short", &[1; 64], &BeginOptions::new(), NOW)
        .expect_err("too short");
    assert_eq!(error.rule(), "settings");
}

#[tokio::test]
async fn answer_of_another_issuer_never_sees_the_code_exchanged() {
    let login = Login::begin().await;
    let mixed = [
        ("code", CODE),
        ("state", STATE),
        ("iss", "https://evil.example"),
    ];
    let error = login
        .finish_with_callback(&mixed, NOW)
        .await
        .expect_err("a mix-up");
    assert_eq!(
        error.wanted_got(),
        Some((ISSUER.to_owned(), "https://evil.example".to_owned()))
    );
    let refusal = [
        ("error", "access_denied"),
        ("state", STATE),
        ("iss", "https://evil.example"),
    ];
    assert_eq!(
        rule(login.finish_with_callback(&refusal, NOW).await),
        "callback_iss"
    );
    assert_eq!(login.provider.exchanges(), 0);
}

#[tokio::test]
async fn promised_issuer_must_be_there() {
    let login = promising().await;
    let without = [("code", CODE), ("state", STATE)];
    assert_eq!(
        rule(login.finish_with_callback(&without, NOW).await),
        "callback_iss_missing"
    );
    let empty = [("code", CODE), ("state", STATE), ("iss", "")];
    assert_eq!(
        rule(login.finish_with_callback(&empty, NOW).await),
        "callback_iss_missing"
    );
    assert_eq!(login.provider.exchanges(), 0);

    let token = RSA.sign(&RSA.header(), &login.claims());
    *login.provider.token_response.lock().unwrap() =
        Some(json!({"access_token": "a", "token_type": "Bearer", "id_token": token}));
    let with = [("code", CODE), ("state", STATE), ("iss", ISSUER)];
    assert!(login.finish_with_callback(&with, NOW).await.is_ok());
}

#[tokio::test]
async fn refusal_of_the_provider_is_told() {
    let login = Login::begin().await;
    let pairs = [
        ("error", "access_denied"),
        ("error_description", "not assigned"),
        ("state", STATE),
    ];
    let error = login
        .finish_with_callback(&pairs, NOW)
        .await
        .expect_err("a refusal");
    assert_eq!(error.fault(), Fault::IdentityProvider);
    assert_eq!(
        error.wanted_got().expect("what came").1,
        "access_denied: not assigned"
    );
    assert!(!error.to_string().contains("not assigned"));
    // A refusal without a state still says why.
    let error = Callback::parse([("error", "server_error")]).expect_err("a refusal");
    assert!(matches!(error, Error::Refused { code, .. } if code == "server_error"));
}

#[test]
fn odd_callbacks_are_refused() {
    let long = "x".repeat(8 * 1024 + 1);
    let table: [(&[(&str, &str)], &str); 9] = [
        (
            &[("code", "a"), ("code", "b"), ("state", "s")],
            "callback_duplicate",
        ),
        (
            &[("code", "a"), ("state", "s"), ("state", "s")],
            "callback_duplicate",
        ),
        (
            &[("code", "a"), ("state", "s"), ("iss", ""), ("iss", "i")],
            "callback_duplicate",
        ),
        (
            &[("code", "a"), ("error", "e"), ("state", "s")],
            "callback_ambiguous",
        ),
        (&[("state", "s")], "callback_incomplete"),
        (&[("code", ""), ("state", "s")], "callback_incomplete"),
        (&[("code", "a")], "callback_incomplete"),
        (&[("code", &long), ("state", "s")], "callback_too_long"),
        (&[], "callback_incomplete"),
    ];
    for (pairs, wanted) in table {
        let error = Callback::parse(pairs.iter().copied()).expect_err(wanted);
        assert_eq!((error.rule(), error.fault()), (wanted, Fault::Request));
    }
    let callback =
        Callback::parse([("code", "a"), ("state", "s"), ("foo", "1"), ("foo", "2")]).expect("fine");
    assert_eq!(callback.state(), "s");
    assert!(
        !format!(
            "{:?}",
            Callback::parse([("code", "topsecret"), ("state", "s")])
        )
        .contains("topsecret")
    );
}

#[tokio::test]
async fn answer_to_another_login_is_refused() {
    let login = Login::begin().await;
    let other = [("code", CODE), ("state", "state-handle-of-another-login")];
    assert_eq!(rule(login.finish_with_callback(&other, NOW).await), "state");

    let metadata = login.connection.metadata().clone();
    let mut settings = super::settings();
    settings.client_id = "client-2".to_owned();
    let changed = Connection::new(settings, metadata, Keys::new()).expect("a connection");
    let callback = Callback::parse([("code", CODE), ("state", STATE)]).expect("a callback");
    let result = changed
        .finish(&login.begun.pending, &callback, &login.provider, NOW)
        .await;
    assert_eq!(rule(result), "pending_mismatch");
    assert_eq!(login.provider.exchanges(), 0);
}

#[tokio::test]
async fn each_client_authentication_is_understood() {
    for (client_auth, secret) in [
        (ClientAuth::ClientSecretPost, true),
        (ClientAuth::ClientSecretBasic, true),
        (ClientAuth::None, false),
    ] {
        let change = |mut settings: crate::ConnectionSettings| {
            if !secret {
                settings.client_secret = None;
            }
            settings.client_auth(client_auth)
        };
        let login = Login::begin_with(change, BeginOptions::new()).await;
        *login.provider.client_auth.lock().unwrap() = client_auth.as_str();
        assert!(
            login.finish_with_claims(json!({})).await.is_ok(),
            "{client_auth:?}"
        );
    }
}

#[tokio::test]
async fn wrong_verifier_is_refused_by_the_provider() {
    let login = Login::begin().await;
    *login.provider.code_challenge.lock().unwrap() = "another".to_owned();
    let error = login
        .finish_with_claims(json!({}))
        .await
        .expect_err("another challenge");
    assert_eq!(
        error.wanted_got().expect("what came").1,
        "invalid_grant: no such code"
    );
}

#[tokio::test]
async fn useless_token_responses_are_refused() {
    let login = Login::begin().await;
    let pairs = [("code", CODE), ("state", STATE)];
    assert_eq!(
        rule(login.finish_with_callback(&pairs, NOW).await),
        "token_refused"
    );
    for (response, wanted) in [
        (
            json!({"access_token": "a", "token_type": "Bearer"}),
            "id_token_missing",
        ),
        (
            json!({"access_token": "a", "id_token": "eyJ.eyJ.x"}),
            "malformed",
        ),
        (
            json!({"token_type": "Bearer", "id_token": "eyJ.eyJ.x"}),
            "malformed",
        ),
        (
            json!({"access_token": "a", "token_type": "Bearer", "id_token": ["eyJ"]}),
            "malformed",
        ),
        (json!("eyJhbGciOi"), "malformed"),
    ] {
        *login.provider.token_response.lock().unwrap() = Some(response.clone());
        assert_eq!(
            rule(login.finish_with_callback(&pairs, NOW).await),
            wanted,
            "{response}"
        );
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let login = Login::begin().await;
    let metadata = login.connection.metadata();
    let refused = |change: &dyn Fn(&mut crate::ConnectionSettings)| {
        let mut settings = super::settings();
        change(&mut settings);
        Connection::new(settings, metadata.clone(), Keys::new())
            .expect_err("a refusal")
            .rule()
    };
    assert_eq!(
        refused(&|settings| settings.client_secret = None),
        "settings"
    );
    assert_eq!(
        refused(&|settings| settings.client_secret = Some(Secret::new(""))),
        "settings"
    );
    assert_eq!(
        refused(&|settings| settings.client_auth = ClientAuth::None),
        "settings"
    );
    assert_eq!(refused(&|settings| settings.client_id.clear()), "settings");
    assert_eq!(refused(&|settings| settings.algorithms.clear()), "settings");
    assert_eq!(refused(&|settings| settings.issuer.push('/')), "iss");
    assert_eq!(
        refused(&|settings| settings.redirect_uri = "/callback".to_owned()),
        "url"
    );
    assert_eq!(
        refused(&|settings| settings.redirect_uri.push_str("#x")),
        "url"
    );
}
