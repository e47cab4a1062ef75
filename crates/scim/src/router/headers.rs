//! What the headers of a request say.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, USER_AGENT,
};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::directory::{Precondition, tags};
use crate::error::Error;

/// The media type of SCIM (RFC 7644 §8.1).
pub(super) const SCIM_JSON: &str = "application/scim+json";
const JSON: &str = "application/json";
const PREFER: HeaderName = HeaderName::from_static("prefer");

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The token of a `Bearer` credential; the scheme in any letter case (RFC 9110 §11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, AUTHORIZATION)?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The media type for the answer; `None` where the client accepts no JSON.
pub(super) fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let Some(accept) = text(headers, ACCEPT).filter(|accept| !accept.trim().is_empty()) else {
        return Some(SCIM_JSON);
    };
    let mut json = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        if parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")) {
            continue;
        }
        match media.as_str() {
            SCIM_JSON | "*/*" | "application/*" => return Some(SCIM_JSON),
            JSON => json = Some(JSON),
            _ => {}
        }
    }
    json
}

/// The versions that a write is meant for.
pub(super) fn precondition(headers: &HeaderMap) -> Precondition {
    text(headers, IF_MATCH).map_or(Precondition::None, Precondition::parse)
}

/// Whether the client has this version already.
pub(super) fn has_version(headers: &HeaderMap, version: &str) -> bool {
    text(headers, IF_NONE_MATCH)
        .is_some_and(|header| header.trim() == "*" || tags(header).iter().any(|tag| tag == version))
}

/// Whether the client asked for no body (RFC 7240 §4.2).
pub(super) fn prefers_minimal(headers: &HeaderMap) -> bool {
    text(headers, PREFER).is_some_and(|prefer| {
        prefer
            .split([',', ';'])
            .any(|preference| preference.trim().eq_ignore_ascii_case("return=minimal"))
    })
}

/// What the client calls itself, at most 200 bytes of it.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = text(headers, USER_AGENT)?;
    let end = agent.floor_char_boundary(200);
    agent.get(..end).map(str::to_owned)
}

/// Reads a JSON body; a missing Content-Type counts as JSON, because OneLogin sends none by itself.
pub(super) async fn json(request: Request) -> Result<Value, Error> {
    if let Some(content_type) = request.headers().get(CONTENT_TYPE) {
        let media = content_type.to_str().unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case(SCIM_JSON) && !media.eq_ignore_ascii_case(JSON) {
            return Err(Error::unsupported_media_type(
                "the body is sent as application/scim+json",
            ));
        }
    }
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Error::payload_too_large("the body is over the limit of this server")
            } else {
                Error::invalid_syntax("the body could not be read")
            }
        })?;
    serde_json::from_slice(&body).map_err(|error| {
        Error::invalid_syntax(format!(
            "the body is no JSON, at line {} column {}",
            error.line(),
            error.column()
        ))
    })
}
