//! Discovery: what the identity provider says about itself.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::provider_kind::is_entra_host;
use crate::{ClientAuth, Error, HttpClient, document};

/// How old metadata may get before it should be fetched again, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;

/// Which URLs the identity provider may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// https only.
    #[default]
    HttpsOnly,
    /// Also http on loopback hosts, for tests and demos on one machine.
    HttpsOrLoopback,
}

/// The provider's metadata, as far as a relying party needs it (OpenID Connect Discovery §3, RFC 9207 §3).
///
/// The host may serialize and keep it; [`Metadata::is_stale`] says when to discover again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// The issuer, equal to the one asked for.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: Url,
    /// Where codes are exchanged.
    pub token_endpoint: Url,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Where further claims are, if anywhere.
    pub userinfo_endpoint: Option<Url>,
    /// Where a browser ends its session at the provider, if anywhere.
    pub end_session_endpoint: Option<Url>,
    /// Where requests are handed in beforehand, if anywhere (RFC 9126 §5).
    #[serde(default)]
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// Whether requests that come through the browser only are refused.
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether every answer names its issuer (RFC 9207), so that a missing `iss` is an attack.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether the provider sends back-channel logout tokens.
    #[serde(default)]
    pub backchannel_logout_supported: bool,
    /// The client authentications that the provider offers; empty if it does not say.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of client assertions that the provider takes; empty if it does not say.
    #[serde(default)]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The algorithms that the provider signs ID tokens with.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// The scopes that the provider knows; empty if it does not say.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// When it was fetched, Unix seconds.
    pub fetched_at: i64,
}

/// The document on the wire; unknown members are ignored.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    userinfo_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    pushed_authorization_request_endpoint: Option<Url>,
    require_pushed_authorization_requests: Option<bool>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
    backchannel_logout_supported: Option<bool>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Fetches `{issuer}/.well-known/openid-configuration` and checks it.
    ///
    /// The issuer in it must equal the one asked for, byte for byte; every endpoint must obey `transport`, and an
    /// https issuer has https endpoints only.
    pub async fn discover(
        client: &dyn HttpClient,
        issuer: &str,
        transport: Transport,
        now: i64,
    ) -> Result<Self, Error> {
        let issuer_url = checked_issuer(issuer, transport)?;
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let found: Document = document::fetch_json(client, &address, "discovery document").await?;
        if found.issuer != issuer {
            if found.issuer.contains('{') {
                return Err(Error::TemplateIssuer);
            }
            return Err(Error::Issuer {
                wanted: issuer.to_owned(),
                got: found.issuer,
            });
        }
        let transport = if issuer_url.scheme() == "https" {
            Transport::HttpsOnly
        } else {
            transport
        };
        let needed = |url: Option<Url>, endpoint| url.ok_or(Error::EndpointMissing { endpoint });
        let metadata = Self {
            issuer: found.issuer,
            authorization_endpoint: needed(found.authorization_endpoint, "authorization_endpoint")?,
            token_endpoint: needed(found.token_endpoint, "token_endpoint")?,
            jwks_uri: needed(found.jwks_uri, "jwks_uri")?,
            userinfo_endpoint: found.userinfo_endpoint,
            end_session_endpoint: found.end_session_endpoint,
            pushed_authorization_request_endpoint: found.pushed_authorization_request_endpoint,
            require_pushed_authorization_requests: found
                .require_pushed_authorization_requests
                .unwrap_or(false),
            token_endpoint_auth_signing_alg_values_supported: found
                .token_endpoint_auth_signing_alg_values_supported
                .unwrap_or_default(),
            authorization_response_iss_parameter_supported: found
                .authorization_response_iss_parameter_supported
                .unwrap_or(false),
            backchannel_logout_supported: found.backchannel_logout_supported.unwrap_or(false),
            token_endpoint_auth_methods_supported: found
                .token_endpoint_auth_methods_supported
                .unwrap_or_default(),
            id_token_signing_alg_values_supported: found
                .id_token_signing_alg_values_supported
                .unwrap_or_default(),
            scopes_supported: found.scopes_supported.unwrap_or_default(),
            fetched_at: now,
        };
        metadata.check_endpoints(transport)?;
        Ok(metadata)
    }

    /// Whether it is older than a day and should be discovered again.
    pub fn is_stale(&self, now: i64) -> bool {
        now.saturating_sub(self.fetched_at) >= LIFETIME
    }

    /// Whether the provider offers a client authentication; one that says nothing offers client_secret_basic
    /// (Discovery §3).
    pub fn offers(&self, client_auth: ClientAuth) -> bool {
        let offered = &self.token_endpoint_auth_methods_supported;
        if offered.is_empty() {
            return client_auth == ClientAuth::ClientSecretBasic;
        }
        offered.iter().any(|name| name == client_auth.as_str())
    }

    fn check_endpoints(&self, transport: Transport) -> Result<(), Error> {
        check_url(
            &self.authorization_endpoint,
            "authorization_endpoint",
            transport,
        )?;
        check_url(&self.token_endpoint, "token_endpoint", transport)?;
        check_url(&self.jwks_uri, "jwks_uri", transport)?;
        for (url, name) in [
            (&self.userinfo_endpoint, "userinfo_endpoint"),
            (&self.end_session_endpoint, "end_session_endpoint"),
            (
                &self.pushed_authorization_request_endpoint,
                "pushed_authorization_request_endpoint",
            ),
        ] {
            if let Some(url) = url {
                check_url(url, name, transport)?;
            }
        }
        Ok(())
    }
}

/// Parses an issuer: a URL without query and fragment (Discovery §3) that stands for one tenant.
fn checked_issuer(issuer: &str, transport: Transport) -> Result<Url, Error> {
    let not_acceptable = |reason| Error::Url {
        name: "issuer",
        reason,
    };
    if issuer.contains('{') {
        return Err(Error::TemplateIssuer);
    }
    let url = Url::parse(issuer).map_err(|_| not_acceptable("it is not an absolute URL"))?;
    check_url(&url, "issuer", transport)?;
    if url.query().is_some() {
        return Err(not_acceptable("it has a query"));
    }
    if is_template(&url) {
        return Err(Error::TemplateIssuer);
    }
    Ok(url)
}

/// Entra's multi-tenant endpoints: their tokens carry an issuer that their metadata does not.
fn is_template(url: &Url) -> bool {
    let entra = url.host_str().is_some_and(is_entra_host);
    let tenant = url.path_segments().and_then(|mut segments| segments.next());
    entra
        && tenant.is_none_or(|tenant| {
            ["", "common", "organizations", "consumers"]
                .iter()
                .any(|name| tenant.eq_ignore_ascii_case(name))
        })
}

pub(crate) fn check_url(url: &Url, name: &'static str, transport: Transport) -> Result<(), Error> {
    let not_acceptable = |reason| Err(Error::Url { name, reason });
    match url.scheme() {
        "https" => {}
        "http" if transport == Transport::HttpsOrLoopback && is_loopback(url) => {}
        "http" => return not_acceptable("it is not https"),
        _ => return not_acceptable("its scheme is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return not_acceptable("it has user info");
    }
    if url.fragment().is_some() {
        return not_acceptable("it has a fragment");
    }
    Ok(())
}

/// Loopback by address, or by a name that resolves to nothing else (RFC 6761 §6.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}
