//! What belongs to applications: requests that they hand in, consents to them, and the keys that sign for them.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use vestibule_core::{EndCause, EndScope, SecretHash};
use vestibule_store::StoredSigningKey;
use vestibule_support::{World, on_every_database};

use crate::once::count_winners;

on_every_database!(
    a_pushed_request_is_taken_by_exactly_one,
    a_pushed_request_is_its_own_applications_and_for_its_time,
    the_last_consent_counts_and_goes_with_its_user,
    a_share_is_found_by_its_user_and_application,
    only_a_published_key_begins_to_sign,
);

fn parameters() -> Vec<(String, String)> {
    // The order counts, and a name may stand twice.
    ["state", "scope", "state"]
        .map(|name| (name.to_owned(), format!("{name}\u{e9}'\"")))
        .to_vec()
}

async fn a_pushed_request_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let application = world.application("app").await.id;
    let reference = world.secret();
    let until = world.now().after(Duration::from_mins(1));
    let mut tx = world.write().await;
    tx.add_pushed_request(reference, application, &parameters(), until)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let winners = count_winners(&world, |world| async move {
        let mut tx = world.write().await;
        let taken = tx.take_pushed_request(reference, application).await;
        tx.commit().await.unwrap();
        taken
            .unwrap()
            .is_some_and(|request| request == parameters())
    })
    .await;
    assert_eq!(winners, 1);
    let left = world.read().await.has_pushed_request(reference).await;
    assert!(!left.unwrap());
}

async fn a_pushed_request_is_its_own_applications_and_for_its_time(world: World) {
    let own = world.application("own").await.id;
    let other = world.application("other").await.id;
    let [reference, late]: [SecretHash; 2] = [world.secret(), world.secret()];
    let mut tx = world.write().await;
    for (reference, seconds) in [(reference, 60), (late, 0)] {
        let until = world.now().after(Duration::from_secs(seconds));
        tx.add_pushed_request(reference, own, &parameters(), until)
            .await
            .unwrap();
    }
    assert!(
        tx.take_pushed_request(reference, other)
            .await
            .unwrap()
            .is_none()
    );
    assert!(tx.take_pushed_request(late, own).await.unwrap().is_none());
    assert!(!tx.has_pushed_request(late).await.unwrap());
    assert!(tx.has_pushed_request(reference).await.unwrap());
    assert!(
        tx.take_pushed_request(reference, own)
            .await
            .unwrap()
            .is_some()
    );
    tx.commit().await.unwrap();
}

async fn the_last_consent_counts_and_goes_with_its_user(world: World) {
    let company = world.company("acme").await;
    let other = world.application("other").await;
    let (user, app) = (company.user.id, company.application.id);
    let mut tx = world.write().await;
    assert!(tx.find_consent(user, app).await.unwrap().is_none());
    assert!(!tx.remove_consent(user, app).await.unwrap());
    tx.set_consent(user, app, "openid", &[]).await.unwrap();
    tx.set_consent(user, other.id, "openid groups", &[])
        .await
        .unwrap();
    let title = ["title".to_owned()];
    tx.set_consent(user, app, "openid email", &title)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.read().await;
    let given = tx.find_consent(user, app).await.unwrap().unwrap();
    assert_eq!(
        (given.scope.as_str(), given.claims),
        ("openid email", title.to_vec())
    );
    assert_eq!(tx.list_consents(user, 10).await.unwrap().len(), 2);
    assert_eq!(tx.list_consents(user, 1).await.unwrap().len(), 1);
    drop(tx);
    let mut tx = world.write().await;
    assert!(tx.remove_consent(user, other.id).await.unwrap());
    tx.commit().await.unwrap();
    world.delete(&company.user).await;
    let left = world.read().await.list_consents(user, 10).await;
    assert!(left.unwrap().is_empty());
}

async fn a_share_is_found_by_its_user_and_application(world: World) {
    let company = world.company("acme").await;
    let other = world.company("bolt").await;
    let share = world.sign_in_to_app(&company).await;
    let again = world.sign_in_to_app(&company).await;
    let foreign = world.sign_in_to_app(&other).await;
    let (user, app) = (company.user.id, company.application.id);
    let found = world.write().await.list_shares(user, app).await.unwrap();
    let mut wanted = [share.id, again.id];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    world
        .end(EndScope::AppSession(share.id), EndCause::Operator)
        .await;
    let mut tx = world.write().await;
    assert_eq!(tx.list_shares(user, app).await.unwrap(), [again.id]);
    let theirs = tx.list_shares(other.user.id, app).await.unwrap();
    assert!(theirs.is_empty() || app == other.application.id);
    drop(tx);
    assert!(world.is_share_live(foreign.id).await);
}

async fn only_a_published_key_begins_to_sign(world: World) {
    let key = |id: &str, state: &str| StoredSigningKey {
        id: id.to_owned(),
        algorithm: "ES256".to_owned(),
        state: state.to_owned(),
        private_sealed: vec![1, 2, 3],
        public_jwk: json!({ "kty": "EC", "kid": id }),
        created_at: world.now(),
        activated_at: None,
        retired_at: None,
    };
    let mut tx = world.write().await;
    for (id, state) in [("a", "active"), ("b", "next"), ("c", "retired")] {
        tx.add_signing_key(&key(id, state)).await.unwrap();
    }
    tx.retire_signing_keys("ES256").await.unwrap();
    tx.retire_signing_keys("RS256").await.unwrap();
    tx.activate_signing_key("b").await.unwrap();
    // What was retired stays so.
    tx.activate_signing_key("c").await.unwrap();
    tx.activate_signing_key("a").await.unwrap();
    tx.commit().await.unwrap();
    let keys = world.read().await.list_signing_keys().await.unwrap();
    let states: Vec<(&str, &str, bool)> = keys
        .iter()
        .map(|key| {
            (
                key.id.as_str(),
                key.state.as_str(),
                key.activated_at.is_some(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("a", "retired", false),
            ("b", "active", true),
            ("c", "retired", false)
        ]
    );
}
