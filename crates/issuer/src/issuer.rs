//! The issuer identifier.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

/// Our identifier, and the base of all our endpoints.
///
/// It comes from configuration, never from a request's `Host` header.
/// It may carry a path (`https://example.com/auth`) and has no trailing slash, query or fragment
/// (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    text: String,
    origin_len: usize,
}

/// Why a configured issuer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// It is not an absolute URL.
    #[error("the issuer is not an absolute URL")]
    NotAUrl,
    /// Plain http is for loopback hosts only.
    #[error("the issuer must be https unless its host is loopback")]
    NotHttps,
    /// User information, a query or a fragment is there.
    #[error("the issuer must not carry user information, a query or a fragment")]
    Extra,
}

impl Issuer {
    /// Checks a configured public URL; trailing slashes are dropped.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl)?;
        let loopback = match url.host() {
            None => return Err(IssuerError::NotAUrl),
            Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(IssuerError::NotHttps),
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query().is_some() || url.fragment().is_some() {
            return Err(IssuerError::Extra);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            text: format!("{origin}{}", url.path().trim_end_matches('/')),
            origin_len: origin.len(),
        })
    }

    /// The identifier, as it stands in `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_len).unwrap_or(&self.text)
    }

    /// The path, without trailing slash; empty when there is none.
    pub fn path(&self) -> &str {
        self.text.get(self.origin_len..).unwrap_or_default()
    }

    /// The absolute URL of `path`, which starts with a slash, below the issuer.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The path on our host where OpenID Connect Discovery §4 looks: the well-known part last.
    pub fn openid_configuration_path(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.path())
    }

    /// The path on our host where RFC 8414 §3.1 looks: the well-known part first.
    pub fn oauth_metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path())
    }

    /// The path on our host where SSF 1.0 §7.2 looks for the transmitter's configuration: the well-known part first.
    pub fn ssf_configuration_path(&self) -> String {
        format!("/.well-known/ssf-configuration{}", self.path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_kept_and_slash_is_dropped() {
        let issuer = Issuer::parse("https://Example.com/auth/").unwrap();
        assert_eq!(issuer.as_str(), "https://example.com/auth");
        assert_eq!(issuer.origin(), "https://example.com");
        assert_eq!(issuer.path(), "/auth");
        assert_eq!(
            issuer.endpoint("/oauth/token"),
            "https://example.com/auth/oauth/token"
        );
        assert_eq!(
            issuer.openid_configuration_path(),
            "/auth/.well-known/openid-configuration"
        );
        assert_eq!(
            issuer.oauth_metadata_path(),
            "/.well-known/oauth-authorization-server/auth"
        );
        assert_eq!(
            issuer.ssf_configuration_path(),
            "/.well-known/ssf-configuration/auth"
        );
    }

    #[test]
    fn http_is_for_loopback_only() {
        for good in [
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
            "http://a.localhost",
        ] {
            assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "http://example.com",
            "ftp://127.0.0.1",
            "http://127.0.0.1.example.com",
        ] {
            assert_eq!(Issuer::parse(bad), Err(IssuerError::NotHttps), "{bad}");
        }
    }

    #[test]
    fn extras_are_refused() {
        for bad in [
            "https://a/?q",
            "https://a/#f",
            "https://u@a/",
            "https://u:p@a/",
        ] {
            assert_eq!(Issuer::parse(bad), Err(IssuerError::Extra), "{bad}");
        }
        assert_eq!(Issuer::parse("/auth"), Err(IssuerError::NotAUrl));
    }
}
