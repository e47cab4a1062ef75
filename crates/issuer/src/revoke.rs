//! Token revocation (RFC 7009).
//!
//! A refresh token ends its whole app session, an access token the session's access tokens so far.
//! An unknown token, and a token of another client, answers 200 like a revoked one and changes
//! nothing (RFC 7009 §2.2).

use crate::introspect::PresentedToken;
use crate::params::Params;
use crate::token::TokenError;

/// A revocation request, beside its client authentication.
#[derive(Debug, Clone)]
pub struct RevokeRequest {
    /// What is to end.
    pub token: PresentedToken,
}

impl RevokeRequest {
    /// The status of every answer that is not a [`TokenError`]; the body is empty.
    pub const STATUS: u16 = 200;

    /// Reads the body.
    pub fn parse(params: &Params) -> Result<Self, TokenError> {
        Ok(Self {
            token: PresentedToken::parse(params)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_required_and_unknown_is_no_error() {
        let parse = |text| RevokeRequest::parse(&Params::from_urlencoded(text).unwrap());
        assert_eq!(
            parse("token_type_hint=access_token").unwrap_err().status(),
            400
        );
        assert!(matches!(
            parse("token=x").unwrap().token,
            PresentedToken::Unknown
        ));
        assert!(matches!(
            parse("token=vrt_x").unwrap().token,
            PresentedToken::Refresh(_)
        ));
    }
}
