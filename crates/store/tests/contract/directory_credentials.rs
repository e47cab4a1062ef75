//! What opens a directory: bearer tokens, and clients with their access tokens.

use std::time::Duration;

use vestibule_core::{DirectoryScope, SecretHash, Timestamp};
use vestibule_store::{DirectoryCredential, NewDirectoryToken};
use vestibule_support::{World, on_every_database};

on_every_database!(
    directory_tokens_are_live_while_all_they_rest_on_is,
    access_tokens_of_clients_are_live_while_all_they_rest_on_is,
    an_assertion_of_a_client_counts_once,
    expiring_directory_tokens_are_told_of_once_for_each_step,
);

async fn directory_tokens_are_live_while_all_they_rest_on_is(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let other = world.directory(&organization).await;
    let (token, short) = (world.secret(), world.secret());
    let now = world.now();
    let mut tx = world.write().await;
    let made = tx
        .add_directory_token(
            &directory,
            bearer(token, now.after(Duration::from_hours(100))),
        )
        .await
        .unwrap();
    tx.add_directory_token(&directory, bearer(short, now.after(Duration::from_mins(1))))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let is_live = async |directory, token| {
        let found = world
            .read()
            .await
            .live_directory_token(directory, token)
            .await;
        found.unwrap().is_some()
    };
    assert!(is_live(directory.id, token).await);
    assert!(
        !is_live(other.id, token).await,
        "a token opens its own directory only"
    );
    assert!(!is_live(directory.id, world.secret()).await);
    assert!(is_live(directory.id, short).await);
    world.clock.advance(Duration::from_mins(1));
    assert!(!is_live(directory.id, short).await);

    let mut tx = world.write().await;
    let listed = tx.list_directory_tokens(directory.id).await.unwrap();
    assert_eq!(listed.len(), 2);
    let credential = DirectoryCredential::Token(made.id);
    tx.touch_directory(directory.id, credential).await.unwrap();
    let touched = tx.find_directory_token(made.id).await.unwrap().unwrap();
    assert_eq!(touched.last_used_at, Some(world.now()));
    let seen = tx.find_directory(directory.id).await.unwrap().unwrap();
    assert_eq!(seen.last_seen_at, Some(world.now()));
    tx.commit().await.unwrap();

    let mut inactive = organization.clone();
    inactive.active = false;
    let mut tx = world.write().await;
    tx.set_organization(&inactive).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!is_live(directory.id, token).await);
    let mut tx = world.write().await;
    tx.set_organization(&organization).await.unwrap();
    assert!(tx.revoke_directory_token(made.id).await.unwrap());
    assert!(!tx.revoke_directory_token(made.id).await.unwrap());
    assert!(tx.find_directory_token(made.id).await.unwrap().is_none());
    tx.commit().await.unwrap();
    assert!(!is_live(directory.id, token).await);
}

fn bearer(hash: SecretHash, expires_at: Timestamp) -> NewDirectoryToken<'static> {
    NewDirectoryToken {
        name: "t",
        hash,
        scope: DirectoryScope::Write,
        expires_at,
    }
}

async fn access_tokens_of_clients_are_live_while_all_they_rest_on_is(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let other = world.directory(&organization).await;
    let now = world.now();
    let jwks = serde_json::json!({ "keys": [{ "kty": "EC" }] });
    let mut tx = world.write().await;
    let client_ends = Some(now.after(Duration::from_hours(2)));
    let client = tx
        .add_directory_client(&directory, "c", DirectoryScope::Write, &jwks, client_ends)
        .await
        .unwrap();
    let listed = tx.list_directory_clients(directory.id).await.unwrap();
    assert_eq!((listed.len(), &listed[0].jwks), (1, &jwks));
    let live = tx.live_directory_client(client.id).await.unwrap().unwrap();
    let [short, long] = std::array::from_fn(|_| world.secret());
    for (token, scope, minutes) in [
        (short, DirectoryScope::Read, 5),
        (long, DirectoryScope::Write, 600),
    ] {
        let expires_at = now.after(Duration::from_mins(minutes));
        tx.add_directory_access_token(&live, token, scope, expires_at)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();

    let access = async |directory, token| {
        let mut tx = world.read().await;
        let found = tx.live_directory_access_token(directory, token).await;
        found.unwrap().map(vestibule_store::Live::into_inner)
    };
    let opened = access(directory.id, short).await.unwrap();
    assert_eq!(opened.credential, DirectoryCredential::Client(client.id));
    assert_eq!(opened.scope, DirectoryScope::Read);
    assert_eq!(opened.directory.id, directory.id);
    assert!(access(other.id, short).await.is_none());
    assert!(access(directory.id, world.secret()).await.is_none());
    let as_bearer = world
        .read()
        .await
        .live_directory_token(directory.id, short)
        .await;
    assert!(as_bearer.unwrap().is_none(), "one kind is not the other");
    world.clock.advance(Duration::from_mins(5));
    assert!(access(directory.id, short).await.is_none());

    let mut tx = world.write().await;
    let credential = DirectoryCredential::Client(client.id);
    tx.touch_directory(directory.id, credential).await.unwrap();
    tx.commit().await.unwrap();
    let used = access(directory.id, long).await.unwrap().last_used_at;
    assert_eq!(used, Some(world.now()));

    let mut inactive = organization.clone();
    inactive.active = false;
    let mut tx = world.write().await;
    tx.set_organization(&inactive).await.unwrap();
    tx.commit().await.unwrap();
    assert!(access(directory.id, long).await.is_none());
    let mut tx = world.write().await;
    tx.set_organization(&organization).await.unwrap();
    tx.commit().await.unwrap();
    assert!(access(directory.id, long).await.is_some());

    world.clock.advance(Duration::from_hours(2));
    assert!(
        access(directory.id, long).await.is_none(),
        "the client ended"
    );
    let mut tx = world.write().await;
    assert!(tx.live_directory_client(client.id).await.unwrap().is_none());
    let client = tx
        .add_directory_client(&directory, "d", DirectoryScope::Read, &jwks, None)
        .await
        .unwrap();
    let live = tx.live_directory_client(client.id).await.unwrap().unwrap();
    let [token, kept] = std::array::from_fn(|_| world.secret());
    let expires_at = world.now().after(Duration::from_hours(1));
    for token in [token, kept] {
        tx.add_directory_access_token(&live, token, DirectoryScope::Read, expires_at)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert!(access(directory.id, token).await.is_some());
    let mut tx = world.write().await;
    assert!(tx.revoke_directory_client(client.id).await.unwrap());
    assert!(!tx.revoke_directory_client(client.id).await.unwrap());
    tx.commit().await.unwrap();
    assert!(access(directory.id, token).await.is_none(), "at once");
    let found = world.read().await.find_directory_client(client.id).await;
    assert!(found.unwrap().is_none());

    let mut tx = world.write().await;
    let client = tx
        .add_directory_client(&other, "e", DirectoryScope::Write, &jwks, None)
        .await
        .unwrap();
    tx.delete_directory(other.id, "test").await.unwrap();
    assert!(tx.live_directory_client(client.id).await.unwrap().is_none());
    tx.commit().await.unwrap();
}

async fn an_assertion_of_a_client_counts_once(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let jwks = serde_json::json!({ "keys": [] });
    let mut tx = world.write().await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let made = tx
            .add_directory_client(&directory, "c", DirectoryScope::Write, &jwks, None)
            .await;
        clients.push(made.unwrap().id);
    }
    let until = world.now().after(Duration::from_mins(5));
    let mut remember = async |client, jti| {
        let fresh = tx.remember_client_assertion(client, jti, until).await;
        fresh.unwrap()
    };
    assert!(remember(clients[0], "a").await);
    assert!(!remember(clients[0], "a").await);
    assert!(remember(clients[0], "b").await);
    assert!(
        remember(clients[1], "a").await,
        "each client counts for itself"
    );
}

async fn expiring_directory_tokens_are_told_of_once_for_each_step(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let days = |days: u64| world.now().after(Duration::from_hours(24 * days));
    let mut tx = world.write().await;
    let mut made = Vec::new();
    for ends in [5, 20, 100] {
        let token = bearer(world.secret(), days(ends));
        made.push(tx.add_directory_token(&directory, token).await.unwrap().id);
    }
    let expiring = async |tx: &mut vestibule_store::WriteTx, ahead: u64| {
        let step = i64::try_from(ahead).unwrap();
        let found = tx
            .list_expiring_directory_tokens(days(ahead), step, 10)
            .await;
        let found = found.unwrap();
        found.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(expiring(&mut tx, 7).await, [made[0]]);
    assert!(tx.set_directory_token_warned(made[0], 7).await.unwrap());
    assert!(!tx.set_directory_token_warned(made[0], 7).await.unwrap());
    assert!(expiring(&mut tx, 7).await.is_empty());
    assert_eq!(
        expiring(&mut tx, 30).await,
        [made[1]],
        "not those told of later steps"
    );
    assert!(tx.revoke_directory_token(made[1]).await.unwrap());
    assert!(expiring(&mut tx, 30).await.is_empty());
    assert!(!tx.set_directory_token_warned(made[1], 7).await.unwrap());
}
