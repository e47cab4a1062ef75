#![doc = include_str!("../README.md")]

mod address;
mod algorithm;
mod authn_request;
mod c14n;
mod certificate;
mod cipher;
mod decryption_key;
mod der;
mod dsig;
mod encrypted;
mod error;
mod explain;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod instant;
mod logout;
mod metadata;
mod names;
mod oaep;
mod outgoing;
mod pem;
mod post;
mod profile;
pub mod redirect;
mod response;
mod rsa;
#[cfg(feature = "samael")]
mod second_opinion;
mod service_provider;
mod sign;
mod signing_key;
mod structure;
mod verified;
mod xml;

pub use authn_request::AuthnRequest;
pub use certificate::{Certificate, CertificateError};
pub use decryption_key::DecryptionKey;
pub use error::{Error, Fault, Rule};
pub use explain::{Fact, Report};
pub use logout::{
    LogoutOutcome, LogoutRequest, LogoutResponse, LogoutStatus, LogoutTrust, REASON_ADMIN,
    REASON_USER, VerifiedLogoutRequest, VerifiedLogoutResponse,
};
pub use metadata::{
    IdpMetadata, LogoutEndpoint, MAX_METADATA_BYTES, MetadataProblem, check_endpoint,
};
pub use outgoing::MessageError;
pub use post::PostForm;
pub use response::{CLOCK_SKEW_SECONDS, Expected, MAX_MESSAGE_BYTES, Response, Trust};
#[cfg(feature = "samael")]
pub use second_opinion::MAX_SECOND_OPINION_BYTES;
pub use service_provider::ServiceProvider;
pub use signing_key::{KeyError, SigningKey};
pub use verified::{Attribute, NameId, Verified, Warning};
