//! The planner's statistics follow tables that grow.

use std::time::Duration;

use vestibule_core::{Generator, GroupId, Id, Noun, Policy, UserId};
use vestibule_store::Store;
use vestibule_support::{World, on_every_database};

on_every_database!(
    the_planner_learns_at_once_that_a_table_grows,
    groups_of_users_are_looked_up_and_not_searched_for,
);

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

fn ids<T: Noun>(world: &World) -> Vec<Id<T>> {
    let generator = Generator::system();
    (0..100).map(|_| generator.id(world.now())).collect()
}

fn array<T: Noun>(ids: &[Id<T>]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("ARRAY[{}]", quoted.join(", "))
}

async fn groups_of_users_are_looked_up_and_not_searched_for(world: World) {
    if world.store.is_embedded() {
        return;
    }
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let (organization, directory) = (organization.id, directory.id);
    let users: Vec<UserId> = ids(&world);
    let groups: Vec<GroupId> = ids(&world);
    let made = [
        format!(
            "INSERT INTO users (id, organization_id, directory_id, user_name, user_name_key, display_name_key, active, epoch, version,
               attributes, created_at, updated_at)
             SELECT name, '{organization}', '{directory}', name, name, name, TRUE, 0, 1, '{{}}', 0, 0
             FROM (SELECT 'other ' || n AS name FROM generate_series(1, 20000) AS n UNION ALL SELECT unnest({})) AS named",
            array(&users)
        ),
        format!(
            "INSERT INTO groups (id, organization_id, directory_id, display_name, display_name_key, version, attributes, created_at,
               updated_at)
             SELECT id, '{organization}', '{directory}', id, id, 1, '{{}}', 0, 0 FROM unnest({}) AS id",
            array(&groups)
        ),
        format!(
            "INSERT INTO group_members (group_id, member_id, directory_id, kind, created_at)
             SELECT ({})[1 + row_number() OVER () % 100], id, '{directory}', 'user', 0 FROM users",
            array(&groups)
        ),
        "ANALYZE".to_owned(),
        "SELECT pg_stat_reset()".to_owned(),
    ];
    for sql in made {
        world.database.execute(&sql).await;
    }
    // A node of its own, whose counts arrive when it closes.
    let node = Store::open(&world.database.url, Generator::system())
        .await
        .unwrap();
    for _ in 0..8 {
        let mut tx = node.read(world.now()).await.unwrap();
        let found = tx.list_groups_of_users(&users).await.unwrap();
        assert_eq!(found.len(), users.len());
    }
    node.close().await.unwrap();
    let counted = "SELECT string_agg(relname || ' ' || seq_scan || ' ' || (idx_scan > 0), ', ' ORDER BY relname) FROM pg_stat_user_tables
         WHERE relname IN ('users', 'groups', 'group_members')";
    let wanted = "group_members 0 true, groups 0 true, users 0 true";
    for _ in 0..50 {
        if world.database.texts(counted).await == [wanted] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", world.database.texts(counted).await);
}
