//! What the headers of a request say.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
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

/// A header that is a list, with the lines that it was spread over (RFC 9110 §5.3).
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines = headers.get_all(name).into_iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The token of a `Bearer` credential; the scheme in any letter case (RFC 9110 §11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, AUTHORIZATION)?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The media type for the answer; `None` where the client accepts no JSON.
pub(super) fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let Some(accept) = list(headers, ACCEPT).filter(|accept| !accept.trim().is_empty()) else {
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
    list(headers, IF_MATCH).map_or(Precondition::None, |header| Precondition::parse(&header))
}

/// Whether the client asks for an answer only where it does not have the version yet.
pub(super) fn names_versions(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_NONE_MATCH)
}

/// Whether the client has this version already.
pub(super) fn has_version(headers: &HeaderMap, version: &str) -> bool {
    list(headers, IF_NONE_MATCH).is_some_and(|header| {
        header.trim() == "*" || tags(&header).iter().any(|tag| tag == version)
    })
}

/// Whether the client asked for no body (RFC 7240 §4.2).
pub(super) fn prefers_minimal(headers: &HeaderMap) -> bool {
    list(headers, PREFER).is_some_and(|prefer| {
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

/// Reads a JSON body of at most `limit` bytes.
///
/// A missing or empty Content-Type counts as JSON, because OneLogin sends none by itself. Fails with
/// `unsupported_media_type` for another type or another charset than UTF-8 (RFC 8259 §8.1), with
/// `payload_too_large`, naming the limit, and with `invalid_syntax` where the body is no JSON.
pub(super) async fn json(
    mut request: Request,
    limit: usize,
    limit_name: &'static str,
) -> Result<Value, Error> {
    check_content_type(request.headers())?;
    DefaultBodyLimit::max(limit).apply(&mut request);
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Error::payload_too_large(format!(
                    "the body is over the limit of this endpoint: {limit_name} is {limit} bytes"
                ))
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

fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let unsupported =
        || Error::unsupported_media_type("the body is sent as application/scim+json in UTF-8");
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let content_type = content_type.to_str().map_err(|_| unsupported())?;
    if content_type.trim().is_empty() {
        return Ok(());
    }
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let is_json = media.eq_ignore_ascii_case(SCIM_JSON) || media.eq_ignore_ascii_case(JSON);
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = value.trim().trim_matches('"');
            ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(charset))
        }
        _ => true,
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(unsupported())
}
