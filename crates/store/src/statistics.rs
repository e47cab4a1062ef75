//! What PostgreSQL's planner knows of our tables.

use std::sync::atomic::Ordering;

use sqlx::PgPool;

use crate::{Result, Store, transaction::Backend};

/// How often it is looked after a transaction of this node: the caller comes by once a second, and a connection of
/// PostgreSQL that has nothing to do tells of its changes after ten.
pub(crate) const LOOKS: u64 = 12;
/// Changes that are too few for another plan.
const CHANGES: i64 = 100;
/// Rows from which on autovacuum comes often enough.
const LARGE: i64 = 1_000_000;

impl Store {
    /// Has PostgreSQL look again at tables that have doubled since it last looked, and names them.
    ///
    /// A prepared statement keeps the plan for the tables as they were known. Autovacuum comes by once a minute; until
    /// then the first synchronization of a directory would run on plans for empty tables, which read whole indexes.
    pub async fn renew_statistics(&self) -> Result<Vec<String>> {
        let Backend::Postgres(pool) = &self.backend else {
            return Ok(Vec::new());
        };
        let due = |looks: u64| looks.checked_sub(1);
        if self
            .looks_due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due)
            .is_err()
        {
            return Ok(Vec::new());
        }
        let grown = grown(pool).await?;
        if grown.is_empty() {
            return Ok(grown);
        }
        // Another node may be at it.
        let analyze = format!("ANALYZE (SKIP_LOCKED) {}", grown.join(", "));
        sqlx::query(sqlx::AssertSqlSafe(analyze))
            .execute(pool)
            .await?;
        Ok(grown)
    }
}

async fn grown(pool: &PgPool) -> Result<Vec<String>> {
    let names = sqlx::query_scalar(
        "SELECT quote_ident(relname) FROM pg_class
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND reltuples < $1
           AND pg_stat_get_mod_since_analyze(oid) > $2 + GREATEST(reltuples, 0)
         ORDER BY relname",
    );
    Ok(names.bind(LARGE).bind(CHANGES).fetch_all(pool).await?)
}
