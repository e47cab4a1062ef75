//! Checks every address before a connection is made to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{Range, canonical};
use super::{Class, OutboundError};

/// Finds the addresses of a name.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of a name, checked or not; the guard checks them.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0))
            .await?
            .map(|address| address.ip())
            .collect())
    }
}

/// The rule of one class.
#[derive(Debug)]
pub(super) struct Guard {
    class: Class,
    networks: Vec<IpNet>,
    allow_private: bool,
}

impl Guard {
    pub(super) fn new(class: Class, networks: Vec<IpNet>, allow_private: bool) -> Self {
        Self {
            class,
            networks,
            allow_private,
        }
    }

    /// Says where an address lies if it may be called, else why not.
    pub(super) fn check(&self, address: IpAddr) -> Result<Range, OutboundError> {
        let meant = canonical(address);
        let range = Range::of(meant);
        let allowed = match range {
            Range::Public => true,
            Range::Loopback | Range::Private if self.allow_private => true,
            _ => self.networks.iter().any(|network| network.contains(&meant)),
        };
        if allowed {
            Ok(range)
        } else {
            Err(OutboundError::Blocked {
                address,
                range,
                class: self.class,
            })
        }
    }
}

/// Whether a name means this machine and nothing else (RFC 6761 §6.3).
pub(super) fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Resolves names for reqwest and hands on only what the guard lets pass.
pub(super) struct Resolver {
    guard: Arc<Guard>,
    lookup: Arc<dyn Lookup>,
}

impl Resolver {
    pub(super) fn new(guard: Arc<Guard>, lookup: Arc<dyn Lookup>) -> Self {
        Self { guard, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (Arc::clone(&self.guard), Arc::clone(&self.lookup));
        Box::pin(async move { Ok(checked_addresses(&guard, &*lookup, name.as_str()).await?) })
    }
}

async fn checked_addresses(
    guard: &Guard,
    lookup: &dyn Lookup,
    name: &str,
) -> Result<Addrs, OutboundError> {
    let found = if is_loopback_name(name) {
        // Never asked of a server: whoever answers could send plain http elsewhere.
        vec![
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]
    } else {
        lookup
            .lookup(name)
            .await
            .map_err(|source| OutboundError::Unresolved {
                source: Box::new(source),
            })?
    };
    let mut refusal = None;
    let mut passed = Vec::new();
    for address in found {
        match guard.check(address) {
            // Port 0 is filled in from the URL.
            Ok(_) => passed.push(SocketAddr::new(address, 0)),
            Err(error) => refusal = Some(error),
        }
    }
    match (passed.is_empty(), refusal) {
        (false, _) => Ok(Box::new(passed.into_iter())),
        (true, Some(refusal)) => Err(refusal),
        (true, None) => {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            Err(OutboundError::Unresolved {
                source: Box::new(source),
            })
        }
    }
}
