//! The place of the SAML 2.0 service provider.
//!
//! Nothing is here yet: a connection by SAML cannot be made, and the admin API says so.
//! The verifier takes a response and the time and gives what it proves, without I/O;
//! the engine then joins the person as it does for OpenID Connect.

mod algorithm;
mod certificate;
mod cipher;
mod der;
mod instant;
mod pem;
mod signing_key;

pub use certificate::{Certificate, CertificateError};
pub use signing_key::{KeyError, SigningKey};
