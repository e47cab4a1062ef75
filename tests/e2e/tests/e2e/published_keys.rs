//! An application that publishes its keys at an address of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::get};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use vestibule_support::{on_every_server, server::TestServer};

use crate::{
    directory_clients::Key,
    openid_clients::{Signing, unproven},
    relying::Relying,
};

on_every_server!(an_application_publishes_its_keys);

/// A host of the application that publishes its keys.
#[derive(Clone)]
struct KeyHost {
    uri: String,
    answer: Arc<Mutex<(StatusCode, Value)>>,
    asked: Arc<AtomicUsize>,
}

impl KeyHost {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Self {
            uri: format!("http://{}/jwks", listener.local_addr().unwrap()),
            answer: Arc::new(Mutex::new((StatusCode::OK, json!({})))),
            asked: Arc::default(),
        };
        let own = host.clone();
        let answer = async move || {
            own.asked.fetch_add(1, Ordering::SeqCst);
            let (status, body) = own.answer.lock().unwrap().clone();
            (status, Json(body))
        };
        let router = Router::new().route("/jwks", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        host
    }

    fn answers(&self, status: StatusCode, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn publish(&self, keys: &[&Key]) {
        let mut keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        // Sets have keys for other purposes, too.
        keys.push(json!({ "kty": "EC", "crv": "P-521", "use": "enc", "kid": "enc", "x": "AA", "y": "AA" }));
        self.answers(StatusCode::OK, json!({ "keys": keys }));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn an_application_publishes_its_keys(server: TestServer) {
    let host = KeyHost::start().await;
    let (one, two) = (Key::new("one"), Key::new("two"));
    host.publish(&[&one]);
    let body = json!({
        "name": "Both", "redirect_uris": ["https://app.example/"], "jwks": { "keys": [one.jwk()] },
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": host.uri,
    });
    let both = server
        .admin
        .call(Method::POST, "/applications", Some(&body))
        .await;
    assert_eq!(both.status, 422, "{}", both.body);
    let published =
        json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": host.uri });
    let app = Relying::register(&server, published).await;
    let issuer = server.issuer().to_owned();
    let signing = Signing {
        app,
        key: one,
        issuer,
    };
    let prove = async |key: &Key, jti: &str| {
        let assertion = key.sign(&signing.claims(&server, jti));
        let token = [("token", "x")];
        signing.post("/oauth/introspect", &assertion, &token).await
    };
    assert_eq!(prove(&signing.key, "1").await.status, 200);
    assert_eq!(prove(&signing.key, "2").await.status, 200);
    assert_eq!(host.asked(), 1, "what is known is not asked again");
    // A new key counts at once, the one before no more.
    host.publish(&[&two]);
    assert_eq!(prove(&two, "3").await.status, 200);
    unproven(&prove(&signing.key, "4").await, "a key that is gone");
    let asked = host.asked();
    for attempt in 0..20 {
        let stranger = Key::new("two");
        unproven(
            &prove(&stranger, &format!("s{attempt}")).await,
            "a stranger",
        );
    }
    assert_eq!(
        host.asked(),
        asked,
        "a stranger cannot make us call without end"
    );
    // While nobody answers, yesterday's keys count.
    host.answers(StatusCode::BAD_GATEWAY, json!({}));
    server.pass(Duration::from_hours(2));
    assert_eq!(prove(&two, "5").await.status, 200);
    assert!(host.asked() > asked);
    server.pass(Duration::from_hours(23));
    unproven(&prove(&two, "6").await, "keys of the day before");
    for bad in [
        json!([]),
        json!({ "keys": [] }),
        json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }),
    ] {
        host.answers(StatusCode::OK, bad.clone());
        server.pass(Duration::from_mins(2));
        unproven(&prove(&two, &bad.to_string()).await, "no keys");
    }
    host.publish(&[&two]);
    server.pass(Duration::from_mins(2));
    assert_eq!(prove(&two, "7").await.status, 200);
}
