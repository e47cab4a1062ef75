use serde_json::json;
use vestibule_core::{ApplicationId, EndCause, EndScope, Resource, Timestamp, UserId};
use vestibule_store::{Consent, Ending};

use super::{
    Actor, AdminError, Result,
    users::{audit, lock_user, visible_user},
};
use crate::Engine;

/// Consents of one person that one answer holds.
const CONSENTS_AT_ONCE: i64 = 1000;

impl Engine {
    /// What a user lets third-party applications learn.
    pub async fn list_consents(
        &self,
        actor: &Actor,
        id: UserId,
        now: Timestamp,
    ) -> Result<Vec<Consent>> {
        actor.may_read(Resource::Sessions)?;
        let mut tx = self.store().read(now).await?;
        visible_user(&mut tx, actor, id).await?;
        Ok(tx.list_consents(id, CONSENTS_AT_ONCE).await?)
    }

    /// Takes a consent back: every share that the application has in the user's sign-ins is over, and it has to ask again.
    pub async fn remove_consent(
        &self,
        actor: &Actor,
        id: UserId,
        application_id: ApplicationId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Sessions)?;
        let mut tx = self.store().write(now).await?;
        // An exchange of a code holds the user, and looks for the consent.
        let user = lock_user(&mut tx, actor, id).await?;
        if !tx.remove_consent(id, application_id).await? {
            return Err(AdminError::NotFound);
        }
        for share in tx.list_shares(id, application_id).await? {
            tx.end(Ending {
                scope: EndScope::AppSession(share),
                cause: EndCause::Operator,
                actor: &actor.name,
            })
            .await?;
        }
        let data = json!({ "application_id": application_id });
        audit(&mut tx, actor, "user.remove_consent", &user, data).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}
