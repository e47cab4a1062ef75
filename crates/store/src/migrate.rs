use rusqlite::{Connection, TransactionBehavior, params};
use sqlx::{
    PgPool,
    migrate::{MigrateError, Migrator},
};

use vestibule_core::Timestamp;

use crate::{Result, Store, query::query};

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

impl Store {
    /// Brings the schema up to date; PostgreSQL nodes that start together wait for each other.
    pub async fn migrate(&self) -> Result<()> {
        self.run_migrations().await
    }

    /// How many migrations this version knows and the database has not seen.
    pub async fn count_pending_migrations(&self, now: Timestamp) -> Result<usize> {
        let mut tx = self.read(now).await?;
        let table: Option<String> =
            query("SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'")
                .on_postgres("SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT)")
                .fetch_optional::<Option<String>>(&mut tx)
                .await?
                .flatten();
        let applied: Vec<i64> = match table {
            None => Vec::new(),
            Some(_) => {
                query("SELECT version FROM _sqlx_migrations WHERE success")
                    .fetch_all(&mut tx)
                    .await?
            }
        };
        let known = if self.is_embedded() {
            &SQLITE
        } else {
            &POSTGRES
        };
        Ok(known
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .count())
    }

    /// The version of the database itself, such as `3.51.3` or `15.18`.
    pub async fn database_version(&self, now: Timestamp) -> Result<String> {
        let mut tx = self.read(now).await?;
        query("SELECT sqlite_version()")
            .on_postgres("SHOW server_version")
            .fetch_one(&mut tx)
            .await
    }
}

/// The migrator's own table, as sqlx lays it out for both databases.
const APPLIED: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";

/// Runs what is missing in one transaction: processes that start together wait for each other, and either everything is
/// applied or nothing.
pub(crate) fn sqlite(connection: &mut Connection) -> Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(APPLIED, [])?;
    let applied: Vec<(i64, bool, Vec<u8>)> = tx
        .prepare("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (version, success, checksum) in &applied {
        let known = SQLITE.iter().find(|known| known.version == *version);
        match known {
            _ if !success => return Err(MigrateError::Dirty(*version).into()),
            None => return Err(MigrateError::VersionMissing(*version).into()),
            Some(known) if *known.checksum != **checksum => {
                return Err(MigrateError::VersionMismatch(*version).into());
            }
            Some(_) => {}
        }
    }
    for migration in SQLITE.iter() {
        if applied
            .iter()
            .any(|(version, ..)| *version == migration.version)
        {
            continue;
        }
        tx.execute_batch(migration.sql.as_str())?;
        tx.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, 0)",
            params![migration.version, migration.description, migration.checksum],
        )?;
    }
    Ok(tx.commit()?)
}

pub(crate) async fn postgres(pool: &PgPool) -> Result<()> {
    Ok(POSTGRES.run(pool).await?)
}

#[cfg(test)]
mod tests;
