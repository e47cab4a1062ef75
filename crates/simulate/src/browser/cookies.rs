//! The cookie rules of RFC 6265bis, as far as servers can notice them.

use std::net::IpAddr;

use url::{Host, Url};

use crate::clock;

/// When a cookie goes along with requests that another site caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// With top-level navigations by GET; the default.
    Lax,
    /// Always; such a cookie has to be `Secure`.
    None,
}

/// A cookie in the jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The host that set it, or the domain that it named.
    pub host: String,
    /// Whether only that very host gets it.
    pub host_only: bool,
    /// The path it is for.
    pub path: String,
    /// Whether it goes over https only.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// When it goes along with requests that another site caused.
    pub same_site: SameSite,
    expires_at: Option<i64>,
}

/// What causes the request that cookies go along with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    SameSite,
    CrossSiteNavigation,
    CrossSitePost,
}

/// The cookies of one browser.
#[derive(Debug, Clone, Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
}

impl Jar {
    /// Takes a Set-Cookie header, or ignores it where a browser would.
    pub(super) fn store(&mut self, url: &Url, set_cookie: &str) {
        let Some(cookie) = parse(url, set_cookie) else {
            return;
        };
        self.cookies.retain(|old| {
            (&old.name, &old.host, &old.path) != (&cookie.name, &cookie.host, &cookie.path)
        });
        if !expired(&cookie) {
            self.cookies.push(cookie);
        }
    }

    pub(super) fn matching(&self, url: &Url, sending: Sending) -> impl Iterator<Item = &Cookie> {
        self.cookies
            .iter()
            .filter(move |cookie| goes_along(cookie, url, sending))
    }

    /// The value of the Cookie header, longer paths first (RFC 6265 §5.4).
    pub(super) fn header(&self, url: &Url, sending: Sending) -> String {
        let mut cookies: Vec<&Cookie> = self.matching(url, sending).collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }
}

/// Whether two URLs belong to one site: scheme and registrable domain are equal, ports do not count.
///
/// `localhost` counts as a public suffix, as it does in browsers: `app.localhost` and
/// `idp.localhost` are two sites. Other names are cut to their last two labels, which is enough
/// for the names that tests use.
pub(super) fn same_site(left: &Url, right: &Url) -> bool {
    left.scheme() == right.scheme() && site(left) == site(right)
}

fn site(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => {
            let labels: Vec<&str> = name.rsplit('.').take(2).collect();
            Some(labels.into_iter().rev().collect::<Vec<_>>().join("."))
        }
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn goes_along(cookie: &Cookie, url: &Url, sending: Sending) -> bool {
    let site_allows = match (sending, cookie.same_site) {
        (Sending::SameSite, _) | (_, SameSite::None) => true,
        (Sending::CrossSiteNavigation, same_site) => same_site == SameSite::Lax,
        (Sending::CrossSitePost, _) => false,
    };
    let host = url.host_str().unwrap_or_default();
    let host_matches = if cookie.host_only {
        cookie.host == host
    } else {
        domain_match(host, &cookie.host)
    };
    site_allows
        && host_matches
        && path_match(url.path(), &cookie.path)
        && (!cookie.secure || url.scheme() == "https")
        && !expired(cookie)
}

fn expired(cookie: &Cookie) -> bool {
    cookie
        .expires_at
        .is_some_and(|at| at <= clock::unix_seconds())
}

fn parse(url: &Url, set_cookie: &str) -> Option<Cookie> {
    let host = url.host_str()?;
    let mut parts = set_cookie.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        host: host.to_owned(),
        host_only: true,
        path: default_path(url.path()),
        secure: false,
        http_only: false,
        same_site: SameSite::Lax,
        expires_at: None,
    };
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                // A public suffix may be named only by the host that is the suffix itself.
                let allowed =
                    domain_match(host, &domain) && (domain.contains('.') || domain == host);
                if !allowed {
                    return None;
                }
                cookie.host = domain;
                cookie.host_only = false;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "max-age" => {
                let seconds: i64 = value.parse().ok()?;
                cookie.expires_at = Some(clock::unix_seconds().saturating_add(seconds));
            }
            // A date in the past is how cookies are removed; later dates outlive any test.
            "expires" if cookie.expires_at.is_none() && value.contains("1970") => {
                cookie.expires_at = Some(0);
            }
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "samesite" => {
                cookie.same_site = match value.to_ascii_lowercase().as_str() {
                    "strict" => SameSite::Strict,
                    "none" => SameSite::None,
                    _ => SameSite::Lax,
                };
            }
            _ => {}
        }
    }
    acceptable(&cookie, url).then_some(cookie)
}

fn acceptable(cookie: &Cookie, url: &Url) -> bool {
    let https = url.scheme() == "https";
    let secure_enough = !cookie.secure || https;
    let none_is_secure = cookie.same_site != SameSite::None || cookie.secure;
    let prefix_holds = if cookie.name.starts_with("__Host-") {
        cookie.secure && cookie.host_only && cookie.path == "/"
    } else {
        !cookie.name.starts_with("__Secure-") || cookie.secure
    };
    secure_enough && none_is_secure && prefix_holds
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => path.get(..end).unwrap_or("/").to_owned(),
    }
}

fn path_match(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

fn domain_match(host: &str, domain: &str) -> bool {
    host == domain
        || (host.parse::<IpAddr>().is_err()
            && host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn sent(set_at: &str, set_cookie: &str, to: &str, sending: Sending) -> bool {
        let mut jar = Jar::default();
        jar.store(&url(set_at), set_cookie);
        !jar.header(&url(to), sending).is_empty()
    }

    #[test]
    fn names_below_localhost_are_sites_of_their_own_and_ports_are_not() {
        assert!(!same_site(
            &url("http://app.localhost:1"),
            &url("http://idp.localhost:1")
        ));
        assert!(same_site(
            &url("http://127.0.0.1:1"),
            &url("http://127.0.0.1:2")
        ));
        assert!(!same_site(
            &url("http://127.0.0.1"),
            &url("https://127.0.0.1")
        ));
        assert!(same_site(
            &url("https://a.acme.test"),
            &url("https://b.acme.test")
        ));
    }

    #[test]
    fn lax_cookies_cross_sites_by_navigation_only() {
        let at = "http://127.0.0.1:8080/";
        for cookie in ["s=1; SameSite=Lax", "s=1"] {
            assert!(sent(at, cookie, at, Sending::SameSite));
            assert!(sent(at, cookie, at, Sending::CrossSiteNavigation));
            assert!(!sent(at, cookie, at, Sending::CrossSitePost));
        }
        assert!(!sent(
            at,
            "s=1; SameSite=Strict",
            at,
            Sending::CrossSiteNavigation
        ));
        let https = "https://127.0.0.1:8080/";
        assert!(sent(
            https,
            "s=1; SameSite=None; Secure",
            https,
            Sending::CrossSitePost
        ));
        assert!(!sent(https, "s=1; SameSite=None", https, Sending::SameSite));
    }

    #[test]
    fn secure_cookies_and_prefixes_need_https() {
        let (http, https) = ("http://127.0.0.1/", "https://127.0.0.1/");
        assert!(!sent(http, "s=1; Secure", http, Sending::SameSite));
        assert!(!sent(http, "__Host-s=1; Path=/", http, Sending::SameSite));
        assert!(sent(
            https,
            "__Host-s=1; Secure; Path=/",
            https,
            Sending::SameSite
        ));
        assert!(!sent(
            https,
            "__Host-s=1; Secure; Path=/x",
            "https://127.0.0.1/x",
            Sending::SameSite
        ));
        assert!(!sent(https, "s=1; Secure", http, Sending::SameSite));
    }

    #[test]
    fn host_path_and_domain_limit_a_cookie() {
        let at = "http://app.localhost/a/b";
        assert!(!sent(at, "s=1", "http://app.localhost/", Sending::SameSite));
        assert!(sent(
            at,
            "s=1; Path=/",
            "http://app.localhost/",
            Sending::SameSite
        ));
        assert!(!sent(
            at,
            "s=1; Path=/",
            "http://idp.localhost/",
            Sending::SameSite
        ));
        assert!(!sent(
            at,
            "s=1; Path=/; Domain=localhost",
            at,
            Sending::SameSite
        ));
        assert!(!sent(
            at,
            "s=1; Path=/ab",
            "http://app.localhost/abc",
            Sending::SameSite
        ));
        let acme = "http://x.acme.test/";
        assert!(sent(
            acme,
            "s=1; Domain=acme.test",
            "http://y.acme.test/",
            Sending::SameSite
        ));
        assert!(!sent(acme, "s=1; Max-Age=0", acme, Sending::SameSite));
    }

    #[test]
    fn a_cookie_is_replaced_and_removed_by_name_host_and_path() {
        let at = url("http://127.0.0.1/");
        let mut jar = Jar::default();
        jar.store(&at, "s=1");
        jar.store(&at, "s=2");
        assert_eq!(jar.header(&at, Sending::SameSite), "s=2");
        jar.store(&at, "s=; Max-Age=0");
        assert_eq!(jar.header(&at, Sending::SameSite), "");
    }
}
