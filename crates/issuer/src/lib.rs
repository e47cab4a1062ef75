//! The OpenID Provider's messages, tokens and keys, without I/O.
//!
//! Everything that an OpenID Provider says to apps is parsed, checked, built and signed here:
//! authorization requests and their answers, client authentication, the token endpoint,
//! introspection, revocation, RP-initiated logout, discovery, JWKS, ID tokens, access and refresh
//! tokens.
//! The host keeps state, reads the clock, makes the random bytes and speaks HTTP.
//! Times are seconds since the Unix epoch as `i64`.
//!
//! ```
//! use vestibule_issuer::authorize::{Answer, AuthorizeRequest, ClientRegistration};
//! use vestibule_issuer::{Issuer, params::Params};
//!
//! let issuer = Issuer::parse("https://login.example.com")?;
//! let query = "client_id=app&redirect_uri=https://app.example/cb&response_type=code&scope=openid\
//!     &state=s&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
//! let request = AuthorizeRequest::parse(Params::from_urlencoded(query)?)?;
//! let client = ClientRegistration::new("app", vec!["https://app.example/cb".to_owned()]);
//! let authorization = request.check(&client).map_err(|refusal| refusal.to_string())?;
//! let answer = authorization.reply.success(&issuer, "the-code");
//! let url = "https://app.example/cb?code=the-code&state=s&iss=https%3A%2F%2Flogin.example.com";
//! assert_eq!(answer, Answer::Redirect(url.to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberately absent: the implicit and hybrid flows, the password grant, `plain` PKCE, request
//! objects, encrypted tokens.

pub mod access_token;
pub mod authorize;
pub mod client_assertion;
pub mod client_auth;
pub mod client_grant;
pub mod code;
pub mod id_token;
pub mod introspect;
pub mod keys;
pub mod logout;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod pushed;
pub mod redirect;
pub mod refresh_token;
pub mod revoke;
pub mod scope;
pub mod secret;
pub mod token;

mod encoding;
mod issuer;

pub use issuer::{Issuer, IssuerError};
pub use scope::{Scope, ScopeValue};
