//! Statements whose conditions are only known at run time: constant SQL with bound values between.

use crate::{
    ReadTx, Result, WriteTx,
    query::{On, Query, Value},
    row::Record,
};

/// SQL under construction. Text of ours is `&'static str`, so nothing from outside can become SQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    pieces: Vec<Piece>,
    /// What stands where [`Piece::Rows`] is.
    rows: Vec<Vec<Value<'static>>>,
    long: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Sql(&'static str),
    Either {
        sqlite: &'static str,
        postgres: &'static str,
    },
    Value(Value<'static>),
    List(String),
    Rows,
}

/// What stands before and after a JSON array whose texts are the rows.
const SQLITE_LIST: (&str, &str) = ("(SELECT value FROM json_each(", "))");
const POSTGRES_LIST: (&str, &str) = (
    "(SELECT value COLLATE \"C\" FROM jsonb_array_elements_text(CAST(",
    " AS JSONB)) AS listed (value))",
);

/// A statement about more rows than this is [`long`](Statement::long).
const SHORT_LIST: usize = 100;

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self {
            pieces: vec![Piece::Sql(sql)],
            ..Self::default()
        }
    }

    pub(crate) fn sql(&mut self, sql: &'static str) -> &mut Self {
        self.pieces.push(Piece::Sql(sql));
        self
    }

    /// SQL that differs between the two, where one of them would choose a bad plan for what the other runs well.
    pub(crate) fn either(&mut self, sqlite: &'static str, postgres: &'static str) -> &mut Self {
        self.pieces.push(Piece::Either { sqlite, postgres });
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Value<'static>>) -> &mut Self {
        self.pieces.push(Piece::Value(value.into()));
        self
    }

    pub(crate) fn text<T: ToString + ?Sized>(&mut self, value: &T) -> &mut Self {
        self.bind(value.to_string())
    }

    pub(crate) fn number(&mut self, value: i64) -> &mut Self {
        self.bind(value)
    }

    /// A subquery that yields these texts, for `IN`; one parameter however many they are.
    pub(crate) fn list<T: ToString>(&mut self, values: &[T]) -> &mut Self {
        self.long |= values.len() > SHORT_LIST;
        let values: Vec<serde_json::Value> = values
            .iter()
            .map(|value| serde_json::Value::String(value.to_string()))
            .collect();
        let json = serde_json::Value::Array(values).to_string();
        self.pieces.push(Piece::List(json));
        self
    }

    /// The condition behind a column that it is one of these texts.
    pub(crate) fn is_one_of<T: ToString>(&mut self, values: &[T]) -> &mut Self {
        match values {
            [value] => self.sql(" = ").text(&value.to_string()),
            _ => self.sql(" IN ").list(values),
        }
    }

    /// The values of one more row of an `INSERT` that ends in `VALUES`.
    pub(crate) fn row<const N: usize>(&mut self, values: [Value<'static>; N]) -> &mut Self {
        if self.rows.is_empty() {
            self.pieces.push(Piece::Rows);
        }
        self.rows.push(values.into());
        self.long |= self.rows.len() > SHORT_LIST;
        self
    }

    /// As [`Query::long`].
    pub(crate) const fn long(&mut self) -> &mut Self {
        self.long = true;
        self
    }

    /// The question how SQLite would run this statement.
    #[cfg(test)]
    pub(crate) fn explained(mut self) -> Self {
        self.pieces.insert(0, Piece::Sql("EXPLAIN QUERY PLAN "));
        self
    }

    /// The statement for one row at a time, and the rows.
    ///
    /// SQLite takes longer to parse a long list of rows than to store them by a statement that it has parsed before.
    fn by_row(mut self) -> (Self, Vec<Vec<Value<'static>>>) {
        let mut rows = std::mem::take(&mut self.rows);
        self.rows.extend(rows.pop());
        (self, rows)
    }

    fn query(mut self, on: &On<'_>) -> Query<'static> {
        let (before, after) = match on {
            On::Sqlite(_) => SQLITE_LIST,
            On::Postgres(_) => POSTGRES_LIST,
        };
        let mut sql = String::new();
        let mut values = Vec::new();
        for piece in self.pieces {
            match piece {
                Piece::Sql(text) => sql.push_str(text),
                Piece::Either { sqlite, postgres } => sql.push_str(match on {
                    On::Sqlite(_) => sqlite,
                    On::Postgres(_) => postgres,
                }),
                Piece::Value(value) => {
                    values.push(value);
                    push_place(&mut sql, values.len());
                }
                Piece::List(json) => {
                    values.push(json.into());
                    sql.push_str(before);
                    push_place(&mut sql, values.len());
                    sql.push_str(after);
                }
                Piece::Rows => {
                    for (place, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
                        sql.push_str(if place == 0 { " (" } else { ", (" });
                        for (place, value) in row.into_iter().enumerate() {
                            if place > 0 {
                                sql.push_str(", ");
                            }
                            values.push(value);
                            push_place(&mut sql, values.len());
                        }
                        sql.push(')');
                    }
                }
            }
        }
        let query = Query::built(sql.into(), values);
        if self.long { query.long() } else { query }
    }
}

fn push_place(sql: &mut String, number: usize) {
    sql.push('$');
    sql.push_str(&number.to_string());
}

impl ReadTx {
    pub(crate) async fn fetch<T: Record>(&mut self, statement: Statement) -> Result<Vec<T>> {
        statement.query(&self.on()).fetch_all(self).await
    }

    pub(crate) async fn fetch_count(&mut self, statement: Statement) -> Result<u64> {
        let count: i64 = statement.query(&self.on()).fetch_one(self).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl WriteTx {
    /// Runs it, and gives how many rows it changed.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        let on = self.on();
        let (statement, more) = match on {
            On::Sqlite(_) => statement.by_row(),
            On::Postgres(_) => (statement, Vec::new()),
        };
        let query = statement.query(&on);
        query.and_for_each(more).execute(self).await
    }

    /// As [`fetch`](ReadTx::fetch); on PostgreSQL the statement ends in a locking clause, on SQLite the writer is alone.
    pub(crate) async fn fetch_locked<T: Record>(
        &mut self,
        statement: Statement,
        clause: &'static str,
    ) -> Result<Vec<T>> {
        let query = statement.query(&self.on()).locking(clause);
        query.fetch_all(self).await
    }
}
