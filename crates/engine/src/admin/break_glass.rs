//! Break-glass accounts: which users are such, and the links that let them in.
//!
//! They go past the organization's identity provider, so who makes one, and who makes a link, runs the installation: a key
//! that is bound to the organization does not do.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{
    ConnectionId, ConnectionState, EventKind, OrganizationId, Protocol, Resource, Timestamp, UserId,
};
use vestibule_store::{NewBreakGlassLink, NewEvent, ReadTx, User, WriteTx};

use super::{
    Actor, AdminError, Result, organizations,
    users::{audit, lock_user, visible_user},
    visible,
};
use crate::{Engine, Fault};

/// Accounts that an organization may have: some named people, not everybody.
const MOST: i64 = 20;
/// How long a link is good, in seconds, unless the request says otherwise.
const LINK_SECONDS: u64 = 15 * 60;
const LINK_SECONDS_ALLOWED: std::ops::RangeInclusive<u64> = 60..=3600;

const OWNED: &str = "a directory owns this user and decides whether they may sign in; make a break-glass account of its own for the person, under another user_name";
const NAME_OF_OWNED: &str =
    "a directory has a user of this user_name; give the break-glass account a user_name of its own";
const TOO_MANY: &str = "the organization has 20 break-glass accounts; take break_glass from one that is not needed any more";
const ORDINARY: &str = "the user is no break-glass account; set break_glass of the user first";
const NO_PASSWORD: &str =
    "the user has no password, and a link opens nothing without one; set a password first";
const INACTIVE: &str = "the user or the organization is deactivated; activate it first";

/// A link that was just made.
#[derive(Debug)]
pub struct MadeBreakGlassLink {
    /// Its address, with its secret: it is not shown again.
    pub url: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Engine {
    /// Makes a link that lets the person of a break-glass account in once, together with the password. One that was made
    /// before and has not been used is withdrawn.
    pub async fn add_break_glass_link(
        &self,
        actor: &Actor,
        id: UserId,
        expires_in: Option<u64>,
        now: Timestamp,
    ) -> Result<MadeBreakGlassLink> {
        actor.may_write(Resource::Users)?;
        let seconds = expires_in.unwrap_or(LINK_SECONDS);
        if !LINK_SECONDS_ALLOWED.contains(&seconds) {
            return Err(AdminError::invalid(
                "expires_in",
                "must be seconds, at least 60 and at most 3600",
            ));
        }
        let expires_at = now.after(Duration::from_secs(seconds));
        let mut tx = self.store().write(now).await?;
        let user = lock_break_glass(&mut tx, actor, id).await?;
        if tx.find_password(id).await?.is_none() {
            return Err(AdminError::conflict(NO_PASSWORD));
        }
        let connection_id = find_connection(&mut tx, user.organization_id)
            .await?
            .ok_or(Fault::internal(
                "a break-glass account has no connection to come in by",
            ))?;
        let epochs = tx
            .hold_login(id, connection_id)
            .await?
            .ok_or_else(|| AdminError::conflict(INACTIVE))?;
        let secret = tx.generator().token("vbg_");
        tx.add_break_glass_link(NewBreakGlassLink {
            hash: secret.hash(),
            user: &user,
            connection_id,
            epochs,
            expires_at,
        })
        .await?;
        tx.push_event(NewEvent {
            kind: EventKind::BreakGlassLinkMade,
            organization_id: Some(user.organization_id),
            user_id: Some(id),
            data: json!({ "user_id": id, "user_name": user.user_name, "actor": actor.name, "expires_at": expires_at }),
        })
        .await?;
        let data = json!({ "expires_at": expires_at });
        audit(&mut tx, actor, "user.break_glass_link", &user, data).await?;
        tx.commit().await?;
        self.wake();
        Ok(MadeBreakGlassLink {
            url: self.url(&format!("/break-glass?link={}", secret.expose())),
            expires_at,
        })
    }

    /// Withdraws the link of a break-glass account that has not been used.
    pub async fn withdraw_break_glass_links(
        &self,
        actor: &Actor,
        id: UserId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Users)?;
        let mut tx = self.store().write(now).await?;
        let user = lock_break_glass(&mut tx, actor, id).await?;
        if tx.withdraw_break_glass_links(id).await? {
            audit(
                &mut tx,
                actor,
                "user.break_glass_withdraw",
                &user,
                json!({}),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// The break-glass accounts of an organization.
    pub async fn list_break_glass(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<User>> {
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx.list_break_glass(organization_id).await?)
    }
}

/// Makes a user a break-glass account, or an ordinary one again, while their organization is locked.
pub(super) async fn set(
    tx: &mut WriteTx,
    actor: &Actor,
    user: &User,
    break_glass: bool,
) -> Result<User> {
    actor.is_unbound()?;
    if break_glass {
        if user.directory_id.is_some() {
            return Err(AdminError::conflict(OWNED));
        }
        check_name(tx, user, &user.user_name).await?;
        if tx.count_break_glass(user.organization_id).await? >= MOST {
            return Err(AdminError::conflict(TOO_MANY));
        }
        if find_connection(tx, user.organization_id).await?.is_none() {
            let own = (Protocol::BreakGlass, ConnectionState::Active);
            organizations::add_own_connection(tx, user.organization_id, own).await?;
        }
    }
    tx.set_break_glass(user, break_glass, &actor.name)
        .await?
        .ok_or_else(|| AdminError::conflict(OWNED))
}

/// Refuses a name that a directory has given to somebody: the directory's changes would then be refused for it.
pub(super) async fn check_name(tx: &mut ReadTx, user: &User, user_name: &str) -> Result<()> {
    let named = tx.list_users_named(user.organization_id, user_name).await?;
    match named.iter().any(|named| named.directory_id.is_some()) {
        true => Err(AdminError::conflict(NAME_OF_OWNED)),
        false => Ok(()),
    }
}

async fn find_connection(
    tx: &mut ReadTx,
    organization_id: OrganizationId,
) -> Result<Option<ConnectionId>> {
    let connections = tx.list_connections(organization_id).await?;
    Ok(connections
        .iter()
        .find(|connection| connection.protocol == Protocol::BreakGlass)
        .map(|connection| connection.id))
}

/// A break-glass account, held for a change by somebody who runs the installation.
async fn lock_break_glass(tx: &mut WriteTx, actor: &Actor, id: UserId) -> Result<User> {
    visible_user(tx, actor, id).await?;
    actor.is_unbound()?;
    let user = lock_user(tx, actor, id).await?;
    match user.break_glass {
        true => Ok(user),
        false => Err(AdminError::conflict(ORDINARY)),
    }
}
