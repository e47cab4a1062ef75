//! Apps that do not take their notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};

/// A logout endpoint in trouble.
pub(crate) struct FaultyApp {
    pub(crate) url: String,
    called: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
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
        };
        let (called, refused) = (Arc::clone(&app.called), Arc::clone(&app.refused));
        let endpoint = post(async move || {
            called.fetch_add(1, Ordering::SeqCst);
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
}
