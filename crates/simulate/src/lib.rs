#![doc = include_str!("../README.md")]

pub mod app;
pub mod browser;
mod chance;
pub mod cli;
mod clock;
pub mod demo;
pub mod http;
pub mod idp;
pub mod jose;
mod person;
mod place;
pub mod saml;
pub mod scim;

pub use app::{AppConfig, SampleApp};
pub use browser::{Browser, Page};
pub use demo::{Demo, DemoConfig, DemoProtocol, DemoWorld};
pub use idp::{
    Client, Encrypts, Fault, Faults, IdentityProvider, IdpConfig, KeyOverlap, NameIdKind,
    RequestRule, SamlClient, SloBinding,
};
pub use person::Person;
pub use place::{Place, Running};
pub use scim::ScimClient;
