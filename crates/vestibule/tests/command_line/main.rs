//! The binary as an operator meets it: started, asked, stopped.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod commands;
mod demo;
mod saml;
mod serve;
mod telemetry;
mod vestibule;
