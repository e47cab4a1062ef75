//! The one user store, on SQLite and PostgreSQL.
//!
//! [`Store`] opens a database by its URL and hands out two kinds of access: [`ReadTx`] reads,
//! [`WriteTx`] reads and writes and commits once; dropping it rolls everything back.
//! Each method is one SQL text for both databases; where the dialects truly differ, a `match` says why.
//!
//! Two files carry the product's promise: [`live`] is the one reader that says whether a credential is still good,
//! and `end` is the one writer that makes credentials end.
//! Use cases, protocols and HTTP are other rooms; no driver's type leaves this crate.

#[macro_use]
mod row;

mod adoption;
mod api_keys;
mod app_sessions;
mod applications;
mod break_glass;
mod connection_certificates;
mod connection_keys;
mod connection_metadata;
mod connections;
mod consents;
mod credential_kinds;
mod dead_letters;
mod destinations;
mod directories;
mod directory_clients;
mod directory_guards;
mod directory_health;
mod directory_lookups;
mod directory_tokens;
mod directory_totals;
mod end;
mod error;
mod events;
mod group_members;
mod groups;
mod housekeeping;
mod idempotency;
mod identities;
pub mod live;
mod login_answers;
mod logins;
mod logout_hints;
mod migrate;
mod operators;
mod organizations;
mod outbox;
mod page_states;
mod passwords;
mod pending_logins;
mod provisioning_log;
mod pushed_requests;
mod query;
mod receipt_applications;
mod receipts;
mod received_signals;
mod role_mappings;
mod seen_assertions;
mod signal_sources;
mod signing_keys;
mod sqlite;
mod statement;
mod statistics;
mod stream_events;
mod streams;
mod transaction;
mod upstream_endings;
mod upstream_logouts;
mod user_index;
mod user_queries;
mod user_sessions;
mod users;
mod webhooks;
mod writer;

pub use adoption::{
    AdoptionConflict, AdoptionCounts, AdoptionSide, ConflictKind, ConflictPlace, ExternalIdSample,
};
pub use api_keys::{ApiKey, ApiKeyMaker, NewApiKey};
pub use app_sessions::{AppSession, Code, NewAppSession, RefreshToken, TakenCode};
pub use applications::{Application, ApplicationRecord};
pub use break_glass::{BreakGlassLink, NewBreakGlassLink};
pub use connection_certificates::{CertificateSource, ConnectionCertificate};
pub use connection_keys::{ConnectionKey, KeyPurpose, KeyState};
pub use connection_metadata::{ConnectionMetadata, MetadataCheck};
pub use connections::Connection;
pub use consents::Consent;
pub use credential_kinds::{CREDENTIAL_KINDS, NOT_CREDENTIALS};
pub use dead_letters::{Backlog, DeadLetter, DeadLetterQuery};
pub use directories::Directory;
pub use directory_clients::DirectoryClient;
pub use directory_guards::DirectoryGuard;
pub use directory_health::{ActiveHour, LeftOut};
pub use directory_lookups::{DirectoryLookup, LookupKind};
pub use directory_tokens::{
    DirectoryAccess, DirectoryCredential, DirectoryToken, NewDirectoryToken,
};
pub use end::{Ended, Ending};
pub use error::Error;
pub use events::{Event, EventPlace, NewEvent};
pub use group_members::{GroupMember, MemberId, UserGroup};
pub use groups::{Group, GroupCondition, GroupQuery, GroupRecord};
pub use idempotency::Idempotency;
pub use identities::JoinAttribute;
pub use live::{Epochs, Live};
pub use login_answers::{LoginAnswer, NewLoginAnswer, TakenAnswer};
pub use logins::{LoginRecord, NewLoginRecord};
pub use operators::Operator;
pub use organizations::{Logo, Organization, OrganizationBrand, OrganizationDomain};
pub use outbox::{Destination, Job, NewJob};
pub use passwords::StoredPassword;
pub use pending_logins::PendingLogin;
pub use provisioning_log::{NewProvisioningRecord, ProvisioningQuery, ProvisioningRecord};
pub use receipt_applications::ReceiptApplication;
pub use receipts::{AuditEntry, Offboarding};
pub use received_signals::{NewSignal, ReceivedSignal};
pub use role_mappings::RoleMapping;
pub use signal_sources::{PollClient, SignalMethod, SignalSource};
pub use signing_keys::StoredSigningKey;
pub use stream_events::StreamEvent;
pub use streams::{Stream, StreamKind, StreamMethod, StreamStatus, StreamToken};
pub use transaction::{ReadTx, Store, WriteTx};
pub use upstream_endings::UpstreamEnding;
pub use upstream_logouts::UpstreamLogout;
pub use user_index::UNIQUE;
pub use user_queries::{Direction, ListOrder, Reach, Slice, UserCondition, UserQuery, When};
pub use user_sessions::{NewUserSession, UserSession};
pub use users::{HasUser, User, UserRecord};
pub use webhooks::{Delivery, DeliveryAttempt, NewDelivery, Webhook};

/// What a store method gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;
