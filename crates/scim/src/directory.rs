//! The one question this crate asks its host: where the people are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::dialect::{Dialect, Repair, Repairs};
use crate::error::{Error, ErrorKind};
use crate::filter::Filter;
use crate::list::Sort;
use crate::moment::DateTime;
use crate::patch::Change;
use crate::resource::{Draft, Member, Membership, Resource};
use crate::schema::{Registry, ResourceType};

/// The host's storage of users and groups.
///
/// Every method is one transaction of the host.
/// Nothing here ever carries the whole member list of a group to be rewritten: a [`Change`] says which members
/// come and go.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// What an accepted token stands for: the directory, the token's id and scope, a request id.
    type Access: Clone + Send + Sync + 'static;

    /// Checks a bearer token against the directory that the URL names (still percent-decoded text from outside).
    ///
    /// Fails with `unauthorized` (no token, unknown, expired, or another directory's), `forbidden` (a scope that
    /// does not reach SCIM), `unavailable` (directory paused) or `not_found`. A host that must not disclose which
    /// directories exist answers `unauthorized` for an unknown one.
    async fn authorize(&self, directory: &str, bearer: Option<&str>)
    -> Result<Self::Access, Error>;

    /// The schemas, dialect and limits for requests under this access.
    fn profile(&self, access: &Self::Access) -> Arc<Profile>;

    /// The profile that the discovery endpoints show to anybody; `not_found` for an unknown directory.
    async fn public_profile(&self, directory: &str) -> Result<Arc<Profile>, Error>;

    /// Stores a new resource under a new id.
    ///
    /// Fails with `uniqueness` where userName (any letter case) or a group's displayName is taken, and with
    /// `invalid_value` where a member does not exist.
    async fn create(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        draft: Draft,
        wanted: Wanted,
    ) -> Result<Stored, Error>;

    /// Finds a resource of this directory; `None` for deleted ones, for those of other directories, and for
    /// text that is no id of yours.
    async fn find(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        id: &str,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Error>;

    /// One page of the resources that match, in a stable order.
    ///
    /// Fails with `too_many` where the filter would cost more than the host spends.
    async fn list(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        query: &Query,
    ) -> Result<Page, Error>;

    /// Reads the row, checks the precondition, calls [`Change::apply`] and stores the change set, all in one
    /// transaction that no other writer of the row can interleave with.
    ///
    /// Where nothing changes (no attribute touched, no member row added or removed), version and time of change
    /// stay as they are and [`Updated::changed`] is false.
    /// Fails with [`Error::no_such_resource`], with what [`Precondition::check`] and [`Change::apply`] return,
    /// and with `uniqueness`. A member that does not exist is `invalid_value` in a strict directory; in a lenient
    /// one it is left out and noted as [`Rule::UnknownMember`](crate::Rule::UnknownMember), because some clients
    /// push memberships ahead of people.
    async fn update(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        id: &str,
        update: Update<'_>,
    ) -> Result<Updated, Error>;

    /// Deletes a resource and its memberships.
    ///
    /// Fails with [`Error::no_such_resource`] and with what [`Precondition::check`] returns.
    async fn delete(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error>;

    /// Told after every request, for the host's provisioning log. It never sees a body, a token or a value.
    async fn observe(&self, exchange: Exchange<Self::Access>) {
        drop(exchange);
    }
}

/// What a directory speaks and grants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The schemas.
    pub registry: Registry,
    /// How much is forgiven.
    pub dialect: Dialect,
    /// Resources on a page when the client does not say.
    pub default_page: u64,
    /// Most resources on a page; `filter.maxResults` in the configuration.
    pub max_page: u64,
    /// Whether [`Directory::list`] sorts.
    pub sort: bool,
    /// Whether a password that a client sends is kept; it is dropped otherwise.
    pub accept_password: bool,
}

impl Profile {
    /// Standard schemas, lenient, pages of 100 and at most 1,000, sorting, no passwords.
    pub fn new() -> Self {
        Self {
            registry: Registry::standard(),
            dialect: Dialect::Lenient,
            default_page: 100,
            max_page: 1_000,
            sort: true,
            accept_password: false,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

/// Which of the lists that live in their own tables an answer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// The members of groups.
    pub members: Load,
    /// The groups of users.
    pub groups: Load,
}

/// How much of a list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Load {
    /// Nothing.
    #[default]
    Nothing,
    /// The list if it has at most so many entries, else nothing: the host reads one more than this and stops.
    AtMost(usize),
    /// All of it.
    Everything,
}

impl Wanted {
    /// Neither members nor groups.
    pub const NOTHING: Self = Self {
        members: Load::Nothing,
        groups: Load::Nothing,
    };

    /// All members and all groups.
    pub const EVERYTHING: Self = Self {
        members: Load::Everything,
        groups: Load::Everything,
    };
}

/// A resource as the host keeps it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The id that the host made; never reused.
    pub id: String,
    /// The attributes.
    pub resource: Resource,
    /// The version, changed by every change: becomes `meta.version` and `ETag` as `W/"…"`.
    pub version: String,
    /// When it was created.
    pub created: DateTime,
    /// When it was last changed.
    pub last_modified: DateTime,
    /// The members of a group, where wanted and within the wanted size.
    pub members: Option<Vec<Member>>,
    /// The groups of a user, where wanted.
    pub groups: Option<Vec<Membership>>,
}

impl Stored {
    /// A stored resource without lists.
    pub fn new(
        id: impl Into<String>,
        resource: Resource,
        version: impl Into<String>,
        created: DateTime,
        last_modified: DateTime,
    ) -> Self {
        Self {
            id: id.into(),
            resource,
            version: version.into(),
            created,
            last_modified,
            members: None,
            groups: None,
        }
    }

    /// Adds the members of a group.
    #[must_use]
    pub fn with_members(mut self, members: Option<Vec<Member>>) -> Self {
        self.members = members;
        self
    }

    /// Adds the groups of a user.
    #[must_use]
    pub fn with_groups(mut self, groups: Option<Vec<Membership>>) -> Self {
        self.groups = groups;
        self
    }
}

/// A question for a page of resources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// What the resources have to match.
    pub filter: Option<Filter>,
    /// Position of the first one, from 1.
    pub start_index: u64,
    /// Most resources on the page; 0 asks for the total only.
    pub count: u64,
    /// The order; without one any stable order.
    pub sort: Option<Sort>,
    /// Which lists the answer needs.
    pub wanted: Wanted,
}

impl Query {
    /// A query for the first `count` resources.
    pub fn new(count: u64) -> Self {
        Self {
            filter: None,
            start_index: 1,
            count,
            sort: None,
            wanted: Wanted::NOTHING,
        }
    }
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// How many match in all.
    pub total: u64,
    /// Those on this page.
    pub resources: Vec<Stored>,
}

impl Page {
    /// A page.
    pub fn new(total: u64, resources: Vec<Stored>) -> Self {
        Self { total, resources }
    }
}

/// A change to store.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Update<'a> {
    /// What to change.
    pub change: &'a Change,
    /// The version that the client expects.
    pub precondition: &'a Precondition,
    /// Which lists the answer needs, as they are after the change.
    pub wanted: Wanted,
}

impl<'a> Update<'a> {
    /// An update.
    pub fn new(change: &'a Change, precondition: &'a Precondition, wanted: Wanted) -> Self {
        Self {
            change,
            precondition,
            wanted,
        }
    }
}

/// The outcome of an update.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Updated {
    /// The resource after the change.
    pub stored: Stored,
    /// Whether anything changed.
    pub changed: bool,
    /// The repairs that applying the change needed, from the change set.
    pub repairs: Repairs,
}

impl Updated {
    /// An outcome; `repairs` are those of the [`ChangeSet`](crate::ChangeSet).
    pub fn new(stored: Stored, changed: bool, repairs: Repairs) -> Self {
        Self {
            stored,
            changed,
            repairs,
        }
    }
}

/// The versions that a write is meant for (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Any version.
    #[default]
    None,
    /// One of these versions, without `W/` and quotation marks.
    Versions(Vec<String>),
}

impl Precondition {
    /// Reads an `If-Match` header.
    ///
    /// The comparison is weak, as all versions here are (RFC 7644 §3.14); `*` asks for existence, which every
    /// write asks for anyway.
    pub fn parse(header: &str) -> Self {
        let header = header.trim();
        if header == "*" || header.is_empty() {
            return Self::None;
        }
        Self::Versions(tags(header))
    }

    /// Fails with `precondition_failed` where the current version is not one of those expected.
    pub fn check(&self, current: &str) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Versions(versions) if versions.iter().any(|version| version == current) => Ok(()),
            Self::Versions(_) => Err(Error::precondition_failed(
                "the resource has changed since this version was read; read it again",
            )),
        }
    }
}

/// The opaque parts of a list of entity tags.
pub(crate) fn tags(header: &str) -> Vec<String> {
    header
        .split(',')
        .map(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag.trim_matches('"').to_owned()
        })
        .collect()
}

/// One request and its answer, redacted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange<A> {
    /// The directory as the URL names it.
    pub directory: String,
    /// The access, where the token was accepted.
    pub access: Option<A>,
    /// The method.
    pub method: http::Method,
    /// The endpoint, such as `/Users/{id}`.
    pub endpoint: &'static str,
    /// The id in the URL, or of the resource that was created.
    pub resource_id: Option<String>,
    /// What the client calls itself, at most 200 bytes.
    pub user_agent: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The refusal, if it was one.
    pub failure: Option<Failure>,
    /// Whether a write changed anything.
    pub changed: Option<bool>,
    /// What was repaired.
    pub repairs: Vec<Repair>,
    /// How long it took.
    pub duration: Duration,
}

/// A refusal in an [`Exchange`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// What the client was told.
    pub detail: String,
    /// For faults of ours: the chain of causes, which the client is not told.
    pub cause: Option<String>,
}

impl Failure {
    /// The redacted form of an error.
    pub fn of(error: &Error) -> Self {
        let mut cause = None;
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            let text: &mut String = cause.get_or_insert_default();
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            source = error.source();
        }
        Self {
            kind: error.kind(),
            detail: error.detail().to_owned(),
            cause,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
