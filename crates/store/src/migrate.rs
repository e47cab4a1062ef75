use sqlx::{PgPool, SqliteConnection, migrate::Migrator};

use vestibule_core::Timestamp;

use crate::{Result, Store, dialect::On};

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
        let table: Option<String> = match tx.on() {
            On::Sqlite(c) => {
                sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'")
                    .fetch_optional(&mut *c)
                    .await?
            }
            On::Postgres(c) => {
                sqlx::query_scalar("SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT)")
                    .fetch_one(&mut *c)
                    .await?
            }
        };
        let applied: Vec<i64> = match table {
            None => Vec::new(),
            Some(_) => {
                each!(tx, c => sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&mut *c).await?)
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
        Ok(match tx.on() {
            On::Sqlite(c) => {
                sqlx::query_scalar("SELECT sqlite_version()")
                    .fetch_one(&mut *c)
                    .await?
            }
            On::Postgres(c) => {
                sqlx::query_scalar("SHOW server_version")
                    .fetch_one(&mut *c)
                    .await?
            }
        })
    }
}

pub(crate) async fn sqlite(connection: &mut SqliteConnection) -> Result<()> {
    Ok(SQLITE.run(connection).await?)
}

pub(crate) async fn postgres(pool: &PgPool) -> Result<()> {
    Ok(POSTGRES.run(pool).await?)
}
