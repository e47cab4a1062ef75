//! The guarded client: every call that leaves this process goes through here.
//!
//! Destinations come from people whom the operator does not control: an issuer, a metadata URL, a logout endpoint, a
//! webhook. A call must therefore not reach what only this machine can reach. Every address is checked after the name
//! was resolved and before the connection is made, so that a name that changes its answer gains nothing; redirects
//! are not followed; proxies from the environment are not used; time and size are limited.
//!
//! ```no_run
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! use vestibule_engine::outbound::{Class, Outbound, OutboundPolicy};
//!
//! let outbound = Outbound::new(OutboundPolicy::new())?;
//! let request = http::Request::get("https://idp.example/.well-known/openid-configuration").body(Vec::new())?;
//! let response = outbound.send(Class::Customer, request).await?;
//! # Ok(()) }
//! ```

mod address;
mod error;
mod guard;
mod oidc;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

pub use address::Range;
pub use error::OutboundError;
pub use guard::{Lookup, SystemLookup};
pub use oidc::OidcClient;

use guard::{Guard, is_loopback_name};

/// Who chose a destination; each class has its own allowed networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The operator of this server: webhooks, logout endpoints of applications.
    Operator,
    /// A customer's admin: issuers and metadata of identity providers.
    Customer,
}

impl Class {
    /// The environment variable that opens further networks to the class.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Operator => "VESTIBULE_ALLOWED_NETWORKS_OPERATOR",
            Self::Customer => "VESTIBULE_ALLOWED_NETWORKS_CUSTOMER",
        }
    }
}

/// What the guarded client may reach, and how long and how much it listens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundPolicy {
    /// Networks beside public addresses that operators' destinations may lie in.
    pub operator: Vec<IpNet>,
    /// Networks beside public addresses that customers' destinations may lie in.
    pub customer: Vec<IpNet>,
    /// Opens loopback and private networks to both classes, for tests and demos.
    pub allow_private: bool,
    /// How long a call may take, from the look-up of the name to the last byte of the body.
    pub time_limit: Duration,
    /// How many bytes of a body are read before the call fails.
    pub body_limit: usize,
    /// Root certificates in PEM that are trusted beside the system's.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl OutboundPolicy {
    /// Public addresses only, 5 seconds, 1 MiB, the system's roots.
    pub fn new() -> Self {
        Self {
            operator: Vec::new(),
            customer: Vec::new(),
            allow_private: false,
            time_limit: Duration::from_secs(5),
            body_limit: 1024 * 1024,
            extra_roots: Vec::new(),
        }
    }

    /// Opens loopback and private networks to both classes, for tests and demos.
    #[must_use]
    pub fn allow_private(mut self) -> Self {
        self.allow_private = true;
        self
    }

    /// Opens a further network to a class.
    #[must_use]
    pub fn allow(mut self, class: Class, network: IpNet) -> Self {
        match class {
            Class::Operator => self.operator.push(network),
            Class::Customer => self.customer.push(network),
        }
        self
    }

    /// Trusts further root certificates, a PEM file's content.
    #[must_use]
    pub fn trust_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(pem.into());
        self
    }

    /// Sets how long a call may take.
    #[must_use]
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Sets how many bytes of a body are read.
    #[must_use]
    pub fn body_limit(mut self, body_limit: usize) -> Self {
        self.body_limit = body_limit;
        self
    }
}

/// The guarded client. Clones share their connections.
#[derive(Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

struct Inner {
    operator: Lane,
    customer: Lane,
    time_limit: Duration,
    body_limit: usize,
}

/// The connections of one class: a connection opened for one class is never used for another.
struct Lane {
    guard: Arc<Guard>,
    client: reqwest::Client,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Outbound {
    /// A client under a policy, with the system's resolver.
    pub fn new(policy: OutboundPolicy) -> Result<Self, OutboundError> {
        let lookup: Arc<dyn Lookup> = Arc::new(SystemLookup);
        Self::with_lookup(policy, &lookup)
    }

    /// A client under a policy, with a resolver of the host's.
    pub fn with_lookup(
        policy: OutboundPolicy,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<Self, OutboundError> {
        let connect = |class, networks| -> Result<Lane, OutboundError> {
            let guard = Arc::new(Guard::new(class, networks, policy.allow_private));
            let resolver = guard::Resolver::new(Arc::clone(&guard), Arc::clone(lookup));
            let client = build_client(resolver, policy.time_limit, &policy.extra_roots)?;
            Ok(Lane { guard, client })
        };
        let inner = Inner {
            operator: connect(Class::Operator, policy.operator)?,
            customer: connect(Class::Customer, policy.customer)?,
            time_limit: policy.time_limit,
            body_limit: policy.body_limit,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Sends a request and reads the whole response, whatever its status; a redirect is an error.
    pub async fn send(
        &self,
        class: Class,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let lane = match class {
            Class::Operator => &self.inner.operator,
            Class::Customer => &self.inner.customer,
        };
        let (parts, body) = request.into_parts();
        let url = destination(&parts.uri, &lane.guard)?;
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        // The host's name follows from the address; a caller's own would reach another site on the same address.
        outgoing.headers_mut().remove(http::header::HOST);
        // A GET with an empty body would announce its length, which some servers refuse.
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.into());
        }

        let response = lane
            .client
            .execute(outgoing)
            .await
            .map_err(|error| self.explain(error, class))?;
        let status = response.status();
        if status.is_redirection() && status != http::StatusCode::NOT_MODIFIED {
            return Err(OutboundError::Redirected {
                status: status.as_u16(),
            });
        }
        self.read(response, class).await
    }

    /// This client for the OpenID Connect relying party.
    pub fn for_oidc(&self, class: Class) -> OidcClient {
        OidcClient::new(self.clone(), class)
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        class: Class,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let limit = self.inner.body_limit;
        let too_large = || OutboundError::TooLarge { limit };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.explain(error, class))?
        {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }

    fn explain(&self, error: reqwest::Error, class: Class) -> OutboundError {
        OutboundError::from_reqwest(error, class, self.inner.time_limit)
    }
}

fn build_client(
    resolver: guard::Resolver,
    time_limit: Duration,
    extra_roots: &[Vec<u8>],
) -> Result<reqwest::Client, OutboundError> {
    let setup = |source: reqwest::Error| OutboundError::Setup {
        source: Box::new(source),
    };
    let mut builder = reqwest::Client::builder()
        .user_agent("Vestibule")
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        // A repeated POST is the outbox's decision.
        .retry(reqwest::retry::never())
        .timeout(time_limit)
        .connect_timeout(time_limit)
        .pool_idle_timeout(Duration::from_secs(30))
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .dns_resolver(resolver);
    for pem in extra_roots {
        builder =
            builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?);
    }
    builder.build().map_err(setup)
}

/// Parses a destination and checks what can be known before its name is resolved.
fn destination(uri: &http::Uri, guard: &Guard) -> Result<Url, OutboundError> {
    let refused = |reason| OutboundError::Destination { reason };
    let url = Url::parse(&uri.to_string()).map_err(|_| refused("it is not an absolute URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has user info"));
    }
    // The URL parser turns decimal, octal and hexadecimal spellings into the address they mean.
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => guard.check(address.into())? == Range::Loopback,
        Some(Host::Ipv6(address)) => guard.check(address.into())? == Range::Loopback,
        Some(Host::Domain(name)) => is_loopback_name(name),
        None => return Err(refused("it names no host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        "http" => Err(OutboundError::NotHttps),
        _ => Err(refused("its scheme is neither https nor http")),
    }
}
