//! A verified answer waits for its browser: taken once, and dead as soon as what it rests on is.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::Barrier;
use vestibule_core::{ConnectionState, EndCause, EndScope, SecretHash, UserSessionId};
use vestibule_store::{LoginAnswer, NewLoginAnswer, NewUserSession, TakenAnswer, WriteTx};
use vestibule_support::{Company, DatabaseKind, SignIn, World, on_every_database};

use crate::once::count_winners;

on_every_database!(
    an_answer_is_given_back_as_it_was_kept,
    an_answer_is_taken_by_exactly_one,
    a_rolled_back_taking_leaves_the_answer,
    each_ending_kills_an_answer_and_nothing_revives_it,
    a_switched_off_parent_refuses_an_answer,
    a_late_answer_is_dead_and_used_up,
    a_sign_in_copies_the_epochs_of_its_answer,
    an_ending_waits_for_the_sign_in_of_an_answer,
    an_answer_ends_with_the_sign_in_that_it_tells_of,
    no_answer_outlives_a_deactivation_at_the_same_moment,
);

const BROWSER: [u8; 32] = [7; 32];

/// Keeps a verified answer of the company's person; none where the login is refused.
async fn try_answer(world: &World, company: &Company) -> Option<SecretHash> {
    let hash = world.secret();
    let mut tx = world.write().await;
    let epochs = tx
        .hold_login(company.user.id, company.connection.id)
        .await
        .unwrap()?;
    tx.add_login_answer(NewLoginAnswer {
        hash,
        browser_hash: &BROWSER,
        user_id: company.user.id,
        organization_id: company.organization.id,
        connection_id: company.connection.id,
        application_id: Some(company.application.id),
        epochs,
        request: &json!({ "scope": "openid" }),
        upstream: ("https://idp.example", "ada", Some("s-1")),
        proof_sealed: &[1, 2, 3],
        expires_at: world.now().after(Duration::from_mins(5)),
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    Some(hash)
}

async fn answer(world: &World, company: &Company) -> SecretHash {
    try_answer(world, company).await.unwrap()
}

async fn take(world: &World, hash: SecretHash) -> TakenAnswer {
    let mut tx = world.write().await;
    let taken = tx.take_login_answer(hash).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

/// Whether an answer would be accepted; it is not used up.
async fn is_live(world: &World, hash: SecretHash) -> bool {
    let mut tx = world.write().await;
    matches!(
        tx.take_login_answer(hash).await.unwrap(),
        TakenAnswer::Live(_)
    )
}

async fn sign_in(tx: &mut WriteTx, answer: &LoginAnswer, secret: SecretHash) -> UserSessionId {
    let expires_at = answer.created_at.after(Duration::from_hours(1));
    tx.add_user_session(NewUserSession {
        user_id: answer.user_id,
        organization_id: answer.organization_id,
        connection_id: answer.connection_id,
        epochs: answer.epochs,
        secret_hash: secret,
        auth_time: answer.created_at,
        acr: "1".to_owned(),
        amr: Vec::new(),
        upstream: None,
        upstream_name_id: None,
        idle_seconds: 600,
        expires_at,
    })
    .await
    .unwrap()
}

async fn an_answer_is_given_back_as_it_was_kept(world: World) {
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    let TakenAnswer::Live(taken) = take(&world, hash).await else {
        panic!("the answer is live");
    };
    assert_eq!(taken.browser_hash, BROWSER);
    assert_eq!(taken.user_id, company.user.id);
    assert_eq!(taken.organization_id, company.organization.id);
    assert_eq!(taken.connection_id, company.connection.id);
    assert_eq!(taken.application_id, Some(company.application.id));
    assert_eq!(taken.epochs.user, company.user.epoch);
    assert_eq!(taken.epochs.connection, company.connection.epoch);
    assert_eq!(taken.request, json!({ "scope": "openid" }));
    assert_eq!(taken.proof_sealed, [1, 2, 3]);
    assert_eq!(taken.created_at, world.now());
    assert_eq!(taken.expires_at, world.now().after(Duration::from_mins(5)));
    assert!(matches!(take(&world, hash).await, TakenAnswer::Gone));
    let unknown = take(&world, world.secret()).await;
    assert!(matches!(unknown, TakenAnswer::Gone));
}

async fn an_answer_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    let winners = count_winners(&world, move |world| async move {
        match take(&world, hash).await {
            TakenAnswer::Live(_) => true,
            TakenAnswer::Gone => false,
            TakenAnswer::Dead(_) => panic!("nothing ended"),
        }
    })
    .await;
    assert_eq!(winners, 1);
}

async fn a_rolled_back_taking_leaves_the_answer(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    let mut first = world.write().await;
    let taken = first.take_login_answer(hash).await.unwrap();
    assert!(matches!(taken, TakenAnswer::Live(_)));
    let second = tokio::spawn({
        let world = Arc::clone(&world);
        async move { take(&world, hash).await }
    });
    drop(first);
    assert!(matches!(second.await.unwrap(), TakenAnswer::Live(_)));
}

async fn each_ending_kills_an_answer_and_nothing_revives_it(world: World) {
    type Scope = fn(&Company) -> EndScope;
    let table: [(Scope, bool); 4] = [
        (|company| EndScope::User(company.user.id), false),
        (
            |company| EndScope::Organization(company.organization.id),
            false,
        ),
        (|company| EndScope::Connection(company.connection.id), false),
        // A sign-in belongs to no application, so an application's ending leaves it alone.
        (
            |company| EndScope::Application(company.application.id),
            true,
        ),
    ];
    for (scope, wanted) in table {
        let name = world.store.generator().uuid().simple().to_string();
        let company = world.company(&name).await;
        let elsewhere = world.company(&format!("not{name}")).await;
        let (hash, other) = (
            answer(&world, &company).await,
            answer(&world, &elsewhere).await,
        );
        let scope = scope(&company);
        world.end(scope, EndCause::Deactivated).await;
        assert_eq!(is_live(&world, hash).await, wanted, "{scope:?}");
        world.end(scope, EndCause::Reactivated).await;
        assert_eq!(is_live(&world, hash).await, wanted, "{scope:?}");
        assert!(is_live(&world, other).await, "{scope:?}");
        assert!(is_live(&world, answer(&world, &company).await).await);
    }
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    world.set_active(&company.user, false).await;
    assert!(!is_live(&world, hash).await);
    assert!(try_answer(&world, &company).await.is_none());
    world.set_active(&company.user, true).await;
    let TakenAnswer::Dead(dead) = take(&world, hash).await else {
        panic!("an answer from before the deactivation is dead");
    };
    assert_eq!(dead.user_id, company.user.id);
    assert!(matches!(take(&world, hash).await, TakenAnswer::Gone));
    let hash = answer(&world, &company).await;
    world.delete(&company.user).await;
    assert!(matches!(take(&world, hash).await, TakenAnswer::Dead(_)));
}

async fn a_switched_off_parent_refuses_an_answer(world: World) {
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    // Without an ending on purpose: the state alone has to be enough while it lasts.
    for state in [ConnectionState::Inactive, ConnectionState::Draft] {
        let mut connection = company.connection.clone();
        connection.state = state;
        let mut tx = world.write().await;
        tx.set_connection(&connection).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!is_live(&world, hash).await);
    }
    let mut tx = world.write().await;
    tx.set_connection(&company.connection).await.unwrap();
    tx.commit().await.unwrap();
    assert!(is_live(&world, hash).await);
    let mut organization = company.organization.clone();
    organization.active = false;
    let mut tx = world.write().await;
    tx.set_organization(&organization).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!is_live(&world, hash).await);
}

async fn a_late_answer_is_dead_and_used_up(world: World) {
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    world
        .clock
        .advance(Duration::from_mins(5) - Duration::from_micros(1));
    assert!(is_live(&world, hash).await);
    world.clock.advance(Duration::from_micros(1));
    assert!(matches!(take(&world, hash).await, TakenAnswer::Dead(_)));
    assert!(matches!(take(&world, hash).await, TakenAnswer::Gone));
}

async fn a_sign_in_copies_the_epochs_of_its_answer(world: World) {
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    let TakenAnswer::Live(taken) = take(&world, hash).await else {
        panic!("the answer is live");
    };
    world.set_active(&company.user, false).await;
    world.set_active(&company.user, true).await;
    let secret = world.secret();
    let mut tx = world.write().await;
    let id = sign_in(&mut tx, &taken, secret).await;
    tx.commit().await.unwrap();
    let late = world.is_signed_in(SignIn { id, secret }).await;
    assert!(!late, "what was under way is dead at birth");

    let hash = answer(&world, &company).await;
    let mut tx = world.write().await;
    let TakenAnswer::Live(taken) = tx.take_login_answer(hash).await.unwrap() else {
        panic!("the answer is live");
    };
    let id = sign_in(&mut tx, &taken, secret).await;
    assert!(tx.hold_user_session(id, secret).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert!(world.is_signed_in(SignIn { id, secret }).await);
}

async fn an_ending_waits_for_the_sign_in_of_an_answer(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let hash = answer(&world, &company).await;
    let mut tx = world.write().await;
    let TakenAnswer::Live(taken) = tx.take_login_answer(hash).await.unwrap() else {
        panic!("the answer is live");
    };
    let ending = tokio::spawn({
        let (world, user) = (Arc::clone(&world), company.user.id);
        async move { world.end(EndScope::User(user), EndCause::Deactivated).await }
    });
    if world.database.kind == DatabaseKind::Postgres {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while world.database.number(waiting).await == 0 {
            assert!(!ending.is_finished(), "the ending did not wait");
        }
    }
    let secret = world.secret();
    let id = sign_in(&mut tx, &taken, secret).await;
    tx.commit().await.unwrap();
    let ended = ending.await.unwrap();
    assert_eq!(ended.user_sessions, 1, "the ending saw the new sign-in");
    assert!(!world.is_signed_in(SignIn { id, secret }).await);
}

/// What a round leaves: an answer is taken, and its sign-in begun, while the person is deactivated and comes back.
async fn no_answer_outlives_a_deactivation_at_the_same_moment(world: World) {
    let world = Arc::new(world);
    let mut company = world.company("acme").await;
    for round in 0..60_u64 {
        let name = format!("user{round}");
        company.user = world.user(&company.organization, None, &name).await;
        let hash = answer(&world, &company).await;
        let start = Arc::new(Barrier::new(2));
        let finish = tokio::spawn({
            let (world, start) = (Arc::clone(&world), Arc::clone(&start));
            async move {
                start.wait().await;
                tokio::time::sleep(Duration::from_micros(round * 331 % 1500)).await;
                let mut tx = world.write().await;
                let taken = tx.take_login_answer(hash).await.unwrap();
                let TakenAnswer::Live(taken) = taken else {
                    tx.commit().await.unwrap();
                    return None;
                };
                let secret = world.secret();
                let id = sign_in(&mut tx, &taken, secret).await;
                tx.commit().await.unwrap();
                Some(SignIn { id, secret })
            }
        });
        start.wait().await;
        world.set_active(&company.user, false).await;
        world.set_active(&company.user, true).await;
        if let Some(begun) = finish.await.unwrap() {
            assert!(!world.is_signed_in(begun).await, "round {round}");
            let row = world.read().await.find_user_session(begun.id).await;
            let row = row.unwrap().unwrap();
            assert!(row.ended_at.is_some(), "round {round}: the ending saw it");
        }
        assert!(matches!(take(&world, hash).await, TakenAnswer::Gone));
    }
}

async fn an_answer_ends_with_the_sign_in_that_it_tells_of(world: World) {
    let company = world.company("acme").await;
    let other = world.company("bolt").await;
    let ours = company.connection.id;
    let idp = "https://idp.example";
    let ending = async |connection, issuer: &str, subject: &str, indexes: &[&str]| {
        let indexes: Vec<String> = indexes.iter().map(ToString::to_string).collect();
        let mut tx = world.write().await;
        let ended = tx
            .end_login_answers(connection, issuer, subject, &indexes)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        ended
    };
    let hash = answer(&world, &company).await;
    for (connection, issuer, subject, indexes) in [
        (other.connection.id, idp, "ada", &[][..]),
        (ours, "https://evil.example", "ada", &[]),
        (ours, idp, "grace", &[]),
        (ours, idp, "ada", &["s-2", "s-3"]),
    ] {
        assert_eq!(ending(connection, issuer, subject, indexes).await, 0);
    }
    assert!(is_live(&world, hash).await);
    for indexes in [&["s-2", "s-1"][..], &[]] {
        let hash = answer(&world, &company).await;
        assert!(ending(ours, idp, "ada", indexes).await > 0);
        let TakenAnswer::Dead(dead) = take(&world, hash).await else {
            panic!("the sign-in at the identity provider is over");
        };
        assert_eq!(dead.ended_at, Some(world.now()));
        assert_eq!(ending(ours, idp, "ada", indexes).await, 0, "used up");
    }
}
