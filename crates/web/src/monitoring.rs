use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use vestibule_core::Secret;
use vestibule_engine::Readiness;

use crate::{Web, failure, now::Now};

/// Routes for those who watch over an installation.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// The process answers.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// The node can do its work: the database answers, and their clocks agree.
async fn readyz(State(web): State<Web>, Now(now): Now) -> Response {
    match web.engine.readiness(now).await {
        Ok(Readiness::Ready) => Json(json!({ "status": "ready" })).into_response(),
        Ok(Readiness::ClockOff(micros)) => {
            let detail = format!(
                "the clock of this node is {} ms off the database's; synchronize it",
                micros / 1000
            );
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({ "status": "clock_off", "detail": detail })),
            )
                .into_response()
        }
        Err(fault) => {
            failure::log(&fault);
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({ "status": "database", "detail": "the database does not answer" })),
            )
                .into_response()
        }
    }
}

/// Prometheus' text, for a key of the admin API; the own listener asks for none.
async fn metrics(State(web): State<Web>, Now(now): Now, headers: HeaderMap) -> Response {
    let Some(render) = &web.options.metrics else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let known = match bearer {
        Some(key) => web
            .engine
            .authenticate_api_key(&Secret::new(key), now)
            .await
            .ok()
            .flatten()
            .is_some(),
        None => false,
    };
    if !known {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "a key of the admin API is needed\n",
        )
            .into_response();
    }
    if let Err(fault) = web.engine.set_gauges(now).await {
        failure::log(&fault);
    }
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        render(),
    )
        .into_response()
}
