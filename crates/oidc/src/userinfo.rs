//! Claims of the userinfo endpoint, beside those of the ID token (OpenID Connect Core §5.3).

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::raw_token::RawToken;
use crate::{Authentication, Connection, Error, HttpClient, UserInfo, document};

const USERINFO: &str = "userinfo";

/// Claims that only the ID token may say: they name the person, the tenant or the sign-in.
const NOT_FROM_USERINFO: [&str; 17] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "session_expiry",
    "oid",
    "tid",
    "hd",
];

/// Claims that say something about the address: they hold for the one that they came with.
const ABOUT_EMAIL: [&str; 2] = ["email_verified", "xms_edov"];

impl Connection {
    /// Adds what the ID token lacks, where the connection wants it.
    pub(crate) async fn add_userinfo(
        &self,
        authentication: &mut Authentication,
        access_token: &str,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<(), Error> {
        let is_lacking = |claim: &String| {
            !NOT_FROM_USERINFO.contains(&claim.as_str())
                && authentication
                    .claims
                    .get(claim)
                    .is_none_or(serde_json::Value::is_null)
        };
        let wanted = match self.settings().userinfo {
            UserInfo::Skip => false,
            UserInfo::Fetch => true,
            // Without an endpoint there is nobody to ask; who needs the claim says that it is missing.
            UserInfo::Missing => {
                self.metadata().userinfo_endpoint.is_some()
                    && self.settings().wanted_claims.iter().any(is_lacking)
            }
        };
        if !wanted {
            return Ok(());
        }
        let found = self
            .userinfo(access_token, &authentication.subject, client, now)
            .await?;
        let claims = &mut authentication.claims;
        if found.contains_key("email") && claims.get("email").is_none_or(Value::is_null) {
            claims.retain(|name, _| !ABOUT_EMAIL.contains(&name.as_str()) && name != "email");
        } else {
            // What userinfo says of an address is not about the one in the ID token.
            add(claims, found, &ABOUT_EMAIL);
            return Ok(());
        }
        add(claims, found, &[]);
        Ok(())
    }

    /// Bearer token in the header, JSON or a signed token back, the same subject.
    async fn userinfo(
        &self,
        access_token: &str,
        subject: &str,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Map<String, Value>, Error> {
        let endpoint =
            self.metadata()
                .userinfo_endpoint
                .as_ref()
                .ok_or(Error::EndpointMissing {
                    endpoint: "userinfo_endpoint",
                })?;
        let request = http::Request::get(endpoint.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {access_token}"))
            .body(Vec::new())
            .map_err(|_| Error::Malformed {
                document: "token response",
                detail: "the access token cannot stand in a header".to_owned(),
            })?;
        let response = document::send(client, request, USERINFO).await?;
        let found = if is_jwt(&response) {
            self.signed_userinfo(response.body(), client, now).await?
        } else {
            document::parse(response.body(), USERINFO)?
        };
        if found.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Error::UserInfoSubject);
        }
        Ok(found)
    }

    /// Core §5.3.2: signed userinfo names its issuer and us, and is judged under the same keys and algorithms.
    async fn signed_userinfo(
        &self,
        body: &[u8],
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Map<String, Value>, Error> {
        let token = std::str::from_utf8(body).map_err(|_| Error::Malformed {
            document: USERINFO,
            detail: "not a token".to_owned(),
        })?;
        let raw = RawToken::parse(token.trim())?;
        let algorithm = raw.check_header(&self.settings().algorithms, &["jwt", "jose"])?;
        self.check_issuer(&raw)?;
        self.check_audience(&raw)?;
        self.check_signature(&raw, algorithm, client, now).await?;
        Ok(raw.claims)
    }
}

fn add(claims: &mut Map<String, Value>, found: Map<String, Value>, besides: &[&str]) {
    for (name, value) in found {
        if !NOT_FROM_USERINFO.contains(&name.as_str()) && !besides.contains(&name.as_str()) {
            let known = claims.entry(name).or_insert(Value::Null);
            if known.is_null() {
                *known = value;
            }
        }
    }
}

fn is_jwt(response: &http::Response<Vec<u8>>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type
        .and_then(|content_type| content_type.to_str().ok())
        .is_some_and(|text| {
            text.trim_start()
                .to_ascii_lowercase()
                .starts_with("application/jwt")
        })
}
