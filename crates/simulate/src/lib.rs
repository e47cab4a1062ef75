//! A company, its directory and an app, simulated; they know Vestibule only over the wire.

pub mod app;
pub mod browser;
mod chance;
mod clock;
pub mod http;
pub mod idp;
pub mod jose;
mod person;
mod place;
pub mod scim;

pub use app::{AppConfig, SampleApp};
pub use browser::{Browser, Page};
pub use idp::{Client, Fault, Faults, IdentityProvider, IdpConfig};
pub use person::Person;
pub use place::{Place, Running};
pub use scim::ScimClient;
