//! How long it takes from the answer to a deactivation until the app is told.
//!
//! `VESTIBULE_LATENCY_RUNS` says how often it is measured (default 50). Nothing here fails because a machine is slow.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use vestibule_simulate::{Browser, app::AppEventKind, scim::Call};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

on_every_server!(app_is_told_of_every_deactivation);

/// People who are deactivated in turn; each signs in again before the next turn.
const PEOPLE: usize = 10;
const RUNS: usize = 50;
/// When a notice counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

async fn app_is_told_of_every_deactivation(server: TestServer) {
    let company = Company::set_up(&server).await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(company.hire("Leaver", &format!("No{number}")).await);
    }
    let mut waited = Vec::new();
    let mut in_all = Vec::new();
    for run in 0..runs() {
        let employee = &people[run % PEOPLE];
        company
            .scim
            .reactivate(&employee.user_id)
            .await
            .and_then(Call::success)
            .expect("a reactivation");
        let mut browser = Browser::new().expect("a browser");
        let session = company.signed_in(&mut browser, employee).await;
        let mut events = company.app.events();
        let fired = company
            .scim
            .deactivate(&employee.user_id)
            .await
            .and_then(Call::success)
            .expect("a deactivation");
        let answered = fired.sent + fired.duration;
        let told = async {
            loop {
                let event = events.recv().await.expect("the app runs");
                if matches!(event.kind, AppEventKind::LogoutNotice(ended) if ended > 0)
                    && event.sub.as_ref() == Some(&session.sub)
                {
                    return event.at;
                }
            }
        };
        let told: Instant = tokio::time::timeout(PATIENCE, told)
            .await
            .expect("the app is told");
        waited.push(told.saturating_duration_since(answered));
        in_all.push(told.saturating_duration_since(fired.sent));
        assert!(
            company.live_session(&employee.user_id).is_none(),
            "the app's session has ended"
        );
    }
    println!(
        "deactivate → app told: p50 {:.1} ms, p99 {:.1} ms over {} runs on {}",
        percentile(&mut waited, 50),
        percentile(&mut waited, 99),
        waited.len(),
        server.database.name,
    );
    println!(
        "from the first byte of the call: p50 {:.1} ms, p99 {:.1} ms",
        percentile(&mut in_all, 50),
        percentile(&mut in_all, 99)
    );
    // The second notices of young sessions.
    server.pass(Duration::from_secs(60));
    server.settled().await;
}

/// The smallest value that so many of a hundred are not above (nearest rank), in milliseconds.
fn percentile(durations: &mut [Duration], percent: usize) -> f64 {
    durations.sort_unstable();
    let rank = (durations.len() * percent).div_ceil(100).max(1);
    durations[rank - 1].as_secs_f64() * 1000.0
}

fn runs() -> usize {
    let asked = std::env::var("VESTIBULE_LATENCY_RUNS").ok();
    asked.map_or(RUNS, |runs| {
        runs.parse().expect("VESTIBULE_LATENCY_RUNS is a number")
    })
}
