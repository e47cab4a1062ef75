//! One total order that loses nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_core::{EventKind, UserId};
use vestibule_store::{Event, NewEvent, Store};
use vestibule_support::{DatabaseKind, World, on_every_database, person};

on_every_database!(
    a_cursor_passes_no_open_transaction,
    positions_are_dense_and_ordered_under_concurrency,
    one_users_events_stand_in_their_sequence,
    events_of_one_transaction_stand_in_the_order_of_their_telling,
    an_event_reaches_the_webhooks_that_asked_for_it,
    every_sign_in_that_ends_is_told_in_its_place,
    a_backlog_is_placed_in_reasonable_time,
);

async fn place_all(store: &Store, world: &World) {
    loop {
        let mut tx = store.write(world.now()).await.unwrap();
        let more = tx.place_events().await.unwrap();
        tx.commit().await.unwrap();
        if !more {
            return;
        }
    }
}

async fn after(world: &World, position: i64) -> Vec<Event> {
    let mut tx = world.read().await;
    tx.list_events(position, 10_000, None, None).await.unwrap()
}

fn told(kind: EventKind, user_id: Option<UserId>, data: serde_json::Value) -> NewEvent {
    NewEvent {
        kind,
        organization_id: None,
        user_id,
        data,
    }
}

async fn a_cursor_passes_no_open_transaction(world: World) {
    // The open one is the oldest by id and by time: a cursor over either would pass it.
    let mut open = world.write().await;
    let held = open
        .push_event(told(EventKind::DirectoryHeld, None, json!({})))
        .await
        .unwrap();
    let mut cursor = 0;
    let mut seen = Vec::new();
    if world.database.kind == DatabaseKind::Postgres {
        // On SQLite nobody else writes meanwhile; there the open one only comes after the others below.
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(1));
            let mut tx = world.write().await;
            tx.push_event(told(EventKind::DirectorySilent, None, json!({})))
                .await
                .unwrap();
            tx.commit().await.unwrap();
            place_all(&world.store, &world).await;
            for event in after(&world, cursor).await {
                assert_ne!(event.id, held);
                cursor = event.position.unwrap();
                seen.push(event.id);
            }
        }
        assert_eq!(cursor, 3, "readers go on while a transaction is open");
    } else {
        let world_now = world.now();
        let store = world.store.clone();
        let queued = tokio::spawn(async move {
            let mut tx = store.write(world_now).await.unwrap();
            let event = told(EventKind::DirectorySilent, None, json!({}));
            tx.push_event(event).await.unwrap();
            tx.commit().await.unwrap();
        });
        place_none(&world).await;
        open.commit().await.unwrap();
        queued.await.unwrap();
        place_all(&world.store, &world).await;
        let all = after(&world, cursor).await;
        assert_eq!(all.len(), 2);
        assert!(all.iter().any(|event| event.id == held));
        return;
    }
    open.commit().await.unwrap();
    assert!(world.read().await.has_unplaced_events().await.unwrap());
    place_all(&world.store, &world).await;
    let late = after(&world, cursor).await;
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].id, late[0].position), (held, Some(cursor + 1)));
    assert!(!seen.contains(&held));
    assert!(!world.read().await.has_unplaced_events().await.unwrap());
    let found = world.read().await.find_event(held).await.unwrap();
    assert_eq!(found.unwrap().kind, "directory.held");
}

/// On SQLite an open transaction's events are nobody else's yet.
async fn place_none(world: &World) {
    assert!(after(world, 0).await.is_empty());
    assert!(!world.read().await.has_unplaced_events().await.unwrap());
}

async fn positions_are_dense_and_ordered_under_concurrency(world: World) {
    let world = Arc::new(world);
    let nodes = [world.store.clone(), world.database.second_node().await];
    let users: Vec<UserId> = (0..4)
        .map(|_| world.store.generator().id(world.now()))
        .collect();
    let mut writers = JoinSet::new();
    for writer in 0..8_usize {
        let (store, world, users) = (nodes[writer % 2].clone(), Arc::clone(&world), users.clone());
        writers.spawn(async move {
            for round in 0..25_u64 {
                // Clocks of nodes differ: time may not decide about one user's order.
                let skew = Duration::from_millis((round * 37 + writer as u64 * 101) % 500);
                let mut tx = store.write(world.now().before(skew)).await.unwrap();
                let user = users[(writer + usize::try_from(round).unwrap()) % users.len()];
                for _ in 0..2 {
                    let event = told(EventKind::UserUpdated, Some(user), json!({ "user": user }));
                    tx.push_event(event).await.unwrap();
                }
                if round % 5 == 4 {
                    drop(tx);
                } else {
                    tx.commit().await.unwrap();
                }
                if round % 3 == 0 {
                    place_all(&store, &world).await;
                }
            }
        });
    }
    writers.join_all().await;
    place_all(&world.store, &world).await;

    let events = after(&world, 0).await;
    assert_eq!(events.len(), 8 * 20 * 2, "what was dropped is not told");
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, Some(position), "dense");
    }
    assert_sequences_rise(&events);
}

fn assert_sequences_rise(events: &[Event]) {
    let mut last: HashMap<&str, i64> = HashMap::new();
    for event in events {
        let user = event.data["user"].as_str().unwrap();
        let sequence = event.data["sequence"].as_i64().unwrap();
        let before = last.insert(user, sequence).unwrap_or(0);
        assert_eq!(sequence, before + 1, "of {user} at {:?}", event.position);
    }
}

async fn one_users_events_stand_in_their_sequence(world: World) {
    let company = world.company("acme").await;
    for _ in 0..5 {
        for _ in 0..3 {
            world.sign_in_to_app(&company).await;
        }
        world.set_active(&company.user, false).await;
        world.set_active(&company.user, true).await;
    }
    place_all(&world.store, &world).await;
    let events = after(&world, 0).await;
    let sequences: Vec<i64> = events
        .iter()
        .filter_map(|event| event.data["sequence"].as_i64())
        .collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    assert_eq!(sequences.last(), Some(&(1 + 5 * 5)));

    let mut tx = world.read().await;
    let ended = Some(EventKind::SessionEnded);
    let organization = Some(company.organization.id);
    let listed = tx.list_events(0, 100, organization, ended).await.unwrap();
    assert_eq!(listed.len(), 15);
    let elsewhere = Some(world.store.generator().id(world.now()));
    let none = tx.list_events(0, 100, elsewhere, None).await.unwrap();
    assert!(none.is_empty());
}

async fn events_of_one_transaction_stand_in_the_order_of_their_telling(world: World) {
    let mut tx = world.write().await;
    for place in 0..50 {
        let event = told(EventKind::GroupUpdated, None, json!({ "place": place }));
        tx.push_event(event).await.unwrap();
    }
    tx.commit().await.unwrap();
    place_all(&world.store, &world).await;
    let told = after(&world, 0).await;
    let places: Vec<i64> = told
        .iter()
        .map(|event| event.data["place"].as_i64().unwrap())
        .collect();
    assert_eq!(places, (0..50).collect::<Vec<_>>());
}

async fn every_sign_in_that_ends_is_told_in_its_place(world: World) {
    let company = world.company("acme").await;
    let now = world.now();
    let webhook = vestibule_store::Webhook {
        id: world.store.generator().id(now),
        url: "https://hooks.test/".to_owned(),
        organization_id: Some(company.organization.id),
        kinds: vec!["session.ended".to_owned()],
        secret_sealed: vec![1],
        previous_secret: None,
        active: true,
        created_at: now,
        updated_at: now,
    };
    let mut tx = world.write().await;
    tx.add_webhook(&webhook).await.unwrap();
    tx.commit().await.unwrap();
    let mut sign_ins = HashSet::new();
    for _ in 0..3 {
        let sign_in = world.login(&company.user, &company.connection).await;
        sign_ins.insert(sign_in.id.to_string());
    }
    world.set_active(&company.user, false).await;
    place_all(&world.store, &world).await;
    let events = after(&world, 0).await;
    let of_user = |event: &&Event| event.data["user_id"] == company.user.id.to_string();
    let sequences: Vec<i64> = events
        .iter()
        .filter(of_user)
        .map(|event| event.data["sequence"].as_i64().unwrap())
        .collect();
    let count = i64::try_from(sequences.len()).unwrap();
    assert_eq!(sequences, (1..=count).collect::<Vec<_>>(), "{events:?}");
    let ended: Vec<&Event> = events
        .iter()
        .filter(|event| event.kind == "session.ended")
        .collect();
    let told: HashSet<String> = ended
        .iter()
        .map(|event| event.data["session_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((told, ended.len()), (sign_ins, 3));
    let mut tx = world.read().await;
    let jobs = tx
        .list_jobs(&webhook.id.to_string(), None, 10)
        .await
        .unwrap();
    let mut delivered: Vec<_> = jobs
        .iter()
        .map(|job| (job.cause_id.clone(), job.sequence))
        .collect();
    let mut wanted: Vec<_> = ended
        .iter()
        .map(|event| (Some(event.id.to_string()), event.data["sequence"].as_i64()))
        .collect();
    delivered.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(delivered, wanted);
}

async fn an_event_reaches_the_webhooks_that_asked_for_it(world: World) {
    let (ours, theirs) = (
        world.organization("acme").await,
        world.organization("bolt").await,
    );
    let now = world.now();
    let webhook = |kinds: &[&str], organization_id| vestibule_store::Webhook {
        id: world.store.generator().id(now),
        url: "https://hooks.test/".to_owned(),
        organization_id,
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
        secret_sealed: vec![1],
        previous_secret: None,
        active: true,
        created_at: now,
        updated_at: now,
    };
    let all = webhook(&["*", "user.created"], None);
    let bound = webhook(&["user.created"], Some(ours.id));
    let elsewhere = webhook(&["*"], Some(theirs.id));
    let other_kind = webhook(&["user.deleted"], None);
    let mut off = webhook(&["*"], None);
    off.active = false;
    let mut tx = world.write().await;
    for webhook in [&all, &bound, &elsewhere, &other_kind, &off] {
        tx.add_webhook(webhook).await.unwrap();
    }
    let user = tx
        .add_user(ours.id, None, &person("ada@acme.test"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.read().await;
    for (webhook, wanted) in [
        (&all, 1),
        (&bound, 1),
        (&elsewhere, 0),
        (&other_kind, 0),
        (&off, 0),
    ] {
        let deliveries = tx.list_deliveries(webhook.id, None, 10).await.unwrap();
        assert_eq!(deliveries.len(), wanted, "{:?}", webhook.kinds);
        for delivery in deliveries {
            assert_eq!(delivery.event_kind.as_deref(), Some("user.created"));
            assert_eq!(delivery.organization_id, Some(ours.id));
        }
    }
    let jobs = tx.list_jobs(&all.id.to_string(), None, 10).await.unwrap();
    assert_eq!(
        (jobs[0].user_id, jobs[0].sequence),
        (Some(user.id), Some(1))
    );
}

async fn a_backlog_is_placed_in_reasonable_time(world: World) {
    let mut tx = world.write().await;
    for _ in 0..6000 {
        let event = told(EventKind::GroupUpdated, None, json!({}));
        tx.push_event(event).await.unwrap();
    }
    tx.commit().await.unwrap();
    let begun = std::time::Instant::now();
    place_all(&world.store, &world).await;
    assert_eq!(after(&world, 5_999).await.len(), 1);
    // Three tenths of a second here; a join of everything with everything takes many times as long.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
