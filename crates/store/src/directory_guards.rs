//! How many people a directory may take away before somebody has to look at it.

use std::time::Duration;

use vestibule_core::{DirectoryId, Timestamp, UserId};

use crate::{ReadTx, Result, WriteTx, query::query, row::micros};

/// Departures older than this do not count.
const WINDOW: Duration = Duration::from_hours(1);

/// The guard of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryGuard {
    /// Most people within an hour.
    pub users: Option<i64>,
    /// Most people within an hour, in percent of those whom the directory owns.
    pub percent: Option<i64>,
    /// Since when it takes nobody away any more.
    pub held_at: Option<Timestamp>,
    /// Departures before do not count any more.
    pub counted_from: Timestamp,
    /// Until then everybody may be taken away: somebody said that it is meant.
    pub confirmed_until: Option<Timestamp>,
    /// People who were taken away within the last hour, and count.
    pub departures: i64,
    /// People whom the directory owns.
    pub owned: i64,
}

from_row!(DirectoryGuard, row => DirectoryGuard {
    users: row.get("users")?,
    percent: row.get("percent")?,
    held_at: row.time_or_null("held_at")?,
    counted_from: row.time("counted_from")?,
    confirmed_until: row.time_or_null("confirmed_until")?,
    departures: row.get("departures")?,
    owned: row.get("owned")?,
});

impl DirectoryGuard {
    /// Whether one more may be taken away at an instant.
    pub fn admits(&self, now: Timestamp) -> bool {
        if self.confirmed_until.is_some_and(|until| now < until) {
            return true;
        }
        self.held_at.is_none() && self.departures < self.limit()
    }

    /// Most people within an hour: the smaller of both limits, and at least one.
    pub fn limit(&self) -> i64 {
        let percent = self
            .percent
            .map(|percent| (self.owned.saturating_mul(percent) / 100).max(1));
        let limits = [self.users, percent].into_iter().flatten();
        limits.min().unwrap_or(i64::MAX)
    }
}

impl ReadTx {
    /// The guard of a directory, if it has one.
    pub async fn find_guard(&mut self, id: DirectoryId) -> Result<Option<DirectoryGuard>> {
        let window = self.now().before(WINDOW).micros();
        query(
            "SELECT g.users, g.percent, g.held_at, g.counted_from, g.confirmed_until,
             (SELECT COUNT(*) FROM directory_departures p WHERE p.directory_id = g.directory_id
              AND p.created_at > $2 AND p.created_at >= g.counted_from) AS departures,
             (SELECT CAST(COALESCE(SUM(t.users), 0) AS BIGINT) FROM directory_totals t WHERE t.directory_id = g.directory_id) AS owned
             FROM directory_guards g WHERE g.directory_id = $1")
            .bind(id.to_string())
            .bind(window)
            .fetch_optional(self)
            .await
    }
}

impl WriteTx {
    /// The guard of a directory, until the end of this transaction: who is taken away is counted one by one.
    pub async fn lock_guard(&mut self, id: DirectoryId) -> Result<Option<DirectoryGuard>> {
        // Locked first and counted then, so that the count sees what the one before has committed.
        let locked: Option<String> =
            query("SELECT g.directory_id FROM directory_guards g WHERE g.directory_id = $1")
                .locking(" FOR UPDATE")
                .bind(id.to_string())
                .fetch_optional(self)
                .await?;
        match locked {
            Some(_) => self.find_guard(id).await,
            None => Ok(None),
        }
    }

    /// Sets the limits of a directory's guard; what was counted stays.
    pub async fn set_guard(
        &mut self,
        id: DirectoryId,
        users: Option<i64>,
        percent: Option<i64>,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO directory_guards (directory_id, users, percent, counted_from) VALUES ($1, $2, $3, $4)
             ON CONFLICT (directory_id) DO UPDATE SET users = excluded.users, percent = excluded.percent")
            .bind(id.to_string())
            .bind(users)
            .bind(percent)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// A directory has no guard any more.
    pub async fn remove_guard(&mut self, id: DirectoryId) -> Result<()> {
        for sql in [
            "DELETE FROM directory_guards WHERE directory_id = $1",
            "DELETE FROM directory_departures WHERE directory_id = $1",
        ] {
            query(sql).bind(id.to_string()).long().execute(self).await?;
        }
        Ok(())
    }

    /// Counts somebody whom a guarded directory takes away.
    pub async fn add_departure(&mut self, id: DirectoryId, user_id: UserId) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO directory_departures (directory_id, user_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (directory_id, user_id) DO UPDATE SET created_at = excluded.created_at",
        )
        .bind(id.to_string())
        .bind(user_id.to_string())
        .bind(now)
        .execute(self)
        .await?;
        Ok(())
    }

    /// A directory takes nobody away any more; false where it was held already.
    pub async fn hold_directory(&mut self, id: DirectoryId) -> Result<bool> {
        let now = self.now().micros();
        let held = query(
            "UPDATE directory_guards SET held_at = $2 WHERE directory_id = $1 AND held_at IS NULL",
        )
        .bind(id.to_string())
        .bind(now)
        .execute(self)
        .await?;
        Ok(held == 1)
    }

    /// A directory may take people away again: counted anew from now, or without a limit until an instant.
    pub async fn release_directory(
        &mut self,
        id: DirectoryId,
        confirmed_until: Option<Timestamp>,
    ) -> Result<()> {
        let counted_from = confirmed_until.unwrap_or(self.now());
        query(
            "UPDATE directory_guards SET held_at = NULL, counted_from = $2, confirmed_until = $3 WHERE directory_id = $1")
            .bind(id.to_string())
            .bind(counted_from.micros())
            .bind(micros(confirmed_until))
            .execute(self)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_counts_and_is_never_zero() {
        let guard = |users, percent, owned| DirectoryGuard {
            users,
            percent,
            held_at: None,
            counted_from: Timestamp::default(),
            confirmed_until: None,
            departures: 0,
            owned,
        };
        assert_eq!(guard(Some(10), Some(5), 1000).limit(), 10);
        assert_eq!(guard(Some(10), Some(5), 100).limit(), 5);
        assert_eq!(guard(None, Some(5), 3).limit(), 1);
        assert_eq!(guard(None, None, 3).limit(), i64::MAX);
    }
}
