use serde_json::json;
use vestibule_core::{EndCause, EndScope, Resource, Timestamp, UserId, UserSessionId};
use vestibule_store::{Ended, Ending, UserSession, WriteTx};

use super::{
    Actor, AdminError, Done, Result,
    users::{audit, lock_user, visible_user},
    visible,
};
use crate::Engine;

impl Engine {
    /// A user's sign-ins that are live now, the newest first.
    pub async fn list_sessions(
        &self,
        actor: &Actor,
        id: UserId,
        now: Timestamp,
    ) -> Result<Vec<UserSession>> {
        actor.may_read(Resource::Sessions)?;
        let mut tx = self.store().read(now).await?;
        visible_user(&mut tx, actor, id).await?;
        Ok(tx.list_user_sessions(id).await?)
    }

    /// Ends everything that was issued to a user, offline shares and sign-ins that are under way included.
    pub async fn end_sessions(&self, actor: &Actor, id: UserId, now: Timestamp) -> Result<Ended> {
        actor.may_write(Resource::Sessions)?;
        let mut tx = self.store().write(now).await?;
        let user = lock_user(&mut tx, actor, id).await?;
        let ended = end_user(&mut tx, actor, id, EndCause::Operator).await?;
        audit(
            &mut tx,
            actor,
            "user.end_sessions",
            &user,
            json!({ "user_sessions": ended.user_sessions }),
        )
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(ended)
    }

    /// Ends one sign-in, with the application shares that are not offline.
    pub async fn end_session(
        &self,
        actor: &Actor,
        id: UserSessionId,
        now: Timestamp,
    ) -> Result<Ended> {
        actor.may_write(Resource::Sessions)?;
        let mut tx = self.store().write(now).await?;
        let session = tx
            .find_user_session(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        visible(&mut tx, actor, session.organization_id).await?;
        let ended = tx
            .end(Ending {
                scope: EndScope::UserSession(id),
                cause: EndCause::Operator,
                actor: &actor.name,
            })
            .await?;
        let done = Done {
            organization_id: Some(session.organization_id),
            action: "session.end",
            subject: id.to_string(),
            data: json!({ "user_id": session.user_id }),
        };
        actor.audit(&mut tx, done).await?;
        tx.commit().await?;
        self.wake();
        Ok(ended)
    }
}

pub(super) async fn end_user(
    tx: &mut WriteTx,
    actor: &Actor,
    id: UserId,
    cause: EndCause,
) -> Result<Ended> {
    Ok(tx
        .end(Ending {
            scope: EndScope::User(id),
            cause,
            actor: &actor.name,
        })
        .await?)
}
