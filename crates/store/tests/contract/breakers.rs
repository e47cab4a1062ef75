//! One destination that is down holds back nobody else, and loses nothing.

use std::time::Duration;

use serde_json::json;
use vestibule_core::Timestamp;
use vestibule_store::{Destination, Job, NewJob};
use vestibule_support::{World, on_every_database};

on_every_database!(
    a_destination_with_many_jobs_leaves_room_for_the_others,
    an_open_breaker_lets_nothing_through_and_then_one,
    a_success_lets_the_waiting_go_but_not_second_notices,
    failures_are_counted_once_for_each_opening,
    what_waited_behind_an_open_breaker_dies_in_its_time,
    a_job_that_was_given_back_was_not_tried,
    a_lease_is_renewed_only_by_its_holder,
    each_dead_letter_gets_one_more_life_in_a_round,
);

const LEASE: Duration = Duration::from_secs(30);
const KIND: Destination = Destination::Webhook;

async fn add(world: &World, destination: &str, count: usize, delay: Duration) {
    let jobs: Vec<NewJob> = (0..count)
        .map(|place| NewJob {
            kind: KIND,
            destination: destination.to_owned(),
            organization_id: None,
            user_id: None,
            cause_id: None,
            payload: json!({ "place": place }),
            not_before: world.now().after(delay),
        })
        .collect();
    let mut tx = world.write().await;
    tx.add_jobs(&jobs).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(world: &World, limit: i64) -> Vec<Job> {
    let mut tx = world.write().await;
    let jobs = tx.claim_jobs(KIND, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    jobs
}

async fn next(world: &World) -> Option<Timestamp> {
    world.read().await.next_job_at(KIND).await.unwrap()
}

async fn fail(world: &World, job: &Job, retry_at: Timestamp) -> Option<i64> {
    let mut tx = world.write().await;
    let failures = tx.count_failure(KIND, &job.destination).await.unwrap();
    tx.set_job_failed(job.id, "503", Some(retry_at))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    failures
}

async fn open(world: &World, destination: &str, rest: Duration) {
    let mut tx = world.write().await;
    tx.count_failure(KIND, destination).await.unwrap();
    let until = world.now().after(rest);
    tx.open_breaker(KIND, destination, until).await.unwrap();
    tx.commit().await.unwrap();
}

fn count(jobs: &[Job], destination: &str) -> usize {
    jobs.iter()
        .filter(|job| job.destination == destination)
        .count()
}

async fn a_destination_with_many_jobs_leaves_room_for_the_others(world: World) {
    add(&world, "crowded", 2000, Duration::ZERO).await;
    world.clock.advance(Duration::from_secs(1));
    for name in ["a", "b", "z"] {
        add(&world, name, 2, Duration::ZERO).await;
    }
    let few = claim(&world, 4).await;
    for name in ["a", "b", "crowded", "z"] {
        assert_eq!(count(&few, name), 1, "the first of each, {name}");
    }
    let many = claim(&world, 100).await;
    assert_eq!((many.len(), count(&many, "crowded")), (3 + 31, 31));
    // All nodes together have so many of one destination in hand.
    assert!(claim(&world, 100).await.is_empty());
    assert_eq!(next(&world).await, None);
    let mut tx = world.write().await;
    tx.finish_job(
        many.iter()
            .find(|job| job.destination == "crowded")
            .unwrap()
            .id,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&world, 100).await.len(), 1);
}

async fn an_open_breaker_lets_nothing_through_and_then_one(world: World) {
    add(&world, "down", 50, Duration::ZERO).await;
    add(&world, "up", 1, Duration::ZERO).await;
    open(&world, "down", Duration::from_secs(30)).await;
    let claimed = claim(&world, 100).await;
    assert_eq!((claimed.len(), count(&claimed, "up")), (1, 1));
    let rested = world.now().after(Duration::from_secs(30));
    assert_eq!(next(&world).await, Some(rested));
    world.clock.set(rested);
    let mut probe = claim(&world, 100).await;
    probe.retain(|job| job.destination == "down");
    assert_eq!(probe.len(), 1);
    // While that one is under way no second one goes.
    assert_eq!(count(&claim(&world, 100).await, "down"), 0);
    // It fails: the others wait on, untried.
    assert_eq!(
        fail(&world, &probe[0], world.now().after(LEASE)).await,
        Some(2)
    );
    open(&world, "down", Duration::from_secs(60)).await;
    assert_eq!(count(&claim(&world, 100).await, "down"), 0);
    let listed = {
        let mut tx = world.read().await;
        tx.list_jobs("down", None, 100).await.unwrap()
    };
    assert_eq!(listed.iter().map(|job| job.attempts).sum::<i64>(), 1);
}

async fn a_success_lets_the_waiting_go_but_not_second_notices(world: World) {
    add(&world, "down", 2, Duration::ZERO).await;
    let claimed = claim(&world, 10).await;
    let far = world.now().after(Duration::from_hours(6));
    for job in &claimed {
        fail(&world, job, far).await;
    }
    add(&world, "down", 1, Duration::from_secs(45)).await;
    open(&world, "down", Duration::from_secs(30)).await;
    let mut tx = world.write().await;
    tx.close_breaker(KIND, "other").await.unwrap();
    tx.close_breaker(KIND, "down").await.unwrap();
    tx.commit().await.unwrap();
    let again = claim(&world, 10).await;
    assert_eq!(again.len(), 2, "both that failed, at once");
    assert!(again.iter().all(|job| job.attempts == 2));
    let second_notice = world.now().after(Duration::from_secs(45));
    assert_eq!(next(&world).await, Some(second_notice));
}

async fn failures_are_counted_once_for_each_opening(world: World) {
    let fail = async || {
        let mut tx = world.write().await;
        let failures = tx.count_failure(KIND, "down").await.unwrap();
        tx.commit().await.unwrap();
        failures
    };
    assert_eq!((fail().await, fail().await), (Some(1), Some(2)));
    let until = world.now().after(Duration::from_secs(30));
    let mut tx = world.write().await;
    tx.open_breaker(KIND, "down", until).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fail().await, None, "it was under way when it opened");
    world.clock.set(until);
    assert_eq!(fail().await, Some(3));
    let mut tx = world.write().await;
    tx.close_breaker(KIND, "down").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fail().await, Some(1), "a success forgets them");
}

async fn what_waited_behind_an_open_breaker_dies_in_its_time(world: World) {
    const DAY: Duration = Duration::from_hours(24);
    let expire = async || {
        let mut tx = world.write().await;
        let expired = tx.expire_jobs(KIND, DAY).await.unwrap();
        tx.commit().await.unwrap();
        expired
    };
    add(&world, "down", 3, Duration::ZERO).await;
    add(&world, "untried", 1, Duration::ZERO).await;
    open(&world, "down", Duration::from_secs(30)).await;
    world.clock.advance(DAY);
    add(&world, "down", 1, Duration::ZERO).await;
    assert_eq!(
        expire().await,
        0,
        "nobody has tried since their time was over"
    );
    open(&world, "down", Duration::from_secs(30)).await;
    assert_eq!((expire().await, expire().await), (3, 0));
    assert_eq!(world.read().await.count_jobs().await.unwrap(), (2, 3));
    // A person gives one of them another chance, and another day.
    let mut tx = world.write().await;
    let dead = tx.list_jobs("down", None, 10).await.unwrap();
    let dead = dead.iter().find(|job| job.dead_at.is_some()).unwrap().id;
    assert!(tx.retry_job(dead).await.unwrap());
    tx.end_rest(KIND, "down").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(expire().await, 0);
    let tried = claim(&world, 10).await;
    assert_eq!(count(&tried, "down"), 1, "the rest is over, and one goes");
}

async fn a_job_that_was_given_back_was_not_tried(world: World) {
    add(&world, "d", 1, Duration::ZERO).await;
    let job = claim(&world, 1).await.remove(0);
    let until = world.now().after(LEASE);
    let release = async |until| {
        let mut tx = world.write().await;
        tx.release_job(job.id, until).await.unwrap();
        tx.commit().await.unwrap();
    };
    release(until.before(Duration::from_micros(1))).await;
    assert!(claim(&world, 1).await.is_empty(), "another's lease stays");
    release(until).await;
    assert_eq!(claim(&world, 1).await[0].attempts, 1);
}

async fn a_lease_is_renewed_only_by_its_holder(world: World) {
    add(&world, "d", 1, Duration::ZERO).await;
    let job = claim(&world, 1).await.remove(0);
    let held = world.now().after(LEASE);
    let renew = async |held, until| {
        let mut tx = world.write().await;
        let renewed = tx.renew_lease(job.id, held, until).await.unwrap();
        tx.commit().await.unwrap();
        renewed
    };
    let longer = held.after(LEASE);
    assert!(renew(held, longer).await);
    assert!(!renew(held, longer).await, "it is held until later");
    world.clock.set(held);
    assert!(claim(&world, 1).await.is_empty());
    world.clock.set(longer);
    assert_eq!(claim(&world, 1).await.len(), 1);
    assert!(!renew(longer, longer.after(LEASE)).await);
}

async fn each_dead_letter_gets_one_more_life_in_a_round(world: World) {
    add(&world, "gone", 3, Duration::ZERO).await;
    let die = async || {
        let mut tx = world.write().await;
        for job in tx.list_jobs("gone", None, 10).await.unwrap() {
            tx.set_job_failed(job.id, "gone", None).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    die().await;
    let (mut round, mut last) = (Vec::new(), None);
    loop {
        let mut tx = world.write().await;
        let chunk = tx.retry_dead_letters(("gone", last), None, 2).await;
        tx.commit().await.unwrap();
        let chunk = chunk.unwrap();
        if chunk.is_empty() {
            break;
        }
        last = chunk.last().copied();
        round.extend(chunk);
        // No attempt can help, so each is dead again at once.
        die().await;
    }
    assert_eq!(round.len(), 3);
}
