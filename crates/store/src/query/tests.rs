use vestibule_core::{Generator, Timestamp};

use super::*;
use crate::Store;

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    Store::open(&url, Generator::system()).await.unwrap()
}

#[tokio::test]
async fn parameters_are_found_by_number_and_not_by_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut tx = store(&folder)
        .await
        .read(Timestamp::from_micros(0))
        .await
        .unwrap();
    let found: (String, String, String) = query("SELECT $2, $1, $2")
        .bind("one")
        .bind("two")
        .fetch_one(&mut tx)
        .await
        .unwrap();
    assert_eq!(found, ("two".into(), "one".into(), "two".into()));
    let lacking = query("SELECT $2").bind("one");
    assert!(lacking.fetch_one::<String>(&mut tx).await.is_err());
    let none: Option<i64> = query("SELECT $1")
        .bind(None::<i64>)
        .fetch_one(&mut tx)
        .await
        .unwrap();
    assert_eq!(none, None);
    let missing = query("SELECT 1 WHERE FALSE")
        .fetch_one::<i64>(&mut tx)
        .await;
    assert!(!missing.unwrap_err().is_busy());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_statement_finds_the_same_and_readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let mut tx = store.read(Timestamp::from_micros(0)).await.unwrap();
    let sum: i64 = query(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000) SELECT SUM(x) FROM n",
    )
    .long()
    .fetch_one(&mut tx)
    .await
    .unwrap();
    assert_eq!(sum, 500_500);
    let write = query("CREATE TABLE t (x INTEGER)").execute(&mut tx).await;
    assert!(write.is_err());
}
