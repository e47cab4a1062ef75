//! Records from rows of either driver.

use std::cell::Cell;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use serde::de::DeserializeOwned;
use sqlx::{
    Decode, Postgres, Row as _, Type,
    error::BoxDynError,
    postgres::{PgRow, PgTypeInfo, PgValueRef},
};
use vestibule_core::{Id, Noun, Timestamp};

use crate::{Error, Result};

/// A row that one of the drivers read.
pub(crate) enum Row<'r> {
    /// With the place behind the column that was read last: records are read in the order of their columns, and to look
    /// for one by its name SQLite is asked for the names of those before it.
    Sqlite(&'r rusqlite::Row<'r>, Cell<usize>),
    Postgres(&'r PgRow),
}

/// What a row becomes.
pub(crate) trait Record: Sized + Send {
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// Reads a record from a row of either driver.
macro_rules! from_row {
    ($record:ty, $row:ident => $body:expr) => {
        impl $crate::row::Record for $record {
            fn from_row($row: &$crate::row::Row<'_>) -> $crate::Result<Self> {
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

/// What one column holds.
pub(crate) trait Field:
    FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> + Send
{
}

impl<T: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> + Send> Field for T {}

impl Row<'_> {
    pub(crate) fn get<T: Field>(&self, column: &'static str) -> Result<T> {
        Ok(match self {
            Self::Sqlite(row, next) => {
                let statement: &rusqlite::Statement<'_> = row.as_ref();
                let place = match statement.column_name(next.get()) {
                    Ok(name) if name == column => next.get(),
                    _ => statement.column_index(column)?,
                };
                next.set(place + 1);
                row.get(place)?
            }
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    fn at<T: Field>(&self, place: usize) -> Result<T> {
        Ok(match self {
            Self::Sqlite(row, _) => row.get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }

    pub(crate) fn id<N: Noun>(&self, column: &'static str) -> Result<Id<N>> {
        self.word(column)
    }

    pub(crate) fn id_or_null<N: Noun>(&self, column: &'static str) -> Result<Option<Id<N>>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|_| Error::corrupt(column)))
            .transpose()
    }

    /// A word of ours, such as a state.
    pub(crate) fn word<W: std::str::FromStr>(&self, column: &'static str) -> Result<W> {
        let text: String = self.get(column)?;
        text.parse().map_err(|_| Error::corrupt(column))
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.get(column).map(Timestamp::from_micros)
    }

    pub(crate) fn time_or_null(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let micros: Option<i64> = self.get(column)?;
        Ok(micros.map(Timestamp::from_micros))
    }
}

/// A query of one column gives its values.
macro_rules! single {
    ($($field:ty),+) => {$(
        impl Record for $field {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                row.at(0)
            }
        }
    )+};
}

single!(bool, i64, Option<i64>, String, Option<String>, Vec<u8>);

macro_rules! tuple {
    ($($field:ident $place:literal),+) => {
        impl<$($field: Field),+> Record for ($($field,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.at::<$field>($place)?,)+))
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// A JSON document: text on SQLite, `JSONB` on PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let document = serde_json::from_slice(value.as_bytes()?);
        document.map(Self).map_err(FromSqlError::other)
    }
}

impl<'r, T: DeserializeOwned + 'static> Decode<'r, Postgres> for Json<T> {
    fn decode(value: PgValueRef<'r>) -> std::result::Result<Self, BoxDynError> {
        let document = <sqlx::types::Json<T> as Decode<'r, Postgres>>::decode(value)?;
        Ok(Self(document.0))
    }
}

impl<T> Type<Postgres> for Json<T> {
    fn type_info() -> PgTypeInfo {
        <sqlx::types::Json<T> as Type<Postgres>>::type_info()
    }

    fn compatible(other: &PgTypeInfo) -> bool {
        <sqlx::types::Json<T> as Type<Postgres>>::compatible(other)
    }
}

/// The text of an optional id, for binding.
pub(crate) fn text<N: Noun>(id: Option<Id<N>>) -> Option<String> {
    id.map(|id| id.to_string())
}

/// Microseconds of an optional time, for binding.
pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}
