//! The place of the SAML 2.0 service provider.
//!
//! Nothing is here yet: a connection by SAML cannot be made, and the admin API says so.
//! The verifier takes a response and the time and gives what it proves, without I/O;
//! the engine then joins the person as it does for OpenID Connect.

mod address;
mod algorithm;
mod authn_request;
mod certificate;
mod cipher;
mod decryption_key;
mod der;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod instant;
mod logout;
mod metadata;
mod oaep;
mod outgoing;
mod pem;
mod post;
pub mod redirect;
mod rsa;
mod service_provider;
mod sign;
mod signing_key;
mod xml;
mod verified;
mod structure;
mod response;
mod profile;
mod names;
mod error;
mod explain;
mod encrypted;
mod dsig;
mod c14n;

pub use decryption_key::DecryptionKey;
pub use certificate::{Certificate, CertificateError};
pub use signing_key::{KeyError, SigningKey};
pub use explain::{Fact, Report};
pub use error::{Error, Fault, Rule};
pub use response::{CLOCK_SKEW_SECONDS, Expected, MAX_MESSAGE_BYTES, Response, Trust};
pub use verified::{Attribute, NameId, Verified, Warning};
pub use authn_request::AuthnRequest;
pub use logout::{
    LogoutOutcome, LogoutRequest, LogoutResponse, LogoutStatus, LogoutTrust, REASON_ADMIN,
    REASON_USER, VerifiedLogoutRequest, VerifiedLogoutResponse,
};
pub use metadata::{
    IdpMetadata, LogoutEndpoint, MAX_METADATA_BYTES, MetadataProblem, check_endpoint,
};
pub use outgoing::MessageError;
pub use post::PostForm;
pub use service_provider::ServiceProvider;
