//! Accounts for the day on which the identity provider or the directory is out of order.
//!
//! No directory can claim one, no connection brings its person, and it opens only with a single-use link that an operator
//! makes. The link is a credential like the others: it copies the epochs of its person when it is made.

use serde_json::json;
use vestibule_core::{
    ConnectionId, EndCause, EndScope, EventKind, OrganizationId, SecretHash, Timestamp, UserId,
    name_key,
};

use crate::{
    Ending, Epochs, HasUser, Live, MemberId, ReadTx, Result, User, WriteTx,
    live::{chain, live_row},
    query::query,
    users,
};

/// What lets the person of a break-glass account come in once.
#[derive(Debug, Clone)]
pub struct BreakGlassLink {
    /// Whose it is.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// The organization's break-glass connection.
    pub connection_id: ConnectionId,
    /// As they were when the link was made; the sign-in copies them.
    pub epochs: Epochs,
}

macro_rules! columns {
    () => {
        "l.user_id, l.organization_id, l.connection_id, l.user_epoch, l.organization_epoch, l.connection_epoch"
    };
}

from_row!(BreakGlassLink, row => BreakGlassLink {
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    connection_id: row.id("connection_id")?,
    epochs: Epochs {
        user: row.get("user_epoch")?,
        organization: row.get("organization_epoch")?,
        connection: row.get("connection_epoch")?,
    },
});

impl HasUser for BreakGlassLink {
    fn user_id(&self) -> UserId {
        self.user_id
    }
    fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }
}

/// A link that is being made.
#[derive(Debug)]
pub struct NewBreakGlassLink<'a> {
    /// The hash of the secret in its address.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: &'a User,
    /// The organization's break-glass connection.
    pub connection_id: ConnectionId,
    /// What [`WriteTx::hold_login`] gave in this transaction.
    pub epochs: Epochs,
    /// When it ends.
    pub expires_at: Timestamp,
}

macro_rules! live_link {
    ($tx:expr, $holding:literal, $hash:expr) => {{
        let now = $tx.now().micros();
        live_row!(
            $tx,
            $holding,
            concat!(
                "SELECT ",
                columns!(),
                " FROM break_glass_links l",
                chain!("l"),
                "WHERE l.hash = $1 AND l.consumed_at IS NULL AND l.expires_at > $2 AND u.break_glass"
            ),
            BreakGlassLink,
            $hash.as_bytes(),
            now
        )
    }};
}

impl ReadTx {
    /// A link that has not been used, while it is live.
    pub async fn live_break_glass_link(
        &mut self,
        hash: SecretHash,
    ) -> Result<Option<Live<BreakGlassLink>>> {
        Ok(live_link!(self, "", hash).map(Live::proven))
    }

    /// Whether a break-glass account of an organization has this user name.
    pub async fn is_break_glass_name(
        &mut self,
        organization_id: OrganizationId,
        user_name: &str,
    ) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT id FROM users WHERE organization_id = $1 AND user_name_key = $2 AND break_glass AND deleted_at IS NULL")
            .bind(organization_id.to_string())
            .bind(name_key(user_name))
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// How many break-glass accounts an organization has.
    pub async fn count_break_glass(&mut self, organization_id: OrganizationId) -> Result<i64> {
        query("SELECT COUNT(*) FROM users WHERE organization_id = $1 AND break_glass = TRUE AND deleted_at IS NULL")
            .bind(organization_id.to_string())
            .fetch_one(self)
            .await
    }

    /// The break-glass accounts of an organization, in the order of their making.
    pub async fn list_break_glass(&mut self, organization_id: OrganizationId) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ",
            users::columns!(),
            " FROM users u WHERE u.organization_id = $1 AND u.break_glass = TRUE AND u.deleted_at IS NULL
             ORDER BY u.id LIMIT 500"
        ))
        .bind(organization_id.to_string())
        .fetch_all(self)
        .await
    }
}

impl WriteTx {
    /// Makes a user that was read under [`lock_user`](Self::lock_user) a break-glass account, or an ordinary one again.
    /// Either way everything that was issued before is over. None where a directory owns the user.
    ///
    /// Who becomes one is linked to no identity provider any more, and is in no group: groups are their directory's.
    pub async fn set_break_glass(
        &mut self,
        user: &User,
        break_glass: bool,
        actor: &str,
    ) -> Result<Option<User>> {
        let now = self.now();
        let changed = query(
            "UPDATE users SET break_glass = $2, version = version + 1, updated_at = $3 WHERE id = $1 AND directory_id IS NULL")
            .bind(user.id.to_string())
            .bind(break_glass)
            .bind(now.micros())
            .execute(self)
            .await?;
        if changed == 0 {
            return Ok(None);
        }
        if break_glass {
            self.remove_identities(user.id).await?;
            self.leave_groups(MemberId::User(user.id)).await?;
        }
        self.end(Ending {
            scope: EndScope::User(user.id),
            cause: EndCause::CredentialsChanged,
            actor,
        })
        .await?;
        let after = User {
            break_glass,
            epoch: user.epoch + 1,
            version: user.version + 1,
            updated_at: now,
            ..user.clone()
        };
        let kind = match break_glass {
            true => EventKind::BreakGlassGranted,
            false => EventKind::BreakGlassWithdrawn,
        };
        self.push_user_event(kind, &after, json!({ "actor": actor }))
            .await?;
        Ok(Some(after))
    }

    /// Makes a link. Those of the same person that have not been used are withdrawn.
    pub async fn add_break_glass_link(&mut self, new: NewBreakGlassLink<'_>) -> Result<()> {
        self.withdraw_break_glass_links(new.user.id).await?;
        query(
            "INSERT INTO break_glass_links (hash, user_id, organization_id, connection_id, user_epoch, organization_epoch,
             connection_epoch, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(new.hash.as_bytes())
            .bind(new.user.id.to_string())
            .bind(new.user.organization_id.to_string())
            .bind(new.connection_id.to_string())
            .bind(new.epochs.user)
            .bind(new.epochs.organization)
            .bind(new.epochs.connection)
            .bind(self.now().micros())
            .bind(new.expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Withdraws the links of a person that have not been used; true when there was one.
    pub async fn withdraw_break_glass_links(&mut self, user_id: UserId) -> Result<bool> {
        let now = self.now().micros();
        let withdrawn = query(
            "UPDATE break_glass_links SET consumed_at = $2 WHERE user_id = $1 AND consumed_at IS NULL",
        )
        .bind(user_id.to_string())
        .bind(now)
        .execute(self)
        .await?;
        Ok(withdrawn > 0)
    }

    /// Uses a live link up, holding its person; exactly one caller gets it.
    pub async fn take_break_glass_link(
        &mut self,
        hash: SecretHash,
    ) -> Result<Option<Live<BreakGlassLink>>> {
        // The user first: a deactivation that waits for us must not wait for us holding the link.
        let Some(link) = live_link!(self, " FOR SHARE OF u", hash) else {
            return Ok(None);
        };
        let now = self.now().micros();
        let taken = query(
            "UPDATE break_glass_links SET consumed_at = $2 WHERE hash = $1 AND consumed_at IS NULL",
        )
        .bind(hash.as_bytes())
        .bind(now)
        .execute(self)
        .await?;
        Ok((taken == 1).then(|| Live::proven(link)))
    }
}
