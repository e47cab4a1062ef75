//! What streams have to tell: no change of a stream loses it, and nobody hears what is not theirs.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{ApplicationId, OutboxId, StreamId};
use vestibule_store::{
    Destination, Job, Stream, StreamEvent, StreamKind, StreamMethod, StreamStatus,
};
use vestibule_support::{World, application_record, on_every_database};

on_every_database!(
    a_held_job_waits_in_its_stream_and_goes_on_under_its_id,
    what_was_forgotten_cannot_be_held,
    stranded_news_are_found_and_sent_on_in_chunks,
    a_third_party_hears_of_those_who_let_it_know_them,
    a_deleted_application_leaves_no_stream,
);

const KIND: Destination = Destination::Stream;

fn stream(world: &World, application_id: ApplicationId) -> Stream {
    Stream {
        id: world.store.generator().id(world.now()),
        application_id,
        status: StreamStatus::Enabled,
        status_reason: None,
        method: StreamMethod::Push,
        endpoint_url: Some("https://app.test/events".to_owned()),
        authorization_sealed: None,
        events_requested: Vec::new(),
        kinds: vec![StreamKind::AccountDisabled.as_str().to_owned()],
        description: None,
        verified_at: None,
        created_at: world.now(),
        updated_at: world.now(),
    }
}

async fn store(world: &World, stream: &Stream) {
    let mut tx = world.write().await;
    tx.set_stream(stream).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(world: &World) -> Vec<Job> {
    let mut tx = world.write().await;
    let jobs = tx.claim_jobs(KIND, Duration::from_secs(30), 100).await;
    tx.commit().await.unwrap();
    jobs.unwrap()
}

async fn hold(world: &World, job: &Job, id: StreamId) {
    let mut tx = world.write().await;
    tx.hold_stream_job(job, id).await.unwrap();
    tx.commit().await.unwrap();
}

async fn release(world: &World, id: StreamId) -> bool {
    let mut tx = world.write().await;
    let more = tx.release_stream_events(id).await.unwrap();
    tx.commit().await.unwrap();
    more
}

async fn waiting(world: &World, id: StreamId) -> Vec<StreamEvent> {
    let mut tx = world.read().await;
    tx.list_stream_events(id, 1000).await.unwrap()
}

async fn jobs(world: &World) -> i64 {
    let sql = "SELECT COUNT(*) FROM outbox WHERE kind = 'stream' AND done_at IS NULL";
    world.database.number(sql).await
}

async fn a_held_job_waits_in_its_stream_and_goes_on_under_its_id(world: World) {
    let company = world.company("acme").await;
    let mut stream = stream(&world, company.application.id);
    store(&world, &stream).await;
    world.set_active(&company.user, false).await;
    let claimed = claim(&world).await;
    assert_eq!(claimed.len(), 1);
    stream.status = StreamStatus::Paused;
    store(&world, &stream).await;
    hold(&world, &claimed[0], stream.id).await;
    assert_eq!(jobs(&world).await, 0, "it is no job while it waits");
    let kept = waiting(&world, stream.id).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].id, &kept[0].payload, kept[0].created_at),
        (claimed[0].id, &claimed[0].payload, claimed[0].created_at)
    );
    stream.status = StreamStatus::Enabled;
    store(&world, &stream).await;
    assert!(!release(&world, stream.id).await);
    let again = claim(&world).await;
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].id, again[0].user_id, again[0].created_at),
        (claimed[0].id, Some(company.user.id), claimed[0].created_at)
    );
    assert!(waiting(&world, stream.id).await.is_empty());
}

async fn what_was_forgotten_cannot_be_held(world: World) {
    let company = world.company("acme").await;
    let stream = stream(&world, company.application.id);
    store(&world, &stream).await;
    world.set_active(&company.user, false).await;
    let claimed = claim(&world).await;
    let mut tx = world.write().await;
    tx.forget_stream_events(stream.id).await.unwrap();
    tx.commit().await.unwrap();
    hold(&world, &claimed[0], stream.id).await;
    assert!(waiting(&world, stream.id).await.is_empty());
    assert_eq!(jobs(&world).await, 0);
}

async fn stranded_news_are_found_and_sent_on_in_chunks(world: World) {
    let application = world.application("app").await;
    let mut stream = stream(&world, application.id);
    stream.status = StreamStatus::Paused;
    store(&world, &stream).await;
    let mut tx = world.write().await;
    for number in 0..501 {
        let news = json!({ "kind": "verification", "state": number.to_string() });
        tx.tell_stream(&stream, news).await.unwrap();
    }
    tx.commit().await.unwrap();
    let stranded = async || {
        let mut tx = world.read().await;
        tx.list_stranded_streams(10).await.unwrap()
    };
    assert!(stranded().await.is_empty(), "a pause is meant");
    let ids: Vec<OutboxId> = waiting(&world, stream.id)
        .await
        .iter()
        .map(|news| news.id)
        .collect();
    stream.status = StreamStatus::Enabled;
    store(&world, &stream).await;
    assert_eq!(stranded().await, [stream.id]);
    assert!(release(&world, stream.id).await, "there are more");
    assert_eq!(jobs(&world).await, 500);
    assert!(!release(&world, stream.id).await);
    assert!(stranded().await.is_empty());
    let sent = "SELECT id FROM outbox WHERE kind = 'stream' ORDER BY id";
    let sent = world.database.texts(sent).await;
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(sent, ids);
}

async fn a_third_party_hears_of_those_who_let_it_know_them(world: World) {
    let company = world.company("acme").await;
    let silent = world
        .user(&company.organization, None, "bob@acme.test")
        .await;
    let mut tx = world.write().await;
    let mut record = application_record("third");
    record.third_party = true;
    let third = tx.add_application(&record, None).await.unwrap();
    let mut stream = stream(&world, third.id);
    stream.method = StreamMethod::Poll;
    tx.set_stream(&stream).await.unwrap();
    tx.set_consent(company.user.id, third.id, "openid", &[])
        .await
        .unwrap();
    // Of another application.
    tx.set_consent(silent.id, company.application.id, "openid", &[])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.set_active(&company.user, false).await;
    world.set_active(&silent, false).await;
    let heard = waiting(&world, stream.id).await;
    let about: Vec<_> = heard.iter().map(|news| news.user_id).collect();
    assert_eq!(about, [Some(company.user.id)]);
}

async fn a_deleted_application_leaves_no_stream(world: World) {
    let company = world.company("acme").await;
    let mut stream = stream(&world, company.application.id);
    stream.authorization_sealed = Some(vec![1]);
    stream.method = StreamMethod::Poll;
    store(&world, &stream).await;
    world.set_active(&company.user, false).await;
    let mut tx = world.write().await;
    tx.delete_application(company.application.id).await.unwrap();
    tx.commit().await.unwrap();
    for table in ["streams", "stream_events"] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(world.database.number(&sql).await, 0, "{table}");
    }
}
