use sqlx::{PgPool, SqliteConnection, migrate::Migrator};

use crate::{Result, Store};

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

impl Store {
    /// Brings the schema up to date; PostgreSQL nodes that start together wait for each other.
    pub async fn migrate(&self) -> Result<()> {
        self.run_migrations().await
    }
}

pub(crate) async fn sqlite(connection: &mut SqliteConnection) -> Result<()> {
    Ok(SQLITE.run(connection).await?)
}

pub(crate) async fn postgres(pool: &PgPool) -> Result<()> {
    Ok(POSTGRES.run(pool).await?)
}
