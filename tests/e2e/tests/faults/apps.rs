//! Apps that do not take their notices.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Form, Router, http::StatusCode, routing::post};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// A logout endpoint in trouble.
pub(crate) struct FaultyApp {
    pub(crate) url: String,
    called: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    is_well: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<String>>>,
}

impl FaultyApp {
    /// One that takes the call and never answers.
    pub(crate) async fn hanging() -> Self {
        Self::answering_after(Duration::from_hours(1)).await
    }

    /// One that answers 500 at once.
    pub(crate) async fn failing() -> Self {
        Self::answering_after(Duration::ZERO).await
    }

    async fn answering_after(wait: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!(
            "http://{}/logout",
            listener.local_addr().expect("an address")
        );
        let app = Self {
            url,
            called: Arc::default(),
            refused: Arc::default(),
            is_well: Arc::default(),
            told: Arc::default(),
        };
        let (called, refused) = (Arc::clone(&app.called), Arc::clone(&app.refused));
        let (is_well, told) = (Arc::clone(&app.is_well), Arc::clone(&app.told));
        let endpoint = post(async move |Form(notice): Form<Value>| {
            called.fetch_add(1, Ordering::SeqCst);
            if is_well.load(Ordering::SeqCst) {
                told.lock().expect("no panic").push(sid_of(&notice));
                return StatusCode::OK;
            }
            tokio::time::sleep(wait).await;
            refused.fetch_add(1, Ordering::SeqCst);
            StatusCode::INTERNAL_SERVER_ERROR
        });
        let router = Router::new().route("/logout", endpoint);
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        app
    }

    /// How often it was called.
    pub(crate) fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }

    /// How often it answered 500.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// From now on it takes what it is sent.
    pub(crate) fn recover(&self) {
        self.is_well.store(true, Ordering::SeqCst);
    }

    /// The sessions that it was told of since it recovered, each as often as it was.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().expect("no panic").clone()
    }
}

/// The `sid` of a logout token; that it is genuine, other tests see to.
fn sid_of(notice: &Value) -> String {
    let token = notice["logout_token"].as_str().expect("a logout token");
    let claims = token.split('.').nth(1).expect("claims");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["sid"].as_str().expect("a sid").to_owned()
}
