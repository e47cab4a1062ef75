//! Reads the schema that migrations build, as far as the two dialects must agree on it.
//!
//! Not a SQL parser: it understands the regular style of our migrations (tables, indexes, added,
//! renamed and dropped columns) and refuses what else changes a table, so that nothing is compared
//! by accident. Statements that change no table (data, triggers, functions) are passed over.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

/// What a dialect's migrations leave behind.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) indexes: BTreeMap<String, Index>,
}

/// A table, in the order it is written.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// Primary keys, unique rules, foreign keys and checks of the table, normalized and sorted.
    pub(crate) constraints: Vec<String>,
    pub(crate) only_here: bool,
}

/// A column: what it is called, its type and what else is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) rules: String,
}

/// An index, normalized: uniqueness, table, columns and condition.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) table: String,
    pub(crate) text: String,
    pub(crate) only_here: bool,
}

/// A comment with this text before a statement says that the other dialect has no counterpart.
const ONLY_HERE: &str = "-- only here:";

/// Applies one migration after the other.
pub(crate) fn read(migrations: &[(String, String)]) -> anyhow::Result<Schema> {
    let mut schema = Schema::default();
    for (name, text) in migrations {
        for statement in statements(text) {
            schema
                .apply(&statement)
                .with_context(|| format!("{name}: {}", statement.first_line()))?;
        }
    }
    Ok(schema)
}

struct Statement {
    text: String,
    only_here: bool,
}

impl Statement {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl Schema {
    fn apply(&mut self, statement: &Statement) -> anyhow::Result<()> {
        let text = normalize(&statement.text);
        let mut words = text.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("create"), Some("table"), _) => self.create_table(&text, statement.only_here),
            (Some("create"), Some("index"), _)
            | (Some("create"), Some("unique"), Some("index")) => {
                self.create_index(&text, statement.only_here)
            }
            (Some("alter"), Some("table"), _) => self.alter_table(&text),
            (Some("drop"), Some("table"), Some(_)) => {
                let table = last_word(&text);
                self.indexes.retain(|_, index| index.table != table);
                self.tables
                    .remove(table)
                    .map(|_| ())
                    .context("drops a table that is not there")
            }
            (Some("drop"), Some("index"), Some(_)) => self
                .indexes
                .remove(last_word(&text))
                .map(|_| ())
                .context("drops an index that is not there"),
            _ => Ok(()),
        }
    }

    fn create_table(&mut self, text: &str, only_here: bool) -> anyhow::Result<()> {
        let (head, rest) = text.split_once('(').context("a table without columns")?;
        let (body, _) = rest.rsplit_once(')').context("a table without an end")?;
        let name = last_word(head.trim());
        let mut table = Table {
            only_here,
            ..Table::default()
        };
        for item in split_commas(body) {
            match item.split([' ', '(']).next() {
                Some("primary" | "unique" | "foreign" | "check" | "constraint") => {
                    table.constraints.push(portable(&item));
                }
                _ => table.columns.push(column(&item)?),
            }
        }
        table.constraints.sort();
        match self.tables.insert(name.to_owned(), table) {
            Some(_) => bail!("creates {name} twice"),
            None => Ok(()),
        }
    }

    fn create_index(&mut self, text: &str, only_here: bool) -> anyhow::Result<()> {
        let (head, rest) = text
            .split_once(" on ")
            .context("an index without a table")?;
        let name = last_word(head);
        let table = rest
            .split([' ', '('])
            .next()
            .context("an index without a table")?;
        let unique = if head.starts_with("create unique") {
            "unique "
        } else {
            ""
        };
        let index = Index {
            table: table.to_owned(),
            text: format!("{unique}on {}", portable(rest)),
            only_here,
        };
        match self.indexes.insert(name.to_owned(), index) {
            Some(_) => bail!("creates {name} twice"),
            None => Ok(()),
        }
    }

    fn alter_table(&mut self, text: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = text.split(' ').collect();
        let Some((&name, change)) = words.get(2..).and_then(<[_]>::split_first) else {
            bail!("alters nothing");
        };
        let table = self
            .tables
            .get_mut(name)
            .context("alters a table that is not there")?;
        match change {
            ["add", "column", rest @ ..] => table.columns.push(column(&rest.join(" "))?),
            ["drop", "column", column] => table.columns.retain(|found| found.name != *column),
            ["rename", "column", from, "to", to] => {
                let column = table.columns.iter_mut().find(|found| found.name == *from);
                (*to).clone_into(&mut column.context("renames a column that is not there")?.name);
            }
            // Storage parameters of PostgreSQL (fillfactor, autovacuum) change no meaning.
            ["set", parameters, ..] if parameters.starts_with('(') => {}
            ["rename", "to", to] => {
                let table = self
                    .tables
                    .remove(name)
                    .context("renames a table that is not there")?;
                for index in self
                    .indexes
                    .values_mut()
                    .filter(|index| index.table == name)
                {
                    index.text = index
                        .text
                        .replace(&format!("on {name}"), &format!("on {to}"));
                    (*to).clone_into(&mut index.table);
                }
                self.tables.insert((*to).to_owned(), table);
            }
            _ => {
                bail!("this change of a table is not understood; teach crates/xtask/src/schema.rs")
            }
        }
        Ok(())
    }
}

fn column(item: &str) -> anyhow::Result<Column> {
    let mut words = item.splitn(3, ' ');
    let name = words.next().unwrap_or_default().to_owned();
    let kind = words
        .next()
        .with_context(|| format!("column {name} has no type"))?
        .to_owned();
    Ok(Column {
        name,
        kind,
        rules: portable(words.next().unwrap_or_default()),
    })
}

/// What both dialects mean by the same rule, in one spelling.
fn portable(text: &str) -> String {
    let mut words = Vec::new();
    let mut all = text.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = all.next() {
        match word {
            // Casts, collations and operator classes only say how the other dialect already does.
            "collate" => drop(all.next()),
            "text_pattern_ops" | "varchar_pattern_ops" => {}
            // Both give a growing number.
            "autoincrement" => words.push("identity"),
            "generated" => {
                for skipped in all.by_ref() {
                    if skipped == "identity" {
                        break;
                    }
                }
                words.push("identity");
            }
            _ => words.push(word.split_once("::").map_or(word, |(value, _)| value)),
        }
    }
    let mut rules = words.join(" ");
    for (spelling, common) in [
        ("text_pattern_ops", ""),
        ("default true", "default 1"),
        ("default false", "default 0"),
        (" )", ")"),
        ("( ", "("),
        (" ,", ","),
    ] {
        rules = rules.replace(spelling, common);
    }
    rules.trim().to_owned()
}

fn last_word(text: &str) -> &str {
    text.rsplit(' ').next().unwrap_or_default()
}

/// Splits at commas outside parentheses and quotes.
fn split_commas(text: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0_i32, false);
    let mut items = vec![String::new()];
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(c);
        }
    }
    items
        .into_iter()
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// Lower case outside quotes, one space between words, none around parentheses and before commas.
fn normalize(text: &str) -> String {
    let mut normal = String::new();
    let mut quoted = false;
    for c in text.trim().chars() {
        if c == '\'' {
            quoted = !quoted;
        }
        match c {
            c if quoted => normal.push(c),
            c if c.is_whitespace() => {
                if !normal.ends_with([' ', '(']) {
                    normal.push(' ');
                }
            }
            ')' | ',' => {
                normal.truncate(normal.trim_end().len());
                normal.push(c);
            }
            // `name (` and `name(` are the same.
            '(' => {
                normal.truncate(normal.trim_end().len());
                normal.push_str(" (");
            }
            '"' => {}
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
        .replace(" if not exists", "")
        .replace(" if exists", "")
}

/// Statements without their comments. Quotes and dollar quotes may hold semicolons.
fn statements(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut current = Statement {
        text: String::new(),
        only_here: false,
    };
    let (mut quoted, mut dollars) = (false, false);
    for line in text.lines() {
        if line.trim_start().starts_with(ONLY_HERE) {
            current.only_here = true;
        }
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if !quoted && !dollars && rest.starts_with("--") {
                break;
            }
            if !quoted && rest.starts_with("$$") {
                dollars = !dollars;
            }
            if c == '\'' && !dollars {
                quoted = !quoted;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if c == ';' && !quoted && !dollars {
                let next = Statement {
                    text: String::new(),
                    only_here: false,
                };
                statements.push(std::mem::replace(&mut current, next));
            } else {
                current.text.push(c);
            }
        }
        current.text.push('\n');
    }
    statements.push(current);
    for statement in &mut statements {
        statement.text = statement.text.trim().to_owned();
    }
    statements.retain(|statement| !statement.text.is_empty());
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Schema {
        read(&[("0001_test.sql".to_owned(), text.to_owned())]).expect("readable")
    }

    #[test]
    fn tables_columns_constraints_and_indexes_are_read() {
        let schema = schema(
            "-- People; with a trap in the comment.
             CREATE TABLE users (
                 id TEXT PRIMARY KEY NOT NULL, -- typed id
                 active BOOLEAN NOT NULL DEFAULT TRUE,
                 note TEXT NOT NULL DEFAULT 'a;b, c',
                 CHECK (active IN (TRUE, FALSE)),
                 UNIQUE (id, note)
             ) STRICT;
             CREATE UNIQUE INDEX users_name ON users (note, id) WHERE active;",
        );
        let users = &schema.tables["users"];
        let names: Vec<_> = users
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["id", "active", "note"]);
        assert_eq!(users.columns[1].rules, "not null default 1");
        assert_eq!(users.columns[2].rules, "not null default 'a;b, c'");
        assert_eq!(
            users.constraints,
            ["check (active in (true, false))", "unique (id, note)"]
        );
        assert_eq!(
            schema.indexes["users_name"].text,
            "unique on users (note, id) where active"
        );
    }

    #[test]
    fn later_migrations_change_earlier_tables() {
        let schema = schema(
            "CREATE TABLE a (id TEXT, old TEXT, gone TEXT);
             ALTER TABLE a ADD COLUMN added BIGINT NOT NULL DEFAULT 0;
             ALTER TABLE a RENAME COLUMN old TO new;
             ALTER TABLE a DROP COLUMN gone;
             CREATE TABLE b (id TEXT);
             CREATE INDEX b_id ON b (id);
             DROP TABLE IF EXISTS b;",
        );
        let names: Vec<_> = schema.tables["a"]
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(names, ["id", "new", "added"]);
        assert!(!schema.tables.contains_key("b") && schema.indexes.is_empty());
    }

    #[test]
    fn functions_and_triggers_are_passed_over() {
        let schema = schema(
            "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DROP TABLE x; END $$ LANGUAGE plpgsql;
             INSERT INTO t VALUES ('it''s; fine');
             -- only here: the other dialect counts by rowid
             CREATE TABLE t (id TEXT);",
        );
        assert!(schema.tables["t"].only_here);
    }

    #[test]
    fn unknown_changes_are_refused() {
        for text in [
            "ALTER TABLE nobody ADD COLUMN a TEXT;",
            "CREATE TABLE a (id TEXT); ALTER TABLE a ALTER COLUMN id TYPE BIGINT;",
            "CREATE TABLE a (id TEXT); CREATE TABLE a (id TEXT);",
            "DROP TABLE a;",
            "CREATE TABLE a (id);",
        ] {
            assert!(
                read(&[("0001_test.sql".to_owned(), text.to_owned())]).is_err(),
                "{text}"
            );
        }
    }
}
