//! What every response says beside its content.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use vestibule_issuer::Issuer;

/// The content security policy of pages.
#[derive(Debug, Clone)]
pub(crate) struct Policy(HeaderValue);

impl Policy {
    /// Browsers apply `form-action` to the redirects that follow a form, and the way in leads through the identity
    /// provider to the application; so any https place is allowed, and plain http where we are on it ourselves.
    /// Elsewhere plain http is for native applications, which listen on loopback (RFC 8252 §7.3).
    pub(crate) fn of(issuer: &Issuer) -> Self {
        Self(HeaderValue::from_static(
            match issuer.as_str().starts_with("https://") {
                true => {
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self' https: http://127.0.0.1:* http://localhost:* http://*.localhost:*; base-uri 'none'; frame-ancestors 'none'"
                }
                false => {
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
                }
            },
        ))
    }
}

/// Pages are never framed, cached, or given away by a referrer.
pub(crate) async fn pages(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.0);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// For every response.
pub(crate) async fn all(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(HeaderName::from_static("cross-origin-opener-policy"))
        .or_insert(HeaderValue::from_static("same-origin-allow-popups"));
    response
}

/// A request's span names method and path; a query can hold codes and never enters a log.
pub(crate) fn span(request: &Request) -> tracing::Span {
    tracing::info_span!("http", method = %request.method(), path = request.uri().path())
}
