use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use crate::Web;

/// Where a request comes from, for rate limits: the peer, or what a trusted proxy says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<Web> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        // A host that serves without connect info has all callers share one limit, which is the strict side.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Self(client_of(
            peer,
            &parts.headers,
            &web.options.trusted_proxies,
        )))
    }
}

/// Tells the SCIM router, which knows of no proxies, where a request comes from.
pub(crate) async fn tell_scim(
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    request
        .extensions_mut()
        .insert(vestibule_scim::ClientAddress(address));
    next.run(request).await
}

/// Walks `X-Forwarded-For` from its end, as long as the hop that wrote an entry is trusted.
fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| {
        trusted
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    };
    let hops = headers
        .get_all("x-forwarded-for")
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut hops: Vec<&str> = hops
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut client = peer;
    while is_trusted(client) {
        match hops.pop().and_then(|hop| hop.parse().ok()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], wanted: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(
            client_of(peer.parse().unwrap(), &headers, &trusted),
            wanted.parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn only_trusted_hops_are_believed() {
        check("198.51.100.1", &["203.0.113.9"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9");
        check(
            "10.0.0.1",
            &["1.2.3.4", "203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
        );
        check("10.0.0.1", &["nonsense"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
    }
}
