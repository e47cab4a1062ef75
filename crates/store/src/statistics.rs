//! What PostgreSQL's planner knows of our tables.

use std::sync::atomic::Ordering;

use sqlx::PgPool;

use crate::{Result, Store, transaction::Backend};

/// After so many transactions of this node it is worth to look.
const TRANSACTIONS: u64 = 100;
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
        if self.unseen.load(Ordering::Relaxed) < TRANSACTIONS {
            return Ok(Vec::new());
        }
        let grown = grown(pool).await?;
        if grown.is_empty() {
            return Ok(grown);
        }
        self.unseen.store(0, Ordering::Relaxed);
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
        "SELECT quote_ident(s.relname) FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
         WHERE s.schemaname = current_schema() AND c.reltuples < $1
           AND s.n_mod_since_analyze > $2 + GREATEST(c.reltuples, 0)
         ORDER BY s.relname",
    );
    Ok(names.bind(LARGE).bind(CHANGES).fetch_all(pool).await?)
}
