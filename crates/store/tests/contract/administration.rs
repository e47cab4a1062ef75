//! What operators and the installation itself keep here.

use std::time::Duration;

use serde_json::json;
use vestibule_core::OrganizationId;
use vestibule_store::{Idempotency, NewDelivery, StoredSigningKey, Webhook};
use vestibule_support::{World, application_record, on_every_database};

on_every_database!(
    an_application_keeps_its_secret_as_a_hash,
    operators_are_one_each_address,
    a_webhook_is_changed_and_deleted_with_what_waits_for_it,
    signing_keys_are_published_until_they_are_removed,
    a_value_of_the_installation_is_set_once,
    an_idempotency_key_answers_the_same_request_only,
    the_audit_log_is_listed_newest_first,
    page_state_is_changed_but_never_brought_back,
);

async fn an_application_keeps_its_secret_as_a_hash(world: World) {
    let (secret, next) = (world.token(), world.token());
    let mut tx = world.write().await;
    let made = tx
        .add_application(&application_record("App"), Some(secret.hash()))
        .await
        .unwrap();
    assert!(made.is_confidential() && made.has_secret(secret.hash()));
    assert!(!made.has_secret(next.hash()));
    tx.set_application_secret(made.id, Some(next.hash()))
        .await
        .unwrap();
    let mut record = made.record();
    "Renamed".clone_into(&mut record.name);
    record.refresh_retry_seconds = 10;
    tx.set_application(made.id, &record).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let second = world.application("Second").await;

    let mut tx = world.write().await;
    let stored = tx.find_application(made.id).await.unwrap().unwrap();
    assert!(stored.has_secret(next.hash()) && !stored.has_secret(secret.hash()));
    assert_eq!(
        (stored.name.as_str(), stored.refresh_retry_seconds),
        ("Renamed", 10)
    );
    assert_eq!(stored.redirect_uris, made.redirect_uris);
    let listed = tx.list_applications(None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    let after = tx.list_applications(Some(made.id), 10).await.unwrap();
    assert_eq!(after[0].id, second.id);
    tx.delete_application(made.id).await.unwrap();
    assert!(tx.find_application(made.id).await.unwrap().is_none());
    assert!(tx.lock_application(made.id).await.unwrap().is_none());
    tx.commit().await.unwrap();
    let kept = "SELECT COUNT(*) FROM applications WHERE client_secret_hash IS NOT NULL";
    assert_eq!(world.database.number(kept).await, 0);
}

async fn operators_are_one_each_address(world: World) {
    let mut tx = world.write().await;
    let made = tx.add_operator("Op@vestibule.test", "phc").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.write().await;
    let refused = tx.add_operator("op@VESTIBULE.test", "phc").await;
    assert!(refused.unwrap_err().is_taken());
    drop(tx);
    let mut tx = world.write().await;
    tx.set_operator_password(made.id, "phc-2").await.unwrap();
    let found = tx.find_operator_by_email("OP@vestibule.test").await;
    let found = found.unwrap().unwrap();
    assert_eq!(
        (found.id, found.phc.as_str(), found.epoch),
        (made.id, "phc-2", 2)
    );
    assert_eq!(tx.list_operators(None, 10).await.unwrap().len(), 1);
    let after = tx.list_operators(Some(made.id), 10).await.unwrap();
    assert!(after.is_empty());
}

async fn a_webhook_is_changed_and_deleted_with_what_waits_for_it(world: World) {
    let organization = world.organization("acme").await;
    let now = world.now();
    let mut webhook = Webhook {
        id: world.store.generator().id(now),
        url: "https://hooks.test/1".to_owned(),
        organization_id: Some(organization.id),
        kinds: vec!["user.created".to_owned()],
        secret_sealed: vec![1, 2, 3],
        previous_secret: None,
        active: true,
        created_at: now,
        updated_at: now,
    };
    let mut tx = world.write().await;
    tx.add_webhook(&webhook).await.unwrap();
    let locked = tx.lock_webhook(webhook.id).await.unwrap().unwrap();
    assert_eq!(locked.kinds, webhook.kinds);
    "https://hooks.test/2".clone_into(&mut webhook.url);
    webhook.kinds = vec!["*".to_owned()];
    tx.set_webhook(&webhook).await.unwrap();
    tx.commit().await.unwrap();
    world.user(&organization, None, "ada").await;

    let mut tx = world.write().await;
    let stored = tx.find_webhook(webhook.id).await.unwrap().unwrap();
    assert_eq!(
        (&stored.url, &stored.secret_sealed),
        (&webhook.url, &webhook.secret_sealed)
    );
    let deliveries = tx.list_deliveries(webhook.id, None, 10).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    let job = deliveries[0].id;
    for (attempt, status) in [(1, Some(503)), (2, None)] {
        let delivery = NewDelivery {
            webhook_id: webhook.id,
            outbox_id: job,
            attempt,
            status,
            error: Some("refused"),
            duration_micros: 100 * attempt,
            request_headers: None,
            response_headers: None,
            response_body: None,
        };
        tx.add_delivery(&delivery).await.unwrap();
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        tx = world.write().await;
    }
    let last = tx.find_delivery(job).await.unwrap().unwrap();
    assert_eq!(
        (last.last_status, last.last_duration_micros),
        (None, Some(200))
    );
    let older = tx.list_deliveries(webhook.id, Some(job), 10).await;
    assert!(older.unwrap().is_empty());
    for (of, wanted) in [
        (None, 1),
        (Some(organization.id), 1),
        (Some(another(&world)), 0),
    ] {
        let listed = tx.list_webhooks(of, None, 10).await.unwrap();
        assert_eq!(listed.len(), wanted);
    }
    let after = tx.list_webhooks(None, Some(webhook.id), 10).await;
    assert!(after.unwrap().is_empty());
    tx.delete_webhook(webhook.id).await.unwrap();
    assert!(tx.find_webhook(webhook.id).await.unwrap().is_none());
    assert!(tx.lock_webhook(webhook.id).await.unwrap().is_none());
    let dead = tx.find_delivery(job).await.unwrap().unwrap();
    assert_eq!(dead.dead_at, Some(world.now()));
    tx.commit().await.unwrap();
    let secrets = world
        .database
        .number("SELECT COUNT(*) FROM webhooks WHERE LENGTH(secret_sealed) > 0");
    assert_eq!(secrets.await, 0);
}

fn another(world: &World) -> OrganizationId {
    world.store.generator().id(world.now())
}

async fn signing_keys_are_published_until_they_are_removed(world: World) {
    let key = |id: &str, algorithm: &str| StoredSigningKey {
        id: id.to_owned(),
        algorithm: algorithm.to_owned(),
        state: "active".to_owned(),
        private_sealed: vec![1],
        public_jwk: json!({ "kty": "EC" }),
        created_at: world.now(),
        activated_at: Some(world.now()),
        retired_at: None,
    };
    let mut tx = world.write().await;
    tx.lock_installation().await.unwrap();
    for stored in [key("a", "ES256"), key("b", "RS256")] {
        tx.add_signing_key(&stored).await.unwrap();
    }
    tx.retire_signing_keys("ES256").await.unwrap();
    let listed = tx.list_signing_keys().await.unwrap();
    let states: Vec<&str> = listed.iter().map(|key| key.state.as_str()).collect();
    assert_eq!(states, ["retired", "active"]);
    assert_eq!(listed[0].retired_at, Some(world.now()));
    assert_eq!(listed[0].public_jwk, json!({ "kty": "EC" }));
    tx.remove_signing_keys(world.now()).await.unwrap();
    assert_eq!(tx.list_signing_keys().await.unwrap().len(), 2);
    let later = world.now().after(Duration::from_micros(1));
    tx.remove_signing_keys(later).await.unwrap();
    let left = tx.list_signing_keys().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, "b");
    tx.commit().await.unwrap();
}

async fn a_value_of_the_installation_is_set_once(world: World) {
    let mut tx = world.write().await;
    assert_eq!(tx.find_meta("check").await.unwrap(), None);
    tx.add_meta("check", "first").await.unwrap();
    tx.add_meta("check", "second").await.unwrap();
    let found = tx.find_meta("check").await.unwrap();
    assert_eq!(found.as_deref(), Some("first"));
    tx.commit().await.unwrap();
}

async fn an_idempotency_key_answers_the_same_request_only(world: World) {
    let [key, body, other] = std::array::from_fn(|_| world.secret());
    let free_at = world.now().after(Duration::from_mins(1));
    let mut tx = world.write().await;
    let first = tx.take_idempotency(key, body, free_at).await.unwrap();
    assert!(matches!(first, Idempotency::Taken));
    let second = tx.take_idempotency(key, body, free_at).await.unwrap();
    assert!(matches!(second, Idempotency::InFlight));
    let third = tx.take_idempotency(key, other, free_at).await.unwrap();
    assert!(matches!(third, Idempotency::OtherBody));
    let until = world.now().after(Duration::from_hours(24));
    tx.set_idempotency(key, 201, &[9], until).await.unwrap();
    tx.remove_idempotency(key).await.unwrap();
    tx.commit().await.unwrap();

    world.clock.advance(Duration::from_mins(1));
    let mut tx = world.write().await;
    let again = tx.take_idempotency(key, body, free_at).await.unwrap();
    let Idempotency::Answered {
        status,
        answer_sealed,
    } = again
    else {
        panic!("it was answered: {again:?}");
    };
    assert_eq!((status, answer_sealed), (201, vec![9]));
    tx.commit().await.unwrap();

    world.clock.advance(Duration::from_hours(24));
    let free_at = world.now().after(Duration::from_mins(1));
    let mut tx = world.write().await;
    let anew = tx.take_idempotency(key, other, free_at).await.unwrap();
    assert!(matches!(anew, Idempotency::Taken), "it had expired");
    tx.remove_idempotency(key).await.unwrap();
    let freed = tx.take_idempotency(key, body, free_at).await.unwrap();
    assert!(matches!(freed, Idempotency::Taken));
}

async fn the_audit_log_is_listed_newest_first(world: World) {
    let organization = world.organization("acme").await;
    for (of, action) in [(Some(organization.id), "user.create"), (None, "key.create")] {
        let mut tx = world.write().await;
        tx.add_audit(of, "operator", action, "usr_x", &json!({ "name": "x" }))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_millis(1));
    }
    let mut tx = world.read().await;
    let all = tx.list_audit(None, None, 10).await.unwrap();
    let actions: Vec<&str> = all.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["key.create", "user.create"]);
    assert_eq!(all[1].data, json!({ "name": "x" }));
    let older = tx.list_audit(None, Some(all[0].id), 10).await.unwrap();
    assert_eq!(older.len(), 1);
    let ours = tx.list_audit(Some(organization.id), None, 10).await;
    assert_eq!(ours.unwrap().len(), 1);
    let theirs = tx.list_audit(Some(another(&world)), None, 10).await;
    assert!(theirs.unwrap().is_empty());
}

async fn page_state_is_changed_but_never_brought_back(world: World) {
    let id = world.secret();
    let expires_at = world.now().after(Duration::from_mins(5));
    let state = |step: i64| serde_json::Map::from_iter([("step".to_owned(), step.into())]);
    let mut tx = world.write().await;
    assert!(tx.add_page_state(id, &state(1), expires_at).await.unwrap());
    assert!(!tx.add_page_state(id, &state(9), expires_at).await.unwrap());
    tx.set_page_state(id, &state(2), expires_at).await.unwrap();
    let found = tx.find_page_state(id).await.unwrap();
    assert_eq!(found, Some((state(2), expires_at)));
    tx.delete_page_state(id).await.unwrap();
    tx.set_page_state(id, &state(3), expires_at).await.unwrap();
    assert_eq!(tx.find_page_state(id).await.unwrap(), None);
    assert!(tx.add_page_state(id, &state(4), expires_at).await.unwrap());
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_mins(5));
    let found = world.read().await.find_page_state(id).await.unwrap();
    assert_eq!(found, None, "expired");
}
