use rusqlite::Connection;

use super::*;

fn migrated() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    sqlite(&mut connection).unwrap();
    connection
}

#[test]
fn a_second_run_changes_nothing() {
    let mut connection = migrated();
    let count = |connection: &Connection| -> i64 {
        let sql = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let known = i64::try_from(SQLITE.iter().count()).unwrap();
    assert_eq!(count(&connection), known);
    sqlite(&mut connection).unwrap();
    assert_eq!(count(&connection), known);
}

#[test]
fn a_database_of_another_history_is_refused() {
    for (sql, told) in [
        (
            "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 1",
            "partially applied",
        ),
        (
            "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
            "has been modified",
        ),
        (
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'newer', TRUE, x'00', 0)",
            "missing in the resolved migrations",
        ),
    ] {
        let mut connection = migrated();
        connection.execute(sql, []).unwrap();
        let error = sqlite(&mut connection).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(told), "{cause}");
    }
}

#[test]
fn what_fails_half_way_leaves_nothing() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE users (id TEXT)")
        .unwrap();
    assert!(sqlite(&mut connection).is_err());
    let sql = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
    let tables: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}
