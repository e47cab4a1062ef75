use vestibule_core::{Secret, UserId};
use vestibule_scim::{
    Change, Created, Draft, Error, Load, Password, PasswordChange, Precondition, Resource,
    ResourceType, Stored, Updated, Wanted,
};
use vestibule_store::{MemberId, Reach, User, UserRecord, WriteTx};

use super::{Grant, Provisioning, guard, lists, record, trouble::Trouble};

const TAKEN: &str = "userName is taken by another user of this directory";
const UNIQUE_TAKEN: &str = "userName, or a value that its schema says is unique, is taken by another user of this directory";

const RESERVED: &str = "userName is that of a break-glass account, which no directory can claim; give the person another userName, or ask whoever runs the service";

/// A change of a user, with its password hashed.
pub(super) struct Edit {
    pub(super) id: UserId,
    pub(super) change: Change,
    pub(super) precondition: Precondition,
    pub(super) password: NewPassword,
    pub(super) wanted: Wanted,
}

/// What becomes of a password.
#[derive(Debug, Clone)]
pub(super) enum NewPassword {
    /// It stays.
    Keep,
    /// It gets this hash.
    Set(String),
    /// It goes.
    Clear,
}

impl Provisioning {
    /// The hash of the password in a draft, if this directory's passwords are kept.
    pub(super) async fn hash_of(
        &self,
        grant: &Grant,
        password: Option<&Password>,
    ) -> Result<Option<String>, Trouble> {
        let Some(password) = password.filter(|_| grant.profile.accept_password) else {
            return Ok(None);
        };
        let password = Secret::new(password.expose());
        Ok(Some(self.engine.hash_password(password).await?))
    }

    /// What a change does to the password. Hashing takes too long for a transaction, so it is done before.
    ///
    /// The password that the user has already is no change: some directories send it with every update, and each
    /// would sign the person out.
    pub(super) async fn password_change(
        &self,
        grant: &Grant,
        id: UserId,
        change: &Change,
    ) -> Result<NewPassword, Trouble> {
        if !grant.profile.accept_password {
            return Ok(NewPassword::Keep);
        }
        let mut tx = self.store().read(self.now()).await?;
        let found = tx.find_user(grant.directory.organization_id, id).await?;
        let Some(user) = found.filter(|user| is_reached(grant, user)) else {
            return Ok(NewPassword::Keep);
        };
        let current = tx.find_password(id).await?;
        drop(tx);
        // A change that cannot be applied is refused later, in the transaction.
        let Ok(set) = change.apply(&record::resource_of_user(user)) else {
            return Ok(NewPassword::Keep);
        };
        let password = match set.password {
            PasswordChange::Keep => return Ok(NewPassword::Keep),
            PasswordChange::Clear if current.is_none() => return Ok(NewPassword::Keep),
            PasswordChange::Clear => return Ok(NewPassword::Clear),
            PasswordChange::Set(password) => Secret::new(password.expose()),
        };
        if let Some(current) = current
            && self
                .engine
                .check_password(password.clone(), current.phc)
                .await?
        {
            return Ok(NewPassword::Keep);
        }
        Ok(NewPassword::Set(self.engine.hash_password(password).await?))
    }

    pub(super) async fn find_user(
        &self,
        grant: &Grant,
        id: UserId,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Trouble> {
        let mut tx = self.store().read(self.now()).await?;
        let found = tx.find_user(grant.directory.organization_id, id).await?;
        let Some(user) = found.filter(|user| is_reached(grant, user)) else {
            return Ok(None);
        };
        let mut stored = [record::stored_user(user)?];
        lists::load(&mut tx, ResourceType::User, &mut stored, wanted).await?;
        let [stored] = stored;
        Ok(Some(stored))
    }
}

/// Whether a user of the organization is the directory's, or one that it may claim while it is adopting; break-glass
/// accounts are never.
fn is_reached(grant: &Grant, user: &User) -> bool {
    user.directory_id == Some(grant.directory.id)
        || (grant.reach() == Reach::Adopting
            && !user.break_glass
            && (user.directory_id.is_none() || user.directory_id == grant.directory.replaces_id))
}

pub(super) async fn create(
    own: Provisioning,
    grant: Grant,
    draft: Draft,
    phc: Option<String>,
    wanted: Wanted,
) -> Result<Created, Trouble> {
    let grant = &grant;
    let directory = &grant.directory;
    let actor = grant.actor();
    let mut tx = own.write_for(grant).await?;
    let claimable = match (grant.reach(), draft.resource.user_name()) {
        (Reach::Adopting, Some(name)) => {
            tx.lock_claimable_user(directory.organization_id, directory.id, name)
                .await?
        }
        _ => None,
    };
    let is_new = claimable.is_none();
    let user = if let Some(user) = claimable {
        adopt(&mut tx, grant, user, draft.resource).await?
    } else {
        let mut resource = draft.resource;
        let active = resource.active();
        resource.set_active(active);
        let record = record::user(resource, &grant.settings)?;
        tx.add_user(directory.organization_id, Some(directory.id), &record)
            .await
            .map_err(|error| taken(grant, error))?
    };
    if let Some(phc) = &phc {
        tx.set_password(user.id, phc, &actor).await?;
    }
    let mut stored = [record::stored_user(user)?];
    if !is_new {
        lists::load(&mut tx, ResourceType::User, &mut stored, wanted).await?;
    }
    tx.commit().await?;
    let [mut stored] = stored;
    if is_new {
        // Nobody can have put a new user into a group.
        stored.groups = (wanted.groups != Load::Nothing).then(Vec::new);
    }
    Ok(Created::new(stored))
}

/// Claims a user. A directory that does not say whether the person is active leaves that as it is.
async fn adopt(
    tx: &mut WriteTx,
    grant: &Grant,
    user: User,
    mut resource: Resource,
) -> Result<User, Trouble> {
    if !resource.attributes().contains_key("active") {
        resource.set_active(user.active);
    }
    let record = record::user(resource, &grant.settings)?;
    let user = claim(tx, grant, user).await?;
    let mut changed: Vec<String> = record.attributes.keys().cloned().collect();
    changed.retain(|name| record.attributes.get(name) != user.attributes.get(name));
    changed.push("directory_id".to_owned());
    set(tx, grant, &user, &record, &changed).await
}

fn taken(grant: &Grant, error: vestibule_store::Error) -> Trouble {
    if error.is_reserved() {
        return Error::uniqueness(RESERVED).into();
    }
    match grant.settings.unique.is_empty() {
        true => Trouble::taken(error, TAKEN),
        false => Trouble::taken(error, UNIQUE_TAKEN),
    }
}

async fn claim(tx: &mut WriteTx, grant: &Grant, user: User) -> Result<User, Trouble> {
    let claimed = tx
        .claim_user(&user, grant.directory.id)
        .await
        .map_err(|error| taken(grant, error))?;
    if !claimed {
        // The adoption ended after the token was checked; the next request sees it.
        return Err(Error::unavailable(
            "the adoption of users has just ended; send the request again",
        )
        .into());
    }
    Ok(User {
        directory_id: Some(grant.directory.id),
        ..user
    })
}

async fn set(
    tx: &mut WriteTx,
    grant: &Grant,
    user: &User,
    record: &UserRecord,
    changed: &[String],
) -> Result<User, Trouble> {
    if user.active && !record.active {
        guard::admit(tx, grant, user).await?;
    }
    tx.set_user(user, record, changed, &grant.actor())
        .await
        .map_err(|error| taken(grant, error))
}

pub(super) async fn update(
    own: Provisioning,
    grant: Grant,
    edit: Edit,
) -> Result<Updated, Trouble> {
    let grant = &grant;
    let mut tx = own.write_for(grant).await?;
    let mut user = locked(&mut tx, grant, edit.id, &edit.precondition).await?;
    let current = record::resource_of_user(user.clone());
    let changes = edit.change.apply(&current)?;
    let mut resource = changes.resource;
    // Who removes the attribute says nothing about the person: nobody is reactivated and nobody is locked out.
    // A deactivated person whose `active` was removed by an earlier change has it again with this one.
    let is_said = |resource: &Resource| resource.attributes().contains_key("active");
    let unsaid = !is_said(&resource) && (user.active || is_said(&current));
    let mut changed: Vec<String> = Vec::new();
    if resource != current {
        changed.extend(changes.touched.iter().map(ToString::to_string));
    }
    if !matches!(edit.password, NewPassword::Keep) {
        changed.push("password".to_owned());
    }
    if user.directory_id != Some(grant.directory.id) {
        user = claim(&mut tx, grant, user).await?;
        changed.push("directory_id".to_owned());
    }
    if !changed.is_empty() {
        if !unsaid && !is_said(&resource) {
            resource.set_active(user.active);
        }
        let mut record = record::user(resource, &grant.settings)?;
        if unsaid {
            record::keep_active(&mut record, &user);
        }
        user = set(&mut tx, grant, &user, &record, &changed).await?;
        match &edit.password {
            NewPassword::Keep => {}
            NewPassword::Set(phc) => tx.set_password(user.id, phc, &grant.actor()).await?,
            NewPassword::Clear => {
                tx.remove_password(user.id, &grant.actor()).await?;
            }
        }
    }
    let mut stored = [record::stored_user(user)?];
    lists::load(&mut tx, ResourceType::User, &mut stored, edit.wanted).await?;
    tx.commit().await?;
    let [stored] = stored;
    Ok(Updated::new(stored, !changed.is_empty(), changes.repairs).with_touched(changes.touched))
}

pub(super) async fn delete(
    own: Provisioning,
    grant: Grant,
    id: UserId,
    precondition: Precondition,
) -> Result<(), Trouble> {
    let grant = &grant;
    let mut tx = own.write_for(grant).await?;
    tx.lock_groups_of(MemberId::User(id)).await?;
    let user = locked(&mut tx, grant, id, &precondition).await?;
    if user.active {
        guard::admit(&mut tx, grant, &user).await?;
    }
    tx.delete_user(&user, &grant.actor()).await?;
    Ok(tx.commit().await?)
}

async fn locked(
    tx: &mut WriteTx,
    grant: &Grant,
    id: UserId,
    precondition: &Precondition,
) -> Result<User, Trouble> {
    let user = tx
        .lock_user(grant.directory.organization_id, id)
        .await?
        .filter(|user| is_reached(grant, user))
        .ok_or_else(Error::no_such_resource)?;
    precondition.check(&user.version.to_string())?;
    Ok(user)
}
