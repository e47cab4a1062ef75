use serde_json::json;

use super::*;
use crate::keys::{KeyState, SigningKey};

#[test]
fn document_is_complete() {
    let issuer = Issuer::parse("https://example.com/auth").unwrap();
    let (active, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let (next, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([(KeyState::Active, active), (KeyState::Next, next)]).unwrap();
    assert_eq!(
        serde_json::to_value(Metadata::new(&issuer, &keys)).unwrap(),
        json!({
            "issuer": "https://example.com/auth",
            "authorization_endpoint": "https://example.com/auth/oauth/authorize",
            "token_endpoint": "https://example.com/auth/oauth/token",
            "userinfo_endpoint": "https://example.com/auth/oauth/userinfo",
            "introspection_endpoint": "https://example.com/auth/oauth/introspect",
            "revocation_endpoint": "https://example.com/auth/oauth/revoke",
            "pushed_authorization_request_endpoint": "https://example.com/auth/oauth/par",
            "jwks_uri": "https://example.com/auth/oauth/jwks",
            "end_session_endpoint": "https://example.com/auth/oauth/logout",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"],
            "scopes_supported": ["openid", "profile", "email", "groups", "roles", "offline_access", "scim", "scim:read"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "org_id",
                "session_expiry", "at_hash", "email", "email_verified", "name", "given_name",
                "family_name", "preferred_username", "groups", "roles"
            ],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "authorization_response_iss_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    );
}

#[test]
fn authentication_classes_are_announced_when_there_are_some() {
    let issuer = Issuer::parse("https://example.com").unwrap();
    let metadata = Metadata::new(&issuer, &KeySet::default()).with_acr_values(vec!["aal2".into()]);
    let json = serde_json::to_value(metadata).unwrap();
    assert_eq!(json["acr_values_supported"], json!(["aal2"]));
}
