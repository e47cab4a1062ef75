use std::fmt;

use rusqlite::{ErrorCode, ffi};

/// A fault of the database, or a rule of the schema that a write ran into.
///
/// It names no driver: use cases ask [`is_taken`](Error::is_taken) and [`is_busy`](Error::is_busy), the rest is a fault.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Postgres(sqlx::Error),
    Sqlite(rusqlite::Error),
    Migrate(sqlx::migrate::MigrateError),
    /// A break-glass account has the name.
    Reserved,
    /// A row holds what no version of ours writes.
    Corrupt(&'static str),
    Url(&'static str),
    /// A job that shared the transaction broke it; nothing of this one was stored.
    GroupFailed,
    /// A statement that always finds a row found none.
    Missing,
    /// Every connection is in use, or all are closed.
    NoConnection,
}

impl Error {
    /// Whether a unique rule refused the write.
    pub fn is_taken(&self) -> bool {
        match &self.0 {
            Kind::Postgres(sqlx::Error::Database(error)) => error.is_unique_violation(),
            Kind::Sqlite(error) => matches!(
                extended_code(error),
                Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
            ),
            Kind::Reserved => true,
            _ => false,
        }
    }

    /// Whether the name [is taken](Self::is_taken) by a break-glass account.
    pub const fn is_reserved(&self) -> bool {
        matches!(self.0, Kind::Reserved)
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Kind::Postgres(sqlx::Error::PoolTimedOut) | Kind::GroupFailed | Kind::NoConnection => {
                true
            }
            Kind::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
            // A serialization failure, a deadlock and a shutdown.
            Kind::Postgres(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("40001" | "40P01" | "57P01"))
            }
            _ => false,
        }
    }

    pub(crate) const fn corrupt(what: &'static str) -> Self {
        Self(Kind::Corrupt(what))
    }

    pub(crate) const fn reserved() -> Self {
        Self(Kind::Reserved)
    }

    pub(crate) const fn url(what: &'static str) -> Self {
        Self(Kind::Url(what))
    }

    pub(crate) const fn missing() -> Self {
        Self(Kind::Missing)
    }

    pub(crate) const fn no_connection() -> Self {
        Self(Kind::NoConnection)
    }

    pub(crate) const fn group_failed() -> Self {
        Self(Kind::GroupFailed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Postgres(_) | Kind::Sqlite(_) => f.write_str("the database failed"),
            Kind::Migrate(_) => f.write_str("the database could not be migrated"),
            Kind::Reserved => f.write_str("a break-glass account has this name"),
            Kind::Corrupt(what) => write!(f, "a row holds an unknown {what}"),
            Kind::Url(what) => f.write_str(what),
            Kind::GroupFailed => f.write_str("the shared transaction could not be committed"),
            Kind::Missing => f.write_str("a row that has to be there is not"),
            Kind::NoConnection => f.write_str("no connection to the database is free"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Postgres(error) => Some(error),
            Kind::Sqlite(error) => Some(error),
            Kind::Migrate(error) => Some(error),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self(Kind::Postgres(error))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sqlite(error))
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self(Kind::Migrate(error))
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}
