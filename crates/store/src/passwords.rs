use std::time::Duration;

use vestibule_core::{EndCause, EndScope, Timestamp, UserId};

use crate::{Ending, ReadTx, Result, WriteTx, query::query};

/// Failures in a row after which an account is locked.
const FAILURES_ALLOWED: i64 = 10;
/// For how long it is locked.
const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// A user's password as the store keeps it.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    /// The argon2id hash in PHC form.
    pub phc: String,
    /// Until when every try is refused.
    pub locked_until: Option<Timestamp>,
}

from_row!(StoredPassword, row => StoredPassword {
    phc: row.get("phc")?,
    locked_until: row.time_or_null("locked_until")?,
});

impl ReadTx {
    /// The password of a user, if there is one.
    pub async fn find_password(&mut self, user_id: UserId) -> Result<Option<StoredPassword>> {
        query("SELECT phc, locked_until FROM passwords WHERE user_id = $1")
            .bind(user_id.to_string())
            .fetch_optional(self)
            .await
    }
}

impl WriteTx {
    /// Gives a user a password; one who had another loses everything that was issued before.
    pub async fn set_password(&mut self, user_id: UserId, phc: &str, actor: &str) -> Result<()> {
        let now = self.now().micros();
        let had_one = self.find_password(user_id).await?.is_some();
        query(
            "INSERT INTO passwords (user_id, phc, changed_at, failures) VALUES ($1, $2, $3, 0)
             ON CONFLICT (user_id) DO UPDATE SET phc = $2, changed_at = $3, failures = 0, locked_until = NULL")
            .bind(user_id.to_string())
            .bind(phc)
            .bind(now)
            .execute(self)
            .await?;
        if had_one {
            self.end(Ending {
                scope: EndScope::User(user_id),
                cause: EndCause::CredentialsChanged,
                actor,
            })
            .await?;
        }
        Ok(())
    }

    /// Takes a user's password away; one who had one loses everything that was issued before. True when there was one.
    pub async fn remove_password(&mut self, user_id: UserId, actor: &str) -> Result<bool> {
        let removed = query("DELETE FROM passwords WHERE user_id = $1")
            .bind(user_id.to_string())
            .execute(self)
            .await?;
        if removed > 0 {
            self.end(Ending {
                scope: EndScope::User(user_id),
                cause: EndCause::CredentialsChanged,
                actor,
            })
            .await?;
        }
        Ok(removed > 0)
    }

    /// Counts a wrong password; after ten in a row the account is locked for a quarter of an hour.
    pub async fn add_password_failure(&mut self, user_id: UserId) -> Result<()> {
        let now = self.now();
        query(
            "UPDATE passwords SET locked_until = CASE WHEN failures + 1 >= $2 THEN CAST($3 AS BIGINT) ELSE locked_until END,
             failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END WHERE user_id = $1")
            .bind(user_id.to_string())
            .bind(FAILURES_ALLOWED)
            .bind(now.after(LOCKED_FOR).micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets the wrong passwords before a right one.
    pub async fn clear_password_failures(&mut self, user_id: UserId) -> Result<()> {
        query("UPDATE passwords SET failures = 0, locked_until = NULL WHERE user_id = $1 AND failures > 0")
            .bind(user_id.to_string())
            .execute(self)
            .await?;
        Ok(())
    }
}
