use std::env;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tempfile::TempDir;
use vestibule_core::Generator;
use vestibule_store::Store;

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// The embedded one.
    Sqlite,
    /// The one for several nodes.
    Postgres,
}

/// A fresh, migrated database that goes away when it is dropped.
#[derive(Debug)]
pub struct Database {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// Which it is.
    pub kind: DatabaseKind,
    /// The store that was opened on it.
    pub store: Store,
    /// Its URL, for opening it a second time.
    pub url: String,
    _place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(#[expect(dead_code, reason = "removes the folder when it is dropped")] TempDir),
    Server {
        url: String,
        name: String,
    },
    /// Somebody else removes it.
    Borrowed,
}

/// The databases to test on.
#[derive(Debug)]
pub struct Databases;

impl Databases {
    /// A fresh SQLite, and a fresh PostgreSQL when `TEST_POSTGRES_URL` names a server.
    pub async fn all() -> Vec<Database> {
        let mut databases = vec![Database::sqlite().await];
        databases.extend(Database::postgres().await);
        databases
    }
}

impl Database {
    /// A fresh SQLite in a folder of its own.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vestibule.db");
        let url = format!("sqlite://{}", path.display());
        Self {
            name: "sqlite",
            kind: DatabaseKind::Sqlite,
            store: migrated(&url).await,
            url,
            _place: Place::Folder(folder),
        }
    }

    /// A fresh database on the server that `TEST_POSTGRES_URL` names; none where it is not set.
    pub async fn postgres() -> Option<Self> {
        let server = env::var("TEST_POSTGRES_URL")
            .ok()
            .filter(|url| !url.is_empty())?;
        let name = format!("vestibule_test_{}", Generator::system().uuid().simple());
        admin(&server, &format!("CREATE DATABASE {name}")).await;
        let url = on_server(&server, &name);
        Some(Self {
            name: "postgres",
            kind: DatabaseKind::Postgres,
            store: migrated(&url).await,
            url,
            _place: Place::Server { url: server, name },
        })
    }

    /// Another store on the same database, as a second node has; on SQLite a copy of the first, which is the only node.
    pub async fn second_node(&self) -> Store {
        match self.kind {
            DatabaseKind::Sqlite => self.store.clone(),
            DatabaseKind::Postgres => Store::open(&self.url, Generator::system())
                .await
                .expect("the second node opens the database"),
        }
    }

    /// The same database, reached through another store; what made it keeps it alive.
    #[must_use]
    pub fn twin(&self, store: &Store) -> Self {
        Self {
            name: self.name,
            kind: self.kind,
            store: store.clone(),
            url: self.url.clone(),
            _place: Place::Borrowed,
        }
    }

    /// The first column of what a query finds, as text; for looking past the store.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        match self.kind {
            DatabaseKind::Sqlite => {
                let path = self.url.trim_start_matches("sqlite://");
                let connection = rusqlite::Connection::open(path)
                    .unwrap_or_else(|error| panic!("{}: {error}", self.name));
                let mut statement = connection
                    .prepare(sql)
                    .unwrap_or_else(|error| panic!("{sql}: {error}"));
                let rows = statement.query_map([], |row| row.get(0));
                let rows = rows.and_then(Iterator::collect::<rusqlite::Result<_>>);
                rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
            }
            DatabaseKind::Postgres => {
                let mut connection = PgConnection::connect(&self.url)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error}", self.name));
                let rows = sqlx::query(AssertSqlSafe(sql))
                    .fetch_all(&mut connection)
                    .await;
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                rows.iter()
                    .map(|row| row.try_get(0).expect("a text in the first column"))
                    .collect()
            }
        }
    }

    /// Runs a statement past the store, for rows in numbers that no use case makes.
    pub async fn execute(&self, sql: &str) {
        match self.kind {
            DatabaseKind::Sqlite => {
                let path = self.url.trim_start_matches("sqlite://");
                let done = rusqlite::Connection::open(path).and_then(|connection| {
                    connection.busy_timeout(std::time::Duration::from_secs(60))?;
                    connection.execute_batch(sql)
                });
                done.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            DatabaseKind::Postgres => admin(&self.url, sql).await,
        }
    }

    /// The number that a query of one row and column gives; for looking past the store.
    pub async fn number(&self, sql: &str) -> i64 {
        let texts = self.texts(&format!("SELECT CAST(({sql}) AS TEXT)")).await;
        let text = texts.first().expect("one row");
        text.parse().expect("a number")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Server { url, name } = self else {
            return;
        };
        let (url, sql) = (
            url.clone(),
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        // In a thread of its own: a drop is not async, and the test's runtime may be going away.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(admin(&url, &sql));
        });
        if dropped.join().is_err() {
            eprintln!("a test database was left behind");
        }
    }
}

async fn migrated(url: &str) -> Store {
    let store = Store::open(url, Generator::system())
        .await
        .unwrap_or_else(|error| panic!("{url} does not open: {error:?}"));
    store
        .migrate()
        .await
        .unwrap_or_else(|error| panic!("{url} cannot be migrated: {error:?}"));
    store
}

async fn admin(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server)
        .await
        .unwrap_or_else(|error| panic!("TEST_POSTGRES_URL cannot be reached: {error}"));
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The server's URL with another database in its path.
fn on_server(server: &str, name: &str) -> String {
    let (address, parameters) = server
        .split_once('?')
        .map_or((server, None), |(address, rest)| (address, Some(rest)));
    let authority_at = address.find("://").map_or(0, |place| place + 3);
    let (scheme, rest) = address.split_at(authority_at);
    let authority = rest.split('/').next().unwrap_or(rest);
    let parameters = parameters.map_or_else(String::new, |rest| format!("?{rest}"));
    format!("{scheme}{authority}/{name}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::on_server;

    #[test]
    fn the_database_in_the_url_is_replaced_and_nothing_else() {
        for (server, wanted) in [
            ("postgres://u@h:5/postgres", "postgres://u@h:5/t"),
            ("postgres://u:p@h", "postgres://u:p@h/t"),
            (
                "postgresql://h/x?sslmode=disable",
                "postgresql://h/t?sslmode=disable",
            ),
        ] {
            assert_eq!(on_server(server, "t"), wanted);
        }
    }
}
