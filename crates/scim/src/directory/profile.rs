//! What a directory speaks and grants.

use std::time::Duration;

use url::Url;

use super::LookupKind;
use crate::dialect::{Dialect, Reading};
use crate::schema::Registry;

/// What a directory speaks and grants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one answer in the configuration, and independent of the others"
)]
pub struct Profile {
    /// The schemas.
    pub registry: Registry,
    /// How much is forgiven.
    pub dialect: Dialect,
    /// Resources on a page when the client does not say.
    pub default_page: u64,
    /// Most resources on a page; `filter.maxResults` in the configuration.
    pub max_page: u64,
    /// Whether [`Directory::list`](super::Directory::list) sorts.
    pub sort: bool,
    /// Whether a password that a client sends is kept; it is dropped otherwise.
    pub accept_password: bool,
    /// Whether roles and entitlements that are JSON in a text become what the JSON says.
    pub json_roles: bool,
    /// How long a cursor is good for (RFC 9865 §2.4); `None` where pages are told by index only.
    pub cursor_ttl: Option<Duration>,
    /// Bulk requests; `None` where they are not taken.
    pub bulk: Option<BulkLimits>,
    /// Largest body, in bytes.
    pub body_limit: usize,
    /// Largest body of a request that writes a group, in bytes: it may carry the whole member list.
    pub group_body_limit: usize,
    /// Whether `/Roles` answers with [`Directory::lookups`](super::Directory::lookups).
    pub roles: bool,
    /// Whether `/Entitlements` answers with [`Directory::lookups`](super::Directory::lookups).
    pub entitlements: bool,
    /// Whether tokens can also be had from an OAuth 2.0 token endpoint, as the configuration then says.
    pub oauth: bool,
    /// A page for the people who set up the client.
    pub documentation: Option<Url>,
}

impl Profile {
    /// Standard schemas, lenient, pages of 100 and at most 1,000, by index or by cursors that last an hour,
    /// sorting, bulk requests, bodies of at most 10 MiB and 32 MiB for groups; no passwords and no look-ups.
    pub fn new() -> Self {
        Self {
            registry: Registry::standard(),
            dialect: Dialect::Lenient,
            default_page: 100,
            max_page: 1_000,
            sort: true,
            accept_password: false,
            json_roles: false,
            cursor_ttl: Some(Duration::from_hours(1)),
            bulk: Some(BulkLimits::default()),
            body_limit: 10 * 1024 * 1024,
            group_body_limit: 32 * 1024 * 1024,
            roles: false,
            entitlements: false,
            oauth: false,
            documentation: None,
        }
    }

    /// How bodies are read.
    pub fn reading(&self) -> Reading {
        let mut reading = Reading::new(self.dialect);
        reading.passwords = self.accept_password;
        reading.json_roles = self.json_roles;
        reading
    }

    /// Whether look-ups of this kind are told.
    pub const fn tells(&self, kind: LookupKind) -> bool {
        match kind {
            LookupKind::Role => self.roles,
            LookupKind::Entitlement => self.entitlements,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

/// How large a bulk request may be (RFC 7644 §3.7.4); a larger one is refused with 413 and the limit's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkLimits {
    /// Most operations in one request.
    pub operations: usize,
    /// Largest body, in bytes.
    pub payload: usize,
}

impl BulkLimits {
    /// Limits of your own.
    pub const fn new(operations: usize, payload: usize) -> Self {
        Self {
            operations,
            payload,
        }
    }
}

impl Default for BulkLimits {
    /// 1,000 operations in 4 MiB.
    fn default() -> Self {
        Self::new(1_000, 4 * 1024 * 1024)
    }
}
