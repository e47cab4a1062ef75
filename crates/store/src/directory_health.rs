//! How a directory does: what it sends, hour by hour, and whom it leaves out.

use std::{collections::BTreeMap, time::Duration};

use vestibule_core::{DirectoryId, OrganizationId, Timestamp};

use crate::{
    Directory, NewProvisioningRecord, ReadTx, Result, WriteTx, directories, query::query,
    row::micros, statement::Statement,
};

const MICROS_AN_HOUR: i64 = 3_600_000_000;
/// From here on a count says "more".
const COUNTED: i64 = 10_000;

/// What a directory sent in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveHour {
    /// Hours since 1970.
    pub hour: i64,
    /// SCIM requests.
    pub requests: i64,
    /// Requests that were refused, or that failed.
    pub failures: i64,
}

from_row!(ActiveHour, row => ActiveHour {
    hour: row.get("hour")?,
    requests: row.get("requests")?,
    failures: row.get("failures")?,
});

impl ActiveHour {
    /// The hour of an instant.
    pub const fn of(at: Timestamp) -> i64 {
        at.micros().div_euclid(MICROS_AN_HOUR)
    }
}

/// Whom a directory leaves out; each count ends at 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Active people of the directory whom no identity provider's subject is linked to.
    pub never_linked: i64,
    /// Logins that were refused because the directory has not sent the person.
    pub refused_logins: i64,
    /// People of the organization whom no directory owns.
    pub unowned: i64,
}

impl ReadTx {
    /// The hours since an instant in which a directory sent something, the oldest first.
    pub async fn list_active_hours(
        &mut self,
        id: DirectoryId,
        since: Timestamp,
    ) -> Result<Vec<ActiveHour>> {
        query("SELECT hour, requests, failures FROM directory_activity WHERE directory_id = $1 AND hour >= $2 ORDER BY hour LIMIT 1000")
            .bind(id.to_string())
            .bind(ActiveHour::of(since))
            .fetch_all(self)
            .await
    }

    /// Whom a directory leaves out, and how many logins since an instant were refused because of it.
    pub async fn count_left_out(
        &mut self,
        directory: &Directory,
        since: Timestamp,
    ) -> Result<LeftOut> {
        let never_linked = query(
            "SELECT COUNT(*) FROM (SELECT 1 FROM users u WHERE u.directory_id = $1 AND u.active AND u.deleted_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id) LIMIT $2) c")
            .long()
            .bind(directory.id.to_string())
            .bind(COUNTED)
            .fetch_one(self)
            .await?;
        let refused_logins = query(
            "SELECT COUNT(*) FROM (SELECT 1 FROM logins l WHERE l.organization_id = $1 AND l.rule = 'not_provisioned'
             AND l.created_at >= $2 LIMIT $3) c",
        )
        .long()
        .bind(directory.organization_id.to_string())
        .bind(since.micros())
        .bind(COUNTED)
        .fetch_one(self)
        .await?;
        Ok(LeftOut {
            never_linked,
            refused_logins,
            unowned: self.count_unowned(directory.organization_id).await?,
        })
    }

    async fn count_unowned(&mut self, organization_id: OrganizationId) -> Result<i64> {
        query(
            "SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE organization_id = $1 AND directory_id IS NULL AND NOT break_glass
             AND deleted_at IS NULL LIMIT $2) c")
            .bind(organization_id.to_string())
            .bind(COUNTED)
            .fetch_one(self)
            .await
    }

    /// Active directories that were last heard of before an instant and whose silence has to be looked at now.
    pub async fn list_quiet_directories(
        &mut self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<Directory>> {
        let now = self.now().micros();
        query(concat!(
            "SELECT ", directories::columns!(), " FROM directories d LEFT JOIN directory_silences s ON s.directory_id = d.id
             WHERE d.deleted_at IS NULL AND d.state = 'active' AND d.last_seen_at < $1
             AND (s.next_check_at IS NULL OR s.next_check_at <= $2) AND (s.told_at IS NULL OR s.told_at < d.last_seen_at)
             ORDER BY d.last_seen_at LIMIT $3"))
            .bind(before.micros())
            .bind(now)
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// How many directories are held by their guard, and how many are silent.
    pub async fn count_troubled_directories(&mut self) -> Result<(i64, i64)> {
        let held = query("SELECT COUNT(*) FROM directory_guards WHERE held_at IS NOT NULL")
            .fetch_one(self)
            .await?;
        let silent = query(
            "SELECT COUNT(*) FROM directory_silences s JOIN directories d ON d.id = s.directory_id
             WHERE d.deleted_at IS NULL AND s.told_at >= d.last_seen_at",
        )
        .fetch_one(self)
        .await?;
        Ok((held, silent))
    }
}

impl WriteTx {
    /// Counts requests to the hours of their directories.
    pub(crate) async fn add_activity(&mut self, records: &[NewProvisioningRecord]) -> Result<()> {
        // In one order, so that no two nodes wait for each other.
        let mut hours: BTreeMap<(DirectoryId, i64), (i64, i64)> = BTreeMap::new();
        // Strangers at the door are no sign of life.
        let own = records
            .iter()
            .filter(|record| record.token_id.is_some() || record.client_id.is_some());
        for record in own {
            let hour = ActiveHour::of(record.created_at);
            let (requests, failures) = hours.entry((record.directory_id, hour)).or_default();
            *requests += 1;
            *failures += i64::from(record.status >= 400 && record.status != 404);
        }
        if hours.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(
            "INSERT INTO directory_activity (directory_id, hour, requests, failures) VALUES",
        );
        for ((directory, hour), (requests, failures)) in hours {
            statement.row([
                directory.to_string().into(),
                hour.into(),
                requests.into(),
                failures.into(),
            ]);
        }
        statement.sql(
            " ON CONFLICT (directory_id, hour) DO UPDATE SET requests = directory_activity.requests + excluded.requests,
             failures = directory_activity.failures + excluded.failures",
        );
        self.execute(statement).await?;
        Ok(())
    }

    /// Notes when a quiet directory is looked at again, and whether its silence is told now; false where another node
    /// has looked at it meanwhile.
    pub async fn set_silence(
        &mut self,
        id: DirectoryId,
        next_check: Duration,
        told: bool,
    ) -> Result<bool> {
        let now = self.now();
        let noted = query(
            "INSERT INTO directory_silences (directory_id, next_check_at, told_at) VALUES ($1, $2, $3)
             ON CONFLICT (directory_id) DO UPDATE SET next_check_at = excluded.next_check_at, told_at = excluded.told_at
             WHERE directory_silences.next_check_at <= $4")
            .bind(id.to_string())
            .bind(now.after(next_check).micros())
            .bind(micros(told.then_some(now)))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(noted == 1)
    }
}
