//! Migrations come in pairs with equal names.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

/// One migration's name and text, in the order in which they are applied.
pub(crate) type Migrations = Vec<(String, String)>;

/// Reads the migrations of one dialect.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Migrations> {
    let mut migrations = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        migrations.push((name, std::fs::read_to_string(&path)?));
    }
    migrations.sort();
    Ok(migrations)
}

/// Names that one dialect alone has, that do not fit, or that share a number.
pub(crate) fn violations(sqlite: &Migrations, postgres: &Migrations) -> Vec<String> {
    let names = |migrations: &Migrations| -> BTreeSet<String> {
        migrations.iter().map(|(name, _)| name.clone()).collect()
    };
    let (sqlite, postgres) = (names(sqlite), names(postgres));
    let mut found = Vec::new();
    if sqlite.is_empty() && postgres.is_empty() {
        found.push("there are no migrations".to_owned());
    }
    for name in sqlite.difference(&postgres) {
        found.push(format!("{name} is missing in migrations/postgres"));
    }
    for name in postgres.difference(&sqlite) {
        found.push(format!("{name} is missing in migrations/sqlite"));
    }
    let mut numbers = BTreeSet::new();
    for name in sqlite.union(&postgres) {
        match number(name) {
            None => found.push(format!("{name} is not named NNNN_name.sql")),
            Some(number) if !numbers.insert(number) => {
                found.push(format!("{name} has a number that another migration has"));
            }
            Some(_) => {}
        }
    }
    found
}

fn number(name: &str) -> Option<&str> {
    let (number, rest) = name.split_once('_')?;
    let word = rest.strip_suffix(".sql")?;
    let fits = number.len() == 4
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    fits.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Migrations {
        names
            .iter()
            .map(|name| ((*name).to_owned(), String::new()))
            .collect()
    }

    #[test]
    fn pairs_pass() {
        let names = named(&["0001_initial.sql", "0002_groups.sql"]);
        assert!(violations(&names, &names).is_empty());
    }

    #[test]
    fn a_missing_half_is_named() {
        let found = violations(
            &named(&["0001_a.sql", "0002_b.sql"]),
            &named(&["0001_a.sql"]),
        );
        assert_eq!(found, ["0002_b.sql is missing in migrations/postgres"]);
        let found = violations(
            &named(&["0001_a.sql"]),
            &named(&["0001_a.sql", "0002_b.sql"]),
        );
        assert_eq!(found, ["0002_b.sql is missing in migrations/sqlite"]);
    }

    #[test]
    fn a_wrong_name_a_shared_number_and_an_empty_folder_are_named() {
        let wrong = named(&["1_a.sql"]);
        assert_eq!(
            violations(&wrong, &wrong),
            ["1_a.sql is not named NNNN_name.sql"]
        );
        let shared = named(&["0001_a.sql", "0001_b.sql"]);
        assert_eq!(
            violations(&shared, &shared),
            ["0001_b.sql has a number that another migration has"]
        );
        assert_eq!(
            violations(&named(&[]), &named(&[])),
            ["there are no migrations"]
        );
    }
}
