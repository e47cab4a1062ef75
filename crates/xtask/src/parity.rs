//! The two schemas say the same: tables, columns in order, types that map, rules, indexes.

use crate::schema::{Column, Schema, Table};

/// SQLite's type, PostgreSQL's type. A strict table of SQLite knows no boolean and keeps 0 or 1.
const TYPES: &[(&str, &str)] = &[
    ("text", "text"),
    ("text", "jsonb"),
    ("integer", "bigint"),
    ("bigint", "bigint"),
    ("boolean", "boolean"),
    ("integer", "boolean"),
    ("blob", "bytea"),
];

/// Every difference, said so that one knows which file to change.
pub(crate) fn violations(sqlite: &Schema, postgres: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for (name, table) in &sqlite.tables {
        match postgres.tables.get(name) {
            Some(other) => compare_tables(name, table, other, &mut found),
            None if table.only_here => {}
            None => found.push(format!("table {name} is missing on PostgreSQL")),
        }
    }
    for (name, table) in &postgres.tables {
        if !sqlite.tables.contains_key(name) && !table.only_here {
            found.push(format!("table {name} is missing on SQLite"));
        }
    }
    for (name, index) in &sqlite.indexes {
        match postgres.indexes.get(name) {
            Some(other) if index.text != other.text => found.push(format!(
                "index {name} is `{}` on SQLite and `{}` on PostgreSQL",
                index.text, other.text
            )),
            None if !index.only_here => {
                found.push(format!("index {name} is missing on PostgreSQL"));
            }
            _ => {}
        }
    }
    for (name, index) in &postgres.indexes {
        if !sqlite.indexes.contains_key(name) && !index.only_here {
            found.push(format!("index {name} is missing on SQLite"));
        }
    }
    found
}

fn compare_tables(name: &str, sqlite: &Table, postgres: &Table, found: &mut Vec<String>) {
    let names = |table: &Table| -> Vec<String> {
        table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    };
    let (left, right) = (names(sqlite), names(postgres));
    if left != right {
        found.push(format!(
            "table {name} has the columns {} on SQLite and {} on PostgreSQL",
            left.join(", "),
            right.join(", ")
        ));
        return;
    }
    for (column, other) in sqlite.columns.iter().zip(&postgres.columns) {
        compare_columns(name, column, other, found);
    }
    if sqlite.constraints != postgres.constraints {
        found.push(format!(
            "table {name} has the rules `{}` on SQLite and `{}` on PostgreSQL",
            sqlite.constraints.join("; "),
            postgres.constraints.join("; ")
        ));
    }
}

fn compare_columns(table: &str, sqlite: &Column, postgres: &Column, found: &mut Vec<String>) {
    if !TYPES.contains(&(sqlite.kind.as_str(), postgres.kind.as_str())) {
        found.push(format!(
            "column {table}.{} is {} on SQLite, which does not map to {} on PostgreSQL",
            sqlite.name, sqlite.kind, postgres.kind
        ));
    }
    if sqlite.rules != postgres.rules {
        found.push(format!(
            "column {table}.{} has the rules `{}` on SQLite and `{}` on PostgreSQL",
            sqlite.name, sqlite.rules, postgres.rules
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn check(sqlite: &str, postgres: &str) -> Vec<String> {
        let read = |text: &str| {
            schema::read(&[("0001_test.sql".to_owned(), text.to_owned())]).expect("readable")
        };
        violations(&read(sqlite), &read(postgres))
    }

    #[test]
    fn the_same_schema_in_two_dialects_passes() {
        let found = check(
            "CREATE TABLE users (
                 position INTEGER PRIMARY KEY AUTOINCREMENT,
                 name TEXT NOT NULL COLLATE BINARY,
                 active BOOLEAN NOT NULL DEFAULT TRUE,
                 attributes TEXT NOT NULL DEFAULT '{}',
                 locked INTEGER NOT NULL DEFAULT 0,
                 hash BLOB
             );
             CREATE UNIQUE INDEX users_name ON users (name) WHERE active;",
            "CREATE TABLE users (
                 position BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
                 name TEXT NOT NULL,
                 active BOOLEAN NOT NULL DEFAULT TRUE,
                 attributes JSONB NOT NULL DEFAULT '{}'::jsonb,
                 locked BOOLEAN NOT NULL DEFAULT FALSE,
                 hash BYTEA
             );
             CREATE UNIQUE INDEX users_name ON users(name text_pattern_ops) WHERE active;",
        );
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_missing_table_or_index_is_named() {
        let both = "CREATE TABLE a (id TEXT);";
        assert_eq!(check(both, ""), ["table a is missing on PostgreSQL"]);
        assert_eq!(check("", both), ["table a is missing on SQLite"]);
        let indexed = format!("{both} CREATE INDEX a_id ON a (id);");
        assert_eq!(
            check(&indexed, both),
            ["index a_id is missing on PostgreSQL"]
        );
        assert_eq!(check(both, &indexed), ["index a_id is missing on SQLite"]);
    }

    #[test]
    fn a_table_marked_as_only_here_needs_no_counterpart() {
        assert!(
            check(
                "",
                "-- only here: SQLite has one writer\nCREATE TABLE a (id TEXT);"
            )
            .is_empty()
        );
    }

    #[test]
    fn columns_in_another_order_are_named() {
        let found = check(
            "CREATE TABLE a (id TEXT, b TEXT);",
            "CREATE TABLE a (b TEXT, id TEXT);",
        );
        assert_eq!(
            found,
            ["table a has the columns id, b on SQLite and b, id on PostgreSQL"]
        );
    }

    #[test]
    fn a_type_or_a_rule_that_differs_is_named() {
        let found = check("CREATE TABLE a (id TEXT);", "CREATE TABLE a (id BIGINT);");
        assert_eq!(
            found,
            ["column a.id is text on SQLite, which does not map to bigint on PostgreSQL"]
        );
        let found = check(
            "CREATE TABLE a (id TEXT NOT NULL);",
            "CREATE TABLE a (id TEXT);",
        );
        assert_eq!(found.len(), 1);
        let found = check(
            "CREATE TABLE a (id TEXT, UNIQUE (id));",
            "CREATE TABLE a (id TEXT);",
        );
        assert_eq!(
            found,
            ["table a has the rules `unique (id)` on SQLite and `` on PostgreSQL"]
        );
    }

    #[test]
    fn an_index_over_other_columns_or_without_its_uniqueness_is_named() {
        let table = "CREATE TABLE a (id TEXT, b TEXT);";
        for other in [
            "CREATE INDEX a_id ON a (id);",
            "CREATE UNIQUE INDEX a_id ON a (b);",
            "CREATE UNIQUE INDEX a_id ON a (id) WHERE b IS NULL;",
        ] {
            let found = check(
                &format!("{table} CREATE UNIQUE INDEX a_id ON a (id);"),
                &format!("{table} {other}"),
            );
            assert_eq!(found.len(), 1, "{other}");
        }
    }
}
