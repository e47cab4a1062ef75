//! Statements whose conditions are only known at run time: constant SQL with bound values between.

use sqlx::{
    Database, Encode, FromRow, Postgres, QueryBuilder, Sqlite, Type, postgres::PgRow,
    sqlite::SqliteRow,
};

use crate::{ReadTx, Result, WriteTx, dialect::On};

/// SQL under construction. Text of ours is `&'static str`, so nothing from outside can become SQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Sql(&'static str),
    Text(String),
    Number(i64),
    List(String),
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self(vec![Piece::Sql(sql)])
    }

    pub(crate) fn sql(&mut self, sql: &'static str) -> &mut Self {
        self.0.push(Piece::Sql(sql));
        self
    }

    pub(crate) fn text<T: ToString + ?Sized>(&mut self, value: &T) -> &mut Self {
        self.0.push(Piece::Text(value.to_string()));
        self
    }

    pub(crate) fn number(&mut self, value: i64) -> &mut Self {
        self.0.push(Piece::Number(value));
        self
    }

    /// A subquery that yields these texts, for `IN`; one parameter however many they are.
    pub(crate) fn list<T: ToString>(&mut self, values: &[T]) -> &mut Self {
        let values: Vec<serde_json::Value> = values
            .iter()
            .map(|value| serde_json::Value::String(value.to_string()))
            .collect();
        self.0
            .push(Piece::List(serde_json::Value::Array(values).to_string()));
        self
    }

    /// The question how SQLite would run this statement.
    #[cfg(test)]
    pub(crate) fn explained(mut self) -> Self {
        self.0.insert(0, Piece::Sql("EXPLAIN QUERY PLAN "));
        self
    }

    fn build<DB: Dialect>(self) -> QueryBuilder<DB>
    where
        DB::Arguments: Default,
        for<'q> String: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
    {
        let mut query = QueryBuilder::new("");
        for piece in self.0 {
            match piece {
                Piece::Sql(sql) => query.push(sql),
                Piece::Text(text) => query.push_bind(text),
                Piece::Number(number) => query.push_bind(number),
                Piece::List(json) => {
                    let (before, after) = DB::LIST;
                    query.push(before).push_bind(json).push(after)
                }
            };
        }
        query
    }
}

trait Dialect: Database {
    /// What stands before and after the JSON array whose texts are the rows.
    const LIST: (&'static str, &'static str);
}

impl Dialect for Sqlite {
    const LIST: (&'static str, &'static str) = ("(SELECT value FROM json_each(", "))");
}

impl Dialect for Postgres {
    const LIST: (&'static str, &'static str) = (
        "(SELECT value COLLATE \"C\" FROM jsonb_array_elements_text(CAST(",
        " AS JSONB)) AS listed (value))",
    );
}

/// A record that rows of both drivers give.
pub(crate) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl ReadTx {
    pub(crate) async fn fetch<T: Record>(&mut self, statement: Statement) -> Result<Vec<T>> {
        Ok(match self.on() {
            On::Sqlite(c) => {
                let mut query = statement.build::<Sqlite>();
                query.build_query_as().fetch_all(&mut *c).await?
            }
            On::Postgres(c) => {
                let mut query = statement.build::<Postgres>();
                query.build_query_as().fetch_all(&mut *c).await?
            }
        })
    }

    pub(crate) async fn fetch_count(&mut self, statement: Statement) -> Result<u64> {
        let counted: Vec<(i64,)> = self.fetch(statement).await?;
        let count = counted.first().map_or(0, |(count,)| *count);
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl WriteTx {
    /// As [`fetch`](ReadTx::fetch); on PostgreSQL the statement ends in a locking clause, on SQLite the writer is alone.
    pub(crate) async fn fetch_locked<T: Record>(
        &mut self,
        mut statement: Statement,
        clause: &'static str,
    ) -> Result<Vec<T>> {
        if let On::Postgres(_) = self.on() {
            statement.sql(clause);
        }
        self.fetch(statement).await
    }
}
