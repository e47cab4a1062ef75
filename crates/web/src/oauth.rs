//! The OpenID Provider that apps talk to.

pub(crate) mod authorize;
mod discovery;
mod logout;
mod token;

use axum::{
    Json, Router,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use vestibule_core::Secret;
use vestibule_engine::Engine;
use vestibule_issuer::{metadata::paths, token::TokenError};

use crate::Web;

/// Endpoints that a browser visits: they read cookies and show pages.
pub(crate) fn page_router() -> Router<Web> {
    Router::new()
        .route(paths::AUTHORIZE, get(authorize::get).post(authorize::post))
        .route(paths::LOGOUT, get(logout::get).post(logout::post))
        .route("/oauth/logout/confirm", post(logout::confirm))
}

/// Endpoints that applications call; apps in a browser may too, for no cookie counts here.
pub(crate) fn token_router() -> Router<Web> {
    Router::new()
        .route(paths::TOKEN, post(token::token))
        .route(paths::USERINFO, get(token::userinfo).post(token::userinfo))
        .route(paths::INTROSPECT, post(token::introspect))
        .route(paths::REVOKE, post(token::revoke))
        .route(paths::PAR, post(token::push))
        .route(paths::JWKS, get(discovery::jwks))
        .route_layer(middleware::from_fn(cross_origin))
}

/// The well-known documents, whose places RFC 8414 §3 and Discovery §4 derive from the issuer.
pub(crate) fn well_known_router(engine: &Engine) -> Router {
    Router::new()
        .route(
            &engine.issuer().openid_configuration_path(),
            get(discovery::metadata),
        )
        .route(
            &engine.issuer().oauth_metadata_path(),
            get(discovery::metadata),
        )
        .route_layer(middleware::from_fn(cross_origin))
        .with_state(engine.clone())
}

/// Lets scripts of public clients call from any origin; nothing here answers to a cookie.
async fn cross_origin(request: axum::extract::Request, next: middleware::Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    if preflight {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type"),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("600"),
        );
    }
    response
}

/// An answer that no cache may keep (RFC 6749 §5.1).
#[derive(Debug)]
pub(crate) struct NoStore<T>(pub(crate) T);

impl<T: IntoResponse> IntoResponse for NoStore<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(
            HeaderName::from_static("pragma"),
            HeaderValue::from_static("no-cache"),
        );
        response
    }
}

/// A refusal of the token endpoint and its kin (RFC 6749 §5.2).
fn refused(error: &TokenError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = NoStore((status, Json(error))).into_response();
    if let Some(challenge) = error.www_authenticate() {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    response
}

/// The bearer token of a request (RFC 6750 §2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = single(headers, &header::AUTHORIZATION).ok().flatten()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::new(token.trim()))
}

/// The one value of a header; none where it is absent, an error where it stands twice or is not text.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}
