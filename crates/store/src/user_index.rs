//! What a directory's users are found by beyond their columns: one row for each value of an attribute.
//!
//! Which attributes are kept is the directory's setting; whoever changes it rebuilds the rows of its users.

use vestibule_core::{DirectoryId, OrganizationId, UserId};

use crate::{ReadTx, Result, User, WriteTx, query::query, statement::Statement, users};

/// How the name of an index begins that holds each value once in a directory. No SCIM path begins so.
pub const UNIQUE: &str = "=unique:";

/// Rows that one statement makes.
const ROWS_AT_ONCE: usize = 500;

impl ReadTx {
    /// The users of a directory with this key. Two are enough to refuse.
    pub async fn list_indexed_users(
        &mut self,
        organization_id: OrganizationId,
        directory_id: DirectoryId,
        attribute: &str,
        key: &str,
    ) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ", users::columns!(), " FROM user_index x JOIN users u ON u.id = x.user_id AND u.deleted_at IS NULL
             AND u.directory_id = x.directory_id
             WHERE x.directory_id = $1 AND x.attribute = $2 AND x.value_key = $3 AND u.organization_id = $4 LIMIT 2"))
            .bind(directory_id.to_string())
            .bind(attribute)
            .bind(key)
            .bind(organization_id.to_string())
            .fetch_all(self)
            .await
    }

    /// The users of a directory by id, after one where wanted; for reading all of them in chunks.
    pub async fn list_owned_users(
        &mut self,
        directory_id: DirectoryId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ",
            users::columns!(),
            " FROM users u WHERE u.directory_id = $1 AND u.deleted_at IS NULL
             AND (CAST($2 AS TEXT) IS NULL OR u.id > $2) ORDER BY u.id LIMIT $3"
        ))
        .bind(directory_id.to_string())
        .bind(crate::row::text(after))
        .bind(limit)
        .long()
        .fetch_all(self)
        .await
    }
}

impl WriteTx {
    /// Replaces what a user is found by; none leaves it.
    pub(crate) async fn set_index(
        &mut self,
        directory_id: Option<DirectoryId>,
        id: UserId,
        indexed: Option<&[(String, String)]>,
    ) -> Result<()> {
        let Some(indexed) = indexed else {
            return Ok(());
        };
        query("DELETE FROM user_index WHERE user_id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        let Some(directory_id) = directory_id else {
            return Ok(());
        };
        let rows = indexed
            .iter()
            .map(|(attribute, key)| (id, attribute.as_str(), key.as_str()));
        self.add_index_rows(directory_id, rows.collect()).await
    }

    /// Forgets what the users of a directory are found by.
    pub async fn clear_index(&mut self, directory_id: DirectoryId) -> Result<()> {
        query("DELETE FROM user_index WHERE directory_id = $1")
            .bind(directory_id.to_string())
            .long()
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets the unique values of a schema that a directory has no more.
    pub async fn clear_unique_values(
        &mut self,
        directory_id: DirectoryId,
        urn: &str,
    ) -> Result<()> {
        query(
            "DELETE FROM user_index WHERE directory_id = $1 AND attribute >= $2 AND attribute < $3",
        )
        .bind(directory_id.to_string())
        .bind(format!("{UNIQUE}{urn}:"))
        // The character after the colon.
        .bind(format!("{UNIQUE}{urn};"))
        .long()
        .execute(self)
        .await?;
        Ok(())
    }

    /// Adds what users of a directory are found by: user, attribute, key.
    ///
    /// An error that [`is_taken`](crate::Error::is_taken) means that another user has a value that is unique
    /// (its attribute begins with [`UNIQUE`]).
    pub async fn add_index_rows(
        &mut self,
        directory_id: DirectoryId,
        rows: Vec<(UserId, &str, &str)>,
    ) -> Result<()> {
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            let mut statement = Statement::new(
                "INSERT INTO user_index (directory_id, attribute, value_key, user_id, single) VALUES",
            );
            for (user_id, attribute, key) in chunk {
                statement.row([
                    directory_id.to_string().into(),
                    (*attribute).to_owned().into(),
                    (*key).to_owned().into(),
                    user_id.to_string().into(),
                    attribute.starts_with(UNIQUE).into(),
                ]);
            }
            // Of this key only: a unique value that another user has is an error.
            statement.sql(" ON CONFLICT (directory_id, attribute, value_key, user_id) DO NOTHING");
            self.execute(statement).await?;
        }
        Ok(())
    }
}
