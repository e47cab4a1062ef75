#![doc = include_str!("../README.md")]

#[cfg(feature = "axum")]
mod bulk;
#[cfg(feature = "axum")]
mod cursor;
pub mod dialect;
pub mod directory;
pub mod discovery;
pub mod error;
pub mod evaluate;
pub mod filter;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod list;
pub mod moment;
pub mod patch;
pub mod path;
pub mod project;
pub mod resource;
#[cfg(feature = "axum")]
pub mod router;
pub mod schema;

/// What `impl Directory` is written under.
pub use async_trait::async_trait;
pub use dialect::{Dialect, Reading, Repair, Repairs, Rule};
pub use directory::{
    After, BulkLimits, Created, Directory, Exchange, Failure, Hints, Load, Lookup, LookupKind,
    Page, Precondition, Profile, Query, Stored, Update, Updated, Wanted,
};
pub use error::{Error, ErrorKind};
pub use filter::{Budget, Comparison, Filter, Operand, Operator};
pub use list::{Order, Parameters, Sort};
pub use moment::DateTime;
pub use patch::{Change, ChangeSet, MemberChange, PasswordChange};
pub use path::{AttributePath, Path};
pub use project::Projection;
pub use resource::{Draft, Member, Membership, Password, Resource};
#[cfg(feature = "axum")]
pub use router::{ClientAddress, Options, router};
pub use schema::{Registry, ResourceSchema, ResourceType};
