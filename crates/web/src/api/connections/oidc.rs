//! What the admin API says and hears of a connection by OpenID Connect.

use serde::{Deserialize, Serialize};
use vestibule_core::Secret;
use vestibule_engine::{
    AssertionAudience, Engine, OidcSettings, ProviderKind, PushedRequests, UserInfo,
    admin::{ConnectionDetails, OidcChange},
};

use crate::api::body::{Nullable, nullable};

/// What changes of a connection by OpenID Connect.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcInput {
    /// The issuer, exactly as its discovery document writes it.
    issuer: Option<String>,
    /// Our client id there.
    client_id: Option<String>,
    /// Our client secret there; it is sealed and never shown again.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, write_only)]
    client_secret: Nullable<String>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`. With `private_key_jwt` a key is made for
    /// this connection alone; give the provider `jwks_uri`, or the certificate of `/connections/{id}/keys`.
    client_auth: Option<String>,
    /// The scopes asked for.
    scopes: Option<Vec<String>>,
    /// Whom assertions of `private_key_jwt` are for: `issuer`, or `endpoint`, the address that is called, which has to be
    /// on the issuer's host. Null: `endpoint` for Okta and Entra ID, which accept nothing else, and `issuer` otherwise.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    assertion_audience: Nullable<AssertionAudience>,
    /// Whether requests are handed in beforehand (RFC 9126): `auto`, where the provider offers it; `always`; or `never`,
    /// which holds unless the provider demands it.
    #[schema(value_type = Option<String>)]
    pushed_requests: Option<PushedRequests>,
    /// When the userinfo endpoint is asked: `missing`, where the ID token lacks the claim of the join; `fetch`, always; or
    /// `skip`.
    #[schema(value_type = Option<String>)]
    userinfo: Option<UserInfo>,
    /// `entra`, `google` or `okta`, where the issuer does not show it; null leaves it to the issuer.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    provider: Nullable<ProviderKind>,
    /// For Google: the domains (`hd`) whose accounts come in. Without any it is the organization's verified domains.
    hosted_domains: Option<Vec<String>>,
    /// Whether an address counts as verified that the provider says nothing about. It never outweighs a `false`.
    trust_email: Option<bool>,
    /// Whether who signs out here is sent to the provider to sign out there too.
    logout_at_provider: Option<bool>,
}

impl From<OidcInput> for OidcChange {
    fn from(input: OidcInput) -> Self {
        Self {
            issuer: input.issuer,
            client_id: input.client_id,
            client_secret: input.client_secret.map(|secret| secret.map(Secret::new)),
            client_auth: input.client_auth,
            scopes: input.scopes,
            assertion_audience: input.assertion_audience,
            pushed_requests: input.pushed_requests,
            userinfo: input.userinfo,
            provider: input.provider,
            hosted_domains: input.hosted_domains,
            trust_email: input.trust_email,
            logout_at_provider: input.logout_at_provider,
        }
    }
}

/// A connection by OpenID Connect, with what to enter at the identity provider.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Oidc {
    issuer: String,
    client_id: String,
    client_auth: String,
    scopes: Vec<String>,
    /// Whether a client secret is kept.
    has_client_secret: bool,
    /// `issuer` or `endpoint`.
    #[schema(value_type = String)]
    assertion_audience: AssertionAudience,
    /// `auto`, `always` or `never`.
    #[schema(value_type = String)]
    pushed_requests: PushedRequests,
    /// `missing`, `fetch` or `skip`.
    #[schema(value_type = String)]
    userinfo: UserInfo,
    /// `generic`, `entra`, `google` or `okta`.
    #[schema(value_type = String)]
    provider: ProviderKind,
    hosted_domains: Vec<String>,
    trust_email: bool,
    logout_at_provider: bool,
    /// Enter this as the redirect URI.
    redirect_uri: String,
    /// Enter this as the post-logout redirect URI.
    post_logout_redirect_uri: String,
    /// Enter this as the back-channel logout URI.
    /// Where the provider sends logout tokens (OpenID Connect Back-Channel Logout).
    backchannel_logout_uri: String,
    /// Where the provider sends people who begin there (OpenID Connect Core §4).
    initiate_login_uri: String,
    /// Enter this as the JWKS URL, with `private_key_jwt`; null otherwise.
    jwks_uri: Option<String>,
}

impl Oidc {
    pub(super) fn of(engine: &Engine, details: &ConnectionDetails) -> Option<Self> {
        let connection = &details.connection;
        let settings: OidcSettings = serde_json::from_value(connection.settings.clone()).ok()?;
        let url = |place: &str| engine.url(&format!("/sso/oidc/{}/{place}", connection.id));
        Some(Self {
            assertion_audience: settings.assertion_audience(),
            provider: settings.kind(),
            jwks_uri: settings.signs_assertions().then(|| url("jwks")),
            issuer: settings.issuer,
            client_id: settings.client_id,
            client_auth: settings.client_auth,
            scopes: settings.scopes,
            has_client_secret: connection.client_secret_sealed.is_some(),
            pushed_requests: settings.pushed_requests,
            userinfo: settings.userinfo,
            hosted_domains: settings.hosted_domains,
            trust_email: settings.trust_email,
            logout_at_provider: settings.logout_at_provider,
            redirect_uri: url("callback"),
            post_logout_redirect_uri: url("signed-out"),
            backchannel_logout_uri: url("backchannel-logout"),
            initiate_login_uri: url("login"),
        })
    }
}
