//! Nothing is lost, and nothing is done twice at the same time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_core::OutboxId;
use vestibule_store::{Destination, Job, NewJob};
use vestibule_support::{World, on_every_database};

on_every_database!(
    two_workers_never_get_the_same_job,
    an_expired_lease_is_claimed_again,
    a_job_is_done_only_after_it_was_finished,
    failures_wait_then_die_and_can_be_retried,
    jobs_are_claimed_by_kind_and_when_they_are_due,
    a_job_of_a_rolled_back_transaction_does_not_exist,
);

const LEASE: Duration = Duration::from_secs(30);

async fn add(world: &World, kind: Destination, count: usize, delay: Duration) {
    let job = |place| NewJob {
        kind,
        destination: format!("d{place}"),
        organization_id: None,
        user_id: None,
        cause_id: None,
        payload: json!({ "place": place }),
        not_before: world.now().after(delay),
    };
    let jobs: Vec<NewJob> = (0..count).map(job).collect();
    let mut tx = world.write().await;
    tx.add_jobs(&jobs).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(world: &World, kind: Destination, limit: i64) -> Vec<Job> {
    let mut tx = world.write().await;
    let jobs = tx.claim_jobs(kind, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    jobs
}

async fn two_workers_never_get_the_same_job(world: World) {
    add(&world, Destination::Logout, 1200, Duration::ZERO).await;
    let world = Arc::new(world);
    let nodes = [world.store.clone(), world.database.second_node().await];
    let mut workers = JoinSet::new();
    for place in 0..8 {
        let (store, now) = (nodes[place % 2].clone(), world.now());
        workers.spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let mut tx = store.write(now).await.unwrap();
                let jobs = tx.claim_jobs(Destination::Logout, LEASE, 37).await.unwrap();
                tx.commit().await.unwrap();
                assert!(jobs.len() <= 37, "no more than asked for");
                if jobs.is_empty() {
                    return claimed;
                }
                claimed.extend(jobs.iter().map(|job| (job.id, job.attempts)));
            }
        });
    }
    let mut seen: HashMap<OutboxId, i64> = HashMap::new();
    for (id, attempts) in workers.join_all().await.into_iter().flatten() {
        assert_eq!(attempts, 1);
        assert!(
            seen.insert(id, attempts).is_none(),
            "{id} was claimed twice"
        );
    }
    assert_eq!(seen.len(), 1200);
}

async fn an_expired_lease_is_claimed_again(world: World) {
    add(&world, Destination::Webhook, 1, Duration::ZERO).await;
    let first = claim(&world, Destination::Webhook, 10).await;
    assert_eq!(first[0].attempts, 1);
    let due = first[0].created_at;
    let next = async || {
        let mut tx = world.read().await;
        tx.next_job_at(Destination::Webhook).await.unwrap()
    };
    let free_at = world.now().after(LEASE);
    world.clock.set(free_at.before(Duration::from_micros(1)));
    assert!(claim(&world, Destination::Webhook, 10).await.is_empty());
    assert_eq!(next().await, None, "somebody works on it");
    world.clock.advance(Duration::from_micros(1));
    assert_eq!(next().await, Some(due));
    let again = claim(&world, Destination::Webhook, 10).await;
    assert_eq!((again[0].id, again[0].attempts), (first[0].id, 2));
}

async fn a_job_is_done_only_after_it_was_finished(world: World) {
    add(&world, Destination::Logout, 1, Duration::ZERO).await;
    let job = claim(&world, Destination::Logout, 10).await.remove(0);
    let find = async || world.read().await.find_job(job.id).await.unwrap().unwrap();
    assert_eq!(find().await.done_at, None);
    assert_eq!(world.read().await.count_jobs().await.unwrap(), (1, 0));
    let mut tx = world.write().await;
    tx.finish_job(job.id).await.unwrap();
    drop(tx);
    assert_eq!(find().await.done_at, None, "a dropped finish is none");

    let done_at = world.clock.advance(Duration::from_secs(1));
    let mut tx = world.write().await;
    tx.finish_job(job.id).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(LEASE);
    let mut tx = world.write().await;
    tx.finish_job(job.id).await.unwrap();
    tx.set_job_failed(job.id, "late", None).await.unwrap();
    assert!(!tx.retry_job(job.id).await.unwrap());
    tx.commit().await.unwrap();
    let done = find().await;
    assert_eq!((done.done_at, done.dead_at), (Some(done_at), None));
    assert!(claim(&world, Destination::Logout, 10).await.is_empty());
    let mut tx = world.read().await;
    assert_eq!(tx.count_jobs().await.unwrap(), (0, 0));
    assert_eq!(tx.next_job_at(Destination::Logout).await.unwrap(), None);
}

async fn failures_wait_then_die_and_can_be_retried(world: World) {
    add(&world, Destination::Logout, 1, Duration::ZERO).await;
    let job = claim(&world, Destination::Logout, 10).await.remove(0);
    let retry_at = world.now().after(Duration::from_secs(5));
    let mut tx = world.write().await;
    tx.set_job_failed(job.id, "503", Some(retry_at))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(claim(&world, Destination::Logout, 10).await.is_empty());
    let next = world
        .read()
        .await
        .next_job_at(Destination::Logout)
        .await
        .unwrap();
    assert_eq!(next, Some(retry_at));

    world.clock.advance(Duration::from_secs(5));
    let again = claim(&world, Destination::Logout, 10).await.remove(0);
    assert_eq!(again.attempts, 2);
    assert_eq!(again.last_error.as_deref(), Some("503"));
    let mut tx = world.write().await;
    tx.set_job_failed(job.id, "410", None).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_hours(1));
    assert!(claim(&world, Destination::Logout, 10).await.is_empty());
    assert_eq!(world.read().await.count_jobs().await.unwrap(), (0, 1));

    let mut tx = world.write().await;
    assert!(tx.retry_job(job.id).await.unwrap());
    assert!(
        !tx.retry_job(world.store.generator().id(world.now()))
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let revived = claim(&world, Destination::Logout, 10).await.remove(0);
    assert_eq!((revived.attempts, revived.dead_at), (1, None));
}

async fn jobs_are_claimed_by_kind_and_when_they_are_due(world: World) {
    add(&world, Destination::Logout, 2, Duration::from_secs(2)).await;
    add(&world, Destination::Logout, 1, Duration::from_secs(1)).await;
    add(&world, Destination::FanOut, 1, Duration::ZERO).await;
    assert!(claim(&world, Destination::Webhook, 10).await.is_empty());
    assert!(claim(&world, Destination::Logout, 10).await.is_empty());
    assert_eq!(claim(&world, Destination::FanOut, 10).await.len(), 1);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(claim(&world, Destination::Logout, 1).await.len(), 1);
    assert_eq!(claim(&world, Destination::Logout, 10).await.len(), 2);
    let mut tx = world.read().await;
    let listed = tx.list_jobs("d0", None, 10).await.unwrap();
    assert_eq!(listed.len(), 3, "all kinds and states");
    assert!(listed.is_sorted_by_key(|job| std::cmp::Reverse(job.id)));
    let older = tx.list_jobs("d0", Some(listed[1].id), 10).await.unwrap();
    assert_eq!(older.len(), 1);
}

async fn a_job_of_a_rolled_back_transaction_does_not_exist(world: World) {
    let mut tx = world.write().await;
    let job = NewJob {
        kind: Destination::Logout,
        destination: "d".to_owned(),
        organization_id: None,
        user_id: None,
        cause_id: None,
        payload: json!({}),
        not_before: world.now(),
    };
    tx.add_jobs(&[job]).await.unwrap();
    drop(tx);
    assert!(claim(&world, Destination::Logout, 10).await.is_empty());
}
