//! The one reader that says whether a credential is still good.
//!
//! A credential is live while it is unexpired and not ended, its user, connection and organization
//! (and its application, where it has one) are active, and the epochs that it copied from its parent
//! are still theirs. Whoever deactivates, deletes, reactivates or relinks something moves its epoch,
//! so everything issued before is over at once, on every node, and nothing brings it back.
//!
//! [`Live`] has no public constructor and what issues credentials takes one:
//! code that forgot to ask does not compile.

use std::ops::Deref;

use vestibule_core::{AppSessionId, ConnectionId, SecretHash, UserId, UserSessionId};

use crate::{
    AppSession, ReadTx, Result, UserSession, WriteTx, app_sessions, query::query, user_sessions,
};

/// Proof that a credential was live when it was read in this transaction.
#[derive(Debug, Clone)]
pub struct Live<C>(C);

impl<C> Live<C> {
    pub(crate) const fn proven(credential: C) -> Self {
        Self(credential)
    }

    /// The credential itself, for keeping its facts beyond the transaction.
    pub fn into_inner(self) -> C {
        self.0
    }
}

impl<C> Deref for Live<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// The epochs that a credential copies from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// Of the user.
    pub user: i64,
    /// Of the organization.
    pub organization: i64,
    /// Of the connection.
    pub connection: i64,
}

from_row!(Epochs, row => Epochs {
    user: row.get("user_epoch")?,
    organization: row.get("organization_epoch")?,
    connection: row.get("connection_epoch")?,
});

/// The joins that every credential of a person has to survive; `$alias` is the credential's table.
macro_rules! chain {
    ($alias:literal) => {
        concat!(
            " JOIN users u ON u.id = ",
            $alias,
            ".user_id AND u.active AND u.deleted_at IS NULL AND u.epoch = ",
            $alias,
            ".user_epoch",
            " JOIN organizations o ON o.id = ",
            $alias,
            ".organization_id AND o.active AND o.deleted_at IS NULL AND o.epoch = ",
            $alias,
            ".organization_epoch",
            " JOIN connections n ON n.id = ",
            $alias,
            ".connection_id AND n.state = 'active' AND n.deleted_at IS NULL AND n.epoch = ",
            $alias,
            ".connection_epoch "
        )
    };
}

/// The further joins of what an application holds; an offline share outlives the sign-in, never an epoch.
macro_rules! application_chain {
    ($alias:literal, $offline:literal) => {
        concat!(
            chain!($alias),
            " JOIN applications p ON p.id = ",
            $alias,
            ".application_id AND p.active AND p.deleted_at IS NULL AND p.epoch = ",
            $alias,
            ".application_epoch",
            " JOIN user_sessions s ON s.id = ",
            $alias,
            ".user_session_id AND (",
            $offline,
            " OR (s.ended_at IS NULL AND s.idle_expires_at > $2 AND s.expires_at > $2)) "
        )
    };
}
pub(crate) use {application_chain, chain};

/// Runs a liveness query; in a write transaction on PostgreSQL it also holds the user's row.
///
/// FOR SHARE makes a deactivation wait until what is issued here is committed, so that its outbox query sees it;
/// when the deactivation came first, PostgreSQL checks the joins again on the new row and finds nothing.
/// On SQLite the write transaction is alone anyway.
macro_rules! live_row {
    ($tx:expr, $holding:literal, $sql:expr, $record:ty, $($value:expr),+) => {
        query($sql).locking($holding)$(.bind($value))+.fetch_optional::<$record>($tx).await?
    };
}
pub(crate) use live_row;

macro_rules! user_session_sql {
    () => {
        concat!(
            "SELECT ", user_sessions::columns!(), " FROM user_sessions s", chain!("s"),
            "WHERE s.id = $1 AND s.ended_at IS NULL AND s.idle_expires_at > $2 AND s.expires_at > $2"
        )
    };
}

macro_rules! app_session_sql {
    () => {
        concat!(
            "SELECT ",
            app_sessions::columns!(),
            " FROM app_sessions a",
            application_chain!("a", "a.offline"),
            "WHERE a.id = $1 AND a.ended_at IS NULL AND a.expires_at > $2"
        )
    };
}

impl ReadTx {
    /// The sign-in behind a browser's cookie, while it is live.
    pub async fn live_user_session(
        &mut self,
        id: UserSessionId,
        secret: SecretHash,
    ) -> Result<Option<Live<UserSession>>> {
        let now = self.now().micros();
        let found = live_row!(
            self,
            "",
            user_session_sql!(),
            UserSession,
            id.to_string(),
            now
        );
        Ok(found
            .filter(|session| secret.is(&session.secret_hash))
            .map(Live))
    }

    /// An application's share of a sign-in, while it is live.
    pub async fn live_app_session(&mut self, id: AppSessionId) -> Result<Option<Live<AppSession>>> {
        let now = self.now().micros();
        Ok(live_row!(
            self,
            "",
            app_session_sql!(),
            AppSession,
            id.to_string(),
            now
        )
        .map(Live))
    }
}

impl WriteTx {
    /// As [`ReadTx::live_user_session`], holding the user so that no ending can miss what is issued from it.
    pub async fn hold_user_session(
        &mut self,
        id: UserSessionId,
        secret: SecretHash,
    ) -> Result<Option<Live<UserSession>>> {
        let now = self.now().micros();
        let found = live_row!(
            self,
            " FOR SHARE OF u",
            user_session_sql!(),
            UserSession,
            id.to_string(),
            now
        );
        Ok(found
            .filter(|session| secret.is(&session.secret_hash))
            .map(Live))
    }

    /// As [`ReadTx::live_app_session`], holding the user so that no ending can miss what is issued from it.
    pub async fn hold_app_session(&mut self, id: AppSessionId) -> Result<Option<Live<AppSession>>> {
        let now = self.now().micros();
        Ok(live_row!(
            self,
            " FOR SHARE OF u",
            app_session_sql!(),
            AppSession,
            id.to_string(),
            now
        )
        .map(Live))
    }

    /// The epochs that a login of this user through this connection has now, holding the user; none unless all are live.
    ///
    /// The sign-in copies them, so whatever ends the user after this point ends the sign-in too. A break-glass account
    /// comes in through its organization's break-glass connection alone, and nobody else comes in there.
    pub async fn hold_login(
        &mut self,
        user_id: UserId,
        connection_id: ConnectionId,
    ) -> Result<Option<Epochs>> {
        macro_rules! sql {
            () => {
                "SELECT u.epoch AS user_epoch, o.epoch AS organization_epoch, n.epoch AS connection_epoch FROM users u
                 JOIN organizations o ON o.id = u.organization_id AND o.active AND o.deleted_at IS NULL
                 JOIN connections n ON n.organization_id = u.organization_id AND n.id = $2 AND n.state = 'active' AND n.deleted_at IS NULL
                 AND (n.protocol = 'break_glass') = u.break_glass
                 WHERE u.id = $1 AND u.active AND u.deleted_at IS NULL"
            };
        }
        Ok(live_row!(
            self,
            " FOR SHARE OF u",
            sql!(),
            Epochs,
            user_id.to_string(),
            connection_id.to_string()
        ))
    }
}
