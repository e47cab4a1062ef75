//! When keys are fetched, and when they are not.

use std::sync::Arc;

use aws_lc_rs::rsa::KeySize;
use serde_json::json;

use super::provider::{CODE, Key, Provider};
use super::{Login, NOW, OTHER, RSA, STATE, rule};
use crate::{BeginOptions, Callback, KeyCache, KeyDecision, KeyRing};

fn filled(keys: &[&Key], max_age: Option<i64>) -> KeyCache {
    let mut cache = KeyCache::new();
    assert!(cache.take_fetch(NOW));
    let body = Provider::new(keys).key_set.lock().unwrap().to_string();
    cache
        .put(body.as_bytes(), max_age, NOW)
        .expect("usable keys");
    cache
}

#[tokio::test]
async fn keys_are_fetched_once_and_served_for_an_hour() {
    let login = Login::begin().await;
    for _ in 0..3 {
        assert!(login.finish_with_claims(json!({})).await.is_ok());
    }
    assert_eq!(login.provider.key_fetches(), 1);
}

#[tokio::test]
async fn rotation_right_after_a_fetch_works() {
    let login = Login::begin().await;
    assert!(login.finish_with_claims(json!({})).await.is_ok());
    login.provider.publish(&[&OTHER]);
    assert!(
        login
            .finish_with_token(&OTHER.sign(&OTHER.header(), &login.claims()))
            .await
            .is_ok()
    );
    assert_eq!(login.provider.key_fetches(), 2);
    // The old key is gone; the bucket is empty, so nothing is asked.
    assert_eq!(
        rule(login.finish_with_claims(json!({})).await),
        "unknown_key"
    );
    assert_eq!(login.provider.key_fetches(), 2);
}

#[tokio::test]
async fn rotation_without_key_ids_works() {
    let login = Login::begin().await;
    let second = Key::rsa("rsa-1", "RS256", KeySize::Rsa2048);
    let header = json!({"alg": "RS256"});
    assert!(login.finish_with_header(header.clone()).await.is_ok());
    login.provider.publish(&[&second]);
    assert!(
        login
            .finish_with_token(&second.sign(&header, &login.claims()))
            .await
            .is_ok()
    );
    assert_eq!(login.provider.key_fetches(), 2);
}

#[tokio::test]
async fn token_without_key_id_and_two_keys_is_refused() {
    let login = Login::begin().await;
    let second = Key::rsa("rsa-2", "RS256", KeySize::Rsa2048);
    login.provider.publish(&[&RSA, &second]);
    assert_eq!(
        rule(login.finish_with_header(json!({"alg": "RS256"})).await),
        "ambiguous_key"
    );
}

#[tokio::test]
async fn key_meant_for_something_else_verifies_nothing() {
    for (name, value) in [
        ("use", "enc"),
        ("alg", "PS256"),
        ("alg", "RSA-OAEP"),
        ("alg", "HS256"),
    ] {
        let login = Login::begin().await;
        let mut key = RSA.jwk();
        key[name] = json!(value);
        *login.provider.key_set.lock().unwrap() = json!({"keys": [key]});
        let refused = rule(login.finish_with_claims(json!({})).await);
        assert!(
            ["unknown_key", "malformed"].contains(&refused),
            "{name}={value}: {refused}"
        );
    }
    let login = Login::begin().await;
    login.provider.publish(&[&RSA, &RSA]);
    assert_eq!(
        rule(login.finish_with_claims(json!({})).await),
        "ambiguous_key"
    );
}

#[tokio::test]
async fn invented_key_ids_do_not_make_us_ask_again_and_again() {
    let login = Login::begin().await;
    for number in 0..20 {
        let header = json!({"alg": "RS256", "kid": format!("invented-{number}")});
        assert_eq!(rule(login.finish_with_header(header).await), "unknown_key");
    }
    assert_eq!(login.provider.key_fetches(), 2);
}

#[tokio::test]
async fn many_logins_share_one_fetch() {
    let login = Arc::new(Login::begin().await);
    let token = RSA.sign(&RSA.header(), &login.claims());
    *login.provider.token_response.lock().unwrap() =
        Some(json!({"access_token": "a", "token_type": "Bearer", "id_token": token}));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let login = Arc::clone(&login);
        tasks.spawn(async move {
            let callback = Callback::parse([("code", CODE), ("state", STATE)]).expect("a callback");
            login
                .connection
                .finish(&login.begun.pending, &callback, &login.provider, NOW)
                .await
        });
    }
    for result in tasks.join_all().await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!(login.provider.key_fetches(), 1);
}

#[tokio::test]
async fn abandoned_fetch_is_taken_over() {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    let login = Login::begin().await;
    let keys = login.connection.keys();
    let jwks_uri = &login.connection.metadata().jwks_uri;
    let mut first = Box::pin(keys.for_kid(Some("rsa-1"), jwks_uri, &login.provider, NOW));
    // One poll takes it to the provider and no further; then its caller goes away.
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let second = keys.for_kid(Some("rsa-1"), jwks_uri, &login.provider, NOW);
    let mut second = Box::pin(second);
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(first);
    assert_eq!(second.await.expect("keys").keys().len(), 1);
    assert_eq!(login.provider.key_fetches(), 1);
}

#[tokio::test]
async fn stale_keys_help_for_a_day() {
    let login = Login::begin().await;
    assert!(login.finish_with_claims(json!({})).await.is_ok());
    for status in [0, 500] {
        *login.provider.key_set_status.lock().unwrap() = status;
        for (later, works) in [(7200, true), (86_399, true), (86_400, false)] {
            let now = NOW + later;
            let begun = login
                .connection
                .begin(STATE, &[1; 64], &BeginOptions::new(), now)
                .expect("a login");
            let login = Login {
                provider: Provider::new(&[&RSA]),
                connection: login.connection.clone(),
                begun,
            };
            *login.provider.key_set_status.lock().unwrap() = status;
            let query: std::collections::HashMap<_, _> = login
                .begun
                .authorize_url
                .query_pairs()
                .into_owned()
                .collect();
            *login.provider.code_challenge.lock().unwrap() = query["code_challenge"].clone();
            let mut claims = login.claims();
            (claims["iat"], claims["exp"]) = (json!(now), json!(now + 300));
            let result = login
                .finish_at(&RSA.sign(&RSA.header(), &claims), now)
                .await;
            assert_eq!(
                result.is_ok(),
                works,
                "status {status}, {later} s later: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn weak_symmetric_and_unknown_keys_are_left_out() {
    let good = RSA.jwk();
    let symmetric = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1"});
    let weak = json!({"kty": "RSA", "n": "AQAB".repeat(42), "e": "AQAB", "kid": "weak"});
    let unknown = json!({"kty": "XYZ", "kid": "unknown"});
    let mut cache = KeyCache::new();
    for useless in [&symmetric, &weak, &unknown] {
        let body = json!({"keys": [useless]}).to_string();
        assert_eq!(
            cache
                .put(body.as_bytes(), None, NOW)
                .expect_err("useless")
                .rule(),
            "malformed"
        );
    }
    let body = json!({"keys": [symmetric, weak, unknown, good]}).to_string();
    cache.put(body.as_bytes(), None, NOW).expect("one good key");
    assert_eq!(cache.keys().keys().len(), 1);
    assert_eq!(cache.decide(Some("rsa-1"), NOW), KeyDecision::Use);
    let many = json!({"keys": vec![RSA.jwk(); 101]}).to_string();
    assert_eq!(
        cache
            .put(many.as_bytes(), None, NOW)
            .expect_err("too many")
            .rule(),
        "malformed"
    );
    assert_eq!(cache.keys().keys().len(), 1);
}

#[test]
fn freshness_follows_max_age_within_bounds() {
    for (max_age, lifetime) in [
        (None, 3600),
        (Some(0), 300),
        (Some(299), 300),
        (Some(900), 900),
        (Some(86_400), 3600),
    ] {
        let cache = filled(&[&RSA], max_age);
        assert_eq!(
            cache.decide(Some("rsa-1"), NOW + lifetime - 1),
            KeyDecision::Use,
            "{max_age:?}"
        );
        assert_eq!(
            cache.decide(Some("rsa-1"), NOW + lifetime),
            KeyDecision::Refetch,
            "{max_age:?}"
        );
    }
}

#[test]
fn fetches_are_rationed() {
    let mut cache = filled(&[&RSA], None);
    assert_eq!(cache.decide(Some("new"), NOW), KeyDecision::Refetch);
    assert!(cache.take_fetch(NOW));
    assert_eq!(cache.decide(Some("new"), NOW), KeyDecision::Refuse);
    assert!(!cache.take_fetch(NOW));
    assert_eq!(cache.decide(Some("new"), NOW + 29), KeyDecision::Refuse);
    assert_eq!(cache.decide(Some("new"), NOW + 30), KeyDecision::Refetch);
    assert!(cache.take_fetch(NOW + 45));
    // The 15 seconds that were left over count.
    assert!(!cache.take_fetch(NOW + 59));
    assert!(cache.take_fetch(NOW + 60));
    // A long rest fills the bucket to two, not more.
    assert!(cache.take_fetch(NOW + 10_000));
    assert!(cache.take_fetch(NOW + 10_000));
    assert!(!cache.take_fetch(NOW + 10_000));
    // A clock that was set back gives nothing away and keeps nothing forever.
    assert!(!cache.take_fetch(NOW));
    assert_eq!(cache.decide(Some("rsa-1"), NOW - 10), KeyDecision::Use);
}

#[test]
fn connections_do_not_share_keys() {
    let ring = KeyRing::new();
    let (first, again, second) = (ring.of("con_1"), ring.of("con_1"), ring.of("con_2"));
    assert!(first.is_shared_with(&again));
    assert!(!first.is_shared_with(&second));
    ring.remove("con_1");
    assert!(!first.is_shared_with(&ring.of("con_1")));
}
