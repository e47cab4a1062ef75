//! What admins set for one directory beyond its columns; kept as JSON beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vestibule_scim::{
    Error, Registry, ResourceType,
    schema::{Attribute, Need, Schema, Type, Uniqueness},
};
use vestibule_store::ReadTx;

use crate::Fault;

/// The settings of one directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectorySettings {
    /// Which attributes become what in the user store.
    #[serde(skip_serializing_if = "AttributeMapping::is_standard")]
    pub mapping: AttributeMapping,
    /// Attributes that its filters look people up by and that have no column of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexed_attributes: Vec<String>,
    /// Schemas of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<DirectorySchema>,
    /// What those schemas say is unique; read off them.
    #[serde(skip)]
    pub(crate) unique: Vec<UniqueAttribute>,
}

/// An attribute of users of which no two in the directory may have the same value (RFC 7643 §7, `uniqueness`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UniqueAttribute {
    /// Its canonical path.
    pub(crate) path: String,
    /// Whether its values are times, of which one can be written in many ways.
    pub(crate) is_time: bool,
    /// Whether letter case makes a value another one.
    pub(crate) case_exact: bool,
}

/// Which SCIM attributes of a directory become what in the user store; without a choice the standard's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeMapping {
    /// What a connection's `join` compares where it says `userName`, and apps see as `preferred_username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_name: Option<String>,
    /// The e-mail address, where it is not the primary one of `emails`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Where the `roles` claim is read, where it is not `roles.value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// Whether a role may be the JSON text of an object, whose `value` is meant: Entra writes app roles so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub json_roles: bool,
}

impl AttributeMapping {
    fn is_standard(&self) -> bool {
        *self == Self::default()
    }
}

/// A schema that admins added to a directory: an extension of one resource type (RFC 7643 §3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectorySchema {
    /// What it extends.
    pub extends: SchemaOf,
    /// Whether every resource has to have it.
    #[serde(default)]
    pub required: bool,
    /// The schema as `/Schemas` shows it (RFC 7643 §7).
    pub schema: Value,
}

/// What a schema of a directory extends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaOf {
    /// Users.
    User,
    /// Groups.
    Group,
}

impl From<SchemaOf> for ResourceType {
    fn from(of: SchemaOf) -> Self {
        match of {
            SchemaOf::User => Self::User,
            SchemaOf::Group => Self::Group,
        }
    }
}

impl DirectorySchema {
    /// The URN of the schema; empty where it has none, which no stored one is.
    pub fn urn(&self) -> &str {
        self.schema
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn unique_attribute(
        &self,
        name: &str,
        attribute: &Attribute,
    ) -> Result<UniqueAttribute, Error> {
        if self.extends == SchemaOf::Group {
            return Err(Error::invalid_value(format!(
                "{name}: uniqueness is kept for attributes of users only; say none"
            )));
        }
        Ok(UniqueAttribute {
            path: format!("{}:{name}", self.urn()),
            is_time: attribute.kind == Type::DateTime,
            case_exact: attribute.case_exact,
        })
    }
}

impl DirectorySettings {
    /// The schema of this URN, in any letter case.
    pub fn schema(&self, urn: &str) -> Option<&DirectorySchema> {
        self.schemas
            .iter()
            .find(|schema| schema.urn().eq_ignore_ascii_case(urn))
    }

    /// The paths of the attributes that the settings name.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let mapping = &self.mapping;
        [&mapping.login_name, &mapping.email, &mapping.roles]
            .into_iter()
            .filter_map(Option::as_deref)
            .chain(self.indexed_attributes.iter().map(String::as_str))
    }

    /// The schemas of a directory: these, with its own.
    ///
    /// Fails where one of its own is no schema, or uses a name that is taken.
    pub(crate) fn registry(&self, mut registry: Registry) -> Result<Registry, Error> {
        for own in &self.schemas {
            let schema = Schema::parse(&own.schema)?;
            let need = if own.required {
                Need::Required
            } else {
                Need::Optional
            };
            registry = registry.try_with_extension(own.extends.into(), schema, need)?;
        }
        Ok(registry)
    }

    /// The settings of a directory.
    pub(crate) async fn find(
        tx: &mut ReadTx,
        id: vestibule_core::DirectoryId,
    ) -> Result<Self, Fault> {
        let stored = tx.find_directory_settings(id).await?;
        let mut settings: Self = serde_json::from_value(stored)
            .map_err(|_| Fault::internal("the settings of a directory cannot be read"))?;
        settings.unique = settings
            .uniquely()
            .map_err(|_| Fault::internal("a schema of a directory cannot be read"))?;
        Ok(settings)
    }

    /// What the directory's own schemas say is unique.
    ///
    /// Fails with `invalid_value` where that is nothing which can be kept unique.
    pub(crate) fn uniquely(&self) -> Result<Vec<UniqueAttribute>, Error> {
        let mut unique = Vec::new();
        for own in &self.schemas {
            let schema = Schema::parse(&own.schema)?;
            for attribute in &schema.attributes {
                let parts = attribute
                    .sub_attributes
                    .iter()
                    .map(|part| (format!("{}.{}", attribute.name, part.name), part));
                let all = std::iter::once((attribute.name.clone(), attribute)).chain(parts);
                for (name, attribute) in all {
                    if attribute.uniqueness == Uniqueness::None {
                        continue;
                    }
                    unique.push(own.unique_attribute(&name, attribute)?);
                }
            }
        }
        Ok(unique)
    }
}
