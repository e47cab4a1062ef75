use axum::{Json, extract::State, http::header, response::IntoResponse};
use vestibule_engine::Engine;
use vestibule_issuer::metadata::Metadata;

const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

/// The provider's metadata (OpenID Connect Discovery 1.0, RFC 8414).
pub(crate) async fn metadata(State(engine): State<Engine>) -> impl IntoResponse {
    (
        [CACHED],
        Json(Metadata::new(engine.issuer(), &engine.keys())),
    )
}

/// The keys that our tokens are signed with.
pub(crate) async fn jwks(State(engine): State<Engine>) -> impl IntoResponse {
    ([CACHED], Json(engine.keys().jwks()))
}
