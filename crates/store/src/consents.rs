use std::collections::HashSet;

use vestibule_core::{ApplicationId, Timestamp, UserId};

use crate::{ReadTx, Result, WriteTx, query::query, row::Json, statement::Statement};

/// People whom one statement asks about.
const PEOPLE_AT_ONCE: usize = 500;

/// What a person lets a third-party application know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The application.
    pub application_id: ApplicationId,
    /// The scope, in its text form.
    pub scope: String,
    /// The names of the further claims that the person was shown.
    pub claims: Vec<String>,
    /// When it was first given.
    pub created_at: Timestamp,
    /// When it was given last.
    pub updated_at: Timestamp,
}

from_row!(Consent, row => Consent {
    application_id: row.id("application_id")?,
    scope: row.get("scope")?,
    claims: row.get::<Json<Vec<String>>>("claims")?.0,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

impl ReadTx {
    /// What a person lets one application know.
    pub async fn find_consent(
        &mut self,
        user_id: UserId,
        application_id: ApplicationId,
    ) -> Result<Option<Consent>> {
        query(
            "SELECT application_id, scope, claims, created_at, updated_at FROM consents WHERE user_id = $1 AND application_id = $2")
            .bind(user_id.to_string())
            .bind(application_id.to_string())
            .fetch_optional(self)
            .await
    }

    /// Who of these people lets an application know them.
    pub(crate) async fn list_consenting(
        &mut self,
        application_id: ApplicationId,
        people: &[UserId],
    ) -> Result<HashSet<UserId>> {
        let mut consenting = HashSet::new();
        for chunk in people.chunks(PEOPLE_AT_ONCE) {
            let mut statement =
                Statement::new("SELECT user_id FROM consents WHERE application_id = ");
            statement
                .text(&application_id)
                .sql(" AND user_id")
                .is_one_of(chunk);
            let found: Vec<String> = self.fetch(statement).await?;
            for id in found {
                consenting.insert(id.parse().map_err(|_| crate::Error::corrupt("user id"))?);
            }
        }
        Ok(consenting)
    }

    /// What a person lets applications know, at most `limit` of them.
    pub async fn list_consents(&mut self, user_id: UserId, limit: i64) -> Result<Vec<Consent>> {
        query(
            "SELECT application_id, scope, claims, created_at, updated_at FROM consents WHERE user_id = $1 ORDER BY application_id LIMIT $2")
            .bind(user_id.to_string())
            .bind(limit)
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Remembers what a person lets an application know, instead of what they let it know before.
    pub async fn set_consent(
        &mut self,
        user_id: UserId,
        application_id: ApplicationId,
        scope: &str,
        claims: &[String],
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO consents (user_id, application_id, scope, claims, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (user_id, application_id) DO UPDATE SET scope = excluded.scope, claims = excluded.claims,
             updated_at = excluded.updated_at")
            .bind(user_id.to_string())
            .bind(application_id.to_string())
            .bind(scope)
            .bind(Json(claims))
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets what a person let an application know; false when there was nothing.
    pub async fn remove_consent(
        &mut self,
        user_id: UserId,
        application_id: ApplicationId,
    ) -> Result<bool> {
        let removed = query("DELETE FROM consents WHERE user_id = $1 AND application_id = $2")
            .bind(user_id.to_string())
            .bind(application_id.to_string())
            .execute(self)
            .await?;
        Ok(removed == 1)
    }
}
