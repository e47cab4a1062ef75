//! What operators see of requests: a span around each for logs and traces, and two metrics.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Span, field};

/// Runs a request within its span, and counts it when the head of its answer is there.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let span = span(&request);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), begun.elapsed());
    span.record("route", route.as_str());
    span.record("status", status);
    span.in_scope(|| {
        tracing::debug!(
            milliseconds = elapsed.as_secs_f64() * 1000.0,
            "The request is answered"
        );
    });
    let (counted, status) = (route.clone(), status.to_string());
    metrics::counter!("vestibule_http_requests_total", "method" => method, "route" => counted, "status" => status)
        .increment(1);
    metrics::histogram!("vestibule_http_request_seconds", "method" => method, "route" => route)
        .record(elapsed);
    response
}

/// Names method and path; a query can hold codes and never enters a log.
///
/// The rest is known later: route and status when the request is answered, the id that a SCIM request has in its
/// record and in receipts when its directory is known.
fn span(request: &Request) -> Span {
    tracing::info_span!(
        "http",
        method = %request.method(),
        path = request.uri().path(),
        route = field::Empty,
        status = field::Empty,
        request.id = field::Empty,
    )
}

/// A method's name as a label; strangers make methods up, and each label is a series of its own.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "other",
    }
}
