//! How much of a client's habit is forgiven, and the record of what was.

use std::fmt;

/// How a directory treats requests that miss the letter of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// Known habits of identity providers are repaired, and every repair is reported.
    #[default]
    Lenient,
    /// What misses the standard, or is not declared in a schema, is refused.
    Strict,
}

/// How a directory reads what clients send.
///
/// Every function that reads a body takes this or a [`Dialect`] alone, which stands for that dialect with passwords
/// taken and roles left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Reading {
    /// How much is forgiven.
    pub dialect: Dialect,
    /// Whether a password is taken; otherwise it is dropped (repair 17), or refused where the dialect is strict.
    pub passwords: bool,
    /// Whether a role or entitlement that is JSON in a text becomes what the JSON says (repair 10).
    ///
    /// Entra sends app roles as `"value": "{\"id\":…,\"value\":\"admin\",\"displayName\":…}"`.
    pub json_roles: bool,
}

impl Reading {
    /// This dialect, with passwords taken and roles left as they are.
    pub const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            passwords: true,
            json_roles: false,
        }
    }

    /// Takes no passwords.
    #[must_use]
    pub const fn without_passwords(mut self) -> Self {
        self.passwords = false;
        self
    }

    /// Reads roles and entitlements out of JSON in a text.
    #[must_use]
    pub const fn with_json_roles(mut self) -> Self {
        self.json_roles = true;
        self
    }
}

impl From<Dialect> for Reading {
    fn from(dialect: Dialect) -> Self {
        Self::new(dialect)
    }
}

/// A known habit that was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// 1: an operation in another letter case, such as `Replace`.
    OperationCase,
    /// 2: a boolean written as text, such as `"False"`.
    TextBoolean,
    /// 3: dotted or URN-qualified names as keys of a value without a path.
    QualifiedKey,
    /// 4: a bare value for a complex attribute, a list of one for a single value, a number for a text, `""` for no
    /// manager.
    BareValue,
    /// 5: a list of values in a `remove`.
    RemoveWithValue,
    /// 6: an element created from the filter that it would have matched.
    ElementFromFilter,
    /// 7: an unknown schema URN or attribute, dropped.
    Unknown,
    /// 8: an attribute that only the server writes, ignored.
    ReadOnly,
    /// 9: one value where a list belongs.
    SingleForList,
    /// 10: JSON inside a text value; kept as text, or read where [`Reading::json_roles`] says so.
    JsonInText,
    /// 11: a filter value without quotation marks.
    UnquotedValue,
    /// 12: more than one primary value; the last one is kept.
    ManyPrimaries,
    /// 13: a member that does not exist (yet), left out; only the host can know, and notes it.
    UnknownMember,
    /// 14: a filter with a sub-attribute behind its brackets, such as `emails[type eq "work"].value eq "x"`.
    SelectedValue,
    /// 15: a schema under a name that it had before SCIM 2.0, or that somebody misspelled.
    AliasUrn,
    /// 16: an empty text, taken as unassigned.
    EmptyText,
    /// 17: a password in a directory that takes none, dropped.
    PasswordDropped,
    /// 18: an element with the same `value` and `type` as another, merged into it (RFC 7643 §2.4).
    DuplicateElement,
    /// 19: an attribute that was named twice, once in another letter case or form; one of the two counts.
    DuplicateKey,
    /// 20: an empty path, taken as none.
    EmptyPath,
    /// 21: an `add` of nothing, which leaves what is there.
    NothingToAdd,
    /// 22: a `remove` whose filter matched nothing.
    NothingToRemove,
    /// 23: a group that was replaced without its members, and so has none.
    MembersAbsent,
}

impl Rule {
    /// The number under which the documentation lists the rule.
    pub const fn number(self) -> u8 {
        match self {
            Self::OperationCase => 1,
            Self::TextBoolean => 2,
            Self::QualifiedKey => 3,
            Self::BareValue => 4,
            Self::RemoveWithValue => 5,
            Self::ElementFromFilter => 6,
            Self::Unknown => 7,
            Self::ReadOnly => 8,
            Self::SingleForList => 9,
            Self::JsonInText => 10,
            Self::UnquotedValue => 11,
            Self::ManyPrimaries => 12,
            Self::UnknownMember => 13,
            Self::SelectedValue => 14,
            Self::AliasUrn => 15,
            Self::EmptyText => 16,
            Self::PasswordDropped => 17,
            Self::DuplicateElement => 18,
            Self::DuplicateKey => 19,
            Self::EmptyPath => 20,
            Self::NothingToAdd => 21,
            Self::NothingToRemove => 22,
            Self::MembersAbsent => 23,
        }
    }

    /// One line for the administrator who reads the request log.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::OperationCase => "operation names are lower case",
            Self::TextBoolean => "a boolean was sent as text",
            Self::QualifiedKey => "a path was used as the key of a value",
            Self::BareValue => "the value had the wrong shape for its attribute",
            Self::RemoveWithValue => "the values to remove were listed beside the path",
            Self::ElementFromFilter => "no element matched, so one was created from the filter",
            Self::Unknown => "an attribute or schema that this directory does not know was dropped",
            Self::ReadOnly => "an attribute that only the server writes was ignored",
            Self::SingleForList => "one value was sent where a list belongs",
            Self::JsonInText => "a text value holds JSON",
            Self::UnquotedValue => "a filter value lacked its quotation marks",
            Self::ManyPrimaries => "more than one value was primary; the last one is",
            Self::UnknownMember => "a member that this directory does not know was left out",
            Self::SelectedValue => "a filter named a sub-attribute behind its brackets",
            Self::AliasUrn => "a schema was named as it was before SCIM 2.0, or misspelled",
            Self::EmptyText => "an empty text was taken as no value",
            Self::PasswordDropped => "this directory takes no passwords, so one was dropped",
            Self::DuplicateElement => "two values were the same and became one",
            Self::DuplicateKey => "an attribute was sent twice and one of the two was used",
            Self::EmptyPath => "an empty path was taken as none",
            Self::NothingToAdd => "there was nothing to add, and what is there stayed",
            Self::NothingToRemove => "what was to be removed was not there",
            Self::MembersAbsent => "a group was replaced without members, so it has none now",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explanation())
    }
}

/// One repair: the rule, and the attribute or key where it was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Repair {
    /// The habit.
    pub rule: Rule,
    /// The attribute, key or URN; never a value.
    pub place: String,
}

/// The repairs made to one request, without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repairs(Vec<Repair>);

impl Repairs {
    /// At most so many are kept; a hostile body could otherwise make the record as large as itself.
    const MOST: usize = 100;
    /// Longest place kept, in bytes.
    const PLACE: usize = 200;

    /// Notes a repair.
    pub fn note(&mut self, rule: Rule, place: &str) {
        let end = place.floor_char_boundary(Self::PLACE);
        let place = place.get(..end).unwrap_or_default();
        let known = |repair: &Repair| repair.rule == rule && repair.place == place;
        if self.0.len() < Self::MOST && !self.0.iter().any(known) {
            self.0.push(Repair {
                rule,
                place: place.to_owned(),
            });
        }
    }

    /// The repairs, in the order in which they were made.
    pub fn as_slice(&self) -> &[Repair] {
        &self.0
    }

    /// Whether the request needed none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the repairs of another pass over the same request.
    pub fn extend(&mut self, other: &Repairs) {
        for repair in &other.0 {
            self.note(repair.rule, &repair.place);
        }
    }
}
