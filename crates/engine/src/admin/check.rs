//! What texts and URLs from outside may be.

use url::{Host, Url};
use vestibule_core::Secret;

use super::{AdminError, Result};
use crate::Engine;

/// Longer names help nobody.
const MAX_NAME: usize = 200;
const MAX_URL: usize = 2048;

/// A name for people: not empty, no control characters, at most 200 characters.
pub(super) fn name(field: &str, text: &str) -> Result<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(AdminError::invalid(field, "must not be empty"));
    }
    short(field, trimmed)
}

/// A text that may be empty: no control characters, at most 200 characters.
pub(super) fn short(field: &str, text: &str) -> Result<String> {
    if text.chars().count() > MAX_NAME {
        return Err(AdminError::invalid(
            field,
            "must have at most 200 characters",
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(AdminError::invalid(
            field,
            "must not contain control characters",
        ));
    }
    Ok(text.to_owned())
}

/// A secret that goes into a header: printable ASCII without spaces.
pub(super) fn visible_secret<'s>(field: &str, secret: &'s Secret) -> Result<&'s [u8]> {
    let text = secret.expose();
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.as_bytes()),
        false => Err(AdminError::invalid(
            field,
            "must be printable ASCII without spaces",
        )),
    }
}

/// One of a few words.
pub(super) fn word(field: &str, text: &str, allowed: &[&str]) -> Result<String> {
    match allowed.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(AdminError::invalid(
            field,
            format!("must be one of {}", allowed.join(", ")),
        )),
    }
}

/// An e-mail address, as far as can be said without sending to it.
pub(super) fn email(field: &str, text: &str) -> Result<String> {
    let text = name(field, text)?;
    if vestibule_core::email_domain(&text).is_none() || text.contains(char::is_whitespace) {
        return Err(AdminError::invalid(
            field,
            "must be an e-mail address, like ada@acme.com",
        ));
    }
    Ok(text)
}

impl Engine {
    /// A URL that we will call or send a browser to: https, or http where nothing crosses a network.
    pub(crate) fn checked_url(&self, field: &str, text: &str) -> Result<String> {
        let refused = |detail: &str| Err(AdminError::invalid(field, detail));
        if text.len() > MAX_URL || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("must be a URL of at most 2048 printable ASCII characters");
        }
        let Ok(url) = Url::parse(text) else {
            return refused("must be an absolute URL, like https://app.example/path");
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return refused("must not have user information or a fragment");
        }
        match url.scheme() {
            "https" if url.has_host() => Ok(text.to_owned()),
            "http" if is_loopback(&url) || self.settings().allow_private_network => {
                Ok(text.to_owned())
            }
            "http" => refused("must be https unless its host is a loopback address"),
            _ => refused("must be https"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_break_pages_or_rows_are_refused() {
        assert_eq!(name("name", "  Acme ").unwrap(), "Acme");
        for text in ["", "  ", "a\0b", "a\nb"] {
            assert!(
                matches!(name("name", text), Err(AdminError::Invalid { field, .. }) if field == "name"),
                "{text:?}"
            );
        }
        assert!(name("name", &"a".repeat(201)).is_err());
    }

    #[test]
    fn an_address_has_two_sides() {
        assert!(email("email", "ada@acme.test").is_ok());
        for text in ["ada", "@acme.test", "ada@", "a da@acme.test"] {
            assert!(email("email", text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_are_taken_from_the_list_only() {
        assert!(word("f", "jwt", &["opaque", "jwt"]).is_ok());
        assert!(word("f", "JWT", &["opaque", "jwt"]).is_err());
    }
}
