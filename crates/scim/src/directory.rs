//! The one question this crate asks its host: where the people are kept.

mod exchange;
mod lookup;
mod profile;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::dialect::Repairs;
use crate::error::Error;
use crate::filter::Filter;
use crate::list::Sort;
use crate::moment::DateTime;
use crate::patch::Change;
use crate::path::AttributePath;
use crate::resource::{Draft, Member, Membership, Resource};
use crate::schema::ResourceType;

pub use exchange::{Exchange, Failure, Hints};
pub use lookup::{Lookup, LookupKind};
pub use profile::{BulkLimits, Profile};

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

    /// The access for one request, whose [id](Self::request_id) the host may want to keep with what the request changes.
    fn for_request(&self, access: Self::Access, request_id: &Arc<str>) -> Self::Access {
        let _ = request_id;
        access
    }

    /// The schemas, dialect and limits for requests under this access.
    fn profile(&self, access: &Self::Access) -> Arc<Profile>;

    /// Whether this access may change anything; where it may not, every write is answered with 403.
    fn may_write(&self, access: &Self::Access) -> bool {
        let _ = access;
        true
    }

    /// The profile that the discovery endpoints show to anybody; `not_found` for an unknown directory.
    ///
    /// These endpoints take no credentials, so a host limits them by address, with `too_many_requests`; it is known
    /// where the host puts a [`ClientAddress`](crate::router::ClientAddress) into the request.
    async fn public_profile(
        &self,
        directory: &str,
        address: Option<IpAddr>,
    ) -> Result<Arc<Profile>, Error>;

    /// Stores a new resource under a new id.
    ///
    /// Fails with `uniqueness` where userName (any letter case) or a group's displayName is taken. A member that
    /// does not exist is treated as in [`update`](Self::update).
    async fn create(
        &self,
        access: &Self::Access,
        kind: ResourceType,
        draft: Draft,
        wanted: Wanted,
    ) -> Result<Created, Error>;

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
    /// A page may be shorter than [`Query::count`], but is empty only where no more resources follow.
    /// Fails with `too_many` where the filter would cost more than the host spends, and with `invalid_cursor` where
    /// [`Query::after`] holds a position that is none of the host's.
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

    /// The values that `roles` or `entitlements` of users may take, in a stable order.
    ///
    /// Asked only where [`Profile::roles`] or [`Profile::entitlements`] says so.
    async fn lookups(&self, access: &Self::Access, kind: LookupKind) -> Result<Vec<Lookup>, Error> {
        let _ = (access, kind);
        Ok(Vec::new())
    }

    /// What time it is, for the age of cursors; the clock of the system where a host has none of its own.
    fn now(&self) -> DateTime {
        exchange::system_time()
    }

    /// A new name for one HTTP request; all operations of a bulk request are observed under the same one.
    fn request_id(&self) -> Arc<str> {
        exchange::next_request_id(self.now())
    }

    /// Told after every request, for the host's provisioning log. It never sees a body, a token or a value.
    ///
    /// A client that goes away keeps neither the request from being finished nor this from being called.
    async fn observe(&self, exchange: Exchange<Self::Access>) {
        drop(exchange);
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
    /// The version, changed by every change of an attribute and, for a group, of its members: becomes `meta.version`
    /// and `ETag` as `W/"…"`. The groups of a user are no part of it; the router adds a mark of those that it tells.
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

/// The outcome of a creation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Created {
    /// The new resource.
    pub stored: Stored,
    /// The repairs that only the host could make, such as members that do not exist.
    pub repairs: Repairs,
}

impl Created {
    /// A resource that was stored as it was sent.
    pub fn new(stored: Stored) -> Self {
        Self {
            stored,
            repairs: Repairs::default(),
        }
    }

    /// Adds the repairs that the host made.
    #[must_use]
    pub fn with_repairs(mut self, repairs: Repairs) -> Self {
        self.repairs = repairs;
        self
    }
}

/// A question for a page of resources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// What the resources have to match.
    pub filter: Option<Filter>,
    /// Position of the first one, from 1; of no meaning where `after` is set.
    pub start_index: u64,
    /// Where a walk by cursor stands; `None` for pages by index.
    pub after: Option<After>,
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
            after: None,
            count,
            sort: None,
            wanted: Wanted::NOTHING,
        }
    }
}

/// Where a page of a walk by cursor begins (RFC 9865).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// At the first resource.
    Start,
    /// Behind the page that told this position in [`Page::next`].
    ///
    /// The text may have been altered, and may be from another query of this directory: the host reads it strictly.
    Position(String),
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// How many match in all; a page by index always tells it, a page by cursor may leave it out.
    pub total: Option<u64>,
    /// Those on this page.
    pub resources: Vec<Stored>,
    /// For a walk by cursor: where the next page begins, in words of the host's own; `None` after the last page.
    ///
    /// It is part of URLs, where logs may see it: an id rather than a name.
    pub next: Option<String>,
}

impl Page {
    /// A page that tells how many match in all.
    pub fn new(total: u64, resources: Vec<Stored>) -> Self {
        Self {
            total: Some(total),
            resources,
            next: None,
        }
    }

    /// A page of a walk by cursor that does not count.
    pub fn uncounted(resources: Vec<Stored>) -> Self {
        Self {
            total: None,
            resources,
            next: None,
        }
    }

    /// Adds where the next page begins.
    #[must_use]
    pub fn with_next(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
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
    /// The attributes whose value is another one now, from the change set.
    pub touched: Vec<AttributePath>,
    /// The repairs that applying the change needed, from the change set.
    pub repairs: Repairs,
}

impl Updated {
    /// An outcome; `repairs` are those of the [`ChangeSet`](crate::ChangeSet).
    pub fn new(stored: Stored, changed: bool, repairs: Repairs) -> Self {
        Self {
            stored,
            changed,
            touched: Vec::new(),
            repairs,
        }
    }

    /// Adds the attributes that were touched, so that the answer can show those that are returned on request only.
    #[must_use]
    pub fn with_touched(mut self, touched: Vec<AttributePath>) -> Self {
        self.touched = touched;
        self
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
            Self::Versions(versions) if versions.iter().any(|tag| is_version(tag, current)) => {
                Ok(())
            }
            Self::Versions(_) => Err(Error::precondition_failed(
                "the resource has changed since this version was read; read it again",
            )),
        }
    }
}

/// What stands in a tag between the version and the mark of a user's groups.
pub(crate) const GROUPS_MARK: &str = "+g";

fn is_version(tag: &str, version: &str) -> bool {
    let rest = tag.strip_prefix(version);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(GROUPS_MARK))
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
