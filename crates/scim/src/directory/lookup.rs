//! The values that `roles` and `entitlements` of users may take (draft-ietf-scim-roles-entitlements-01).

/// Which attribute of users the values are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupKind {
    /// `roles`, told at `/Roles`.
    Role,
    /// `entitlements`, told at `/Entitlements`.
    Entitlement,
}

impl LookupKind {
    /// The name in `meta.resourceType` and in `/ResourceTypes`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::Entitlement => "Entitlement",
        }
    }

    /// The endpoint below the base URL, without a slash.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::Role => "Roles",
            Self::Entitlement => "Entitlements",
        }
    }
}

/// A value that an identity provider may assign.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// What goes into `value`; unique among those of its kind, and the id of the resource.
    pub value: String,
    /// The name for people; the value itself where there is none.
    pub display: Option<String>,
    /// What goes into `type`.
    pub kind: Option<String>,
    /// What it is for, in a sentence.
    pub description: Option<String>,
    /// Whether users may have it as their primary one.
    pub primary: bool,
}

impl Lookup {
    /// A value without a name.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            display: None,
            kind: None,
            description: None,
            primary: false,
        }
    }

    /// Adds the name for people.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into());
        self
    }

    /// Adds the type.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Adds what it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Says that users may have it as their primary one.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.primary = true;
        self
    }
}
