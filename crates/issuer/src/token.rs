//! The token endpoint: RFC 6749 §4.1.3, §5 and §6.

use serde::Serialize;
use serde::ser::Serializer;
use thiserror::Error;

use crate::client_grant::ClientGrant;
use crate::code::AuthorizationCode;
use crate::params::{Duplicate, Params};
use crate::pkce::{self, CodeChallenge, CodeVerifier};
use crate::scope::Scope;
use crate::secret::Secret;

/// A token request, beside its client authentication.
#[derive(Debug, Clone)]
pub enum TokenRequest {
    /// `grant_type=authorization_code`.
    AuthorizationCode(CodeExchange),
    /// `grant_type=refresh_token`.
    RefreshToken(Refresh),
    /// `grant_type=client_credentials`.
    ClientCredentials(ClientGrant),
}

/// The exchange of a code.
#[derive(Debug, Clone)]
pub struct CodeExchange {
    /// The code, to be taken once.
    pub code: AuthorizationCode,
    redirect_uri: String,
    code_verifier: Option<CodeVerifier>,
}

/// The use of a refresh token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The token as presented; open it by [`crate::refresh_token::RefreshTokenKey::open`].
    pub refresh_token: Secret,
    scope: Option<String>,
}

impl TokenRequest {
    /// Reads the body of a token request.
    pub fn parse(params: &Params) -> Result<Self, TokenError> {
        params.refuse_duplicates()?;
        match required(params, "grant_type", "grant_type is missing")? {
            "authorization_code" => CodeExchange::parse(params).map(Self::AuthorizationCode),
            "refresh_token" => Ok(Self::RefreshToken(Refresh {
                refresh_token: Secret::new(required(
                    params,
                    "refresh_token",
                    "refresh_token is missing",
                )?),
                scope: params.get("scope")?.map(str::to_owned),
            })),
            "client_credentials" => ClientGrant::parse(params).map(Self::ClientCredentials),
            _ => Err(TokenError::new(
                TokenErrorCode::UnsupportedGrantType,
                "grant_type must be authorization_code, refresh_token or client_credentials",
            )),
        }
    }
}

impl CodeExchange {
    fn parse(params: &Params) -> Result<Self, TokenError> {
        let code = required(params, "code", "code is missing")?;
        let redirect_uri = required(params, "redirect_uri", "redirect_uri is missing")?;
        let code_verifier = match params.get("code_verifier")? {
            None => None,
            Some(text) => Some(CodeVerifier::parse(text).ok_or(invalid_request(
                "code_verifier must be 43 to 128 unreserved characters",
            ))?),
        };
        Ok(Self {
            code: AuthorizationCode::parse(code).ok_or(TokenError::invalid_grant())?,
            redirect_uri: redirect_uri.to_owned(),
            code_verifier,
        })
    }

    /// Compares the exchange with the authorization request that the code was issued for: the
    /// redirect URI byte for byte, and PKCE.
    ///
    /// Call it only after the code was taken: a wrong guess uses the code up.
    pub fn check(
        &self,
        redirect_uri: &str,
        challenge: Option<&CodeChallenge>,
    ) -> Result<(), TokenError> {
        let refuse = |description| TokenError::new(TokenErrorCode::InvalidGrant, description);
        if self.redirect_uri != redirect_uri {
            return Err(refuse(
                "redirect_uri differs from the authorization request's",
            ));
        }
        pkce::verify(challenge, self.code_verifier.as_ref())
            .map_err(|_| refuse("code_verifier does not match the code_challenge"))
    }
}

impl Refresh {
    /// The scope of the new access token: what was granted, or less if the request says so.
    pub fn scope(&self, granted: Scope) -> Result<Scope, TokenError> {
        match &self.scope {
            None => Ok(granted),
            Some(requested) => granted.narrow(requested).map_err(|_| {
                TokenError::new(
                    TokenErrorCode::InvalidScope,
                    "scope exceeds what was granted",
                )
            }),
        }
    }
}

/// A successful answer (RFC 6749 §5.1). Send it with `Cache-Control: no-store`.
#[derive(Debug, Clone, Serialize)]
pub struct TokenResponse {
    /// The access token.
    #[serde(serialize_with = "expose")]
    pub access_token: Secret,
    token_type: TokenType,
    /// Seconds until the access token runs out.
    pub expires_in: i64,
    /// The ID token, when the grant has one.
    #[serde(
        serialize_with = "expose_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub id_token: Option<Secret>,
    /// The next refresh token, when the grant has one.
    #[serde(
        serialize_with = "expose_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub refresh_token: Option<Secret>,
    /// The scope of the access token.
    pub scope: Scope,
}

#[derive(Debug, Clone, Copy, Serialize)]
enum TokenType {
    Bearer,
}

impl TokenResponse {
    /// An answer with an access token only.
    pub fn new(access_token: Secret, expires_in: i64, scope: Scope) -> Self {
        Self {
            access_token,
            token_type: TokenType::Bearer,
            expires_in,
            id_token: None,
            refresh_token: None,
            scope,
        }
    }

    /// Adds the ID token.
    #[must_use]
    pub fn with_id_token(mut self, id_token: String) -> Self {
        self.id_token = Some(Secret::new(id_token));
        self
    }

    /// Adds the refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: Secret) -> Self {
        self.refresh_token = Some(refresh_token);
        self
    }
}

/// The one place where a secret is serialized: the wire answer that hands it over.
pub(crate) fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
fn expose_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => expose(secret, serializer),
        None => serializer.serialize_none(),
    }
}

/// An error answer of the token, introspection and revocation endpoints (RFC 6749 §5.2).
///
/// Its `Serialize` is the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[error("{}: {description}", code.as_str())]
pub struct TokenError {
    /// The standard code.
    #[serde(rename = "error")]
    pub code: TokenErrorCode,
    /// For the client's developer; never the request's own text.
    #[serde(rename = "error_description")]
    pub description: &'static str,
}

/// Error codes of RFC 6749 §5.2 and RFC 7009 §2.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenErrorCode {
    /// A parameter is missing, invalid or there twice.
    InvalidRequest,
    /// The client is unknown or its proof is wrong.
    InvalidClient,
    /// The code or refresh token is unknown, used, expired, or another client's.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// A grant that we do not have.
    UnsupportedGrantType,
    /// More than was granted.
    InvalidScope,
    /// `resource` names something else than what the client may reach (RFC 8707 §2).
    InvalidTarget,
    /// A kind of token that cannot be revoked.
    UnsupportedTokenType,
    /// We failed; the client may try again.
    ServerError,
    /// We are overloaded; the client may try again.
    TemporarilyUnavailable,
}

impl TokenErrorCode {
    /// The value of `error` on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

impl TokenError {
    /// An error with a text for the client's developer (printable ASCII without `"` and `\`).
    pub fn new(code: TokenErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }

    /// The one answer for every unusable code or refresh token.
    pub fn invalid_grant() -> Self {
        Self::new(
            TokenErrorCode::InvalidGrant,
            "the code or refresh token is unknown, used, expired or issued to another client",
        )
    }

    /// The one answer for every failed client authentication.
    pub fn invalid_client() -> Self {
        Self::new(
            TokenErrorCode::InvalidClient,
            "client authentication failed",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self.code {
            TokenErrorCode::InvalidClient => 401,
            TokenErrorCode::ServerError => 500,
            TokenErrorCode::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }

    /// The value of `WWW-Authenticate`, which a 401 has to carry (RFC 9110 §15.5.2).
    pub fn www_authenticate(&self) -> Option<&'static str> {
        (self.code == TokenErrorCode::InvalidClient)
            .then_some(r#"Basic realm="oauth", charset="UTF-8""#)
    }
}

impl From<Duplicate> for TokenError {
    fn from(_: Duplicate) -> Self {
        invalid_request("a parameter is present more than once")
    }
}

fn invalid_request(description: &'static str) -> TokenError {
    TokenError::new(TokenErrorCode::InvalidRequest, description)
}

pub(crate) fn required<'a>(
    params: &'a Params,
    name: &str,
    description: &'static str,
) -> Result<&'a str, TokenError> {
    params.get(name)?.ok_or(invalid_request(description))
}

#[cfg(test)]
mod tests;
