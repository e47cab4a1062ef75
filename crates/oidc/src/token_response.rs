//! The exchange of a code, with the ID token left as the provider wrote it.

use serde::{Deserialize, Deserializer};

use crate::client_post::Posted;
use crate::{Connection, Error, HttpClient, Pending, Secret};

pub(crate) const ENDPOINT: &str = "token endpoint";

/// Only what a login needs; refresh tokens are not asked for and not kept.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(deserialize_with = "secret")]
    pub(crate) access_token: Secret,
    /// RFC 6749 §5.1 demands it; a login does not depend on it.
    #[serde(rename = "token_type")]
    _token_type: String,
    #[serde(default, deserialize_with = "some_secret")]
    pub(crate) id_token: Option<Secret>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

fn some_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|token| token.map(Secret::new))
}

impl Connection {
    /// Exchanges a code with the login's PKCE verifier (RFC 6749 §4.1.3, RFC 7636 §4.5).
    pub(crate) async fn exchange(
        &self,
        code: &Secret,
        pending: &Pending,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<TokenAnswer, Error> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &self.settings().redirect_uri),
            ("code_verifier", pending.pkce_verifier.expose()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let endpoint = (ENDPOINT, &self.metadata().token_endpoint);
        match self.post(endpoint, fields, pending, client, now).await? {
            Posted::Granted(answer) => Ok(answer),
            Posted::Refused {
                code: error,
                description,
            } => Err(Error::TokenRefused {
                code: error.replace(code.expose(), "…"),
                description: description.map(|words| words.replace(code.expose(), "…")),
            }),
        }
    }
}
