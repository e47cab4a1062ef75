//! The values that `roles` and `entitlements` of a directory's users may take: what `/Roles` and `/Entitlements` tell.

use vestibule_core::{DirectoryId, Timestamp};

use crate::{Error, ReadTx, Result, WriteTx, query::query};

words! {
    /// Which attribute a value is for.
    LookupKind {
        /// `roles`.
        Role "role",
        /// `entitlements`.
        Entitlement "entitlement",
    }
}

/// A value that an identity provider may assign.
#[derive(Debug, Clone)]
pub struct DirectoryLookup {
    /// The value; unique among those of its kind.
    pub value: String,
    /// The name for people.
    pub display: Option<String>,
    /// What goes into `type`.
    pub kind: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

from_row!(DirectoryLookup, row => DirectoryLookup {
    value: row.get("value")?,
    display: row.get("display")?,
    kind: row.get("type")?,
    created_at: row.time("created_at")?,
});

impl ReadTx {
    /// The values of a kind, in the order of the alphabet.
    pub async fn list_directory_lookups(
        &mut self,
        directory_id: DirectoryId,
        kind: LookupKind,
    ) -> Result<Vec<DirectoryLookup>> {
        query(
            "SELECT l.value, l.display, l.type, l.created_at FROM directory_lookups l WHERE l.directory_id = $1 AND l.kind = $2
             ORDER BY l.value LIMIT 10000")
            .bind(directory_id.to_string())
            .bind(kind.as_str())
            .fetch_all(self)
            .await
    }

    /// The kinds of which a directory has values.
    pub async fn list_lookup_kinds(
        &mut self,
        directory_id: DirectoryId,
    ) -> Result<Vec<LookupKind>> {
        let kinds: Vec<String> =
            query("SELECT DISTINCT l.kind FROM directory_lookups l WHERE l.directory_id = $1")
                .bind(directory_id.to_string())
                .fetch_all(self)
                .await?;
        kinds
            .iter()
            .map(|kind| {
                kind.parse()
                    .map_err(|_| Error::corrupt("kind of a look-up"))
            })
            .collect()
    }
}

impl WriteTx {
    /// Adds a value. An error that [`is_taken`](crate::Error::is_taken) means that it is there.
    pub async fn add_directory_lookup(
        &mut self,
        directory_id: DirectoryId,
        kind: LookupKind,
        lookup: &DirectoryLookup,
    ) -> Result<()> {
        query(
            "INSERT INTO directory_lookups (directory_id, kind, value, display, type, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(directory_id.to_string())
            .bind(kind.as_str())
            .bind(&lookup.value)
            .bind(&lookup.display)
            .bind(&lookup.kind)
            .bind(lookup.created_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Changes how a value is shown; false where there is none.
    pub async fn set_directory_lookup(
        &mut self,
        directory_id: DirectoryId,
        kind: LookupKind,
        lookup: &DirectoryLookup,
    ) -> Result<bool> {
        let changed = query(
            "UPDATE directory_lookups SET display = $4, type = $5 WHERE directory_id = $1 AND kind = $2 AND value = $3")
            .bind(directory_id.to_string())
            .bind(kind.as_str())
            .bind(&lookup.value)
            .bind(&lookup.display)
            .bind(&lookup.kind)
            .execute(self)
            .await?;
        Ok(changed == 1)
    }

    /// Removes a value; false where there is none.
    pub async fn delete_directory_lookup(
        &mut self,
        directory_id: DirectoryId,
        kind: LookupKind,
        value: &str,
    ) -> Result<bool> {
        let removed = query(
            "DELETE FROM directory_lookups WHERE directory_id = $1 AND kind = $2 AND value = $3",
        )
        .bind(directory_id.to_string())
        .bind(kind.as_str())
        .bind(value)
        .execute(self)
        .await?;
        Ok(removed == 1)
    }
}
