//! `GET /auth/verify`: nginx `auth_request`, Traefik and Caddy ask whether a browser's request may pass.

use std::fmt::Write as _;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use vestibule_engine::{Visit, VisitRule, Visitor};

use crate::{Web, cookies::FromBrowser, failure::OAuthFailure, now::Now};

/// Routes for proxies on the same host as we.
pub(crate) fn router() -> Router<Web> {
    Router::new().route("/auth/verify", get(verify))
}

/// What the proxy's own configuration says in the query.
#[derive(Default)]
struct Asked {
    rule: VisitRule,
    /// Whether whoever is unknown is sent to the login page by this answer; nginx does that itself.
    redirects: bool,
}

impl Asked {
    /// None where something cannot be understood: a rule that is left aside would let everybody pass.
    fn parse(query: &str) -> Option<Self> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "organization" if asked.rule.organization_id.is_none() => {
                    asked.rule.organization_id = Some(value.parse().ok()?);
                }
                "group" if !value.is_empty() => asked.rule.groups.push(value.into_owned()),
                "redirect" => asked.redirects = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(asked)
    }
}

async fn verify(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, OAuthFailure> {
    let Some(asked) = Asked::parse(query.as_deref().unwrap_or_default()) else {
        let explanation =
            "the query may have organization, group (several times) and redirect=true";
        return Ok((StatusCode::BAD_REQUEST, explanation).into_response());
    };
    let mut response = match web.engine.visit(&browser, &asked.rule, now).await? {
        Visit::Admitted(visitor) => (StatusCode::OK, identity(&visitor)).into_response(),
        Visit::Forbidden => StatusCode::FORBIDDEN.into_response(),
        Visit::Unknown if asked.redirects => {
            Redirect::to(&login_url(&web, &asked, &headers)).into_response()
        }
        Visit::Unknown => StatusCode::UNAUTHORIZED.into_response(),
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The login page, with the way back to what the browser had asked the proxy for.
///
/// Whoever makes that header up reaches a page of this host after the login, and nothing else.
fn login_url(web: &Web, asked: &Asked, headers: &HeaderMap) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let wanted = headers
        .get("x-forwarded-uri")
        .and_then(|uri| uri.to_str().ok());
    if let Some(uri) = wanted {
        query.append_pair("return_to", uri);
    }
    if let Some(organization_id) = asked.rule.organization_id {
        query.append_pair("organization", &organization_id.to_string());
    }
    web.engine.url(&format!("/login?{}", query.finish()))
}

fn identity(visitor: &Visitor) -> HeaderMap {
    let groups: Vec<String> = visitor.groups.iter().map(|group| encoded(group)).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("remote-user", Some(encoded(&visitor.user_name))),
        ("remote-name", visitor.display_name.as_deref().map(encoded)),
        ("remote-email", visitor.email.as_deref().map(encoded)),
        ("remote-groups", Some(groups.join(","))),
        ("x-vestibule-user-id", Some(visitor.user_id.to_string())),
        (
            "x-vestibule-organization-id",
            Some(visitor.organization_id.to_string()),
        ),
        (
            "x-vestibule-email-verified",
            Some(visitor.email_verified.to_string()),
        ),
    ] {
        // A header that is absent has to be set to nothing by the proxy, or a browser's own would pass: an empty one does that.
        let value = value.unwrap_or_default();
        let value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static(""));
        headers.insert(HeaderName::from_static(name), value);
    }
    headers
}

/// Percent-encodes what no header can carry, and the comma that stands between groups.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'%' | b',') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_can_carry_is_encoded() {
        assert_eq!(
            encoded("Ren\u{e9} 100%, a\r\nb"),
            "Ren%C3%A9 100%25%2C a%0D%0Ab"
        );
    }

    #[test]
    fn a_rule_that_cannot_be_read_lets_nobody_pass() {
        for bad in ["groups=a", "organization=x", "redirect=yes", "group=", "x"] {
            assert!(Asked::parse(bad).is_none(), "{bad}");
        }
        let asked = Asked::parse("group=a&group=b%2Cc&redirect=true").unwrap();
        assert_eq!(asked.rule.groups, ["a", "b,c"]);
        assert!(asked.redirects);
    }
}
