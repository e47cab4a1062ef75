//! The token endpoint's answer, with the ID token left as the provider wrote it.

use std::time::Duration;

use openidconnect::core::{
    CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType,
};
use openidconnect::{
    AccessToken, EmptyAdditionalClaims, IdToken, OAuth2TokenResponse, RefreshToken, Scope,
    TokenResponse,
};
use serde::{Deserialize, Serialize};

use crate::Secret;

type ParsedIdToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// Only what a login needs; refresh tokens are not asked for and not kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenAnswer {
    access_token: AccessToken,
    token_type: CoreTokenType,
    #[serde(skip_serializing)]
    id_token: Option<RawToken>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
struct RawToken(Secret);

impl From<String> for RawToken {
    fn from(token: String) -> Self {
        Self(Secret::new(token))
    }
}

impl TokenAnswer {
    /// The ID token in compact form, unverified.
    pub(crate) fn raw_id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(|token| token.0.expose())
    }
}

impl OAuth2TokenResponse for TokenAnswer {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for TokenAnswer
{
    /// Always none: the token is judged in its compact form, because the header checks need the header as sent.
    fn id_token(&self) -> Option<&ParsedIdToken> {
        None
    }
}
