//! The customers' SAML identity providers: what a connection by SAML remembers.

mod expiry;
pub(crate) mod keys;
pub(crate) mod metadata;
mod polling;

mod logout;

use serde::{Deserialize, Serialize};
use vestibule_core::{ConnectionId, Timestamp};
use vestibule_store::Connection;

use crate::{Engine, Fault};

pub use logout::{SamlLogoutMessage, SamlLogoutOutcome, ToProvider};

/// The place to which a connection's private keys are sealed; the row is the key's id.
pub(crate) const CONNECTION_KEY_PLACE: &str = "connection_keys.private";

/// What `connections.settings` holds for a connection by SAML; certificates and keys have tables of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four switches that a person sets one by one, stored under their names"
)]
pub struct SamlSettings {
    /// The identity provider's entity ID.
    pub entity_id: String,
    /// Where a request goes by HTTP-Redirect.
    pub sso_url: Option<String>,
    /// Where a request goes by HTTP-POST; used when there is no address for HTTP-Redirect.
    pub sso_post_url: Option<String>,
    /// The address for HTTP-Redirect while requests go by HTTP-POST, so that the choice can be taken back.
    #[serde(default)]
    pub sso_redirect_aside: Option<String>,
    /// Where logout messages go by HTTP-Redirect; none: the identity provider is not told of logouts.
    #[serde(default)]
    pub slo_url: Option<String>,
    /// Where logout messages go by HTTP-POST; used when there is no address for HTTP-Redirect.
    #[serde(default)]
    pub slo_post_url: Option<String>,
    /// Where answers to logout requests go, if not where requests go.
    #[serde(default)]
    pub slo_response_url: Option<String>,
    /// Whether requests are signed.
    pub sign_requests: bool,
    /// Whether assertions may or must be encrypted.
    pub encryption: Encryption,
    /// Until when SHA-1 signatures are accepted.
    #[serde(default)]
    pub allow_sha1_until: Option<Timestamp>,
    /// Whether inclusive canonicalization is accepted.
    #[serde(default)]
    pub allow_inclusive_c14n: bool,
    /// The `NameIDPolicy` format asked for; none asks for nothing.
    #[serde(default)]
    pub name_id_format: Option<String>,
    /// The authentication context classes asked for at every login; empty asks for nothing.
    #[serde(default)]
    pub authn_context: Vec<String>,
    /// Whether every login asks the identity provider to authenticate anew.
    #[serde(default)]
    pub force_authn: bool,
    /// The attribute that identifies a person for good; its value is stored as the link.
    #[serde(default)]
    pub subject_attribute: Option<String>,
    /// Whether a person chose where logout messages go; metadata then does not change it.
    #[serde(default)]
    pub slo_chosen: bool,
    /// The fingerprints of the certificates in the metadata that was read last.
    #[serde(default)]
    pub metadata_certificates: Vec<String>,
}

/// Whether assertions are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// The connection has no key: nothing can be encrypted for it.
    #[default]
    Off,
    /// Plain and encrypted assertions are accepted.
    Accepted,
    /// Plain assertions are refused.
    Required,
}

impl SamlSettings {
    /// Settings with the addresses of an identity provider and everything else at its default.
    pub fn new(entity_id: impl Into<String>) -> Self {
        Self {
            entity_id: entity_id.into(),
            sso_url: None,
            sso_post_url: None,
            sso_redirect_aside: None,
            slo_url: None,
            slo_post_url: None,
            slo_response_url: None,
            sign_requests: true,
            encryption: Encryption::Off,
            allow_sha1_until: None,
            allow_inclusive_c14n: false,
            name_id_format: None,
            authn_context: Vec::new(),
            force_authn: false,
            subject_attribute: None,
            slo_chosen: false,
            metadata_certificates: Vec::new(),
        }
    }
}

impl SamlSettings {
    /// What a connection by SAML remembers; settings that cannot be read are our own fault.
    pub(crate) fn of(connection: &Connection) -> Result<Self, Fault> {
        Self::deserialize(&connection.settings)
            .map_err(|_| Fault::internal("a connection's SAML settings cannot be read"))
    }
}

/// Our addresses at one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamlAddresses {
    /// Our entity ID, which is also where our metadata is.
    pub sp_entity_id: String,
    /// The assertion consumer service.
    pub acs_url: String,
    /// Single logout.
    pub slo_url: String,
    /// Where an identity provider's link can begin a login.
    pub login_url: String,
}

impl Engine {
    /// Our addresses at a connection by SAML; each connection has its own, so that organizations cannot be confused.
    pub fn saml_addresses(&self, id: ConnectionId) -> SamlAddresses {
        let at = |leaf: &str| self.url(&format!("/sso/saml/{id}/{leaf}"));
        SamlAddresses {
            sp_entity_id: at("metadata"),
            acs_url: at("acs"),
            slo_url: at("slo"),
            login_url: at("login"),
        }
    }
}
