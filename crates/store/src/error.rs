use std::fmt;

/// A fault of the database, or a rule of the schema that a write ran into.
///
/// It names no driver: use cases ask [`is_taken`](Error::is_taken) and [`is_busy`](Error::is_busy), the rest is a fault.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Database(sqlx::Error),
    Migrate(sqlx::migrate::MigrateError),
    /// A row holds what no version of ours writes.
    Corrupt(&'static str),
    Url(&'static str),
    /// A job that shared the transaction broke it; nothing of this one was stored.
    GroupFailed,
}

impl Error {
    /// Whether a unique rule refused the write.
    pub fn is_taken(&self) -> bool {
        matches!(&self.0, Kind::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Kind::Database(sqlx::Error::PoolTimedOut) | Kind::GroupFailed => true,
            // SQLITE_BUSY and SQLITE_LOCKED; PostgreSQL's serialization failure, deadlock and shutdown.
            Kind::Database(sqlx::Error::Database(error)) => {
                matches!(
                    error.code().as_deref(),
                    Some("5" | "6" | "261" | "517" | "40001" | "40P01" | "57P01")
                )
            }
            _ => false,
        }
    }

    pub(crate) const fn corrupt(what: &'static str) -> Self {
        Self(Kind::Corrupt(what))
    }

    pub(crate) const fn url(what: &'static str) -> Self {
        Self(Kind::Url(what))
    }

    pub(crate) const fn group_failed() -> Self {
        Self(Kind::GroupFailed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Database(_) => f.write_str("the database failed"),
            Kind::Migrate(_) => f.write_str("the database could not be migrated"),
            Kind::Corrupt(what) => write!(f, "a row holds an unknown {what}"),
            Kind::Url(what) => f.write_str(what),
            Kind::GroupFailed => f.write_str("the shared transaction could not be committed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Database(error) => Some(error),
            Kind::Migrate(error) => Some(error),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self(Kind::Database(error))
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self(Kind::Migrate(error))
    }
}
