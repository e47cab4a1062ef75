//! The schema itself: every table that can grant access is listed, and both databases have the same tables.

use std::collections::{BTreeMap, BTreeSet};

use vestibule_store::{CREDENTIAL_KINDS, NOT_CREDENTIALS};
use vestibule_support::{Database, DatabaseKind, World, on_every_database};

on_every_database!(
    every_table_that_can_grant_access_is_listed,
    migrating_again_changes_nothing,
);

/// Tables and their columns, without what the migrator keeps for itself.
async fn tables(database: &Database) -> BTreeMap<String, BTreeSet<String>> {
    let sql = match database.kind {
        DatabaseKind::Sqlite => {
            "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        DatabaseKind::Postgres => {
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for place in database.texts(sql).await {
        let (table, column) = place.split_once('.').unwrap();
        if !table.starts_with("_sqlx") && !table.starts_with("sqlite_") {
            let columns = tables.entry(table.to_owned()).or_default();
            columns.insert(column.to_owned());
        }
    }
    tables
}

fn can_grant_access(column: &str) -> bool {
    column == "user_id"
        || column == "phc"
        || column.ends_with("hash")
        || column.ends_with("_sealed")
}

async fn every_table_that_can_grant_access_is_listed(world: World) {
    let tables = tables(&world.database).await;
    assert!(tables.len() > 30, "the schema was read");
    let listed: BTreeSet<&str> = CREDENTIAL_KINDS
        .iter()
        .copied()
        .chain(NOT_CREDENTIALS.iter().map(|(table, _)| *table))
        .collect();
    assert_eq!(
        listed.len(),
        CREDENTIAL_KINDS.len() + NOT_CREDENTIALS.len(),
        "a table is listed once"
    );
    for (table, columns) in &tables {
        let suspicious = columns.iter().find(|column| can_grant_access(column));
        assert!(
            suspicious.is_none() || listed.contains(table.as_str()),
            "{table}.{} can grant access: list the table in credential_kinds.rs",
            suspicious.unwrap()
        );
    }
    for table in listed {
        let columns = tables.get(table);
        let columns = columns.unwrap_or_else(|| panic!("{table} is listed and does not exist"));
        assert!(
            columns.iter().any(|column| can_grant_access(column)),
            "{table} is listed without need"
        );
    }
}

async fn migrating_again_changes_nothing(world: World) {
    world.organization("acme").await;
    let before = tables(&world.database).await;
    world.store.migrate().await.unwrap();
    world.database.second_node().await.migrate().await.unwrap();
    assert_eq!(tables(&world.database).await, before);
    let kept = "SELECT COUNT(*) FROM organizations";
    assert_eq!(world.database.number(kept).await, 1);
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = Database::sqlite().await;
    let Some(postgres) = Database::postgres().await else {
        eprintln!("skipped: TEST_POSTGRES_URL is not set");
        return;
    };
    assert_eq!(tables(&sqlite).await, tables(&postgres).await);
}
