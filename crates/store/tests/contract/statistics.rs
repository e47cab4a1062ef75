//! The planner's statistics follow tables that grow.

use std::time::Duration;

use vestibule_core::Policy;
use vestibule_support::{World, on_every_database};

on_every_database!(the_planner_learns_at_once_that_a_table_grows);

async fn the_planner_learns_at_once_that_a_table_grows(world: World) {
    // One transaction that changes many rows counts as much as many.
    let mut tx = world.store.write(world.now()).await.unwrap();
    for number in 0..300 {
        let name = format!("organization {number}");
        tx.add_organization(&name, None, &Policy::default())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    if world.store.is_embedded() {
        let renewed = world.store.renew_statistics().await.unwrap();
        assert!(renewed.is_empty(), "SQLite plans without statistics");
        return;
    }
    let known =
        "SELECT (reltuples >= 300)::TEXT FROM pg_class WHERE oid = 'organizations'::regclass";
    for _ in 0..20 {
        // PostgreSQL itself counts with a delay.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let renewed = world.store.renew_statistics().await.unwrap();
        if renewed.contains(&"organizations".to_owned()) {
            assert_eq!(world.database.texts(known).await, ["true"]);
            return;
        }
    }
    panic!("nobody noticed that the table has grown");
}
