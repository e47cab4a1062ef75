//! What a directory's attributes mean, and the schemas that it has beyond the standard's.

use serde_json::{Value, json};
use vestibule_core::{DirectoryId, Resource, Timestamp, UserId};
use vestibule_scim::{
    Registry, ResourceType,
    schema::{Mutability, Returned, Type},
};
use vestibule_store::{Directory, WriteTx};

use super::{adoption::seen, lock_directory, taken};
use crate::{
    Engine, Fault,
    admin::{Actor, AdminError, Done, Result, user_attributes::record_of},
    provisioning::{AttributeMapping, DirectorySchema, DirectorySettings, mapping},
};

/// Users whose index is rebuilt in one request.
const REINDEXED_AT_ONCE: i64 = 100_000;
/// Users that are read at once.
const CHUNK: i64 = 500;
/// Attributes beyond the columns that a directory may index; each costs a row for each user and value.
const INDEXED_AT_MOST: usize = 10;
/// Schemas that a directory may have of its own.
const SCHEMAS_AT_MOST: usize = 20;
/// Attributes that have an index already.
const COLUMNS: [&str; 6] = [
    "userName",
    "externalId",
    "displayName",
    "emails.value",
    "active",
    "id",
];

/// A change of settings; what is absent stays, and none goes back to the standard's.
#[derive(Debug, Default)]
pub struct SettingsChange {
    /// Which attribute is the login name.
    pub login_name: Option<Option<String>>,
    /// Which attribute is the e-mail address.
    pub email: Option<Option<String>>,
    /// Which attribute holds the roles.
    pub roles: Option<Option<String>>,
    /// Whether roles may be objects written as JSON.
    pub json_roles: Option<bool>,
    /// Which attributes people are looked up by beyond those that always have an index.
    pub indexed_attributes: Option<Vec<String>>,
}

impl Engine {
    /// What a directory's attributes mean.
    pub async fn read_directory_settings(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<DirectorySettings> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        seen(&mut tx, actor, id).await?;
        Ok(DirectorySettings::find(&mut tx, id).await?)
    }

    /// Changes what a directory's attributes mean, for the users that are there too.
    pub async fn set_directory_settings(
        &self,
        actor: &Actor,
        id: DirectoryId,
        change: SettingsChange,
        now: Timestamp,
    ) -> Result<DirectorySettings> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let before = DirectorySettings::find(&mut tx, id).await?;
        let mut after = before.clone();
        apply(&mut after, change)?;
        store(&mut tx, actor, &directory, &after).await?;
        if after.mapping.email != before.mapping.email
            || after.mapping.login_name != before.mapping.login_name
            || after.indexed_attributes != before.indexed_attributes
        {
            rebuild(&mut tx, actor, &directory, &after).await?;
        }
        tx.commit().await?;
        self.wake();
        Ok(after)
    }

    /// Adds a schema to a directory: `/Schemas` shows it, and its attributes are kept, filtered and changed as all are.
    pub async fn add_directory_schema(
        &self,
        actor: &Actor,
        id: DirectoryId,
        new: DirectorySchema,
        now: Timestamp,
    ) -> Result<DirectorySchema> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let mut settings = DirectorySettings::find(&mut tx, id).await?;
        let urn = new.urn().to_owned();
        if settings.schemas.len() >= SCHEMAS_AT_MOST {
            return Err(AdminError::conflict(format!(
                "a directory has at most {SCHEMAS_AT_MOST} schemas of its own"
            )));
        }
        if settings.schema(&urn).is_some() {
            return Err(AdminError::conflict(
                "the directory has a schema of this URN; delete it first, or give the new one its own version",
            ));
        }
        settings.schemas.push(new);
        let registry = settings
            .registry(Registry::standard())
            .map_err(|error| AdminError::invalid("schema", error.detail()))?;
        settings
            .uniquely()
            .map_err(|error| AdminError::invalid("schema", error.detail()))?;
        // As it is understood: with the defaults written out, and nothing that was not.
        let made = settings.schemas.last_mut();
        let made = made.ok_or(Fault::internal("a schema that was added is gone"))?;
        if let Some(schema) = registry.of(made.extends.into()).extension(&urn) {
            made.schema = Value::Object(schema.to_json());
        }
        let made = made.clone();
        store(&mut tx, actor, &directory, &settings).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Removes a schema from a directory, and with it the values that users and groups hold; none may be held unless
    /// the caller says what becomes of them.
    pub async fn delete_directory_schema(
        &self,
        actor: &Actor,
        id: DirectoryId,
        urn: &str,
        values: Option<HeldValues>,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let mut settings = DirectorySettings::find(&mut tx, id).await?;
        let urn = settings
            .schema(urn)
            .ok_or(AdminError::NotFound)?
            .urn()
            .to_owned();
        if settings.paths().any(|path| path.starts_with(&urn)) {
            return Err(AdminError::conflict(
                "the directory's settings name an attribute of the schema; change them first",
            ));
        }
        match values {
            None if tx.has_extension_values(id, &urn).await? => {
                return Err(AdminError::conflict(
                    "users or groups hold values of the schema; repeat with ?values=remove to remove those too",
                ));
            }
            Some(HeldValues::Remove) => tx.remove_extension_values(id, &urn).await?,
            None => {}
        }
        tx.clear_unique_values(id, &urn).await?;
        settings
            .schemas
            .retain(|schema| !schema.urn().eq_ignore_ascii_case(&urn));
        store(&mut tx, actor, &directory, &settings).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What becomes of values whose schema is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldValues {
    /// They go with it.
    Remove,
}

fn apply(settings: &mut DirectorySettings, change: SettingsChange) -> Result<()> {
    let registry = settings
        .registry(Registry::standard())
        .map_err(|_| Fault::internal("a schema of a directory cannot be read"))?;
    let mapping: &mut AttributeMapping = &mut settings.mapping;
    for (field, path, place) in [
        (
            "mapping.login_name",
            change.login_name,
            &mut mapping.login_name,
        ),
        ("mapping.email", change.email, &mut mapping.email),
        ("mapping.roles", change.roles, &mut mapping.roles),
    ] {
        if let Some(path) = path {
            *place = path
                .map(|path| checked_path(&registry, field, &path))
                .transpose()?;
        }
    }
    mapping.json_roles = change.json_roles.unwrap_or(mapping.json_roles);
    if let Some(paths) = change.indexed_attributes {
        settings.indexed_attributes = indexed(&registry, &paths)?;
    }
    Ok(())
}

fn indexed(registry: &Registry, paths: &[String]) -> Result<Vec<String>> {
    const FIELD: &str = "indexed_attributes";
    let mut indexed: Vec<String> = Vec::new();
    for path in paths {
        let path = checked_path(registry, FIELD, path)?;
        if COLUMNS.contains(&path.as_str()) {
            return Err(AdminError::invalid(
                FIELD,
                format!("{path} always has an index; leave it out"),
            ));
        }
        if !indexed.contains(&path) {
            indexed.push(path);
        }
    }
    if indexed.len() > INDEXED_AT_MOST {
        return Err(AdminError::invalid(
            FIELD,
            format!("may name at most {INDEXED_AT_MOST} attributes"),
        ));
    }
    Ok(indexed)
}

/// The canonical path of an attribute of users that holds text and that a client may write and read.
fn checked_path(registry: &Registry, field: &str, path: &str) -> Result<String> {
    let invalid = |detail: &str| Err(AdminError::invalid(field, detail));
    let Some(found) = registry.of(ResourceType::User).find(path) else {
        return invalid(
            "names no attribute of users; write it as in a filter, such as title or urn:…:User:department",
        );
    };
    let leaf = found.leaf();
    let (leaf, path) = match leaf.sub_attribute("value") {
        Some(value) if leaf.kind == Type::Complex => (value, found.path.child("value")),
        _ => (leaf, found.path.clone()),
    };
    if !matches!(leaf.kind, Type::String | Type::Reference) {
        return invalid("names an attribute that is no text; name one of its parts");
    }
    let is_own = |mutability| matches!(mutability, Mutability::ReadOnly | Mutability::WriteOnly);
    if is_own(found.attribute.mutability)
        || is_own(leaf.mutability)
        || leaf.returned == Returned::Never
    {
        return invalid("names an attribute that a directory does not set and read");
    }
    Ok(path.to_string())
}

/// Stores settings, and moves the time of the directory's change, under which profiles are kept.
async fn store(
    tx: &mut WriteTx,
    actor: &Actor,
    directory: &Directory,
    settings: &DirectorySettings,
) -> Result<()> {
    let stored = serde_json::to_value(settings)
        .map_err(|_| Fault::internal("settings cannot be written"))?;
    tx.set_directory_settings(directory.id, &stored).await?;
    changed(tx, directory).await?;
    let urns: Vec<&str> = settings.schemas.iter().map(DirectorySchema::urn).collect();
    let done = Done {
        organization_id: Some(directory.organization_id),
        action: "directory.settings",
        subject: directory.id.to_string(),
        data: json!({
            "mapping": settings.mapping, "indexed_attributes": settings.indexed_attributes, "schemas": urns,
        }),
    };
    actor.audit(tx, done).await
}

/// Moves the time of a directory's last change.
pub(super) async fn changed(tx: &mut WriteTx, directory: &Directory) -> Result<()> {
    let after = Directory {
        updated_at: directory.next_change(tx.now()),
        ..directory.clone()
    };
    Ok(tx.set_directory(&after).await?)
}

/// Brings the users that are there in line with the settings: what they are found by, and their address.
async fn rebuild(
    tx: &mut WriteTx,
    actor: &Actor,
    directory: &Directory,
    settings: &DirectorySettings,
) -> Result<()> {
    if tx.count_owned_users(directory.id).await? > REINDEXED_AT_ONCE {
        return Err(AdminError::conflict(
            "the directory owns more than 100,000 users, too many to change at once; attach another directory with these settings that replaces this one",
        ));
    }
    tx.clear_index(directory.id).await?;
    let mut after: Option<UserId> = None;
    loop {
        let users = tx.list_owned_users(directory.id, after, CHUNK).await?;
        let Some(last) = users.last() else {
            return Ok(());
        };
        after = Some(last.id);
        let mut rows = Vec::new();
        for user in &users {
            let email = mapping::email_of(&settings.mapping, &user.attributes);
            if email != user.email {
                set_email(tx, actor, directory, user.id, email).await?;
            }
            let keys = mapping::index(settings, &user.attributes)
                .map_err(|error| AdminError::invalid("indexed_attributes", error.detail()))?;
            let keys = keys.unwrap_or_default().into_iter();
            rows.extend(keys.map(|(attribute, key)| (user.id, attribute, key)));
        }
        let rows = rows
            .iter()
            .map(|(id, attribute, key)| (*id, attribute.as_str(), key.as_str()));
        tx.add_index_rows(directory.id, rows.collect())
            .await
            .map_err(taken(
                "two users have the same value of an attribute that its schema says is unique",
            ))?;
    }
}

async fn set_email(
    tx: &mut WriteTx,
    actor: &Actor,
    directory: &Directory,
    id: UserId,
    email: Option<String>,
) -> Result<()> {
    let Some(user) = tx.lock_user(directory.organization_id, id).await? else {
        return Ok(());
    };
    let mut record = record_of(&user);
    record.email = email;
    tx.set_user(&user, &record, &["email".to_owned()], &actor.name)
        .await?;
    Ok(())
}
