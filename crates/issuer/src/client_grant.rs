//! What an application gets for itself rather than for a person (RFC 6749 §4.4): to manage its event streams.

use std::fmt;

use serde::Serialize;

use crate::params::Params;
use crate::secret::Secret;
use crate::token::{TokenError, TokenErrorCode};

/// A token request for the client itself.
#[derive(Debug, Clone, Copy)]
pub struct ClientGrant {
    /// What is asked for; everything where nothing is.
    pub scope: StreamScope,
}

/// What an access token for event streams allows (CAEP interoperability profile 1.0 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamScope {
    /// `ssf.read`: looking, and polling.
    Read,
    /// `ssf.manage`: everything.
    Manage,
}

impl StreamScope {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "ssf.read",
            Self::Manage => "ssf.manage",
        }
    }

    /// Inverse of [`StreamScope::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Manage, Self::Read]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for StreamScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ClientGrant {
    pub(crate) fn parse(params: &Params) -> Result<Self, TokenError> {
        let Some(asked) = params.get("scope")? else {
            return Ok(Self {
                scope: StreamScope::Manage,
            });
        };
        // Both are everything; a value that we do not know is not granted and not told of.
        let known = |scope: &StreamScope| asked.split(' ').any(|one| one == scope.as_str());
        let scope = [StreamScope::Manage, StreamScope::Read]
            .into_iter()
            .find(known);
        scope.map(|scope| Self { scope }).ok_or(TokenError::new(
            TokenErrorCode::InvalidScope,
            "scope has to be ssf.manage or ssf.read",
        ))
    }
}

/// A successful answer (RFC 6749 §4.4.3). Send it with `Cache-Control: no-store`.
#[derive(Debug, Clone, Serialize)]
pub struct ClientTokenResponse {
    #[serde(serialize_with = "crate::token::expose")]
    access_token: Secret,
    token_type: &'static str,
    /// Seconds until the token runs out.
    pub expires_in: i64,
    scope: &'static str,
}

impl ClientTokenResponse {
    /// The answer with a token.
    pub fn new(access_token: Secret, expires_in: i64, scope: StreamScope) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            scope: scope.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<StreamScope, TokenErrorCode> {
        let params = Params::from_urlencoded(body).unwrap();
        let grant = ClientGrant::parse(&params);
        grant.map(|grant| grant.scope).map_err(|error| error.code)
    }

    #[test]
    fn scope_is_what_is_known_of_what_is_asked() {
        assert_eq!(
            asked("grant_type=client_credentials"),
            Ok(StreamScope::Manage)
        );
        assert_eq!(asked("scope=ssf.read"), Ok(StreamScope::Read));
        assert_eq!(asked("scope=ssf.read+ssf.manage"), Ok(StreamScope::Manage));
        // RFC 6749 §3.1: a parameter without a value was not sent.
        assert_eq!(asked("scope="), Ok(StreamScope::Manage));
        for other in ["scope=openid", "scope=ssf.", "scope=SSF.READ"] {
            assert_eq!(asked(other), Err(TokenErrorCode::InvalidScope), "{other}");
        }
    }
}
