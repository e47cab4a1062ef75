//! What is owed to apps arrives, whatever fails meanwhile: a node, the database, an app.
//!
//! `VESTIBULE_FAULT_SESSIONS` says how many people are deactivated in the storms (default 24; the full run is 1000).
//! Each run prints its figures.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "faults/apps.rs"]
mod apps;
#[path = "faults/postgres.rs"]
mod postgres;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};
use vestibule_simulate::{Browser, app::AppSession};
use vestibule_support::{
    Database,
    installation::Installation,
    on_every_server,
    server::{Company, TestServer},
};

use apps::FaultyApp;
use postgres::Postgres;

/// People who are deactivated in a usual run.
const SESSIONS: usize = 24;
/// Deactivations under way at the same time.
const AT_ONCE: usize = 4;
/// Longer than the lease of a job that a killed node had claimed, and its retry.
const PATIENCE: Duration = Duration::from_secs(120);

/// A breaker rests no longer.
const LONGEST_REST: Duration = Duration::from_secs(301);

on_every_server!(
    apps_that_hang_or_fail_hold_back_nobody,
    an_app_that_fails_for_an_hour_gets_everything_afterwards,
);

fn sessions() -> usize {
    let asked = std::env::var("VESTIBULE_FAULT_SESSIONS").ok();
    asked.map_or(SESSIONS, |count| {
        count.parse().expect("VESTIBULE_FAULT_SESSIONS is a number")
    })
}

/// So many people with a session each at the company's app.
async fn crowd(company: &Company, count: usize) -> Vec<AppSession> {
    let mut sessions = Vec::new();
    for number in 0..count {
        let employee = company.hire("Ada", &format!("Number{number}")).await;
        let mut browser = Browser::new().expect("a browser");
        sessions.push(company.signed_in(&mut browser, &employee).await);
    }
    sessions
}

/// Deactivates everybody, again where a request was lost, and gives how many requests were.
async fn storm(company: &Company, sessions: &[AppSession]) -> usize {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut requests = JoinSet::new();
    for session in sessions {
        let (scim, slots, user_id) = (
            company.scim.clone(),
            Arc::clone(&slots),
            session.sub.clone(),
        );
        requests.spawn(async move {
            let _slot = slots.acquire().await.expect("a slot");
            let mut lost = 0;
            loop {
                let answer = scim.deactivate(&user_id).await;
                if answer.is_ok_and(|call| call.success().is_ok()) {
                    return lost;
                }
                lost += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    requests.join_all().await.into_iter().sum()
}

/// Waits until the app has a notice for each session, and gives how many notices came.
async fn everybody_was_told(company: &Company, sessions: &[AppSession]) -> usize {
    let begun = Instant::now();
    loop {
        let told: Vec<usize> = sessions
            .iter()
            .map(|session| company.notices(session).len())
            .collect();
        if told.iter().all(|count| *count > 0) {
            return told.iter().sum();
        }
        let missing = told.iter().filter(|count| **count == 0).count();
        assert!(
            begun.elapsed() < PATIENCE,
            "{missing} sessions were never told"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A node is killed in the middle of a storm; the other one, and the node when it is back, deliver all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_loses_nothing() {
    let Some(database) = Database::postgres().await else {
        eprintln!("skipped: TEST_POSTGRES_URL is not set");
        return;
    };
    let installation = Installation::of_two(&database).await;
    let company = Company::at(&installation.site(), "acme.test").await;
    let sessions = crowd(&company, sessions()).await;
    let begun = Instant::now();
    let faults = async {
        for node in [0, 1, 0] {
            tokio::time::sleep(Duration::from_millis(150)).await;
            installation.kill(node);
            tokio::time::sleep(Duration::from_millis(150)).await;
            tokio::task::block_in_place(|| installation.restart(node));
        }
    };
    let (lost, ()) = tokio::join!(storm(&company, &sessions), faults);
    let stormed = begun.elapsed();
    let notices = everybody_was_told(&company, &sessions).await;
    let attempts = "SELECT COALESCE(SUM(attempts), 0) FROM outbox WHERE kind = 'logout'";
    let attempts = database.number(attempts).await;
    let count = i64::try_from(notices).expect("a count");
    assert!(count <= attempts, "{count} notices by {attempts} attempts");
    println!(
        "kill -9: {} deactivations in {stormed:?}, {lost} requests lost with their node, all told after {:?}, {notices} notices by {attempts} attempts",
        sessions.len(),
        begun.elapsed()
    );
}

/// PostgreSQL goes away in the middle of a storm and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_loses_nothing() {
    let Some(postgres) = Postgres::start() else {
        eprintln!("skipped: PostgreSQL's programs are not here, or this user may not run them");
        return;
    };
    let installation = Installation::of_one(&postgres.url());
    let company = Company::at(&installation.site(), "acme.test").await;
    let sessions = crowd(&company, sessions()).await;
    let begun = Instant::now();
    let restart = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::task::block_in_place(|| postgres.restart());
    };
    let (lost, ()) = tokio::join!(storm(&company, &sessions), restart);
    let stormed = begun.elapsed();
    let notices = everybody_was_told(&company, &sessions).await;
    println!(
        "PostgreSQL restarted: {} deactivations in {stormed:?}, {lost} requests refused meanwhile, all told after {:?}, {notices} notices",
        sessions.len(),
        begun.elapsed()
    );
}

/// One app never answers, one answers 500; a third is told at once and in full.
async fn apps_that_hang_or_fail_hold_back_nobody(server: TestServer) {
    server.may_leave_deliveries();
    let healthy = Company::set_up(&server).await;
    let hanging = Company::with_domain(&server, "hanging.test").await;
    let failing = Company::with_domain(&server, "failing.test").await;
    let count = sessions();
    let mut crowds = Vec::new();
    for company in [&hanging, &failing, &healthy] {
        crowds.push(crowd(company, count).await);
    }
    let [hang, fail] = [FaultyApp::hanging().await, FaultyApp::failing().await];
    for (company, app) in [(&hanging, &hang), (&failing, &fail)] {
        let path = format!("/applications/{}", company.client_id);
        let elsewhere = json!({ "backchannel_logout_uri": app.url });
        server.admin.patch(&path, elsewhere).await;
    }
    storm(&hanging, &crowds[0]).await;
    storm(&failing, &crowds[1]).await;
    let begun = Instant::now();
    storm(&healthy, &crowds[2]).await;
    let stormed = begun.elapsed();
    let notices = everybody_was_told(&healthy, &crowds[2]).await;
    let told = begun.elapsed();
    // The others are in trouble, and were not told meanwhile.
    let undelivered =
        "SELECT COUNT(*) FROM outbox WHERE kind = 'logout' AND done_at IS NULL AND attempts > 0";
    assert!(server.database.number(undelivered).await > 0);
    assert!(fail.refused() < count * 2, "its breaker spares it");
    println!(
        "an app hangs, one fails: a third got {notices} notices for {count} deactivations in {stormed:?}, the last {:?} after the last answer; {} calls hung, {} were refused",
        told.saturating_sub(stormed),
        hang.called(),
        fail.refused()
    );
}

/// Hour-long refusals, with the clock stepped; afterwards everything comes, and nothing of it twice.
async fn an_app_that_fails_for_an_hour_gets_everything_afterwards(server: TestServer) {
    let company = Company::set_up(&server).await;
    let count = sessions();
    let crowd = crowd(&company, count).await;
    let app = FaultyApp::failing().await;
    let path = format!("/applications/{}", company.client_id);
    let elsewhere = json!({ "backchannel_logout_uri": app.url });
    server.admin.patch(&path, elsewhere).await;
    storm(&company, &crowd).await;
    for _ in 0..60 {
        server.pass(Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let dead = "SELECT COUNT(*) FROM outbox WHERE dead_at IS NOT NULL";
    assert_eq!(server.database.number(dead).await, 0);
    let refused = app.refused();
    app.recover();
    let jobs = "SELECT COUNT(*) FROM outbox WHERE kind = 'logout'";
    let jobs = usize::try_from(server.database.number(jobs).await).expect("a count");
    let begun = Instant::now();
    while app.told().len() < jobs {
        assert!(begun.elapsed() < PATIENCE, "{} of {jobs}", app.told().len());
        // A probe that was under way when the app recovered may have failed; then its breaker rests once more.
        server.pass(LONGEST_REST);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    server.settled().await;
    let told = app.told();
    assert_eq!(told.len(), jobs, "each notice once");
    for session in &crowd {
        assert!(told.contains(session.sid.as_ref().expect("a sid")));
    }
    let notices = told.len();
    println!(
        "500 for an hour: {refused} calls refused, then {notices} of {jobs} notices, none twice"
    );
}
