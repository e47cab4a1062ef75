//! Responses that nobody asked for: the identity provider began the login, and it becomes one that we begin.

use serde_json::value::RawValue;
use vestibule_core::Timestamp;
use vestibule_saml::Verified;
use vestibule_store::Connection;

use super::{SamlAnswer, record_at, remember, replayed, subject::hint_of};
use crate::{Engine, Fault, LoginRefusal, refusal::Actor};

impl Engine {
    /// Nobody asked for this response: it is dropped, and the application is asked to begin (Core §4).
    pub(super) async fn restart(
        &self,
        connection: &Connection,
        verified: &Verified,
        report: Box<RawValue>,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let mut login = record_at(connection);
        login.report = Some(report);
        let mut tx = self.store().write(now).await?;
        if !remember(&mut tx, connection, verified).await? {
            return self.refused(tx, replayed(), login).await;
        }
        let Some((application_id, mut start)) = self.start_of(&mut tx, connection).await? else {
            let refusal = LoginRefusal::new(
                "no_default_application",
                "your identity provider began this sign-in, and no application is set up for that",
                Actor::Administrator,
                "set `default_application_id` on the connection to an application with an `initiate_login_uri`",
            );
            return self.refused(tx, refusal, login).await;
        };
        start
            .query_pairs_mut()
            .append_pair("login_hint", &hint_of(verified));
        login.application_id = Some(application_id);
        "restarted".clone_into(&mut login.outcome);
        tx.add_login(&login).await?;
        tx.commit().await?;
        self.wake();
        Ok(SamlAnswer::Restart(start.into()))
    }
}
