//! What every response says beside its content.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::Url;
use vestibule_issuer::Issuer;

use crate::{
    pages::{self, Unwritten},
    texts::Trouble,
};

/// The content security policy of pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Where forms may lead.
    places: &'static str,
}

impl Policy {
    /// Browsers apply `form-action` to the redirects that follow a form, and the way in leads through the identity
    /// provider to the application; so any https place is allowed, and plain http where we are on it ourselves.
    /// Elsewhere plain http is for native applications, which listen on loopback (RFC 8252 §7.3).
    pub(crate) fn of(issuer: &Issuer) -> Self {
        Self {
            places: match issuer.as_str().starts_with("https://") {
                true => "'self' https: http://127.0.0.1:* http://localhost:* http://*.localhost:*",
                false => "'self' http: https:",
            },
        }
    }

    /// The policy of a page whose form leads to an address in the end.
    ///
    /// A native application may be there by a scheme of its own (RFC 8252 §7.1), which only the pages of its own logins
    /// allow.
    pub(crate) fn leading_to(self, address: Option<&str>) -> HeaderValue {
        let scheme = address
            .and_then(|address| Url::parse(address).ok())
            .map(|address| address.scheme().to_owned())
            .filter(|scheme| is_private(scheme));
        let more = scheme.map_or_else(String::new, |scheme| format!(" {scheme}:"));
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action {}{more}; base-uri 'none'; frame-ancestors 'none'",
            self.places
        );
        // A scheme has letters, digits, `+`, `-` and `.` only.
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// A private-use scheme has a period, for it is a domain name turned around (RFC 8252 §7.1); those that browsers have a
/// meaning for have none.
fn is_private(scheme: &str) -> bool {
    scheme.contains('.')
}

/// Pages are never framed, cached, or given away by a referrer; and what fails on the way to one is a page, too.
pub(crate) async fn pages(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error())
        && response.extensions().get::<Unwritten>().is_none()
    {
        let trouble = match status {
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Trouble::NotFound,
            status if status.is_server_error() => Trouble::Failed,
            _ => Trouble::Unreadable,
        };
        response = (status, pages::trouble(trouble)).into_response();
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.leading_to(None));
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

/// Where the public URL is https, browsers stay with it (RFC 6797 §6.1).
pub(crate) async fn strict_transport(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::STRICT_TRANSPORT_SECURITY)
        .or_insert(HeaderValue::from_static("max-age=31536000"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_scheme_widens_where_forms_lead() {
        let policy = Policy::of(&Issuer::parse("https://login.example.com").unwrap());
        let plain = policy.leading_to(None);
        for address in [
            "https://app.example.com/cb",
            "http://127.0.0.1:5000/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app",
            "",
        ] {
            assert_eq!(policy.leading_to(Some(address)), plain, "{address}");
        }
        let native = policy.leading_to(Some("com.example.app:/cb"));
        let native = native.to_str().unwrap();
        assert!(
            native.contains("http://*.localhost:* com.example.app:; base-uri"),
            "{native}"
        );
        assert!(!native.contains("unsafe"));
    }
}
