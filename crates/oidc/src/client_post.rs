//! A form that the client posts in its own name: to the token endpoint, or beforehand to the one for pushed requests.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::client_key::AssertionAlgorithm;
use crate::{
    AssertionAudience, ClientAuth, Connection, Error, HttpClient, Pending, ProviderKind, Secret,
    document,
};

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good, in seconds; it is used at once.
const ASSERTION_LIFE: i64 = 60;
/// More of an endpoint's own words helps nobody, in characters.
const LONGEST_DESCRIPTION: usize = 300;

/// What an endpoint answered.
pub(crate) enum Posted<T> {
    /// The document asked for.
    Granted(T),
    /// An error as OAuth writes it (RFC 6749 §5.2).
    Refused {
        code: String,
        description: Option<String>,
    },
}

/// An error of OAuth; everything else in it is left aside.
#[derive(serde::Deserialize)]
struct OAuthError {
    error: String,
    error_description: Option<String>,
}

impl Connection {
    /// Posts a form as the client of this connection, for one login.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        (endpoint, url): (&'static str, &Url),
        fields: Vec<(String, String)>,
        pending: &Pending,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Posted<T>, Error> {
        let request = self.form(endpoint, url, fields, pending, now)?;
        let response = client.send(request).await.map_err(|source| Error::Http {
            document: endpoint,
            source,
        })?;
        let (status, body) = (response.status(), response.body());
        if body.len() > document::LARGEST {
            return Err(Error::Malformed {
                document: endpoint,
                detail: "larger than 1 MiB".to_owned(),
            });
        }
        if status.is_success() {
            if !document::is_json(&response) {
                return Err(Error::Malformed {
                    document: endpoint,
                    detail: "its content type is not JSON".to_owned(),
                });
            }
            return document::parse(body, endpoint).map(Posted::Granted);
        }
        match serde_json::from_slice::<OAuthError>(body) {
            Ok(refused) => Ok(Posted::Refused {
                code: self.clean(&refused.error, pending),
                description: refused
                    .error_description
                    .map(|words| self.clean(&words, pending)),
            }),
            Err(_) => Err(Error::EndpointFailed {
                endpoint,
                status: status.as_u16(),
            }),
        }
    }

    fn form(
        &self,
        endpoint: &'static str,
        url: &Url,
        mut fields: Vec<(String, String)>,
        pending: &Pending,
        now: i64,
    ) -> Result<http::Request<Vec<u8>>, Error> {
        let settings = self.settings();
        let mut request = http::Request::post(url.as_str())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        let secret = settings.client_secret.as_ref().map_or("", Secret::expose);
        match settings.client_auth {
            ClientAuth::ClientSecretBasic => {
                // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
                let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let both = format!("{}:{}", encode(&settings.client_id), encode(secret));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(both)));
            }
            ClientAuth::ClientSecretPost => {
                add("client_id", &settings.client_id);
                add("client_secret", secret);
            }
            ClientAuth::None => add("client_id", &settings.client_id),
            ClientAuth::PrivateKeyJwt => {
                let assertion = self.assertion(endpoint, url, pending, now)?;
                // RFC 7523 §3 does not want it; some providers look the client up by it, and RFC 9126 §2 shows it.
                add("client_id", &settings.client_id);
                add("client_assertion_type", ASSERTION_TYPE);
                add("client_assertion", &assertion);
            }
        }
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        request.body(body.into_bytes()).map_err(|_| Error::Url {
            name: endpoint,
            reason: "it is not a valid request target",
        })
    }

    /// An assertion of who we are, for this provider, this endpoint and this login alone (RFC 7523 §3).
    fn assertion(
        &self,
        endpoint: &'static str,
        url: &Url,
        pending: &Pending,
        now: i64,
    ) -> Result<String, Error> {
        let settings = self.settings();
        let key = settings.client_key.as_ref().ok_or(Error::Settings {
            reason: "the client key is missing",
        })?;
        let audience = match settings.assertion_audience {
            AssertionAudience::Issuer => settings.issuer.clone(),
            AssertionAudience::Endpoint => {
                self.check_own_host(url)?;
                url.as_str().to_owned()
            }
        };
        // Unique, since no two logins have the same nonce and a login asks each endpoint once.
        let name = format!("{endpoint}\n{}", pending.nonce.expose());
        let claims = json!({
            "iss": settings.client_id,
            "sub": settings.client_id,
            "aud": audience,
            "jti": URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes())),
            "iat": now,
            "exp": now.saturating_add(ASSERTION_LIFE),
        });
        key.sign(self.assertion_algorithm()?, &claims)
    }

    /// The first of ours that the provider takes; one that says nothing takes RS256, and Entra both.
    fn assertion_algorithm(&self) -> Result<AssertionAlgorithm, Error> {
        let taken = &self
            .metadata()
            .token_endpoint_auth_signing_alg_values_supported;
        if taken.is_empty() {
            return Ok(match self.settings().provider {
                ProviderKind::Entra => AssertionAlgorithm::Ps256,
                _ => AssertionAlgorithm::Rs256,
            });
        }
        [AssertionAlgorithm::Ps256, AssertionAlgorithm::Rs256]
            .into_iter()
            .find(|algorithm| taken.iter().any(|name| name == algorithm.as_str()))
            .ok_or_else(|| Error::AssertionAlgorithm { got: taken.clone() })
    }

    /// Metadata may name any endpoint; an assertion for it is worth something there.
    fn check_own_host(&self, url: &Url) -> Result<(), Error> {
        let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
        let issuer = Url::parse(&self.settings().issuer).map_err(|_| Error::Url {
            name: "issuer",
            reason: "it is not an absolute URL",
        })?;
        if issuer.origin() == url.origin() {
            return Ok(());
        }
        Err(Error::AssertionAudience {
            wanted: host(&issuer),
            got: host(url),
        })
    }

    /// An endpoint's own words for a record: short, in one line, and without what we sent it.
    fn clean(&self, words: &str, pending: &Pending) -> String {
        let secrets = [
            self.settings().client_secret.as_ref().map(Secret::expose),
            Some(pending.pkce_verifier.expose()),
            Some(pending.nonce.expose()),
        ];
        let mut words: String = words
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        for secret in secrets.into_iter().flatten() {
            if !secret.is_empty() {
                words = words.replace(secret, "…");
            }
        }
        // Assertions and other tokens begin so.
        let words: Vec<&str> = words
            .split_whitespace()
            .map(|word| if word.contains("eyJ") { "…" } else { word })
            .collect();
        words.join(" ").chars().take(LONGEST_DESCRIPTION).collect()
    }
}
