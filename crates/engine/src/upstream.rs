//! The customers' OpenID Providers: from a connection's row to one that can begin and finish logins.

mod client_keys;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use vestibule_core::{ConnectionId, Timestamp};
use vestibule_oidc::{
    Algorithm, AssertionAudience, ClientAuth, ClientKey, ConnectionSettings, Error, Metadata,
    ProviderKind, PushedRequests, Secret, Transport, UserInfo, tenant_of,
};
use vestibule_store::{Connection, ReadTx};

use crate::{Engine, Fault, outbound::Class};

/// The place to which a connection's client secret is sealed; the row is the connection's id.
pub(crate) const CLIENT_SECRET_PLACE: &str = "connections.client_secret";

/// What `connections.settings` holds for a connection by OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcSettings {
    /// The issuer, exactly as its discovery document writes it.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// How we prove who we are: `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    pub client_auth: String,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// Whom assertions of who we are are for, where that is not left to the provider's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_audience: Option<AssertionAudience>,
    /// Whether requests are handed in beforehand (RFC 9126).
    #[serde(default)]
    pub pushed_requests: PushedRequests,
    /// When the userinfo endpoint is asked.
    #[serde(default = "OidcSettings::default_userinfo")]
    pub userinfo: UserInfo,
    /// Whose provider it is, where its issuer does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderKind>,
    /// The Google Workspace domains whose accounts come in; none: the organization's verified ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosted_domains: Vec<String>,
    /// Whether addresses count as verified that the provider says nothing about.
    #[serde(default)]
    pub trust_email: bool,
    /// Whether who signs out here is sent to the provider to sign out there too.
    #[serde(default)]
    pub logout_at_provider: bool,
}

impl OidcSettings {
    /// The scopes asked for when a connection names none.
    pub fn default_scopes() -> Vec<String> {
        ["openid", "profile", "email"].map(str::to_owned).to_vec()
    }

    /// When userinfo is asked unless a connection says otherwise: where the join's claim is not in the ID token.
    pub const fn default_userinfo() -> UserInfo {
        UserInfo::Missing
    }

    /// Reads the settings of a connection by OpenID Connect.
    pub(crate) fn of(connection: &Connection) -> Result<Self, Fault> {
        serde_json::from_value(connection.settings.clone())
            .map_err(|_| Fault::internal("a connection's settings cannot be read"))
    }

    /// Whose provider it is: what the issuer shows, and else what the settings say.
    pub fn kind(&self) -> ProviderKind {
        match (ProviderKind::of_issuer(&self.issuer), self.provider) {
            // What the issuer shows cannot be switched off.
            (ProviderKind::Generic, Some(kind)) => kind,
            (shown, _) => shown,
        }
    }

    /// Whom assertions are for. Okta and Entra accept none but for the address that is called.
    pub fn assertion_audience(&self) -> AssertionAudience {
        let by_kind = match self.kind() {
            ProviderKind::Entra | ProviderKind::Okta => AssertionAudience::Endpoint,
            _ => AssertionAudience::Issuer,
        };
        self.assertion_audience.unwrap_or(by_kind)
    }

    /// Whether we prove who we are by a key of the connection.
    pub fn signs_assertions(&self) -> bool {
        self.client_auth == ClientAuth::PrivateKeyJwt.as_str()
    }

    fn client_auth(&self) -> ClientAuth {
        match self.client_auth.as_str() {
            "client_secret_post" => ClientAuth::ClientSecretPost,
            "private_key_jwt" => ClientAuth::PrivateKeyJwt,
            "none" => ClientAuth::None,
            _ => ClientAuth::ClientSecretBasic,
        }
    }
}

/// Discovery documents, kept for a day each, or until what they say does not work.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache(Mutex<HashMap<ConnectionId, Metadata>>);

impl MetadataCache {
    fn get(&self, id: ConnectionId, issuer: &str, now: Timestamp) -> Option<Metadata> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&id)
            .filter(|metadata| metadata.issuer == issuer && !metadata.is_stale(now.unix_seconds()))
            .cloned()
    }

    /// Forgets what may be why something failed: a provider moves its endpoints, and its document says where to.
    pub(crate) fn forget_after(&self, id: ConnectionId, error: &Error) {
        let outdated = matches!(
            error,
            Error::EndpointFailed { .. }
                | Error::EndpointMissing { .. }
                | Error::Http { .. }
                | Error::Status { .. }
        );
        if outdated {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
        }
    }

    fn put(&self, id: ConnectionId, metadata: Metadata) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, metadata);
    }
}

/// What the store knows beside the connection's row.
struct Beside {
    client_key: Option<ClientKey>,
    hosted_domains: Vec<String>,
    /// The algorithms by which ID tokens may be signed, where the organization keeps to a profile.
    algorithms: Option<&'static [Algorithm]>,
}

impl Engine {
    /// Discovers a connection's provider, unless it is known, and puts its settings together; the inner error is the
    /// provider's or the connection's.
    pub(crate) async fn oidc_connection(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Result<vestibule_oidc::Connection, Error>, Fault> {
        let settings = OidcSettings::of(connection)?;
        let beside = self.beside(connection, &settings, now).await?;
        let metadata = match self.metadata_of(connection.id, &settings, now).await {
            Ok(metadata) => metadata,
            Err(error) => return Ok(Err(error)),
        };
        let wanted = match self.settings_of(connection, &settings, beside) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Err(error)),
        };
        // Keys of another place are another provider's, also where the connection is the same.
        let keys = self.oidc_keys(connection.id, &metadata.jwks_uri);
        Ok(vestibule_oidc::Connection::new(wanted, metadata, keys))
    }

    async fn beside(
        &self,
        connection: &Connection,
        settings: &OidcSettings,
        now: Timestamp,
    ) -> Result<Beside, Fault> {
        let mut tx = self.store().read(now).await?;
        let organization = tx.find_organization(connection.organization_id).await?;
        let profile = organization.and_then(|organization| organization.policy.ipsie);
        let mut beside = Beside {
            client_key: None,
            hosted_domains: settings.hosted_domains.clone(),
            algorithms: profile.map(|_| Algorithm::IPSIE.as_slice()),
        };
        let asks_domains =
            settings.kind() == ProviderKind::Google && beside.hosted_domains.is_empty();
        if asks_domains {
            beside.hosted_domains = verified_domains(&mut tx, connection).await?;
        }
        if settings.signs_assertions() {
            beside.client_key = self.client_key(&mut tx, connection).await?;
        }
        Ok(beside)
    }

    async fn metadata_of(
        &self,
        id: ConnectionId,
        settings: &OidcSettings,
        now: Timestamp,
    ) -> Result<Metadata, Error> {
        if let Some(known) = self.oidc_metadata().get(id, &settings.issuer, now) {
            return Ok(known);
        }
        let client = self.outbound().for_oidc(Class::Customer);
        // Plain http is for loopback hosts only; whether those may be reached at all is the guard's decision.
        let transport = Transport::HttpsOrLoopback;
        let found =
            Metadata::discover(&client, &settings.issuer, transport, now.unix_seconds()).await?;
        self.oidc_metadata().put(id, found.clone());
        Ok(found)
    }

    fn settings_of(
        &self,
        connection: &Connection,
        settings: &OidcSettings,
        beside: Beside,
    ) -> Result<ConnectionSettings, Error> {
        let redirect_uri = self.url(&format!("/sso/oidc/{}/callback", connection.id));
        let kind = settings.kind();
        let mut wanted =
            ConnectionSettings::new(&settings.issuer, &settings.client_id, redirect_uri)
                .client_auth(settings.client_auth())
                .scopes(&settings.scopes)
                .assertion_audience(settings.assertion_audience())
                .pushed_requests(settings.pushed_requests)
                .userinfo(settings.userinfo)
                .wanted_claims(claims_of(connection))
                .provider(kind);
        wanted.client_key = beside.client_key;
        if let Some(algorithms) = beside.algorithms {
            wanted = wanted.algorithms(algorithms.iter().copied());
        }
        match kind {
            ProviderKind::Entra => {
                let tenant = tenant_of(&settings.issuer).ok_or(Error::TemplateIssuer)?;
                wanted = wanted.require_claim("tid", tenant);
            }
            // The request's hint proves nothing: who comes in is decided by the claim.
            ProviderKind::Google => wanted = wanted.require_one_of("hd", beside.hosted_domains),
            _ => {}
        }
        if let Some(sealed) = &connection.client_secret_sealed {
            let clear = self
                .vault()
                .unseal(CLIENT_SECRET_PLACE, &connection.id.to_string(), sealed)
                .and_then(|clear| String::from_utf8(clear).ok())
                .ok_or(Error::Settings {
                    reason: "the stored client secret does not open",
                })?;
            wanted = wanted.client_secret(Secret::new(clear));
        }
        Ok(wanted)
    }
}

/// The domains that the organization of a connection has verified.
pub(crate) async fn verified_domains(
    tx: &mut ReadTx,
    connection: &Connection,
) -> Result<Vec<String>, Fault> {
    let domains = tx.list_domains(connection.organization_id).await?;
    Ok(domains
        .into_iter()
        .filter(|domain| domain.verified_at.is_some())
        .map(|domain| domain.domain)
        .collect())
}

/// The claims that a login through this connection cannot do without.
fn claims_of(connection: &Connection) -> Vec<String> {
    let claim = connection.join_claim.as_deref();
    let claim = claim.map(|claim| claim.strip_prefix("attribute:").unwrap_or(claim));
    let address = connection.jit.then_some("email");
    claim
        .into_iter()
        .chain(address)
        .map(str::to_owned)
        .collect()
}
