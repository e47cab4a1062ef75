//! The one writer of SQLite: use cases share a commit and nothing else.

use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::task::JoinSet;
use vestibule_core::{Generator, Policy};
use vestibule_store::{Result, Store};
use vestibule_support::{Database, World, on_every_database};

on_every_database!(
    a_dropped_transaction_leaves_nothing,
    concurrent_writers_are_all_durable,
    a_reader_sees_nothing_of_an_open_transaction,
);

async fn sqlite() -> Arc<World> {
    Arc::new(World::on(Database::sqlite().await))
}

async fn names(world: &World) -> Vec<String> {
    let sql = "SELECT name FROM organizations ORDER BY name";
    world.database.texts(sql).await
}

/// Adds an organization and commits; the name `boom` runs into what a test has laid out.
async fn add(store: Store, world: Arc<World>, name: &'static str) -> Result<()> {
    let mut tx = store.write(world.now()).await?;
    tx.add_organization(name, None, &Policy::default()).await?;
    tx.commit().await
}

/// Runs use cases in this order behind one that holds the writer, so that they share its transaction.
async fn in_one_group(
    world: &Arc<World>,
    cases: Vec<tokio::task::JoinHandle<Result<()>>>,
    holder: vestibule_store::WriteTx,
) -> Vec<Result<()>> {
    // Everybody waits for the holder; only then does it let go.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        cases.iter().all(|case| !case.is_finished()),
        "{}",
        world.database.name
    );
    drop(holder);
    let mut results = Vec::new();
    for case in cases {
        results.push(case.await.unwrap());
    }
    results
}

async fn queue(
    world: &Arc<World>,
    names: &[&'static str],
) -> Vec<tokio::task::JoinHandle<Result<()>>> {
    let mut cases = Vec::new();
    for name in names {
        cases.push(tokio::spawn(add(
            world.store.clone(),
            Arc::clone(world),
            name,
        )));
        // The queue is first come, first served; each has to have come before the next.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cases
}

async fn a_dropped_transaction_leaves_nothing(world: World) {
    let mut tx = world.write().await;
    tx.add_organization("gone", None, &Policy::default())
        .await
        .unwrap();
    drop(tx);
    world.organization("kept").await;
    assert_eq!(names(&world).await, ["kept"]);
}

async fn a_reader_sees_nothing_of_an_open_transaction(world: World) {
    let mut tx = world.write().await;
    let made = tx
        .add_organization("open", None, &Policy::default())
        .await
        .unwrap();
    assert!(tx.find_organization(made.id).await.unwrap().is_some());
    let before = world.read().await.find_organization(made.id).await;
    assert!(before.unwrap().is_none());
    tx.commit().await.unwrap();
    let after = world.read().await.find_organization(made.id).await;
    assert!(after.unwrap().is_some());
}

async fn concurrent_writers_are_all_durable(world: World) {
    let world = Arc::new(world);
    let mut writers = JoinSet::new();
    for place in 0..64 {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            let made = world.organization(&format!("org{place:02}")).await;
            // It was answered, so it is there.
            let found = world.read().await.find_organization(made.id).await;
            assert!(found.unwrap().is_some());
        });
    }
    writers.join_all().await;
    world.store.close().await.unwrap();
    let reopened = Store::open(&world.database.url, Generator::system())
        .await
        .unwrap();
    reopened.migrate().await.unwrap();
    let mut tx = reopened.read(world.now()).await.unwrap();
    let all = tx.list_organizations(None, None, 100).await.unwrap();
    assert_eq!(all.len(), 64);
    drop(tx);
    reopened.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_use_case_takes_only_its_own_savepoint() {
    let world = sqlite().await;
    let holder = world.write().await;
    let first = queue(&world, &["first"]).await;
    let dropped = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            let mut tx = world.write().await;
            tx.add_organization("dropped", None, &Policy::default())
                .await?;
            drop(tx);
            Ok(())
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let last = queue(&world, &["last"]).await;
    let cases = first.into_iter().chain([dropped]).chain(last).collect();
    for result in in_one_group(&world, cases, holder).await {
        result.unwrap();
    }
    assert_eq!(names(&world).await, ["first", "last"]);
}

/// Lays out a trap in the schema, through a connection of its own.
async fn lay_trap(world: &World, sql: &[&str]) {
    for statement in sql {
        world.database.texts(statement).await;
    }
}

/// Everybody in a group hears of its failure, nothing of it is stored, and the writer goes on.
async fn check_failed_group(world: &Arc<World>, stored: &[&str]) {
    let holder = world.write().await;
    let cases = queue(world, &["first", "boom", "last"]).await;
    let results = in_one_group(world, cases, holder).await;
    for (result, name) in results.iter().zip(["first", "boom", "last"]) {
        assert_eq!(result.is_ok(), stored.contains(&name), "{name}: {result:?}");
    }
    assert!(
        results[0].as_ref().unwrap_err().is_busy(),
        "worth another try"
    );
    assert_eq!(names(world).await, stored);
    world.organization("next").await;
    assert!(names(world).await.contains(&"next".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_answers_everybody_with_an_error() {
    let world = sqlite().await;
    lay_trap(
        &world,
        &[
            "CREATE TABLE trap (name TEXT REFERENCES meta (name) DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER spring AFTER INSERT ON organizations WHEN NEW.name = 'boom'
             BEGIN INSERT INTO trap VALUES ('nowhere'); END",
        ],
    )
    .await;
    check_failed_group(&world, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sqlite_gives_up_answers_those_who_were_in_it_with_an_error() {
    let world = sqlite().await;
    lay_trap(
        &world,
        &[
            "CREATE TRIGGER spring BEFORE INSERT ON organizations WHEN NEW.name = 'boom'
             BEGIN SELECT RAISE(ROLLBACK, 'as a full disk does'); END",
        ],
    )
    .await;
    // The third comes after the failure and begins anew.
    check_failed_group(&world, &["last"]).await;
}

#[tokio::test]
async fn one_who_gives_up_waiting_leaves_nobody_without_an_answer() {
    let world = sqlite().await;
    let mut tx = world.write().await;
    tx.add_organization("first", None, &Policy::default())
        .await
        .unwrap();
    let committed = {
        let mut waiting = pin!(world.store.write(world.now()));
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
        assert!(polled.await.is_pending(), "the writer is taken");
        let committed = tokio::spawn(tx.commit());
        // The commit is left to the one who waits, and that one goes away.
        tokio::time::sleep(Duration::from_millis(100)).await;
        committed
    };
    let answered = tokio::time::timeout(Duration::from_secs(5), committed).await;
    answered.expect("an answer").unwrap().unwrap();
    assert_eq!(names(&world).await, ["first"]);
}

#[tokio::test]
async fn what_was_counted_in_a_small_installation_guides_no_plan() {
    let world = sqlite().await;
    let counted = "SELECT name FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    world.database.execute("ANALYZE").await;
    assert_eq!(world.database.texts(counted).await, ["sqlite_stat1"]);
    let again = Store::open(&world.database.url, Generator::system());
    let again = again.await.unwrap();
    assert!(world.database.texts(counted).await.is_empty());
    add(again.clone(), Arc::clone(&world), "first")
        .await
        .unwrap();
    again.close().await.unwrap();
    assert!(world.database.texts(counted).await.is_empty());
}

#[tokio::test]
async fn an_unknown_scheme_is_refused() {
    for url in ["mysql://localhost/x", "vestibule.db", ""] {
        let refused = Store::open(url, Generator::system()).await;
        assert!(refused.is_err(), "{url}");
    }
}

#[tokio::test]
async fn only_sqlite_is_embedded_and_has_no_clock_of_its_own() {
    let world = sqlite().await;
    assert!(world.store.is_embedded());
    let difference = world.store.clock_difference(world.now()).await;
    assert_eq!(difference.unwrap(), 0);
    if let Some(database) = Database::postgres().await {
        let world = World::on(database);
        assert!(!world.store.is_embedded());
        let first = world.store.clock_difference(world.now()).await.unwrap();
        world.clock.advance(Duration::from_hours(1000));
        let second = world.store.clock_difference(world.now()).await.unwrap();
        let moved = second - first;
        let hours = Duration::from_hours(1000).as_micros();
        assert!(u128::from(moved.unsigned_abs()).abs_diff(hours) < 60_000_000);
    }
}
