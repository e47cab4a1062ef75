//! Changes to a resource: PUT and PATCH (RFC 7644 §3.5) as one pure function from a resource to a change set.

mod apply;
mod elements;
mod members;
mod read;

use std::sync::Arc;

use serde_json::Value;

use crate::dialect::{Dialect, Reading, Repairs, Rule};
use crate::error::Error;
use crate::filter::Filter;
use crate::path::{AttributePath, Path};
use crate::resource::{Draft, Member, Password, Resource};
use crate::schema::{ResourceSchema, ResourceType};

/// URN of the PATCH message.
pub const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A parsed PUT or PATCH, ready to be applied to the current resource inside the host's transaction.
#[derive(Debug, Clone)]
pub struct Change {
    schema: Arc<ResourceSchema>,
    dialect: Dialect,
    body: Body,
    /// The attributes that the client names.
    named: Vec<AttributePath>,
    /// What the client takes for the resource's id.
    ids: Vec<String>,
}

#[derive(Debug, Clone)]
enum Body {
    Put(Box<Draft>),
    Patch(Vec<Operation>),
}

/// One operation in canonical form: every operation has a target and a value of the target's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    target: Path,
    action: Action,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Add(Value),
    Replace(Value),
    Remove,
    /// Removes the elements of a list that match one of these (repair 5).
    RemoveValues(Vec<Value>),
    Members(MemberChange),
    Password(PasswordChange),
    /// Says which schemas are in use, which follows from the attributes.
    Schemas {
        urns: Vec<String>,
        /// Whether these are all.
        all: bool,
    },
}

impl Change {
    /// Reads the body of a PUT.
    ///
    /// Fails as [`Draft::parse`] does.
    pub fn put(
        body: Value,
        schema: &Arc<ResourceSchema>,
        reading: impl Into<Reading>,
        repairs: &mut Repairs,
    ) -> Result<Self, Error> {
        let reading = reading.into();
        let draft = Draft::parse(body, schema, reading, repairs)?;
        let names = |name: &str| draft.named().iter().any(|path| path.name() == name);
        if schema.kind() == ResourceType::Group && !names("members") {
            repairs.note(Rule::MembersAbsent, "members");
        }
        Ok(Self {
            schema: Arc::clone(schema),
            dialect: reading.dialect,
            named: draft.named().to_vec(),
            ids: Vec::new(),
            body: Body::Put(Box::new(draft)),
        })
    }

    /// Reads the body of a PATCH.
    ///
    /// Fails with `invalid_syntax`, `invalid_path`, `invalid_filter`, `invalid_value`, `no_target` or `mutability`
    /// as far as that can be seen without the resource.
    pub fn patch(
        body: Value,
        schema: &Arc<ResourceSchema>,
        reading: impl Into<Reading>,
        repairs: &mut Repairs,
    ) -> Result<Self, Error> {
        let reading = reading.into();
        let operations = read::operations(body, schema, reading, repairs)?;
        Ok(Self {
            schema: Arc::clone(schema),
            dialect: reading.dialect,
            named: operations.named,
            ids: operations.ids,
            body: Body::Patch(operations.list),
        })
    }

    /// The attributes that the client names, to be shown in the answer even where they are `returned: request`
    /// (RFC 7643 §7); sorted.
    pub fn named(&self) -> &[AttributePath] {
        &self.named
    }

    /// Checks that the change is meant for this resource.
    ///
    /// Okta sends the resource's own `id` in a value without path, which is no change; another one fails with
    /// `mutability`.
    pub fn check_id(&self, id: &str) -> Result<(), Error> {
        if self.ids.iter().all(|named| named == id) {
            return Ok(());
        }
        Err(Error::mutability("id is written by the server only"))
    }

    /// The change without what it says about the password, for a directory that keeps none.
    #[must_use]
    pub fn without_password(mut self) -> Self {
        match &mut self.body {
            Body::Put(draft) => draft.password = None,
            Body::Patch(operations) => {
                operations.retain(|operation| !matches!(operation.action, Action::Password(_)));
            }
        }
        self
    }

    /// Applies the change to the current resource: all of it or nothing.
    ///
    /// Fails with `no_target`, `mutability` or `invalid_value`, and then nothing is to be stored.
    pub fn apply(&self, current: &Resource) -> Result<ChangeSet, Error> {
        apply::apply(self, current)
    }
}

/// What a change comes down to for one resource.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChangeSet {
    /// The resource after the change.
    pub resource: Resource,
    /// The top-level and extension attributes whose value is another one now.
    pub touched: Vec<AttributePath>,
    /// What happens to the members of a group, in this order.
    ///
    /// Whether that changes anything only the host's rows know: adding a member twice is no change.
    pub members: Vec<MemberChange>,
    /// What happens to the password of a user.
    pub password: PasswordChange,
    /// The repairs that could only be made with the resource at hand.
    pub repairs: Repairs,
}

impl ChangeSet {
    /// Whether nothing is to be stored, whatever the host's member rows say.
    pub fn is_noop(&self) -> bool {
        self.touched.is_empty() && self.members.is_empty() && self.password == PasswordChange::Keep
    }

    /// Whether this attribute was touched, by its canonical path (`active`, `urn:…:User:department`).
    pub fn touches(&self, path: &str) -> bool {
        self.touched
            .iter()
            .any(|touched| touched.to_string() == path)
    }
}

/// A change of a group's members.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberChange {
    /// These become members; those who are stay.
    Add(Vec<Member>),
    /// These ids are members no longer; those who are not are no error.
    Remove(Vec<String>),
    /// The members that match are members no longer; the paths are `members.value`, `members.type` and so on.
    RemoveWhere(Filter),
    /// These are the members and nobody else.
    ReplaceAll(Vec<Member>),
}

/// A change of a user's password.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PasswordChange {
    /// It stays.
    #[default]
    Keep,
    /// It becomes this one.
    Set(Password),
    /// There is none any more.
    Clear,
}
