//! One statement for two drivers: constant SQL and bound values.
//!
//! SQLite runs where it is called. A statement that finds its rows by an index takes some microseconds there, less than
//! it costs to hand it to another thread and wait; what reads or writes much says so with [`long`](Query::long).

use std::{borrow::Cow, cell::Cell};

use rusqlite::{ToSql, types::ToSqlOutput};
use serde::Serialize;
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Executor as _, Postgres, Type,
    postgres::{PgArguments, PgConnection},
};

use crate::{
    Error, ReadTx, Result,
    row::{Json, Record, Row},
    sqlite,
};

/// Longer texts come from lists of rows; kept parsed, each would cost memory and hardly come again.
const LONGEST_KEPT: usize = 8000;

/// The connection of the driver in use.
pub(crate) enum On<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut PgConnection),
}

/// A value for a parameter; what is absent still has a type, which PostgreSQL wants to know.
#[derive(Debug, Clone)]
pub(crate) enum Value<'q> {
    Bool(Option<bool>),
    Number(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Bytes(Option<Cow<'q, [u8]>>),
    /// A JSON document, written out.
    Json(Option<String>),
}

/// SQL with its values. Parameters are `$1`, `$2`, … in the order of [`bind`](Query::bind).
#[derive(Debug)]
pub(crate) struct Query<'q> {
    sql: Cow<'static, str>,
    /// What PostgreSQL gets in its place.
    postgres: Option<Cow<'static, str>>,
    /// What PostgreSQL gets behind it.
    clause: &'static str,
    values: Vec<Value<'q>>,
    /// Values that SQLite runs it with as well, one after the other.
    more: Vec<Vec<Value<'q>>>,
    long: bool,
}

/// A statement; text of ours is `&'static str`, so nothing from outside can become SQL.
pub(crate) fn query<'q>(sql: &'static str) -> Query<'q> {
    Query::built(sql.into(), Vec::new())
}

impl<'q> Query<'q> {
    pub(super) const fn built(sql: Cow<'static, str>, values: Vec<Value<'q>>) -> Self {
        Self {
            sql,
            postgres: None,
            clause: "",
            values,
            more: Vec::new(),
            long: false,
        }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// A locking clause for PostgreSQL; on SQLite the writer is alone.
    pub(crate) const fn locking(mut self, clause: &'static str) -> Self {
        self.clause = clause;
        self
    }

    /// Another text for PostgreSQL, where the two truly differ.
    pub(crate) fn on_postgres(mut self, sql: &'static str) -> Self {
        self.postgres = Some(sql.into());
        self
    }

    /// It may touch many rows: on SQLite the other tasks of this thread go on elsewhere meanwhile.
    pub(crate) const fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// Runs it with these values as well; on SQLite alone, where a statement that has been parsed costs little to repeat.
    pub(crate) fn and_for_each(mut self, more: Vec<Vec<Value<'q>>>) -> Self {
        self.more = more;
        self
    }

    /// Runs it, and gives how many rows it changed.
    pub(crate) async fn execute(self, tx: &mut ReadTx) -> Result<u64> {
        match tx.on() {
            On::Sqlite(connection) => self.prepared(connection, |statement| {
                let mut changed = 0;
                for values in std::iter::once(&self.values).chain(&self.more) {
                    bind(statement, &self.sql, values)?;
                    let mut rows = statement.raw_query();
                    while rows.next()?.is_some() {}
                    drop(rows);
                    changed += connection.changes();
                }
                Ok(changed)
            }),
            On::Postgres(connection) => {
                let (sql, arguments) = self.for_postgres()?;
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
                Ok(connection.execute(query).await?.rows_affected())
            }
        }
    }

    pub(crate) async fn fetch_all<T: Record>(self, tx: &mut ReadTx) -> Result<Vec<T>> {
        match tx.on() {
            On::Sqlite(connection) => self.step(connection, |mut rows| {
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(T::from_row(&Row::Sqlite(row, Cell::default()))?);
                }
                Ok(found)
            }),
            On::Postgres(connection) => {
                let (sql, arguments) = self.for_postgres()?;
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
                let rows = connection.fetch_all(query).await?;
                rows.iter()
                    .map(|row| T::from_row(&Row::Postgres(row)))
                    .collect()
            }
        }
    }

    pub(crate) async fn fetch_optional<T: Record>(self, tx: &mut ReadTx) -> Result<Option<T>> {
        match tx.on() {
            On::Sqlite(connection) => self.step(connection, |mut rows| {
                let first = rows.next()?;
                let first = first
                    .map(|row| T::from_row(&Row::Sqlite(row, Cell::default())))
                    .transpose()?;
                // To the end: an UPDATE or DELETE that returns rows is done only then.
                while rows.next()?.is_some() {}
                Ok(first)
            }),
            On::Postgres(connection) => {
                let (sql, arguments) = self.for_postgres()?;
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
                let row = connection.fetch_optional(query).await?;
                row.map(|row| T::from_row(&Row::Postgres(&row))).transpose()
            }
        }
    }

    pub(crate) async fn fetch_one<T: Record>(self, tx: &mut ReadTx) -> Result<T> {
        self.fetch_optional(tx).await?.ok_or_else(Error::missing)
    }

    fn step<T>(
        &self,
        connection: &rusqlite::Connection,
        read: impl FnOnce(rusqlite::Rows<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepared(connection, |statement| {
            bind(statement, &self.sql, &self.values)?;
            read(statement.raw_query())
        })
    }

    fn prepared<T>(
        &self,
        connection: &rusqlite::Connection,
        run: impl FnOnce(&mut rusqlite::Statement<'_>) -> Result<T>,
    ) -> Result<T> {
        let run = || match self.sql.len() > LONGEST_KEPT {
            true => run(&mut connection.prepare(&self.sql)?),
            false => run(&mut *connection.prepare_cached(&self.sql)?),
        };
        match self.long {
            true => sqlite::off_worker(run),
            false => run(),
        }
    }

    fn for_postgres(self) -> Result<(String, PgArguments)> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            match value {
                Value::Bool(value) => add(&mut arguments, value),
                Value::Number(value) => add(&mut arguments, value),
                Value::Text(value) => add(&mut arguments, value.as_deref()),
                Value::Bytes(value) => add(&mut arguments, value.as_deref()),
                Value::Json(None) => add(&mut arguments, None::<sqlx::types::Json<()>>),
                Value::Json(Some(text)) => {
                    let raw = serde_json::value::RawValue::from_string(text);
                    let raw = raw.map_err(|_| Error::corrupt("document to store"))?;
                    add(&mut arguments, Some(sqlx::types::Json(raw)))
                }
            }?;
        }
        let sql = self.postgres.unwrap_or(self.sql);
        Ok((sql.into_owned() + self.clause, arguments))
    }
}

/// Binds each value to its parameter.
///
/// `$2` is a name to SQLite, not a number: it counts parameters in the order in which they appear first. Asking it for
/// the name of each walks through all of them every time.
fn bind(statement: &mut rusqlite::Statement<'_>, sql: &str, values: &[Value<'_>]) -> Result<()> {
    let lacking = || Error::corrupt("parameter of a statement");
    let mut is_bound = vec![false; values.len()];
    let mut place = 0;
    for text in sql.split('$').skip(1) {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        // The paths of JSON functions have a sign like this, too, and no number.
        let number = text.get(..digits).and_then(|digits| digits.parse().ok());
        let Some(number) = number else { continue };
        let number = usize::checked_sub(number, 1).ok_or_else(lacking)?;
        let (Some(value), Some(is_bound)) = (values.get(number), is_bound.get_mut(number)) else {
            return Err(lacking());
        };
        if !std::mem::replace(is_bound, true) {
            place += 1;
            statement.raw_bind_parameter(place, value)?;
        }
    }
    match place == statement.parameter_count() {
        true => Ok(()),
        false => Err(lacking()),
    }
}

fn add<'q, T>(arguments: &mut PgArguments, value: T) -> Result<()>
where
    T: Encode<'q, Postgres> + Type<Postgres> + Send + 'q,
{
    arguments
        .add(value)
        .map_err(|error| sqlx::Error::Encode(error).into())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Bool(value) => value.to_sql(),
            Self::Number(value) => value.to_sql(),
            Self::Text(value) => value.as_deref().to_sql_output(),
            Self::Bytes(value) => value.as_deref().to_sql_output(),
            Self::Json(value) => value.as_deref().to_sql_output(),
        }
    }
}

/// Borrows a text or bytes, which [`ToSql`] for an `Option` would not.
trait Borrowed<'v> {
    fn to_sql_output(self) -> rusqlite::Result<ToSqlOutput<'v>>;
}

impl<'v, T: ?Sized + 'v> Borrowed<'v> for Option<&'v T>
where
    rusqlite::types::ValueRef<'v>: From<&'v T>,
{
    fn to_sql_output(self) -> rusqlite::Result<ToSqlOutput<'v>> {
        let value = self.map_or(rusqlite::types::ValueRef::Null, Into::into);
        Ok(ToSqlOutput::Borrowed(value))
    }
}

macro_rules! value_of {
    ($given:ty, $value:ident => $variant:ident($made:expr)) => {
        impl<'q> From<$given> for Value<'q> {
            fn from($value: $given) -> Self {
                Self::$variant($made)
            }
        }
    };
}

value_of!(bool, value => Bool(Some(value)));
value_of!(Option<bool>, value => Bool(value));
value_of!(i64, value => Number(Some(value)));
value_of!(Option<i64>, value => Number(value));
value_of!(&'q str, value => Text(Some(value.into())));
value_of!(&'q String, value => Text(Some(value.into())));
value_of!(String, value => Text(Some(value.into())));
value_of!(Option<&'q str>, value => Text(value.map(Into::into)));
value_of!(Option<String>, value => Text(value.map(Into::into)));
value_of!(&'q Option<String>, value => Text(value.as_deref().map(Into::into)));
value_of!(&'q [u8], value => Bytes(Some(value.into())));
value_of!(Option<&'q [u8]>, value => Bytes(value.map(Into::into)));
value_of!(Vec<u8>, value => Bytes(Some(value.into())));
value_of!(&'q Vec<u8>, value => Bytes(Some(value.into())));
value_of!(&'q [u8; 32], value => Bytes(Some(value.as_slice().into())));
value_of!(&'q Option<Vec<u8>>, value => Bytes(value.as_deref().map(Into::into)));

impl<T: Serialize> From<Json<T>> for Value<'_> {
    fn from(document: Json<T>) -> Self {
        Some(document).into()
    }
}

impl<T: Serialize> From<Option<Json<T>>> for Value<'_> {
    fn from(document: Option<Json<T>>) -> Self {
        // Documents are made of our own types, whose keys are texts: writing them out does not fail.
        Self::Json(
            document.map(|Json(document)| serde_json::to_string(&document).unwrap_or_default()),
        )
    }
}

#[cfg(test)]
mod tests;
