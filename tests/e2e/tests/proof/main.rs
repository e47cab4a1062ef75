//! Random histories of whole servers, held against a model that fits in the head.
//!
//! People come and go by SCIM, sign in at a simulated provider, and applications get and use tokens, over HTTP on one
//! node or two; nodes' workers die, clocks step, clients hang up, applications fail and hang. After every step each
//! cookie, code, access token, refresh token, API key and directory token is accepted on every node exactly when the
//! model says so; in the end every application was told and the database holds no secret that was handed out.
//! The table in `tests/README.md` says which invariant stands where.
//!
//! `VESTIBULE_PROOF_CASES` asks for more histories, `VESTIBULE_PROOF_STEPS` for longer ones.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected has to fail"
)]

mod compare;
mod field;
mod finale;
mod history;
mod model;
mod sign_ins;
mod steps;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use vestibule_support::{Database, server::TestServer};

use field::Installation;
use history::History;
use steps::Step;

/// Histories of each installation in a usual run of the tests.
const CASES: u32 = 4;
const STEPS: usize = 40;

/// What was done, for the line that a run prints.
#[derive(Default)]
struct Counts {
    histories: AtomicUsize,
    steps: AtomicUsize,
    credentials: AtomicUsize,
}

#[test]
fn every_history_on_sqlite_is_as_the_model_says() {
    prove("one node on SQLite", async || {
        Some(vec![TestServer::start(Database::sqlite().await).await])
    });
}

#[test]
fn every_history_on_postgres_is_as_the_model_says() {
    prove("one node on PostgreSQL", async || {
        Some(vec![TestServer::start(Database::postgres().await?).await])
    });
}

#[test]
fn every_history_of_two_nodes_is_as_the_model_says() {
    prove("two nodes on PostgreSQL", async || {
        let first = TestServer::start(Database::postgres().await?).await;
        let second = first.second_node().await;
        Some(vec![first, second])
    });
}

fn prove<F: Future<Output = Option<Vec<TestServer>>>>(what: &str, nodes: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let Some(nodes) = runtime.block_on(nodes()) else {
        return eprintln!("skipped: TEST_POSTGRES_URL is not set");
    };
    let installation = Installation::of(nodes);
    let counts = Counts::default();
    let begun = Instant::now();
    let mut runner = TestRunner::new(Config {
        cases: setting("VESTIBULE_PROOF_CASES", CASES),
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    });
    let longest = setting("VESTIBULE_PROOF_STEPS", STEPS);
    let histories = vec(steps::step(), longest / 2..=longest);
    let result = runner.run(&histories, |steps| {
        runtime.block_on(run(&installation, &counts, &steps));
        Ok(())
    });
    let _entered = runtime.enter();
    drop(installation);
    if let Err(failure) = result {
        panic!("{what}: {failure}");
    }
    println!(
        "{what}: {} histories of {} steps in {:.1} s, {} credentials presented",
        counts.histories.load(Ordering::Relaxed),
        counts.steps.load(Ordering::Relaxed),
        begun.elapsed().as_secs_f64(),
        counts.credentials.load(Ordering::Relaxed),
    );
}

async fn run(installation: &Installation, counts: &Counts, steps: &[Step]) {
    let mut history = Box::pin(History::begin(installation)).await;
    for step in steps::MORNING.iter().chain(steps) {
        let before = history.now();
        Box::pin(history.take(*step)).await;
        history.model.note_endings(before);
        let credentials = history.compare(*step).await;
        counts.credentials.fetch_add(credentials, Ordering::Relaxed);
        counts.steps.fetch_add(1, Ordering::Relaxed);
    }
    history.check_done().await;
    Box::pin(history.finish()).await;
    counts.histories.fetch_add(1, Ordering::Relaxed);
}

fn setting<N: std::str::FromStr>(name: &str, otherwise: N) -> N {
    let asked = std::env::var(name).ok();
    asked.map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}
