//! One body for two drivers.

use sqlx::{ColumnIndex, Decode, PgConnection, Row, SqliteConnection, Type, error::BoxDynError};
use vestibule_core::{Id, Noun, Timestamp};

/// The connection of the driver in use.
pub(crate) enum On<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Runs one body on the driver in use; `$c` is the connection inside it.
macro_rules! each {
    ($tx:expr, $c:ident => $body:expr) => {
        match $tx.on() {
            $crate::dialect::On::Sqlite($c) => $body,
            $crate::dialect::On::Postgres($c) => $body,
        }
    };
}

/// As [`each`], for a statement whose result says nothing.
macro_rules! run {
    ($tx:expr, $c:ident => $body:expr) => {
        each!($tx, $c => {
            $body;
        })
    };
}

/// Reads a record from a row of either driver.
macro_rules! from_row {
    ($record:ty, $row:ident => $body:expr) => {
        impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for $record {
            fn from_row($row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                #[allow(unused_imports, reason = "not every record has plain columns")]
                use sqlx::Row as _;
                #[allow(unused_imports, reason = "not every record has ids or times")]
                use $crate::dialect::Columns as _;
                Ok($body)
            }
        }
        impl sqlx::FromRow<'_, sqlx::postgres::PgRow> for $record {
            fn from_row($row: &sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                #[allow(unused_imports, reason = "not every record has plain columns")]
                use sqlx::Row as _;
                #[allow(unused_imports, reason = "not every record has ids or times")]
                use $crate::dialect::Columns as _;
                Ok($body)
            }
        }
    };
}

/// Words of ours that only rows hold; those that other rooms speak of too are in `core`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word in rows.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = vestibule_core::InvalidState;

            fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(vestibule_core::InvalidState) }
            }
        }
    };
}

fn undecodable(error: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// Columns that hold our own types.
pub(crate) trait Columns: Row {
    fn id<N: Noun>(&self, column: &'static str) -> sqlx::Result<Id<N>>
    where
        for<'r> String: Decode<'r, Self::Database> + Type<Self::Database>,
        &'static str: ColumnIndex<Self>,
    {
        self.try_get::<String, _>(column)?
            .parse()
            .map_err(undecodable)
    }

    fn id_or_null<N: Noun>(&self, column: &'static str) -> sqlx::Result<Option<Id<N>>>
    where
        for<'r> String: Decode<'r, Self::Database> + Type<Self::Database>,
        &'static str: ColumnIndex<Self>,
    {
        self.try_get::<Option<String>, _>(column)?
            .map(|text| text.parse().map_err(undecodable))
            .transpose()
    }

    /// A word of ours, such as a state.
    fn word<W: std::str::FromStr<Err: Into<BoxDynError>>>(
        &self,
        column: &'static str,
    ) -> sqlx::Result<W>
    where
        for<'r> String: Decode<'r, Self::Database> + Type<Self::Database>,
        &'static str: ColumnIndex<Self>,
    {
        self.try_get::<String, _>(column)?
            .parse()
            .map_err(undecodable)
    }

    fn time(&self, column: &'static str) -> sqlx::Result<Timestamp>
    where
        for<'r> i64: Decode<'r, Self::Database> + Type<Self::Database>,
        &'static str: ColumnIndex<Self>,
    {
        self.try_get(column).map(Timestamp::from_micros)
    }

    fn time_or_null(&self, column: &'static str) -> sqlx::Result<Option<Timestamp>>
    where
        for<'r> i64: Decode<'r, Self::Database> + Type<Self::Database>,
        &'static str: ColumnIndex<Self>,
    {
        Ok(self
            .try_get::<Option<i64>, _>(column)?
            .map(Timestamp::from_micros))
    }
}

impl<R: Row> Columns for R {}

/// The text of an optional id, for binding.
pub(crate) fn text<N: Noun>(id: Option<Id<N>>) -> Option<String> {
    id.map(|id| id.to_string())
}

/// Microseconds of an optional time, for binding.
pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}
