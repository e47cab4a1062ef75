//! Vestibule's words: the nouns that SQL, Rust, JSON, docs and logs share, and the rules that need no I/O.
//!
//! Here live typed ids, [`Timestamp`], [`Secret`], the comparison keys of names and addresses, domain rules,
//! the vocabulary of events and of endings, and the one [`Generator`] of ids and tokens.
//! Storage, HTTP and protocols are other rooms.
//!
//! ```
//! use vestibule_core::{Generator, Timestamp, UserId};
//!
//! let now = Timestamp::from_unix_seconds(1_700_000_000);
//! let id: UserId = Generator::system().id(now);
//! assert!(id.to_string().starts_with("usr_"));
//! assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
//! ```

mod color;
mod domain;
mod ending;
mod event;
mod generator;
mod id;
mod key;
mod policy;
mod scope;
mod secret;
mod state;
mod time;

pub use color::{Color, InvalidColor};
pub use domain::{Domain, InvalidDomain};
pub use ending::{EndCause, EndScope};
pub use event::EventKind;
pub use generator::Generator;
pub use id::{
    ApiKeyId, AppSessionId, ApplicationId, AuditId, ConnectionId, ConnectionKeyId, DeliveryId,
    DirectoryClientId, DirectoryId, DirectoryTokenId, EventId, GroupId, Id, InvalidId, LoginId,
    Noun, OffboardingId, OperatorId, OrganizationId, OutboxId, ProvisioningId, RoleMappingId,
    SignalId, StreamId, UserId, UserSessionId, WebhookId, nouns,
};
pub use key::{email_domain, email_key, name_key, name_prefix_key};
pub use policy::{IpsieLevel, Policy, UnknownIpsieLevel};
pub use scope::{Access, ApiScope, InvalidScope, Resource};
pub use secret::{Secret, SecretHash};
pub use state::{
    ConnectionState, DirectoryMode, DirectoryScope, DirectoryState, InvalidState, Protocol,
};
pub use time::{InvalidTimestamp, Timestamp};
