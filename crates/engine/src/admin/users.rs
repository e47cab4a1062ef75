use serde_json::{Map, Value, json};
use vestibule_core::{EndCause, OrganizationId, Resource, Secret, Timestamp, UserId};
use vestibule_store::{Ended, MemberId, ReadTx, User, UserRecord, WriteTx};

use super::{
    Actor, AdminError, Done, Result, break_glass, check, locked, taken,
    user_attributes::{addresses, put, put_email, put_name, record_of},
    visible,
};
use crate::Engine;

const NAME_TAKEN: &str = "another user of the organization has this user_name";
const OWNED: &str = "a directory owns this user and would overwrite the change; change it there, or deactivate the user or end their sessions here";
const PASSWORD_OF_OWNED: &str = "a directory owns this user, who signs in through the organization's identity provider and has no password here";
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=1024;

/// What a user is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct UserChange {
    /// The name that the person signs in with.
    pub user_name: Option<String>,
    /// The primary e-mail address.
    pub email: Option<Option<String>>,
    /// The SaaS product's own id of the person.
    pub external_id: Option<Option<String>>,
    /// The name as shown.
    pub display_name: Option<Option<String>>,
    /// The given name.
    pub given_name: Option<Option<String>>,
    /// The family name.
    pub family_name: Option<Option<String>>,
    /// Whether the person may sign in.
    pub active: Option<bool>,
    /// A new password; everything of the person ends when it replaces one.
    pub password: Option<Secret>,
    /// Whether no directory can claim the user, who comes in by a link of an operator alone.
    pub break_glass: Option<bool>,
}

impl UserChange {
    fn touches_attributes(&self) -> bool {
        self.user_name.is_some()
            || self.email.is_some()
            || self.external_id.is_some()
            || self.display_name.is_some()
            || self.given_name.is_some()
            || self.family_name.is_some()
    }

    /// Applies the change and names the SCIM attributes that are different now.
    fn apply(&self, record: &mut UserRecord) -> Result<Vec<String>> {
        let before = record.attributes.clone();
        let attributes = &mut record.attributes;
        if let Some(name) = &self.user_name {
            record.user_name = check::name("user_name", name)?;
            put(attributes, "userName", Some(&record.user_name));
        }
        if let Some(email) = &self.email {
            record.email = email
                .as_deref()
                .map(|email| check::email("email", email))
                .transpose()?;
            put_email(attributes, record.email.as_deref());
        }
        if let Some(id) = &self.external_id {
            record.external_id = id
                .as_deref()
                .map(|id| check::name("external_id", id))
                .transpose()?;
            put(attributes, "externalId", record.external_id.as_deref());
        }
        if let Some(name) = &self.display_name {
            record.display_name = name
                .as_deref()
                .map(|name| check::name("display_name", name))
                .transpose()?;
            put(attributes, "displayName", record.display_name.as_deref());
        }
        for (field, part, value) in [
            ("given_name", "givenName", &self.given_name),
            ("family_name", "familyName", &self.family_name),
        ] {
            if let Some(value) = value {
                let value = value
                    .as_deref()
                    .map(|value| check::name(field, value))
                    .transpose()?;
                put_name(attributes, part, value.as_deref());
            }
        }
        if let Some(active) = self.active {
            record.active = active;
            attributes.insert("active".to_owned(), active.into());
        }
        record.emails = addresses(attributes, record.email.as_deref());
        Ok(differences(&before, attributes))
    }
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Engine {
    /// Makes a user whom no directory owns.
    pub async fn add_user(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        new: UserChange,
        now: Timestamp,
    ) -> Result<User> {
        actor.may_write(Resource::Users)?;
        actor.sees(organization_id)?;
        let mut record = UserRecord {
            user_name: String::new(),
            external_id: None,
            display_name: None,
            email: None,
            emails: Vec::new(),
            active: true,
            attributes: Map::new(),
            indexed: None,
        };
        let active = new.active.unwrap_or(true);
        let break_glass = new.break_glass.unwrap_or(false);
        UserChange {
            active: Some(active),
            ..new.without_password()
        }
        .apply(&mut record)?;
        if record.user_name.is_empty() {
            return Err(AdminError::invalid("user_name", "is required"));
        }
        let phc = self.hashed(new.password).await?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, organization_id).await?;
        let mut user = tx
            .add_user(organization_id, None, &record)
            .await
            .map_err(taken(NAME_TAKEN))?;
        if break_glass {
            user = break_glass::set(&mut tx, actor, &user, true).await?;
        }
        if let Some(phc) = phc {
            tx.set_password(user.id, &phc, &actor.name).await?;
        }
        audit(
            &mut tx,
            actor,
            "user.create",
            &user,
            json!({ "user_name": user.user_name, "active": user.active, "break_glass": user.break_glass }),
        )
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(user)
    }

    /// The users of an organization in the order of their making, after one where wanted.
    pub async fn list_users(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        after: Option<UserId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<User>> {
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx.list_users(organization_id, after, limit).await?)
    }

    /// The users of an organization with a user name: one of each directory, and one that none owns.
    pub async fn list_users_named(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        user_name: &str,
        now: Timestamp,
    ) -> Result<Vec<User>> {
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx.list_users_named(organization_id, user_name).await?)
    }

    /// One user.
    pub async fn read_user(&self, actor: &Actor, id: UserId, now: Timestamp) -> Result<User> {
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        let organization_id = visible_user(&mut tx, actor, id).await?;
        tx.find_user(organization_id, id)
            .await?
            .ok_or(AdminError::NotFound)
    }

    /// Changes a user. Of one that a directory owns, only `active` can be changed here, and it is no break-glass account.
    pub async fn set_user(
        &self,
        actor: &Actor,
        id: UserId,
        change: UserChange,
        now: Timestamp,
    ) -> Result<User> {
        actor.may_write(Resource::Users)?;
        let organization_id = self.read_user(actor, id, now).await?.organization_id;
        let phc = self.hashed(change.password.clone()).await?;
        let mut tx = self.store().write(now).await?;
        if change.break_glass.is_some() {
            locked(&mut tx, actor, organization_id).await?;
            tx.lock_groups_of(MemberId::User(id)).await?;
        }
        let before = lock_user(&mut tx, actor, id).await?;
        if before.directory_id.is_some() {
            if phc.is_some() {
                return Err(AdminError::conflict(PASSWORD_OF_OWNED));
            }
            if change.touches_attributes() {
                return Err(AdminError::conflict(OWNED));
            }
        }
        let mut record = record_of(&before);
        let mut changed = change.apply(&mut record)?;
        if before.active != record.active && !changed.iter().any(|name| name == "active") {
            changed.push("active".to_owned());
        }
        let mut after = before.clone();
        if before.break_glass && before.user_name != record.user_name {
            break_glass::check_name(&mut tx, &before, &record.user_name).await?;
        }
        if !changed.is_empty() {
            after = tx
                .set_user(&before, &record, &changed, &actor.name)
                .await
                .map_err(taken(NAME_TAKEN))?;
        }
        if let Some(phc) = phc {
            tx.set_password(id, &phc, &actor.name).await?;
            changed.push("password".to_owned());
        }
        if let Some(wanted) = change.break_glass
            && wanted != before.break_glass
        {
            after = break_glass::set(&mut tx, actor, &after, wanted).await?;
            changed.push("break_glass".to_owned());
        }
        audit(
            &mut tx,
            actor,
            "user.update",
            &after,
            json!({ "changed": changed, "active": after.active }),
        )
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(after)
    }

    /// Deletes a user for good: everything of theirs is over, what was personal is blanked, and the id is never used again.
    pub async fn delete_user(&self, actor: &Actor, id: UserId, now: Timestamp) -> Result<Ended> {
        actor.may_write(Resource::Users)?;
        let mut tx = self.store().write(now).await?;
        tx.lock_groups_of(MemberId::User(id)).await?;
        let user = lock_user(&mut tx, actor, id).await?;
        let ended = tx.delete_user(&user, &actor.name).await?;
        audit(
            &mut tx,
            actor,
            "user.delete",
            &user,
            json!({ "directory_id": user.directory_id }),
        )
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(ended)
    }

    /// Removes the links between a user and subjects of identity providers; what was issued before is over.
    pub async fn unlink_user(&self, actor: &Actor, id: UserId, now: Timestamp) -> Result<()> {
        actor.may_write(Resource::Users)?;
        let mut tx = self.store().write(now).await?;
        let user = lock_user(&mut tx, actor, id).await?;
        if tx.remove_identities(id).await? {
            super::sessions::end_user(&mut tx, actor, id, EndCause::Relinked).await?;
        }
        audit(&mut tx, actor, "user.unlink", &user, json!({})).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    async fn hashed(&self, password: Option<Secret>) -> Result<Option<String>> {
        let Some(password) = password else {
            return Ok(None);
        };
        let length = password.expose().len();
        if !PASSWORD_LENGTH.contains(&length) || password.expose().contains('\0') {
            return Err(AdminError::invalid(
                "password",
                "must have 8 to 1024 bytes, and no NUL",
            ));
        }
        Ok(Some(self.hash_password(password).await?))
    }
}

impl UserChange {
    fn without_password(&self) -> Self {
        Self {
            user_name: self.user_name.clone(),
            email: self.email.clone(),
            external_id: self.external_id.clone(),
            display_name: self.display_name.clone(),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            active: self.active,
            password: None,
            break_glass: None,
        }
    }
}

/// The organization of a user whom the actor may see.
pub(super) async fn visible_user(
    tx: &mut ReadTx,
    actor: &Actor,
    id: UserId,
) -> Result<OrganizationId> {
    let organization_id = tx
        .find_user_organization(id)
        .await?
        .ok_or(AdminError::NotFound)?;
    visible(tx, actor, organization_id).await?;
    Ok(organization_id)
}

/// A user that the actor may see, held for a change.
pub(super) async fn lock_user(tx: &mut WriteTx, actor: &Actor, id: UserId) -> Result<User> {
    let organization_id = visible_user(tx, actor, id).await?;
    tx.lock_user(organization_id, id)
        .await?
        .ok_or(AdminError::NotFound)
}

pub(super) async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    user: &User,
    data: Value,
) -> Result<()> {
    let done = Done {
        organization_id: Some(user.organization_id),
        action,
        subject: user.id.to_string(),
        data,
    };
    actor.audit(tx, done).await
}
