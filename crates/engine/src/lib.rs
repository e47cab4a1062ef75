//! Vestibule's use cases: one function is one transaction.
//!
//! [`Engine`] is the only thing the web speaks to. A use case begins one transaction, commits it once and gives an
//! outcome; what has to be sent afterwards is an outbox row that the [delivery workers](Engine::deliver_until) pick up.
//! Refusals that record something are outcomes and are committed; an error is a fault of ours and changes nothing.

mod engine;
mod fault;
mod limits;
pub mod outbound;
mod signing;
mod upstream;
mod vault;

pub use engine::{Engine, OpenError, Settings};
pub use fault::Fault;
pub use outbound::{Outbound, OutboundPolicy};
pub use upstream::OidcSettings;
pub use vault::{InvalidMasterKey, MasterKey};
