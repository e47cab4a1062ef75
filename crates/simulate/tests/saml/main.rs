//! The identity provider's SAML side over HTTP, seen by a service provider and a browser.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod faults;
mod logout;
mod sign_in;
mod world;
