//! The schemas of a directory as one value.

use std::sync::Arc;

use super::{ResourceSchema, ResourceType, Schema, alias, discovery, standard, strip_urn};
use crate::error::Error;

/// The schemas that a directory speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    users: Arc<ResourceSchema>,
    groups: Arc<ResourceSchema>,
}

impl Registry {
    /// User with the enterprise extension, and Group, as RFC 7643 defines them.
    pub fn standard() -> Self {
        Self {
            users: Arc::new(
                ResourceSchema::new(ResourceType::User, standard::user())
                    .with_extension(standard::enterprise()),
            ),
            groups: Arc::new(ResourceSchema::new(ResourceType::Group, standard::group())),
        }
    }

    /// Adds an extension to a resource type; for one that is made in code.
    ///
    /// One that comes from outside goes through [`try_with_extension`](Self::try_with_extension).
    #[must_use]
    pub fn with_extension(self, kind: ResourceType, extension: Schema) -> Self {
        self.changed(kind, |schema| schema.with_extension(extension))
    }

    /// Adds an extension whose names have to be free: for schemas that a directory brings with it.
    ///
    /// Fails with `invalid_value` where the URN is one of the standard's or begins one that is there or begins with
    /// it, where the URN stands for another schema at the other resource type, and where a name is one of the core
    /// schema's.
    pub fn try_with_extension(
        self,
        kind: ResourceType,
        extension: Schema,
        need: Need,
    ) -> Result<Self, Error> {
        self.check(kind, &extension)?;
        Ok(self.changed(kind, |schema| match need {
            Need::Optional => schema.with_extension(extension),
            Need::Required => schema.with_required_extension(extension),
        }))
    }

    /// The registry without the password of users, for a directory that takes none: what `/Schemas` lists is what
    /// the directory does.
    #[must_use]
    pub fn without_password(self) -> Self {
        self.changed(ResourceType::User, |mut schema| {
            schema
                .core
                .attributes
                .retain(|attribute| attribute.name != "password");
            schema
        })
    }

    fn changed(
        mut self,
        kind: ResourceType,
        change: impl FnOnce(ResourceSchema) -> ResourceSchema,
    ) -> Self {
        let schema = match kind {
            ResourceType::User => &mut self.users,
            ResourceType::Group => &mut self.groups,
        };
        *schema = Arc::new(change(ResourceSchema::clone(schema)));
        self
    }

    fn check(&self, kind: ResourceType, extension: &Schema) -> Result<(), Error> {
        let urn = &extension.id;
        if alias::is_alias(urn) {
            return Err(Error::invalid_value(
                "the URN is another name of a standard schema",
            ));
        }
        let standard: Vec<Schema> = Self::standard().schemas().collect();
        let known = standard.iter().cloned().chain(self.schemas());
        for schema in known {
            let overlap =
                strip_urn(urn, &schema.id).is_some() || strip_urn(&schema.id, urn).is_some();
            let same = schema.id.eq_ignore_ascii_case(urn);
            if overlap {
                return Err(Error::invalid_value(
                    "the URN is the beginning of another schema's, or begins with one",
                ));
            }
            if same && schema != *extension {
                return Err(Error::invalid_value("the URN is that of another schema"));
            }
        }
        let core = self.of(kind);
        let taken = extension
            .attributes
            .iter()
            .find(|attribute| core.top_level_attribute(&attribute.name).is_some());
        match taken {
            None => Ok(()),
            Some(attribute) => Err(Error::invalid_value(format!(
                "{} is an attribute of the core schema",
                attribute.name
            ))),
        }
    }

    /// The schema of a resource type.
    pub fn of(&self, kind: ResourceType) -> &Arc<ResourceSchema> {
        match kind {
            ResourceType::User => &self.users,
            ResourceType::Group => &self.groups,
        }
    }

    /// Every schema, as `/Schemas` lists them: those of resources, each once, then those of the discovery endpoints.
    pub fn schemas(&self) -> impl Iterator<Item = Schema> {
        let of = |schema: &Arc<ResourceSchema>| {
            let mut schemas = vec![schema.core().clone()];
            schemas.extend(schema.extensions().iter().cloned());
            schemas
        };
        let users = of(&self.users);
        let mut groups = of(&self.groups);
        groups.retain(|schema| users.iter().all(|known| known.id != schema.id));
        users.into_iter().chain(groups).chain(discovery::schemas())
    }
}

/// Whether every resource has to have an extension (RFC 7643 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Need {
    /// It may be absent.
    #[default]
    Optional,
    /// It has to be there.
    Required,
}

impl Default for Registry {
    fn default() -> Self {
        Self::standard()
    }
}
