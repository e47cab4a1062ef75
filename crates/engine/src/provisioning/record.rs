//! From SCIM resources to rows and back.

use serde_json::{Map, Value, json};
use vestibule_core::{Timestamp, name_key};
use vestibule_scim::{DateTime, Error, Resource, Stored};
use vestibule_store::{Group, GroupRecord, User, UserRecord};

use super::{mapping, settings::DirectorySettings, trouble::Trouble};

/// Longest value of an indexed attribute, in bytes; PostgreSQL indexes hold no more than 2,704.
const INDEXED: usize = 2_000;
/// Largest resource, in bytes of JSON.
const LARGEST: usize = 256 * 1024;

/// The row of a user; the resource says whether they are active, and the directory's settings which attribute is what.
pub(super) fn user(resource: Resource, settings: &DirectorySettings) -> Result<UserRecord, Error> {
    check(&resource)?;
    let user_name = resource
        .user_name()
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| Error::invalid_value("userName is required and not empty"))?
        .to_owned();
    check_indexed("userName", &user_name)?;
    for email in resource.emails() {
        check_indexed("emails.value", email)?;
    }
    let mut record = UserRecord {
        user_name,
        external_id: external_id(&resource)?,
        display_name: resource
            .display_name()
            .map(|name| check_indexed("displayName", name).map(|()| name.to_owned()))
            .transpose()?,
        email: resource.email().map(str::to_owned),
        emails: resource.emails().map(str::to_owned).collect(),
        active: resource.active(),
        attributes: resource.into_attributes(),
        indexed: None,
    };
    mapping::record(settings, &mut record)?;
    Ok(record)
}

/// The row of a group.
pub(super) fn group(resource: Resource) -> Result<GroupRecord, Error> {
    check(&resource)?;
    let display_name = resource
        .display_name()
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| Error::invalid_value("displayName is required and not empty"))?
        .to_owned();
    check_indexed("displayName", &display_name)?;
    Ok(GroupRecord {
        display_name,
        external_id: external_id(&resource)?,
        attributes: resource.into_attributes(),
    })
}

fn external_id(resource: &Resource) -> Result<Option<String>, Error> {
    let id = resource.external_id();
    id.map(|id| check_indexed("externalId", id).map(|()| id.to_owned()))
        .transpose()
}

fn check_indexed(name: &'static str, value: &str) -> Result<(), Error> {
    if value.len() > INDEXED || name_key(value).len() > INDEXED {
        return Err(Error::invalid_value(format!(
            "{name} is longer than {INDEXED} bytes"
        )));
    }
    Ok(())
}

fn check(resource: &Resource) -> Result<(), Error> {
    if resource
        .attributes()
        .iter()
        .any(|(name, value)| name.contains('\0') || holds_nul(value))
    {
        return Err(Error::invalid_value(
            "text must not contain the character U+0000",
        ));
    }
    // Counted without keeping the text.
    let mut size = Size(0);
    if serde_json::to_writer(&mut size, resource.attributes()).is_err() || size.0 > LARGEST {
        return Err(Error::invalid_value(format!(
            "the resource is larger than {} KiB",
            LARGEST / 1024
        )));
    }
    Ok(())
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Leaves the person as they are, and marks that the directory removed `active`: it is shown no more until somebody says
/// it again; of a deactivated person only until the next change, for who reads no `active` takes them for active.
pub(super) fn keep_active(record: &mut UserRecord, user: &User) {
    record.active = user.active;
    record.attributes.insert("active".to_owned(), Value::Null);
}

/// The resource of a user.
///
/// The columns have the last word: an operator may have made or deactivated the user without writing SCIM attributes.
pub(super) fn resource_of_user(user: User) -> Resource {
    let mut attributes = user.attributes;
    attributes.insert("userName".to_owned(), Value::String(user.user_name));
    if attributes.remove("active") != Some(Value::Null) {
        attributes.insert("active".to_owned(), Value::Bool(user.active));
    }
    put_external_id(&mut attributes, user.external_id);
    if let (Some(email), false) = (user.email, attributes.contains_key("emails")) {
        attributes.insert(
            "emails".to_owned(),
            json!([{ "value": email, "primary": true }]),
        );
    }
    Resource::from_stored(attributes)
}

/// The resource of a group.
pub(super) fn resource_of_group(group: Group) -> Resource {
    let mut attributes = group.attributes;
    attributes.insert("displayName".to_owned(), Value::String(group.display_name));
    put_external_id(&mut attributes, group.external_id);
    Resource::from_stored(attributes)
}

fn put_external_id(attributes: &mut Map<String, Value>, id: Option<String>) {
    match id {
        Some(id) => attributes.insert("externalId".to_owned(), Value::String(id)),
        None => attributes.remove("externalId"),
    };
}

/// A user as the router knows it, without groups.
pub(super) fn stored_user(user: User) -> Result<Stored, Trouble> {
    let (id, version) = (user.id.to_string(), user.version.to_string());
    let (created, updated) = (moment(user.created_at)?, moment(user.updated_at)?);
    let resource = resource_of_user(user);
    Ok(Stored::new(id, resource, version, created, updated))
}

/// A group as the router knows it, without members.
pub(super) fn stored_group(group: Group) -> Result<Stored, Trouble> {
    let (id, version) = (group.id.to_string(), group.version.to_string());
    let (created, updated) = (moment(group.created_at)?, moment(group.updated_at)?);
    let resource = resource_of_group(group);
    Ok(Stored::new(id, resource, version, created, updated))
}

fn moment(instant: Timestamp) -> Result<DateTime, Trouble> {
    DateTime::from_unix_micros(instant.micros())
        .ok_or_else(|| crate::Fault::internal("a row holds an impossible time").into())
}
