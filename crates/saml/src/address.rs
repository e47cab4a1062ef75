//! Addresses that a browser is sent to: read strictly, since whoever reads them next is another program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longer ones are nobody's; browsers and proxies stop near here.
const LONGEST: usize = 2048;

/// Checks an absolute address: `https`, or `http` where the host is the own machine; the reason if it is none.
///
/// Only printable ASCII, no user information, no fragment, no backslash: what a browser might read differently is
/// refused, and a script or data address has no authority.
pub(crate) fn check_address(url: &str) -> Result<(), &'static str> {
    if url.len() > LONGEST {
        return Err("too long");
    }
    let allowed = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#'
            )
    };
    if !url.bytes().all(allowed) {
        return Err("a character that an address cannot have, or a fragment");
    }
    let (scheme, rest) = url.split_once("://").ok_or("not an absolute address")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host(authority)?;
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if is_own_machine(host) => Ok(()),
        "http" => Err("http where https is needed"),
        _ => Err("neither https nor http"),
    }
}

/// The host of an authority without user information.
fn host(authority: &str) -> Result<&str, &'static str> {
    const ODD: &str = "not a host, or not a port";
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(ODD)?;
        host.parse::<Ipv6Addr>().map_err(|_| ODD)?;
        (host, port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || !host.bytes().all(name) {
            return Err(ODD);
        }
        (host, port)
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(host),
        // `parse` alone would take a sign before the digits.
        Some(digits)
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(host)
        }
        _ => Err(ODD),
    }
}

fn is_own_machine(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|ip| IpAddr::V4(ip).is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_identity_providers_are_taken() {
        for url in [
            "https://login.microsoftonline.com/0f3a/saml2",
            "https://accounts.google.com/o/saml2/idp?idpid=C01abc",
            "HTTPS://idp.example:8443/sso",
            "https://idp.example",
            "https://[2001:db8::1]/sso",
            "https://idp.example/~app/%7Bx%7D?a=b&c=d;e,f('g')",
            "http://localhost:8080/realms/x/protocol/saml",
            "http://app.localhost/sso",
            "http://127.0.0.1:9/sso",
            "http://127.8.8.8/sso",
            "http://[::1]:8080/sso",
        ] {
            assert_eq!(check_address(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "",
            "/sso",
            "//idp.example/sso",
            "idp.example/sso",
            "http://idp.example/sso",
            "http://127.0.0.1.example/sso",
            "http://localhost.example/sso",
            "http://10.0.0.1/sso",
            "http://0.0.0.0/sso",
            "http://127.1/sso",
            "http://[::2]/sso",
            "http://[::ffff:127.0.0.1]/sso",
            "javascript:alert(1)",
            "javascript://idp.example/%0aalert(1)",
            "data:text/html,x",
            "data://text/html,x",
            "ftp://idp.example/",
            " https://idp.example/",
            "https://idp.example/ ",
            "https://idp.example/a b",
            "https://idp.example/\n",
            "https://idp.example/\u{e9}",
            "https://\u{e9}.example/",
            "https://idp.example/#x",
            "https://idp.example\\@evil.example/",
            "https://user@evil.example/",
            "https://user:pass@evil.example/",
            "https://idp.example:443@evil.example/",
            "https:///sso",
            "https://?x",
            "https://:443/",
            "https://idp.example:/",
            "https://idp.example:0/",
            "https://idp.example:65536/",
            "https://idp.example:+80/",
            "https://[::1/",
            "https://[x]/",
            "https://[::1]x/",
            "https://idp%2eexample/",
            "https:idp.example/",
            "https:/idp.example/",
            "https://idp.example/\"><script>",
        ] {
            assert!(check_address(url).is_err(), "{url}");
        }
        assert!(check_address(&format!("https://idp.example/{}", "a".repeat(2048))).is_err());
    }
}
