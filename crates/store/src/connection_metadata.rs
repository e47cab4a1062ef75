//! Where an identity provider publishes its metadata, and how looking there went.

use vestibule_core::{ConnectionId, OrganizationId, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query};

/// Metadata that is looked at again and again.
#[derive(Debug, Clone)]
pub struct ConnectionMetadata {
    /// The connection that it describes the other end of.
    pub connection_id: ConnectionId,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// Where it is published.
    pub url: String,
    /// The `ETag` of what was read last.
    pub etag: Option<String>,
    /// When it was last read successfully.
    pub checked_at: Option<Timestamp>,
    /// When what was read last differed from what was known.
    pub changed_at: Option<Timestamp>,
    /// When it is looked at next.
    pub next_check_at: Timestamp,
    /// Failures since it was last read.
    pub failures: i64,
    /// What the last failure was.
    pub last_error: Option<String>,
}

macro_rules! columns {
    () => {
        "connection_id, organization_id, url, etag, checked_at, changed_at, next_check_at, failures, last_error"
    };
}

from_row!(ConnectionMetadata, row => ConnectionMetadata {
    connection_id: row.id("connection_id")?,
    organization_id: row.id("organization_id")?,
    url: row.get("url")?,
    etag: row.get("etag")?,
    checked_at: row.time_or_null("checked_at")?,
    changed_at: row.time_or_null("changed_at")?,
    next_check_at: row.time("next_check_at")?,
    failures: row.get("failures")?,
    last_error: row.get("last_error")?,
});

/// How one look at metadata went.
#[derive(Debug, Clone, Copy)]
pub enum MetadataCheck<'a> {
    /// It was read and says what is known; `etag` is the one that came with it.
    Unchanged {
        /// The `ETag` of this answer, if it had one.
        etag: Option<&'a str>,
    },
    /// It was read and says something new.
    Changed {
        /// The `ETag` of this answer, if it had one.
        etag: Option<&'a str>,
    },
    /// It could not be read, or was refused; what is known stays.
    Failed {
        /// Why, without anything that the other side wrote.
        error: &'a str,
    },
}

impl ReadTx {
    /// Where a connection's metadata is published, if it is looked at.
    pub async fn find_connection_metadata(
        &mut self,
        connection_id: ConnectionId,
    ) -> Result<Option<ConnectionMetadata>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM connection_metadata WHERE connection_id = $1"
        ))
        .bind(connection_id.to_string())
        .fetch_optional(self)
        .await
    }

    /// When the next metadata of a connection that is not switched off is due.
    pub async fn next_metadata_check_at(&mut self) -> Result<Option<Timestamp>> {
        let (next,): (Option<i64>,) = query(
            "SELECT MIN(m.next_check_at) FROM connection_metadata m
             JOIN connections n ON n.id = m.connection_id AND n.state <> 'inactive' AND n.deleted_at IS NULL
             JOIN organizations o ON o.id = m.organization_id AND o.active AND o.deleted_at IS NULL")
            .fetch_one(self)
            .await?;
        Ok(next.map(Timestamp::from_micros))
    }
}

impl WriteTx {
    /// Sets where a connection's metadata is published; a new place is due at once, and none ends the looking.
    pub async fn set_connection_metadata(
        &mut self,
        connection_id: ConnectionId,
        organization_id: OrganizationId,
        url: Option<&str>,
    ) -> Result<()> {
        let now = self.now().micros();
        let Some(url) = url else {
            query("DELETE FROM connection_metadata WHERE connection_id = $1")
                .bind(connection_id.to_string())
                .execute(self)
                .await?;
            return Ok(());
        };
        query(
            "INSERT INTO connection_metadata (connection_id, organization_id, url, next_check_at, failures) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (connection_id) DO UPDATE SET url = excluded.url, etag = NULL, checked_at = NULL, changed_at = NULL,
             next_check_at = excluded.next_check_at, failures = 0, last_error = NULL WHERE connection_metadata.url <> excluded.url")
            .bind(connection_id.to_string())
            .bind(organization_id.to_string())
            .bind(url)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Claims metadata that is due, of a connection that is not switched off; another worker gets it at `lease_until`.
    pub async fn claim_connection_metadata(
        &mut self,
        lease_until: Timestamp,
    ) -> Result<Option<ConnectionMetadata>> {
        let now = self.now().micros();
        macro_rules! claim {
            ($locking:literal) => {
                concat!(
                    "UPDATE connection_metadata SET next_check_at = $2 WHERE connection_id = (
                       SELECT m.connection_id FROM connection_metadata m
                       JOIN connections n ON n.id = m.connection_id AND n.state <> 'inactive' AND n.deleted_at IS NULL
                       JOIN organizations o ON o.id = m.organization_id AND o.active AND o.deleted_at IS NULL
                       WHERE m.next_check_at <= $1 ORDER BY m.next_check_at LIMIT 1", $locking, ")
                     RETURNING ", columns!()
                )
            };
        }
        let until = lease_until.micros();
        // SKIP LOCKED: workers of several nodes take different ones instead of waiting for each other.
        query(claim!(""))
            .on_postgres(claim!(" FOR UPDATE OF m SKIP LOCKED"))
            .bind(now)
            .bind(until)
            .fetch_optional(self)
            .await
    }

    /// Notes how a look at metadata went and when the next is due.
    ///
    /// False when it is published elsewhere by now, or nowhere: then what was read must not be used.
    pub async fn record_metadata_check(
        &mut self,
        checked: &ConnectionMetadata,
        check: MetadataCheck<'_>,
        next_check_at: Timestamp,
    ) -> Result<bool> {
        let now = self.now().micros();
        let noted = match check {
            MetadataCheck::Unchanged { etag } => query(
                "UPDATE connection_metadata SET etag = $3, checked_at = $4, next_check_at = $5, failures = 0, last_error = NULL
                 WHERE connection_id = $1 AND url = $2")
                .bind(checked.connection_id.to_string())
                .bind(&checked.url)
                .bind(etag)
                .bind(now)
                .bind(next_check_at.micros())
                .execute(self)
                .await?,
            MetadataCheck::Changed { etag } => query(
                "UPDATE connection_metadata SET etag = $3, checked_at = $4, changed_at = $4, next_check_at = $5, failures = 0,
                 last_error = NULL WHERE connection_id = $1 AND url = $2")
                .bind(checked.connection_id.to_string())
                .bind(&checked.url)
                .bind(etag)
                .bind(now)
                .bind(next_check_at.micros())
                .execute(self)
                .await?,
            MetadataCheck::Failed { error } => query(
                "UPDATE connection_metadata SET next_check_at = $4, failures = failures + 1, last_error = $3
                 WHERE connection_id = $1 AND url = $2")
                .bind(checked.connection_id.to_string())
                .bind(&checked.url)
                .bind(error)
                .bind(next_check_at.micros())
                .execute(self)
                .await?,
        };
        Ok(noted == 1)
    }
}
