//! Logins against an identity provider that can be told to misbehave, one test per refusal.

mod callbacks;
mod clients;
mod discovery;
mod keys;
mod logout_tokens;
mod provider;
mod providers;
mod tokens;

use std::collections::HashMap;
use std::sync::LazyLock;

use aws_lc_rs::rsa::KeySize;
use serde_json::{Value, json};

use crate::{
    Authentication, BeginOptions, Begun, Callback, Connection, ConnectionSettings, Error, Keys,
    Metadata, Secret, Transport,
};
use provider::{ACCESS_TOKEN, CLIENT_ID, CODE, ISSUER, Key, Provider, REDIRECT_URI, SECRET};

const NOW: i64 = 1_800_000_000;
const STATE: &str = "state-handle-0123456789abcdef";

/// Making an RSA key is slow; these two serve all tests.
static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("rsa-1", "RS256", KeySize::Rsa2048));
static OTHER: LazyLock<Key> = LazyLock::new(|| Key::ecdsa("ec-2"));

/// One login on its way, with everything that can be bent.
struct Login {
    provider: Provider,
    connection: Connection,
    begun: Begun,
}

impl Login {
    async fn begin() -> Self {
        Self::begin_with(|settings| settings, BeginOptions::new()).await
    }

    async fn begin_with(
        change: impl FnOnce(ConnectionSettings) -> ConnectionSettings,
        options: BeginOptions,
    ) -> Self {
        let provider = Provider::new(&[&RSA]);
        let metadata = Metadata::discover(&provider, ISSUER, Transport::HttpsOnly, NOW)
            .await
            .expect("metadata");
        let connection =
            Connection::new(change(settings()), metadata, Keys::new()).expect("a connection");
        Self::of(provider, connection, &options)
    }

    fn of(provider: Provider, connection: Connection, options: &BeginOptions) -> Self {
        let mut entropy = [7; 64];
        entropy[32..].fill(9);
        let begun = connection
            .begin(STATE, &entropy, options, NOW)
            .expect("a login");
        let query: HashMap<_, _> = begun.authorize_url.query_pairs().into_owned().collect();
        *provider.code_challenge.lock().unwrap() = query["code_challenge"].clone();
        Self {
            provider,
            connection,
            begun,
        }
    }

    /// The claims of an honest ID token for this login.
    fn claims(&self) -> Value {
        let query: HashMap<_, _> = self
            .begun
            .authorize_url
            .query_pairs()
            .into_owned()
            .collect();
        json!({
            "iss": ISSUER,
            "sub": "subject-1",
            "aud": CLIENT_ID,
            "exp": NOW + 300,
            "iat": NOW,
            "nonce": query["nonce"],
        })
    }

    /// Finishes with an ID token whose claims differ from honest ones by `changes`; null removes one.
    async fn finish_with_claims(&self, changes: Value) -> Result<Authentication, Error> {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.finish_with_token(&RSA.sign(&RSA.header(), &claims))
            .await
    }

    async fn finish_with_header(&self, header: Value) -> Result<Authentication, Error> {
        self.finish_with_token(&RSA.sign(&header, &self.claims()))
            .await
    }

    async fn finish_with_token(&self, id_token: &str) -> Result<Authentication, Error> {
        self.finish_at(id_token, NOW).await
    }

    async fn finish_at(&self, id_token: &str, now: i64) -> Result<Authentication, Error> {
        *self.provider.token_response.lock().unwrap() = Some(json!({
            "access_token": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": id_token,
        }));
        self.finish_with_callback(&[("code", CODE), ("state", STATE)], now)
            .await
    }

    async fn finish_with_callback(
        &self,
        pairs: &[(&str, &str)],
        now: i64,
    ) -> Result<Authentication, Error> {
        let callback = Callback::parse(pairs.iter().copied())?;
        self.connection
            .finish(&self.begun.pending, &callback, &self.provider, now)
            .await
    }
}

fn settings() -> ConnectionSettings {
    ConnectionSettings::new(ISSUER, CLIENT_ID, REDIRECT_URI).client_secret(Secret::new(SECRET))
}

/// The rule that refused, and that its explanation is complete and discloses nothing.
fn rule(result: Result<Authentication, Error>) -> &'static str {
    let error = result.expect_err("a refusal");
    assert!(!error.remedy().is_empty());
    let told = format!("{error} {error:?} {:?}", error.wanted_got());
    for secret in [SECRET, CODE, ACCESS_TOKEN, "eyJ"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    error.rule()
}
