//! Pushed authorization requests (RFC 9126): the client hands its request in first, authenticated, and sends the browser
//! with a reference only.

use serde::Serialize;

use crate::params::{Duplicate, Params};
use crate::secret::Secret;
use crate::token::{TokenError, TokenErrorCode};

/// Seconds that a reference is good for.
pub const TTL: i64 = 60;

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const MAX_REFERENCE: usize = 200;
/// What proves the client, and is no part of its request.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The request as it is kept: every parameter but the client's credentials.
///
/// A request that itself refers to a pushed one is refused (§2.1).
pub fn to_keep(params: &Params) -> Result<Vec<(String, String)>, TokenError> {
    params.refuse_duplicates()?;
    if params.has("request_uri") {
        return Err(TokenError::new(
            TokenErrorCode::InvalidRequest,
            "a pushed request must not have a request_uri",
        ));
    }
    Ok(params.pairs_without(&CREDENTIALS))
}

/// The reference in an authorization request, without its prefix; none where the request stands for itself.
///
/// A `request_uri` of another kind gives none as well: it is refused with the other things that we do not support, and
/// nothing is ever fetched from it.
pub fn reference(params: &Params) -> Result<Option<Secret>, Duplicate> {
    let reference = params.get("request_uri")?;
    let reference = reference.and_then(|uri| uri.strip_prefix(PREFIX));
    Ok(reference
        .filter(|reference| !reference.is_empty() && reference.len() <= MAX_REFERENCE)
        .map(Secret::new))
}

/// The answer to a pushed request (§2.2), sent with 201.
#[derive(Debug, Clone, Serialize)]
pub struct PushedResponse {
    request_uri: String,
    expires_in: i64,
}

impl PushedResponse {
    /// The answer with a fresh reference of at least 128 random bits.
    pub fn new(reference: &Secret) -> Self {
        Self {
            request_uri: format!("{PREFIX}{}", reference.expose()),
            expires_in: TTL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_kept_and_the_reference_comes_back() {
        let params = Params::from_urlencoded(
            "client_id=a&client_secret=s&client_assertion=x&client_assertion_type=y&scope=openid&state=1",
        );
        let kept = to_keep(&params.unwrap()).unwrap();
        let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["client_id", "scope", "state"]);
        let answer = serde_json::to_value(PushedResponse::new(&Secret::new("abc"))).unwrap();
        let uri = answer["request_uri"].as_str().unwrap();
        let request = Params::from_pairs([("client_id", "a"), ("request_uri", uri)]).unwrap();
        let found = reference(&request).unwrap().unwrap();
        assert_eq!((found.expose(), &answer["expires_in"]), ("abc", &60.into()));
    }

    #[test]
    fn only_our_own_references_are_followed() {
        for uri in [
            "https://app.example/request.jwt",
            "urn:ietf:params:oauth:request_uri:",
            "",
        ] {
            let request = Params::from_pairs([("request_uri", uri)]).unwrap();
            assert!(reference(&request).unwrap().is_none(), "{uri}");
        }
        let nested = Params::from_urlencoded("client_id=a&request_uri=urn:x").unwrap();
        assert_eq!(
            to_keep(&nested).unwrap_err().code,
            TokenErrorCode::InvalidRequest
        );
        let twice = Params::from_urlencoded("scope=a&scope=b").unwrap();
        assert!(to_keep(&twice).is_err());
    }
}
