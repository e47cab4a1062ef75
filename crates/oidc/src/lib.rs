//! OpenID Connect relying party: begin a login, finish it, trust nothing in between.
//!
//! ```
//! # use vestibule_oidc::*;
//! # async fn login(client: &dyn HttpClient, secret: Secret, state: &str, entropy: [u8; 64], now: i64,
//! #     query: Vec<(String, String)>, keys: Keys) -> Result<(), Error> {
//! let metadata = Metadata::discover(client, "https://idp.example", Transport::HttpsOnly, now).await?;
//! let settings = ConnectionSettings::new("https://idp.example", "my-app", "https://app.example/callback")
//!     .client_secret(secret);
//! let connection = Connection::new(settings, metadata, keys)?;
//!
//! let begun = connection.begin(state, &entropy, &BeginOptions::new(), now)?;
//! let begun = connection.push(begun, client, now).await?;
//! // Send the browser to `begun.authorize_url`, keep `begun.pending` under `state`; when the browser is back:
//! let callback = Callback::parse(query)?;
//! let authentication = connection.finish(&begun.pending, &callback, client, now).await?;
//! println!("signed in: {} of {}", authentication.subject, authentication.issuer);
//! # Ok(()) }
//! ```
//!
//! The crate opens no socket ([`HttpClient`] does), reads no clock (`now` is in Unix seconds) and makes no random
//! bytes (the host passes them in). It keeps nothing either, except the provider's keys in [`Keys`].
//!
//! It is built on the `openidconnect` crate, which builds the authorization request, reads keys and verifies signatures.
//! The claims are judged here, on the members as they were sent, with what that crate leaves to its callers: the
//! issuer of the callback (RFC 9207), `azp`, `iat`, `nbf`, `auth_time`, `at_hash`, clock skew, an algorithm list per
//! connection, key rotation, duplicate members, and errors that name who has to act ([`Error`]). Ours are also client
//! assertions ([`ClientKey`]), pushed requests ([`Connection::push`]), and the rules of some providers
//! ([`ProviderKind`]).
//!
//! It deliberately does not: create users or decide whom of them a subject means, follow `jku`, `jwk` or `x5u`,
//! accept HMAC signatures or encrypted ID tokens, keep refresh tokens, or use the implicit and hybrid flows.

mod authentication;
mod begin;
mod callback;
mod client_key;
mod client_post;
mod connection;
mod document;
mod error;
mod finish;
mod flight;
mod http_client;
mod judge;
mod key_cache;
mod keys;
mod logout_request;
mod logout_token;
mod metadata;
mod provider_kind;
mod push;
mod raw_token;
mod settings;
mod statement;
#[cfg(test)]
mod tests;
mod token_response;
mod userinfo;

pub use authentication::Authentication;
pub use begin::{BeginOptions, Begun, Pending, Prompt};
pub use callback::Callback;
pub use client_key::ClientKey;
pub use connection::Connection;
pub use error::{Error, Fault};
pub use http_client::{HttpClient, HttpError, HttpErrorKind};
pub use key_cache::{KeyCache, KeyDecision};
pub use keys::{KeyRing, Keys};
pub use logout_request::LogoutRequest;
pub use logout_token::LogoutToken;
pub use metadata::{Metadata, Transport};
pub use provider_kind::{ProviderKind, tenant_of};
pub use settings::{
    Algorithm, AssertionAudience, ClientAuth, ConnectionSettings, PushedRequests, Secret, UserInfo,
};
pub use statement::StatementTrust;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
