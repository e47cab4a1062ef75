//! Random histories of people, sessions and endings, held against a model that fits in the head.
//!
//! After every step each credential is live in the store exactly when the model says so (I1, I3, I4, I7, I11);
//! codes and refresh tokens are used once (I5, I6), ids are never used again (I12), and in the end every share that is
//! over has its notice (I8). `STORE_MODEL_CASES` asks for more histories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected has to fail"
)]

mod history;
mod model;
mod steps;

use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use vestibule_support::{Database, World};

/// Histories on each database.
const CASES: u32 = 96;
const STEPS: usize = 40;

fn check(world: &World, runtime: &tokio::runtime::Runtime) {
    let cases = std::env::var("STORE_MODEL_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(CASES);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let histories = vec(steps::step(), 1..STEPS);
    let result = runner.run(&histories, |steps| {
        runtime.block_on(history::check(world, &steps));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("on {}: {failure}", world.database.name);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn every_history_on_sqlite_is_as_the_model_says() {
    let runtime = runtime();
    let world = World::on(runtime.block_on(Database::sqlite()));
    check(&world, &runtime);
}

#[test]
fn every_history_on_postgres_is_as_the_model_says() {
    let runtime = runtime();
    match runtime.block_on(Database::postgres()) {
        Some(database) => check(&World::on(database), &runtime),
        None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
    }
}
