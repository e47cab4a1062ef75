use serde_json::{Map, Value, json};
use vestibule_core::{
    DirectoryId, EndCause, EndScope, EventKind, OrganizationId, Timestamp, UserId, email_key,
    name_key,
};

use crate::{
    Ended, Ending, Error, Live, MemberId, NewEvent, ReadTx, Result, WriteTx,
    query::{On, query},
    row::{Json, text},
    statement::Statement,
};

/// A person in one organization.
#[derive(Debug, Clone)]
pub struct User {
    /// The `sub` that apps see.
    pub id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// The directory that owns the user, if one does.
    pub directory_id: Option<DirectoryId>,
    /// The SCIM `userName`, as written.
    pub user_name: String,
    /// The SCIM `externalId`.
    pub external_id: Option<String>,
    /// The primary e-mail address.
    pub email: Option<String>,
    /// Whether the user may sign in.
    pub active: bool,
    /// Whether no directory can claim the user, who comes in by a link of an operator alone.
    pub break_glass: bool,
    /// Goes up with everything that ends what was issued before.
    pub epoch: i64,
    /// Goes up with every change; the SCIM `meta.version`.
    pub version: i64,
    /// The SCIM resource without `id`, `meta`, `groups` and `password`.
    pub attributes: Map<String, Value>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// The SCIM `displayName`.
    pub fn display_name(&self) -> Option<&str> {
        self.attributes.get("displayName").and_then(Value::as_str)
    }
}

macro_rules! columns {
    () => {
        "u.id, u.organization_id, u.directory_id, u.user_name, u.external_id, u.email, u.active, u.break_glass, u.epoch,
         u.version, u.attributes, u.created_at, u.updated_at"
    };
}
pub(crate) use columns;

from_row!(User, row => User {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    directory_id: row.id_or_null("directory_id")?,
    user_name: row.get("user_name")?,
    external_id: row.get("external_id")?,
    email: row.get("email")?,
    active: row.get("active")?,
    break_glass: row.get("break_glass")?,
    epoch: row.get("epoch")?,
    version: row.get("version")?,
    attributes: row.get::<Json<Map<String, Value>>>("attributes")?.0,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// What a user is made of or changed to.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// The SCIM `userName`.
    pub user_name: String,
    /// The SCIM `externalId`.
    pub external_id: Option<String>,
    /// The SCIM `displayName`.
    pub display_name: Option<String>,
    /// The primary e-mail address.
    pub email: Option<String>,
    /// Every e-mail address, the primary one included.
    pub emails: Vec<String>,
    /// Whether the user may sign in.
    pub active: bool,
    /// The SCIM resource without `id`, `meta`, `groups` and `password`.
    pub attributes: Map<String, Value>,
    /// What else the user is found by: pairs of an attribute and a key. None leaves what there is.
    pub indexed: Option<Vec<(String, String)>>,
}

impl ReadTx {
    /// A user of an organization that is not deleted.
    pub async fn find_user(
        &mut self,
        organization_id: OrganizationId,
        id: UserId,
    ) -> Result<Option<User>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.id = $1 AND u.organization_id = $2 AND u.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .bind(organization_id.to_string())
        .fetch_optional(self)
        .await
    }

    /// The organization of a user that is not deleted, for callers that may see every organization.
    pub async fn find_user_organization(&mut self, id: UserId) -> Result<Option<OrganizationId>> {
        let found: Option<String> =
            query("SELECT organization_id FROM users WHERE id = $1 AND deleted_at IS NULL")
                .bind(id.to_string())
                .fetch_optional(self)
                .await?;
        found
            .map(|text| text.parse().map_err(|_| Error::corrupt("organization id")))
            .transpose()
    }

    /// The users of an organization with this user name: one of each directory, and one that none owns.
    pub async fn list_users_named(
        &mut self,
        organization_id: OrganizationId,
        user_name: &str,
    ) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ", columns!(), " FROM users u WHERE u.organization_id = $1 AND u.user_name_key = $2 AND u.deleted_at IS NULL
             ORDER BY u.id LIMIT 100"))
            .bind(organization_id.to_string())
            .bind(name_key(user_name))
            .fetch_all(self)
            .await
    }

    /// The users of an organization in the order of their making, after one where wanted.
    pub async fn list_users(
        &mut self,
        organization_id: OrganizationId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.organization_id = $1 AND u.deleted_at IS NULL
             AND (CAST($2 AS TEXT) IS NULL OR u.id > $2) ORDER BY u.id LIMIT $3"
        ))
        .bind(organization_id.to_string())
        .bind(text(after))
        .bind(limit)
        .fetch_all(self)
        .await
    }

    /// The user behind a live credential; the proof says that there is one.
    pub async fn user_of<C: HasUser>(&mut self, credential: &Live<C>) -> Result<Option<User>> {
        self.find_user(credential.organization_id(), credential.user_id())
            .await
    }
}

/// A credential that belongs to a person.
pub trait HasUser {
    /// Whose.
    fn user_id(&self) -> UserId;
    /// Where.
    fn organization_id(&self) -> OrganizationId;
}

impl HasUser for crate::UserSession {
    fn user_id(&self) -> UserId {
        self.user_id
    }
    fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }
}

impl HasUser for crate::AppSession {
    fn user_id(&self) -> UserId {
        self.user_id
    }
    fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }
}

macro_rules! insert_user {
    () => {
        "INSERT INTO users (id, organization_id, directory_id, user_name, user_name_key, external_id, display_name_key, email, active,
         epoch, version, attributes, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, 1, $10, $11, $11 WHERE NOT EXISTS (
           SELECT 1 FROM users b WHERE b.organization_id = $2 AND b.user_name_key = $5 AND b.break_glass AND b.deleted_at IS NULL)"
    };
}

impl WriteTx {
    /// Reads a user that is going to be changed; others who change it wait.
    pub async fn lock_user(
        &mut self,
        organization_id: OrganizationId,
        id: UserId,
    ) -> Result<Option<User>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.id = $1 AND u.organization_id = $2 AND u.deleted_at IS NULL"
        ))
        .locking(" FOR UPDATE")
        .bind(id.to_string())
        .bind(organization_id.to_string())
        .fetch_optional(self)
        .await
    }

    /// Makes a user and tells so. An error that [`is_taken`](Error::is_taken) means that the name is; the name of a
    /// break-glass account is taken in every directory of its organization.
    pub async fn add_user(
        &mut self,
        organization_id: OrganizationId,
        directory_id: Option<DirectoryId>,
        record: &UserRecord,
    ) -> Result<User> {
        let now = self.now();
        let id: UserId = self.generator().id(now);
        let emails = email_keys(&record.emails);
        let mut made = query(insert_user!())
            .bind(id.to_string())
            .bind(organization_id.to_string())
            .bind(text(directory_id))
            .bind(&record.user_name)
            .bind(name_key(&record.user_name))
            .bind(&record.external_id)
            .bind(record.display_name.as_deref().map(name_key))
            .bind(&record.email)
            .bind(record.active)
            .bind(Json(&record.attributes))
            .bind(now.micros());
        match self.on() {
            On::Sqlite(_) => {
                if made.execute(self).await? == 0 {
                    return Err(Error::reserved());
                }
                self.add_emails(organization_id, directory_id, id, emails)
                    .await?;
            }
            // In one trip to the server and back.
            On::Postgres(_) => {
                if !emails.is_empty() {
                    made = made
                        .on_postgres(concat!(
                            "WITH made AS (",
                            insert_user!(),
                            " RETURNING id)
                         INSERT INTO user_emails (user_id, value_key, organization_id, directory_id)
                         SELECT m.id, jsonb_array_elements_text($12), $2, $3 FROM made m"
                        ))
                        .bind(Json(&emails));
                }
                // Addresses are there once their user is.
                if made.execute(self).await? == 0 {
                    return Err(Error::reserved());
                }
            }
        }
        self.set_index(directory_id, id, record.indexed.as_deref())
            .await?;
        let user = User {
            id,
            organization_id,
            directory_id,
            user_name: record.user_name.clone(),
            external_id: record.external_id.clone(),
            email: record.email.clone(),
            active: record.active,
            break_glass: false,
            epoch: 1,
            version: 1,
            attributes: record.attributes.clone(),
            created_at: now,
            updated_at: now,
        };
        self.differences.add(directory_id, 1);
        self.push_user_event(EventKind::UserCreated, &user, json!({}))
            .await?;
        Ok(user)
    }

    /// Changes a user that was read under [`lock_user`](Self::lock_user).
    ///
    /// A change of `active` ends everything that was issued before, in either direction. A directory's user cannot take
    /// the name of a [break-glass account](Error::is_reserved).
    pub async fn set_user(
        &mut self,
        user: &User,
        record: &UserRecord,
        changed: &[String],
        actor: &str,
    ) -> Result<User> {
        let now = self.now();
        let version = user.version + 1;
        let mut statement = Statement::new("UPDATE users SET attributes = ");
        statement
            .bind(Json(&record.attributes))
            .sql(", version = ")
            .number(version)
            .sql(", updated_at = ")
            .number(now.micros());
        // Each column that is set is written into its indexes anew, also where it stays what it was.
        if user.user_name != record.user_name {
            if user.directory_id.is_some()
                && self
                    .is_break_glass_name(user.organization_id, &record.user_name)
                    .await?
            {
                return Err(Error::reserved());
            }
            statement
                .sql(", user_name = ")
                .text(&record.user_name)
                .sql(", user_name_key = ")
                .text(&name_key(&record.user_name));
        }
        if user.external_id != record.external_id {
            statement
                .sql(", external_id = ")
                .bind(record.external_id.clone());
        }
        if user.email != record.email {
            statement.sql(", email = ").bind(record.email.clone());
        }
        if user.active != record.active {
            statement.sql(", active = ").bind(record.active);
        }
        let display_name = user.display_name();
        if display_name != record.display_name.as_deref() {
            statement
                .sql(", display_name_key = ")
                .bind(record.display_name.as_deref().map(name_key));
        }
        statement.sql(" WHERE id = ").text(&user.id);
        self.execute(statement).await?;
        self.set_emails(user, &record.emails).await?;
        self.set_index(user.directory_id, user.id, record.indexed.as_deref())
            .await?;
        let mut after = User {
            user_name: record.user_name.clone(),
            external_id: record.external_id.clone(),
            email: record.email.clone(),
            active: record.active,
            attributes: record.attributes.clone(),
            version,
            updated_at: now,
            ..user.clone()
        };
        if user.active != record.active {
            let (cause, kind) = match record.active {
                true => (EndCause::Reactivated, EventKind::UserActivated),
                false => (EndCause::Deactivated, EventKind::UserDeactivated),
            };
            self.end(Ending {
                scope: EndScope::User(user.id),
                cause,
                actor,
            })
            .await?;
            after.epoch += 1;
            self.push_user_event(kind, &after, json!({ "actor": actor }))
                .await?;
        }
        if changed.iter().any(|name| name != "active") {
            self.push_user_event(
                EventKind::UserUpdated,
                &after,
                json!({ "changed": changed }),
            )
            .await?;
        }
        Ok(after)
    }

    /// Gives a user to a directory that is adopting; its id and `sub` stay.
    ///
    /// False where the directory does not adopt any more, another one owns the user that it does not replace, or the user
    /// is a break-glass account.
    pub async fn claim_user(&mut self, user: &User, directory_id: DirectoryId) -> Result<bool> {
        let claimed = query(
            "UPDATE users SET directory_id = $2 WHERE id = $1 AND NOT break_glass AND EXISTS (
               SELECT 1 FROM directories d WHERE d.id = $2 AND d.state = 'adopting' AND d.deleted_at IS NULL
               AND (users.directory_id IS NULL OR users.directory_id = d.replaces_id))",
        )
        .bind(user.id.to_string())
        .bind(directory_id.to_string())
        .execute(self)
        .await?;
        if claimed == 0 {
            return Ok(false);
        }
        self.differences.add(user.directory_id, -1);
        self.differences.add(Some(directory_id), 1);
        query("UPDATE user_emails SET directory_id = $2 WHERE user_id = $1")
            .bind(user.id.to_string())
            .bind(directory_id.to_string())
            .execute(self)
            .await?;
        Ok(true)
    }

    /// Leaves a tombstone: everything of the user ends, what was personal is blanked, and the id is never used again.
    pub async fn delete_user(&mut self, user: &User, actor: &str) -> Result<Ended> {
        let ended = self
            .end(Ending {
                scope: EndScope::User(user.id),
                cause: EndCause::Deleted,
                actor,
            })
            .await?;
        self.leave_groups(MemberId::User(user.id)).await?;
        self.differences.add(user.directory_id, -1);
        let id = user.id.to_string();
        query(
            "UPDATE users SET active = FALSE, deleted_at = $2, updated_at = $2, version = version + 1, user_name = '', user_name_key = $1,
             external_id = NULL, display_name_key = NULL, email = NULL, attributes = $3 WHERE id = $1")
            .bind(&id)
            .bind(self.now().micros())
            .bind(Json(Value::Object(Map::new())))
            .execute(self)
            .await?;
        for sql in [
            "DELETE FROM identities WHERE user_id = $1",
            "DELETE FROM user_emails WHERE user_id = $1",
            "DELETE FROM user_index WHERE user_id = $1",
            "DELETE FROM passwords WHERE user_id = $1",
            "DELETE FROM break_glass_links WHERE user_id = $1",
            "DELETE FROM consents WHERE user_id = $1",
            "DELETE FROM logout_hints WHERE user_id = $1",
            "UPDATE user_sessions SET upstream_subject = NULL, upstream_session = NULL, upstream_name_id = NULL WHERE user_id = $1",
        ] {
            query(sql).bind(&id).execute(self).await?;
        }
        self.push_event(NewEvent {
            kind: EventKind::UserDeleted,
            organization_id: Some(user.organization_id),
            user_id: Some(user.id),
            data: json!({ "user_id": user.id, "directory_id": user.directory_id, "actor": actor }),
        })
        .await?;
        Ok(ended)
    }

    /// Makes these the addresses by which a user is found.
    async fn set_emails(&mut self, user: &User, emails: &[String]) -> Result<()> {
        let keys = email_keys(emails);
        let mut known: Vec<String> = query("SELECT value_key FROM user_emails WHERE user_id = $1")
            .bind(user.id.to_string())
            .fetch_all(self)
            .await?;
        known.sort_unstable();
        if keys == known {
            return Ok(());
        }
        query("DELETE FROM user_emails WHERE user_id = $1")
            .bind(user.id.to_string())
            .execute(self)
            .await?;
        self.add_emails(user.organization_id, user.directory_id, user.id, keys)
            .await
    }

    async fn add_emails(
        &mut self,
        organization_id: OrganizationId,
        directory_id: Option<DirectoryId>,
        id: UserId,
        keys: Vec<String>,
    ) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(
            "INSERT INTO user_emails (user_id, value_key, organization_id, directory_id) VALUES",
        );
        for key in keys {
            statement.row([
                id.to_string().into(),
                key.into(),
                organization_id.to_string().into(),
                text(directory_id).into(),
            ]);
        }
        self.execute(statement).await?;
        Ok(())
    }

    /// Tells about a user; `more` adds to what every such event says.
    pub(crate) async fn push_user_event(
        &mut self,
        kind: EventKind,
        user: &User,
        more: Value,
    ) -> Result<()> {
        let mut data = json!({
            "user_id": user.id,
            "user_name": user.user_name,
            "external_id": user.external_id,
            "email": user.email,
            "active": user.active,
            "directory_id": user.directory_id,
        });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        self.push_event(NewEvent {
            kind,
            organization_id: Some(user.organization_id),
            user_id: Some(user.id),
            data,
        })
        .await?;
        Ok(())
    }
}

/// What addresses are found by, each once, in order.
fn email_keys(emails: &[String]) -> Vec<String> {
    let mut keys: Vec<String> = emails.iter().map(|email| email_key(email)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
