//! Another try after a refusal, for the same application.

use vestibule_core::Timestamp;
use vestibule_store::{Connection, PendingLogin};

use crate::{
    Engine, Fault, LoginRefusal,
    authorize::{Limits, Purpose},
};

impl Engine {
    /// Where another try may help, the login waits once more, so that the person does not lose what they were about to do.
    ///
    /// It waits for the same browser as before; in any other one it is worth nothing.
    pub(super) async fn offer_another_try(
        &self,
        refusal: LoginRefusal,
        used: &PendingLogin,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<LoginRefusal, Fault> {
        if !refusal.may_be_tried_again() {
            return Ok(refusal);
        }
        let purpose = Purpose::of(used)?;
        // Only what the request itself asked for still limits it: the person may choose another way in now.
        let named = purpose
            .authorization()
            .and_then(|asked| asked.connection.as_deref());
        let limits = Limits {
            organization_id: Some(connection.organization_id),
            connection_id: named.and_then(|id| id.parse().ok()),
        };
        let mut tx = self.store().write(now).await?;
        let handle = self
            .add_pending_in(
                &mut tx,
                &purpose,
                used.application_id,
                limits,
                &used.browser_hash,
            )
            .await?;
        tx.commit().await?;
        Ok(refusal.with_another_try(handle))
    }
}
