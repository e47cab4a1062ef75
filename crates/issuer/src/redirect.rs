//! Redirect URIs: what may be registered, and when a requested one is a registered one.

use thiserror::Error;
use url::{Host, Url};

/// Longer ones are refused at registration and in requests.
const MAX_BYTES: usize = 2048;

/// Why a redirect URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Not an absolute URI, or over 2048 bytes.
    #[error("the redirect URI is not an absolute URI of at most 2048 bytes")]
    NotAbsolute,
    /// Outside printable ASCII: percent-encode it, and use the punycode form of the host.
    #[error("the redirect URI must be written in printable ASCII without spaces or backslashes")]
    NotAscii,
    /// Plain http to another machine: a code would cross the network in clear.
    #[error("the redirect URI must be https unless its host is 127.0.0.1, [::1] or localhost")]
    NotHttps,
    /// A scheme that is neither https nor a private-use scheme with a dot (RFC 8252 §7.1).
    #[error("a private-use scheme must be a reversed domain name, like com.example.app")]
    Scheme,
    /// A `#` (RFC 6749 §3.1.2).
    #[error("the redirect URI must not have a fragment")]
    Fragment,
    /// `user:password@`.
    #[error("the redirect URI must not have user information")]
    UserInfo,
    /// A `*`: wildcards hand codes to whoever gets a matching host or path.
    #[error("the redirect URI must not have a wildcard; register each one")]
    Wildcard,
}

/// Checks a redirect URI, or a post-logout redirect URI, at registration.
///
/// Allowed are https, http on a loopback host, and private-use schemes with a dot.
/// Requests are compared byte for byte with the text that was registered.
pub fn validate(uri: &str) -> Result<(), RedirectUriError> {
    // URL parsers disagree on these, so they never come as far as one.
    if uri
        .bytes()
        .any(|byte| !byte.is_ascii_graphic() || byte == b'\\')
    {
        return Err(RedirectUriError::NotAscii);
    }
    if uri.len() > MAX_BYTES {
        return Err(RedirectUriError::NotAbsolute);
    }
    let url = Url::parse(uri).map_err(|_| RedirectUriError::NotAbsolute)?;
    if uri.contains('#') {
        return Err(RedirectUriError::Fragment);
    }
    if uri.contains('*') {
        return Err(RedirectUriError::Wildcard);
    }
    if has_user_info(uri) {
        return Err(RedirectUriError::UserInfo);
    }
    match url.scheme() {
        "https" | "http" if !has_authority(uri) => Err(RedirectUriError::NotAbsolute),
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(RedirectUriError::NotHttps),
        // The dot also keeps out `javascript`, `data` and their like.
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(RedirectUriError::Scheme),
    }
}

/// Whether `requested` is one of `registered`: equal bytes (RFC 9700 §2.1), save for the port of a
/// loopback address, which a native app learns only when it listens (RFC 8252 §7.3).
pub fn is_registered(registered: &[String], requested: &str) -> bool {
    registered.iter().any(|registered| {
        registered == requested || equal_but_for_loopback_port(registered, requested)
    })
}

/// `localhost` is no loopback address here: it is a name that may resolve elsewhere (RFC 8252 §8.3).
fn equal_but_for_loopback_port(registered: &str, requested: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]"].iter().any(|origin| {
        let registered = registered.strip_prefix(origin).and_then(after_port);
        let requested = requested.strip_prefix(origin).and_then(after_port);
        registered.is_some() && registered == requested
    })
}

/// What follows an optional `:port`. `None` when the host goes on (`127.0.0.1.example.com`), or the
/// port is none.
fn after_port(text: &str) -> Option<&str> {
    let rest = match text.strip_prefix(':') {
        None => text,
        Some(text) => {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            let (port, rest) = text.split_at(end);
            port.parse::<u16>().ok().filter(|port| *port != 0)?;
            rest
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

fn has_authority(uri: &str) -> bool {
    uri.split_once(':')
        .is_some_and(|(_, rest)| rest.starts_with("//") && !rest.starts_with("///"))
}

/// Read from the text, since the parser drops an empty `@`.
fn has_user_info(uri: &str) -> bool {
    let Some((_, rest)) = uri.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.contains('@')
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Appends `pairs` to the URI's own query without touching a byte of what was registered.
pub(crate) fn append_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() {
        return uri.to_owned();
    }
    let separator = match uri.find('?') {
        None => "?",
        Some(_) if uri.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_uris_may_be_registered() {
        for good in [
            "https://app.example/cb",
            "https://app.example/cb?tenant=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:3000/cb",
            "http://[::1]:3000/cb",
            "http://localhost:3000/cb",
            "http://app.localhost:3000/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn bad_uris_are_refused() {
        use RedirectUriError::*;
        for (bad, error) in [
            ("", NotAbsolute),
            ("/cb", NotAbsolute),
            ("//app.example/cb", NotAbsolute),
            ("https:app.example/cb", NotAbsolute),
            ("https:///app.example/cb", NotAbsolute),
            ("http://app.example/cb", NotHttps),
            ("http://127.0.0.1.example/cb", NotHttps),
            ("http://localhost.example/cb", NotHttps),
            ("https://app.example/cb#", Fragment),
            ("https://app.example/#f", Fragment),
            ("https://u@app.example/", UserInfo),
            ("https://@app.example/", UserInfo),
            ("https://u:p@app.example/", UserInfo),
            ("https://*.example/cb", Wildcard),
            ("https://app.example/*", Wildcard),
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("myapp:/cb", Scheme),
            ("https://app.example\\@evil.example/", NotAscii),
            ("https://app.example/a b", NotAscii),
            ("https://app.example/\n", NotAscii),
            ("https://bücher.example/", NotAscii),
        ] {
            assert_eq!(validate(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn match_is_by_bytes() {
        let registered = vec!["https://app.example/cb".to_owned()];
        assert!(is_registered(&registered, "https://app.example/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb?x=1",
            "https://app.example/cb#",
            "https://app.example/./cb",
            "https://app.example/%63b",
            "https://app.example/cb/../cb",
            "http://app.example/cb",
            "",
        ] {
            assert!(!is_registered(&registered, other), "{other}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        let registered = vec![
            "http://127.0.0.1/cb".to_owned(),
            "http://[::1]:9/cb?a=1".to_owned(),
        ];
        for good in [
            "http://127.0.0.1/cb",
            "http://127.0.0.1:51004/cb",
            "http://[::1]:8/cb?a=1",
            "http://[::1]/cb?a=1",
        ] {
            assert!(is_registered(&registered, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:1/cc",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:1.evil.example/cb",
            "http://127.0.0.2/cb",
            "https://127.0.0.1:1/cb",
            "http://[::1]:8/cb",
        ] {
            assert!(!is_registered(&registered, bad), "{bad}");
        }
        let localhost = vec!["http://localhost:3000/cb".to_owned()];
        assert!(!is_registered(&localhost, "http://localhost:3001/cb"));
    }

    #[test]
    fn own_query_is_kept() {
        let pairs = [("code", "a b"), ("iss", "https://i")];
        for (uri, wanted) in [
            ("https://a/cb", "https://a/cb?code=a+b&iss=https%3A%2F%2Fi"),
            (
                "https://a/cb?x=%20",
                "https://a/cb?x=%20&code=a+b&iss=https%3A%2F%2Fi",
            ),
            ("https://a/cb?", "https://a/cb?code=a+b&iss=https%3A%2F%2Fi"),
            (
                "com.example:/cb",
                "com.example:/cb?code=a+b&iss=https%3A%2F%2Fi",
            ),
        ] {
            assert_eq!(append_query(uri, &pairs), wanted);
        }
        assert_eq!(append_query("https://a/cb", &[]), "https://a/cb");
    }
}
