use std::convert::Infallible;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use vestibule_core::Secret;
use vestibule_engine::{Browser, SessionCookie};
use vestibule_issuer::Issuer;

use crate::language::Language;

/// How long a browser keeps the cookies: as long as the longest sign-in may last.
const MAX_AGE_SECONDS: u64 = 400 * 24 * 3600;
/// How long a wished language holds: as long as a sign-in may take.
const LANGUAGE_SECONDS: u64 = 15 * 60;

/// The names and attributes of our cookies for one public URL.
///
/// On https they are `__Host-` cookies: no other host, not even a subdomain, can set them.
/// None is `SameSite=None`; what an identity provider sends back by POST is bound by a redirect to ourselves.
#[derive(Debug, Clone)]
pub struct Cookies {
    secure: bool,
    session: String,
    browser: String,
    language: String,
    pub(crate) page: String,
}

impl Cookies {
    /// The cookies of an issuer.
    pub fn of(issuer: &Issuer) -> Self {
        let secure = issuer.as_str().starts_with("https://");
        // Installations on one plain-http host (tests, demos) are told apart by their path.
        let place = issuer.path().trim_matches('/').replace('/', "-");
        let name = |name: &str| match (secure, place.as_str()) {
            (true, _) => format!("__Host-vestibule-{name}"),
            (false, "") => format!("vestibule-{name}"),
            (false, place) => format!("vestibule-{place}-{name}"),
        };
        Self {
            secure,
            session: name("session"),
            browser: name("browser"),
            language: name("language"),
            page: name("page"),
        }
    }

    /// What the request's cookies say; nothing of it is believed yet.
    pub fn browser(&self, headers: &HeaderMap) -> Browser {
        let values = headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let mut browser = Browser::default();
        for (name, value) in values
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
        {
            if name == self.session {
                browser.sessions = value.split('~').filter_map(SessionCookie::parse).collect();
            } else if name == self.browser && value.starts_with("vbr_") && value.len() <= 64 {
                browser.handle = Some(Secret::new(value));
            }
        }
        browser
    }

    /// The language that the application of the present sign-in wishes for.
    pub(crate) fn language(&self, headers: &HeaderMap) -> Option<Language> {
        headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.language)
            .and_then(|(_, tag)| Language::of_tag(tag))
    }

    /// Remembers the wished language, or forgets it.
    pub(crate) fn set_language(&self, language: Option<Language>) -> Option<HeaderValue> {
        match language {
            Some(language) => self.set(&self.language, language.tag(), LANGUAGE_SECONDS),
            None => self.set(&self.language, "", 0),
        }
    }

    /// Whether the cookies are for https only.
    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn set_browser(&self, handle: &Secret) -> Option<HeaderValue> {
        self.set(&self.browser, handle.expose(), MAX_AGE_SECONDS)
    }

    pub(crate) fn set_sessions(&self, sessions: &[SessionCookie]) -> Option<HeaderValue> {
        let value: Vec<String> = sessions.iter().map(SessionCookie::expose).collect();
        self.set(
            &self.session,
            &value.join("~"),
            if sessions.is_empty() {
                0
            } else {
                MAX_AGE_SECONDS
            },
        )
    }

    /// None only if the value had characters that no header can hold, which ours never have.
    fn set(&self, name: &str, value: &str, max_age: u64) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// The browser behind a request, as its cookies describe it.
#[derive(Debug)]
pub(crate) struct FromBrowser(pub(crate) Browser);

impl<S: Sync> FromRequestParts<S> for FromBrowser
where
    Cookies: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(Cookies::from_ref(state).browser(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_cookies_are_bound_to_the_host() {
        let cookies = Cookies::of(&Issuer::parse("https://login.example.com/id").unwrap());
        let header = cookies.set_browser(&Secret::new("vbr_x")).unwrap();
        assert_eq!(
            header.to_str().unwrap(),
            "__Host-vestibule-browser=vbr_x; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn foreign_and_broken_cookies_are_passed_over() {
        let cookies = Cookies::of(&Issuer::parse("http://127.0.0.1:8080").unwrap());
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "other=1; vestibule-session=broken~x.y; vestibule-browser=evil; =; a"
                .parse()
                .unwrap(),
        );
        let browser = cookies.browser(&headers);
        assert!(browser.sessions.is_empty() && browser.handle.is_none());
    }
}
