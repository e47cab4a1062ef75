//! Discovery: one document for OpenID Connect Discovery 1.0 and RFC 8414.

use serde::Serialize;

use crate::authorize::Prompt;
use crate::client_assertion::ScimScope;
use crate::client_auth::ClientAuthMethod;
use crate::issuer::Issuer;
use crate::keys::{Algorithm, KeySet};
use crate::scope::ScopeValue;

/// Paths below the issuer.
pub mod paths {
    /// Authorization endpoint.
    pub const AUTHORIZE: &str = "/oauth/authorize";
    /// Token endpoint.
    pub const TOKEN: &str = "/oauth/token";
    /// UserInfo endpoint.
    pub const USERINFO: &str = "/oauth/userinfo";
    /// Introspection endpoint.
    pub const INTROSPECT: &str = "/oauth/introspect";
    /// Revocation endpoint.
    pub const REVOKE: &str = "/oauth/revoke";
    /// JWKS document.
    pub const JWKS: &str = "/oauth/jwks";
    /// Pushed authorization requests (RFC 9126).
    pub const PAR: &str = "/oauth/par";
    /// RP-initiated logout.
    pub const LOGOUT: &str = "/oauth/logout";
}

/// The document at both well-known places, see [`Issuer::openid_configuration_path`] and
/// [`Issuer::oauth_metadata_path`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the standards define these members as booleans"
)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    pushed_authorization_request_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: String,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 2],
    grant_types_supported: [&'static str; 3],
    code_challenge_methods_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<Algorithm>,
    token_endpoint_auth_methods_supported: [ClientAuthMethod; 4],
    token_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
    revocation_endpoint_auth_methods_supported: [ClientAuthMethod; 4],
    revocation_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
    introspection_endpoint_auth_methods_supported: [ClientAuthMethod; 3],
    introspection_endpoint_auth_signing_alg_values_supported: [Algorithm; 3],
    scopes_supported: Vec<&'static str>,
    claims_supported: &'static [&'static str],
    prompt_values_supported: [&'static str; 4],
    authorization_response_iss_parameter_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    // Said because `request_uri_parameter_supported` would default to true.
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acr_values_supported: Vec<String>,
}

pub(crate) const CLAIMS: [&str; 21] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "sid",
    "org_id",
    "session_expiry",
    "at_hash",
    "email",
    "email_verified",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "groups",
    "roles",
];

impl Metadata {
    /// Describes `issuer` with the algorithms that `keys` can sign by.
    pub fn new(issuer: &Issuer, keys: &KeySet) -> Self {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
        Self {
            issuer: issuer.as_str().to_owned(),
            authorization_endpoint: issuer.endpoint(paths::AUTHORIZE),
            token_endpoint: issuer.endpoint(paths::TOKEN),
            userinfo_endpoint: issuer.endpoint(paths::USERINFO),
            introspection_endpoint: issuer.endpoint(paths::INTROSPECT),
            revocation_endpoint: issuer.endpoint(paths::REVOKE),
            pushed_authorization_request_endpoint: issuer.endpoint(paths::PAR),
            jwks_uri: issuer.endpoint(paths::JWKS),
            end_session_endpoint: issuer.endpoint(paths::LOGOUT),
            response_types_supported: ["code"],
            response_modes_supported: ["query", "form_post"],
            grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
            code_challenge_methods_supported: ["S256"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: keys.algorithms(),
            token_endpoint_auth_methods_supported: ClientAuthMethod::ALL,
            token_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
            revocation_endpoint_auth_methods_supported: ClientAuthMethod::ALL,
            revocation_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
            introspection_endpoint_auth_methods_supported: [
                ClientSecretBasic,
                ClientSecretPost,
                PrivateKeyJwt,
            ],
            introspection_endpoint_auth_signing_alg_values_supported: Algorithm::ALL,
            scopes_supported: ScopeValue::ALL
                .map(ScopeValue::as_str)
                .into_iter()
                .chain(ScimScope::ALL.map(ScimScope::as_str))
                .collect(),
            claims_supported: &CLAIMS,
            prompt_values_supported: Prompt::VALUES,
            authorization_response_iss_parameter_supported: true,
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            acr_values_supported: Vec::new(),
        }
    }

    /// Announces authentication classes.
    #[must_use]
    pub fn with_acr_values(mut self, values: Vec<String>) -> Self {
        self.acr_values_supported = values;
        self
    }
}

#[cfg(test)]
mod tests;
