//! Token introspection (RFC 7662).

use serde::{Serialize, Serializer};

use crate::params::Params;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::token::{TokenError, required};
use crate::{access_token, refresh_token};

/// A token that a client presents for introspection or revocation.
#[derive(Debug, Clone)]
pub enum PresentedToken {
    /// Looks like an opaque access token.
    Access(Secret),
    /// Looks like a refresh token.
    Refresh(Secret),
    /// Looks like a JWT.
    Jwt(Secret),
    /// Nothing that we issue.
    Unknown,
}

impl PresentedToken {
    /// Sorts a token by its looks; `token_type_hint` is not needed for that (RFC 7009 §2.1).
    pub(crate) fn parse(params: &Params) -> Result<Self, TokenError> {
        params.refuse_duplicates()?;
        let text = required(params, "token", "token is missing")?;
        Ok(if text.starts_with(access_token::PREFIX) {
            Self::Access(Secret::new(text))
        } else if text.starts_with(refresh_token::PREFIX) {
            Self::Refresh(Secret::new(text))
        } else if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            Self::Jwt(Secret::new(text))
        } else {
            Self::Unknown
        })
    }
}

/// An introspection request, beside its client authentication, which is required (RFC 7662 §2.1).
#[derive(Debug, Clone)]
pub struct IntrospectRequest {
    /// What is asked about.
    pub token: PresentedToken,
}

impl IntrospectRequest {
    /// Reads the body.
    pub fn parse(params: &Params) -> Result<Self, TokenError> {
        Ok(Self {
            token: PresentedToken::parse(params)?,
        })
    }
}

/// The answer. Send it with `Cache-Control: no-store`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntrospectResponse {
    /// `{"active":false}` and nothing else, whatever the reason (RFC 7662 §2.2).
    Inactive,
    /// A token that is good now, for the client that asks.
    Active(Box<ActiveToken>),
}

/// What is said about a good token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveToken {
    /// What it is good for.
    pub scope: Scope,
    /// The client that it was issued to.
    pub client_id: String,
    /// The user's name, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Access or refresh token.
    pub token_type: IntrospectedType,
    /// When it runs out.
    pub exp: i64,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The user.
    pub sub: String,
    /// Whom it is for.
    pub aud: String,
    /// The issuer.
    pub iss: String,
    /// The app session.
    pub sid: String,
    /// The user's organization.
    pub org_id: String,
    /// When the user signed in.
    pub auth_time: i64,
    /// The authentication class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The authentication methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

/// The kind of an introspected token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum IntrospectedType {
    /// An access token: `Bearer`, the `token_type` of its issuing.
    Bearer,
    /// A refresh token; no registered value exists.
    #[serde(rename = "refresh_token")]
    RefreshToken,
}

impl Serialize for IntrospectResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            active: bool,
            #[serde(flatten)]
            token: Option<&'a ActiveToken>,
        }
        let token = match self {
            Self::Inactive => None,
            Self::Active(token) => Some(token.as_ref()),
        };
        Wire {
            active: token.is_some(),
            token,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<PresentedToken, TokenError> {
        let params = Params::from_urlencoded(body).unwrap();
        IntrospectRequest::parse(&params).map(|request| request.token)
    }

    #[test]
    fn tokens_are_sorted_by_their_looks() {
        assert!(matches!(
            parse("token=vat_a&token_type_hint=refresh_token"),
            Ok(PresentedToken::Access(_))
        ));
        assert!(matches!(
            parse("token=vrt_a"),
            Ok(PresentedToken::Refresh(_))
        ));
        assert!(matches!(parse("token=a.b.c"), Ok(PresentedToken::Jwt(_))));
        assert!(matches!(parse("token=abc"), Ok(PresentedToken::Unknown)));
        assert_eq!(parse("").unwrap_err().status(), 400);
        assert_eq!(parse("token=a&token=b").unwrap_err().status(), 400);
    }

    #[test]
    fn inactive_is_bare() {
        let json = serde_json::to_string(&IntrospectResponse::Inactive).unwrap();
        assert_eq!(json, r#"{"active":false}"#);
    }

    #[test]
    fn active_says_whom_and_how_long() {
        let token = ActiveToken {
            scope: Scope::parse("openid email").unwrap(),
            client_id: "app".into(),
            username: None,
            token_type: IntrospectedType::Bearer,
            exp: 300,
            iat: Some(0),
            sub: "usr_1".into(),
            aud: "app".into(),
            iss: "https://i".into(),
            sid: "ses_1".into(),
            org_id: "org_1".into(),
            auth_time: 0,
            acr: None,
            amr: vec!["pwd".into()],
        };
        let json = serde_json::to_value(IntrospectResponse::Active(Box::new(token))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "active": true, "scope": "openid email", "client_id": "app", "token_type": "Bearer",
                "exp": 300, "iat": 0, "sub": "usr_1", "aud": "app", "iss": "https://i",
                "sid": "ses_1", "org_id": "org_1", "auth_time": 0, "amr": ["pwd"],
            })
        );
    }
}
