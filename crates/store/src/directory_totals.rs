//! How many users each directory owns, counted as they come and go.
//!
//! A client asks for the total with every list (`totalResults`, RFC 7644 §3.4.2), and counting a million rows takes longer
//! than reading a page of them.

use vestibule_core::DirectoryId;

use crate::{Reach, Result, UserCondition, UserQuery, WriteTx, query::query, statement::Statement};

/// What one transaction adds to the totals.
#[derive(Debug, Default)]
pub(crate) struct Differences(Vec<(DirectoryId, i64)>);

impl Differences {
    /// Notes that users came to a directory, or left it.
    pub(crate) fn add(&mut self, directory: Option<DirectoryId>, users: i64) {
        let Some(directory) = directory else { return };
        match self.0.iter_mut().find(|(known, _)| *known == directory) {
            Some((_, sum)) => *sum += users,
            None => self.0.push((directory, users)),
        }
    }
}

impl WriteTx {
    /// Adds what this transaction changed, last of all it does: whoever adds to the same row waits for its commit alone.
    pub(crate) async fn add_totals(&mut self) -> Result<()> {
        let Differences(mut differences) = std::mem::take(&mut self.differences);
        differences.retain(|(_, users)| *users != 0);
        // In one order, so that no two transactions wait for each other.
        differences.sort_unstable();
        for (directory, users) in differences {
            // A part for each connection to PostgreSQL; SQLite has one writer.
            query(
                "INSERT INTO directory_totals (directory_id, part, users) VALUES ($1, 0, $2)
                 ON CONFLICT (directory_id, part) DO UPDATE SET users = directory_totals.users + excluded.users",
            )
            .on_postgres(
                "INSERT INTO directory_totals (directory_id, part, users) VALUES ($1, pg_backend_pid() % 256, $2)
                 ON CONFLICT (directory_id, part) DO UPDATE SET users = directory_totals.users + excluded.users",
            )
            .bind(directory.to_string())
            .bind(users)
            .execute(self)
            .await?;
        }
        Ok(())
    }
}

impl UserQuery {
    /// Counts by the totals, where nothing but `active` narrows the query down: those who are not active are few.
    pub(crate) fn count_by_totals(&self) -> Option<Statement> {
        let active = match (self.reach, self.conditions.as_slice()) {
            (Reach::Owned, []) => false,
            (Reach::Owned, [UserCondition::Active(true)]) => true,
            _ => return None,
        };
        let mut statement = Statement::new(
            "SELECT (SELECT CAST(COALESCE(SUM(t.users), 0) AS BIGINT) FROM directory_totals t
             JOIN directories d ON d.id = t.directory_id WHERE d.id = ",
        );
        statement
            .text(&self.directory_id)
            .sql(" AND d.organization_id = ")
            .text(&self.organization_id)
            .sql(")");
        if active {
            let inactive = Self {
                conditions: vec![UserCondition::Active(false)],
                ..self.clone()
            };
            statement.sql(" - (SELECT COUNT(*) FROM users u WHERE ");
            inactive.push(&mut statement);
            statement.sql(")");
        }
        Some(statement)
    }
}
