//! How fast over is over, by `vestibule serve` as it runs in production.
//!
//! `VESTIBULE_REVOCATION_SESSIONS` says how many sign-ins of other people there are (default 1,000),
//! `VESTIBULE_REVOCATION_RUNS` how many people are deactivated for each figure (default 3), and
//! `VESTIBULE_REVOCATION_ENDED` how many sign-ins the organization has that ends (default 300).
//! `VESTIBULE_TEST_BINARY` names the server; only one that was built with `--release` says anything about speed.
//! Nothing here fails because a machine is slow: what fails is a credential that survives, or an application that is
//! not told.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "revocation/bulk.rs"]
mod bulk;
#[expect(dead_code, reason = "other measurements use the rest")]
mod load;
#[path = "revocation/place.rs"]
mod place;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use vestibule_core::SecretHash;
use vestibule_support::{Database, server::Company};

use load::{Answer, cpu_time, request, send_all, setting};
use place::{Place, SignedIn};

const SESSIONS: usize = 1_000;
const RUNS: usize = 3;
const ENDED: usize = 300;
/// Sign-ins that somebody has who is deactivated.
const EACH: [usize; 3] = [1, 100, 1_000];
/// Where the numbers of copied rows begin: of the others, of those who are deactivated, of the organization that ends.
const OTHERS: usize = 1_000_000_000;
const LEAVERS: usize = 2_000_000_000;
const ORGANIZATION: usize = 3_000_000_000;
/// Requests of another organization that are timed at once, over so many connections.
const BATCH: usize = 400;
const CONNECTIONS: usize = 4;
/// When a notice counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Look-ups that the liveness check is measured by.
const CHECKS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_is_over_on_sqlite() {
    measure(Database::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_is_over_on_postgres() {
    match Database::postgres().await {
        Some(database) => measure(database).await,
        None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
    }
}

async fn measure(database: Database) {
    let place = Place::on(database).await;
    let company = place.company("acme.test").await;
    let others = setting("VESTIBULE_REVOCATION_SESSIONS", SESSIONS);
    let standing = company.hire("Standing", "Alone").await;
    let standing = place.sign_in(&company, &standing).await;
    bulk::add_people(&place.database, &standing.template, OTHERS, others).await;
    place.database.execute("ANALYZE").await;
    println!("{others} other sign-ins on {}", place.database.name);
    check_liveness(&place, &standing, others).await;
    let mut copied = LEAVERS;
    for each in EACH {
        Box::pin(deactivate(&place, &company, each, &mut copied)).await;
    }
    Box::pin(end_organization(&place, &standing)).await;
}

/// Times the question whether a sign-in is live, as every request asks it.
async fn check_liveness(place: &Place, standing: &SignedIn, others: usize) {
    let (_, secret) = standing.cookie.split_once('.').expect("id and secret");
    let secret = SecretHash::of(secret.as_bytes());
    let (kind, _) = (standing.template.user_session.split_once('_')).expect("a typed id");
    let now = vestibule_core::Timestamp::from_unix_seconds(wall_seconds());
    let mut waited = Vec::new();
    for check in 0..CHECKS {
        // Far apart, as requests of different people are.
        let number = OTHERS + check.wrapping_mul(7_919) % others;
        let id = format!("{kind}_{number:026}").parse().expect("an id");
        let begun = Instant::now();
        let mut tx = place.database.store.read(now).await.expect("a transaction");
        let live = tx.live_user_session(id, secret).await.expect("an answer");
        waited.push(begun.elapsed());
        assert!(live.is_some(), "a copied sign-in is live");
    }
    report("liveness check, by the test itself", &mut waited);
}

/// Deactivates people with so many sign-ins each, one after the other.
async fn deactivate(place: &Place, company: &Company, each: usize, copied: &mut usize) {
    let mut leavers = Vec::new();
    for run in 0..setting("VESTIBULE_REVOCATION_RUNS", RUNS) {
        let employee = company
            .hire(&format!("Leaver{each}"), &format!("No{run}"))
            .await;
        let signed_in = place.sign_in(company, &employee).await;
        if each > 1 {
            bulk::add_sign_ins(&place.database, &signed_in.template, *copied, each - 1).await;
            *copied += each;
        }
        leavers.push(signed_in);
    }
    place.application.forget();
    let server = place.installation.process_ids()[0];
    let cpu = cpu_time(server);
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for signed_in in &leavers {
        let user_id = &signed_in.template.user;
        let sent = Instant::now();
        let patched = tokio::task::block_in_place(|| send(place, patch(company, user_id)));
        let done = Instant::now();
        assert_eq!(patched.status, 200);
        answered.push(done.saturating_duration_since(sent));
        tokio::task::block_in_place(|| all_refused(place, signed_in));
        refused.push(sent.elapsed());
        let told = told(place, user_id, each).await;
        first.push(told[0].saturating_duration_since(done));
        last.push(told[each - 1].saturating_duration_since(done));
    }
    println!("deactivation of somebody with {each} sign-ins:");
    report("  PATCH sent → answered, all over by then", &mut answered);
    report(
        "  PATCH sent → cookie, access and refresh token presented and refused",
        &mut refused,
    );
    report(
        "  PATCH answered → application told, first notice",
        &mut first,
    );
    report(
        "  PATCH answered → application told, last notice",
        &mut last,
    );
    report_cpu(server, cpu, leavers.len());
}

/// Waits until the application has so many notices about a user.
async fn told(place: &Place, user_id: &str, count: usize) -> Vec<Instant> {
    let begun = Instant::now();
    loop {
        if place.application.count() >= count {
            let told = place.application.told_of(user_id);
            if told.len() >= count {
                place.application.forget();
                return told;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "the application is not told");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn patch(company: &Company, user_id: &str) -> Vec<u8> {
    let url: url::Url = company.scim_url.parse().expect("a URL");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "active", "value": false }],
    });
    let authorization = format!("Bearer {}", company.scim_token);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/scim+json"),
    ];
    let path = format!("{}/Users/{user_id}", url.path().trim_end_matches('/'));
    request("PATCH", &path, &headers, body.to_string().as_bytes())
}

fn send(place: &Place, request: Vec<u8>) -> Answer {
    let mut run = send_all(place.address(), 1, &[request], |answer| answer);
    run.read.remove(0)
}

/// The three requests that present what somebody has.
fn presented(place: &Place, signed_in: &SignedIn) -> [Vec<u8>; 3] {
    let bearer = format!("Bearer {}", signed_in.access);
    let basic = place.application.authorization();
    let form = "application/x-www-form-urlencoded";
    let token = format!("token={}", signed_in.refresh);
    [
        request("GET", "/auth/verify", &[("Cookie", &signed_in.cookie)], b""),
        request("GET", "/oauth/userinfo", &[("Authorization", &bearer)], b""),
        request(
            "POST",
            "/oauth/introspect",
            &[("Authorization", &basic), ("Content-Type", form)],
            token.as_bytes(),
        ),
    ]
}

fn all_refused(place: &Place, signed_in: &SignedIn) {
    let run = send_all(place.address(), 3, &presented(place, signed_in), |answer| {
        answer
    });
    let [cookie, access, refresh] = &run.read[..] else {
        panic!("three answers");
    };
    assert_eq!((cookie.status, access.status), (401, 401));
    let body = String::from_utf8_lossy(&refresh.body);
    assert!(body.contains("\"active\":false"), "{body}");
}

/// Ends an organization while the requests of another one are timed.
async fn end_organization(place: &Place, standing: &SignedIn) {
    let count = setting("VESTIBULE_REVOCATION_ENDED", ENDED);
    let company = place.company("ending.test").await;
    let employee = company.hire("Ending", "Soon").await;
    let signed_in = place.sign_in(&company, &employee).await;
    bulk::add_people(
        &place.database,
        &signed_in.template,
        ORGANIZATION,
        count - 1,
    )
    .await;
    place.database.execute("ANALYZE").await;
    place.application.forget();
    let requests: Vec<Vec<u8>> = presented(place, standing)
        .into_iter()
        .cycle()
        .take(BATCH)
        .collect();
    let time = || {
        let accepted = |answer: Answer| assert_eq!(answer.status, 200);
        send_all(place.address(), CONNECTIONS, &requests, accepted).waited
    };
    let mut before: Vec<Duration> =
        tokio::task::block_in_place(|| (0..5).flat_map(|_| time()).collect());
    let server = place.installation.process_ids()[0];
    let cpu = cpu_time(server);
    let begun = Instant::now();
    let change = json!({ "active": false });
    let path = format!("/organizations/{}", company.organization_id);
    place.site.admin.patch(&path, change).await;
    let answered = begun.elapsed();
    tokio::task::block_in_place(|| all_refused(place, &signed_in));
    let over = AtomicBool::new(false);
    let waiting = async {
        while place.application.count() < count {
            assert!(
                begun.elapsed() < 10 * PATIENCE,
                "the application is not told"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        over.store(true, Ordering::SeqCst);
        begun.elapsed()
    };
    let timing = async {
        let mut meanwhile = Vec::new();
        while !over.load(Ordering::SeqCst) {
            meanwhile.extend(tokio::task::block_in_place(time));
            tokio::task::yield_now().await;
        }
        meanwhile
    };
    let (told, mut meanwhile) = tokio::join!(waiting, timing);
    println!("end of an organization with {count} sign-ins:");
    println!(
        "  answered after {:.1} ms, all over by then",
        milliseconds(answered)
    );
    println!(
        "  the application told of all after {:.1} s",
        told.as_secs_f64()
    );
    report("  another organization's requests before", &mut before);
    report(
        "  another organization's requests meanwhile",
        &mut meanwhile,
    );
    report_cpu(server, cpu, count);
}

fn report(what: &str, waited: &mut [Duration]) {
    waited.sort_unstable();
    let at = |percent: usize| {
        let rank = (waited.len() * percent).div_ceil(100).max(1);
        milliseconds(waited[rank - 1])
    };
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, {} measured",
        at(50),
        at(99),
        waited.len()
    );
}

fn report_cpu(server: u32, before: Option<Duration>, count: usize) {
    if let (Some(before), Some(after)) = (before, cpu_time(server)) {
        let each = milliseconds(after.saturating_sub(before)) / load::as_number(count);
        println!("  server's CPU each: {each:.2} ms");
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary that is measured has the wall's clock"
)]
fn wall_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_secs()).expect("a near time")
}
