//! What passes between us and an identity provider: messages that count once, sign-ins that it names, logouts.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use vestibule_core::{EndCause, EndScope, Protocol, SecretHash, UserSessionId};
use vestibule_store::{Connection, Epochs, NewUserSession, UpstreamLogout, User};
use vestibule_support::{World, on_every_database};

use crate::once::count_winners;

on_every_database!(
    a_message_is_remembered_by_exactly_one,
    a_message_counts_once_for_each_connection_and_kind,
    a_message_whose_use_was_rolled_back_is_free,
    a_message_counts_until_it_is_swept,
    a_sign_in_keeps_the_name_identifier_until_its_user_is_deleted,
    an_identity_provider_names_its_own_sign_ins_only,
    however_many_sign_ins_a_subject_has_all_are_found,
    a_logout_is_taken_by_exactly_one,
    a_logout_is_its_own_connections_only,
    an_ending_waits_for_a_login_under_way_and_finds_its_sign_in,
    a_login_hears_of_what_ended_before_it,
    a_logout_hint_is_taken_once_and_goes_with_its_user,
);

async fn remember(world: &World, connection: &Connection, message: &str) -> bool {
    let mut tx = world.write().await;
    let until = world.now().after(Duration::from_mins(5));
    let fresh = tx.remember_message(connection.id, message, until).await;
    tx.commit().await.unwrap();
    fresh.unwrap()
}

async fn a_message_is_remembered_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let connection = Arc::new(world.company("acme").await.connection);
    let winners = count_winners(&world, |world| {
        let connection = Arc::clone(&connection);
        async move { remember(&world, &connection, "assertion:_a").await }
    })
    .await;
    assert_eq!(winners, 1);
}

async fn a_message_counts_once_for_each_connection_and_kind(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    for (connection, message, fresh) in [
        (&ours.connection, "assertion:_a", true),
        (&ours.connection, "assertion:_a", false),
        (&ours.connection, "assertion:_A", true),
        (&ours.connection, "logout:_a", true),
        (&theirs.connection, "assertion:_a", true),
        (&theirs.connection, "assertion:_a", false),
    ] {
        let got = remember(&world, connection, message).await;
        assert_eq!(got, fresh, "{message} of {}", connection.id);
    }
}

async fn a_message_whose_use_was_rolled_back_is_free(world: World) {
    let world = Arc::new(world);
    let connection = world.company("acme").await.connection;
    for (commits, second_wins) in [(false, true), (true, false)] {
        let message = format!("assertion:_{commits}");
        let mut first = world.write().await;
        let until = world.now();
        let fresh = first.remember_message(connection.id, &message, until).await;
        assert!(fresh.unwrap());
        let second = tokio::spawn({
            let (world, connection, message) =
                (Arc::clone(&world), connection.clone(), message.clone());
            async move { remember(&world, &connection, &message).await }
        });
        match commits {
            true => first.commit().await.unwrap(),
            false => drop(first),
        }
        assert_eq!(second.await.unwrap(), second_wins);
    }
}

async fn a_message_counts_until_it_is_swept(world: World) {
    let connection = world.company("acme").await.connection;
    let begun = world.now();
    assert!(remember(&world, &connection, "assertion:_a").await);
    let ends_at = begun.after(Duration::from_mins(5) + Duration::from_hours(1));
    // Past its end it still counts, and a clock that goes back changes nothing.
    for now in [begun, ends_at, begun.before(Duration::from_hours(9))] {
        world.clock.set(now);
        let mut tx = world.write().await;
        assert!(!tx.remove_outdated().await.unwrap());
        tx.commit().await.unwrap();
        assert!(!remember(&world, &connection, "assertion:_a").await);
    }
    world.clock.set(ends_at.after(Duration::from_micros(1)));
    let mut tx = world.write().await;
    assert!(!tx.remove_outdated().await.unwrap());
    tx.commit().await.unwrap();
    assert!(remember(&world, &connection, "assertion:_a").await);
}

/// A sign-in as an identity provider knows it.
async fn sign_in(
    world: &World,
    (user, connection): (&User, &Connection),
    (issuer, subject, index): (&str, &str, Option<&str>),
) -> (UserSessionId, SecretHash) {
    let secret = world.secret();
    let mut tx = world.write().await;
    let id = tx
        .add_user_session(NewUserSession {
            user_id: user.id,
            organization_id: user.organization_id,
            connection_id: connection.id,
            epochs: Epochs {
                user: user.epoch,
                organization: 1,
                connection: connection.epoch,
            },
            secret_hash: secret,
            auth_time: world.now(),
            acr: "1".to_owned(),
            amr: Vec::new(),
            upstream: Some((
                issuer.to_owned(),
                subject.to_owned(),
                index.map(str::to_owned),
            )),
            upstream_name_id: Some(json!({ "value": subject, "format": "persistent" })),
            idle_seconds: 600,
            expires_at: world.now().after(Duration::from_hours(1)),
        })
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (id, secret)
}

async fn a_sign_in_keeps_the_name_identifier_until_its_user_is_deleted(world: World) {
    let company = world.company("acme").await;
    let of = (&company.user, &company.connection);
    let (id, secret) = sign_in(&world, of, ("i", "s", Some("x"))).await;
    let live = world.read().await.live_user_session(id, secret).await;
    let live = live.unwrap().unwrap();
    let upstream = ("i".to_owned(), "s".to_owned(), Some("x".to_owned()));
    assert_eq!(live.upstream, Some(upstream));
    let name_id = json!({ "value": "s", "format": "persistent" });
    assert_eq!(live.upstream_name_id, Some(name_id));
    let plain = world.login(&company.user, &company.connection).await;
    let plain = world.read().await.find_user_session(plain.id).await;
    let plain = plain.unwrap().unwrap();
    assert_eq!((plain.upstream, plain.upstream_name_id), (None, None));

    world.delete(&company.user).await;
    let left = world.read().await.find_user_session(id).await;
    let left = left.unwrap().unwrap();
    assert_eq!((left.upstream, left.upstream_name_id), (None, None));
}

async fn find(
    world: &World,
    connection: &Connection,
    subject: &str,
    indexes: &[&str],
) -> Vec<UserSessionId> {
    let indexes: Vec<String> = indexes.iter().map(|index| (*index).to_owned()).collect();
    let mut tx = world.write().await;
    let found = tx
        .list_upstream_sessions(connection.id, "i", subject, &indexes)
        .await;
    found.unwrap()
}

async fn an_identity_provider_names_its_own_sign_ins_only(world: World) {
    let company = world.company("acme").await;
    let other = world
        .connection(&company.organization, Protocol::Saml)
        .await;
    let (user, connection) = (&company.user, &company.connection);
    let of = (user, connection);
    let (first, _) = sign_in(&world, of, ("i", "s", Some("x"))).await;
    let (second, _) = sign_in(&world, of, ("i", "s", Some("y"))).await;
    let (third, _) = sign_in(&world, of, ("i", "s", None)).await;
    sign_in(&world, of, ("elsewhere", "s", Some("x"))).await;
    sign_in(&world, of, ("i", "S", Some("x"))).await;
    let (through_other, _) = sign_in(&world, (user, &other), ("i", "s", Some("x"))).await;

    for (indexes, wanted) in [
        (&[][..], vec![first, second, third]),
        (&["x"], vec![first]),
        (&["y", "x", "y"], vec![first, second]),
        (&["X"], vec![]),
    ] {
        let mut wanted = wanted;
        wanted.sort_unstable();
        let found = find(&world, connection, "s", indexes).await;
        assert_eq!(found, wanted, "{indexes:?}");
    }
    assert_eq!(find(&world, &other, "s", &[]).await, [through_other]);
    assert!(find(&world, connection, "nobody", &[]).await.is_empty());
    world
        .end(EndScope::UserSession(first), EndCause::Logout)
        .await;
    let left = find(&world, connection, "s", &[]).await;
    assert!(left.len() == 2 && !left.contains(&first));
    assert!(find(&world, connection, "s", &["x"]).await.is_empty());
}

async fn however_many_sign_ins_a_subject_has_all_are_found(world: World) {
    let company = world.company("acme").await;
    let (user, connection) = (&company.user, &company.connection);
    let mut tx = world.write().await;
    for number in 0..1001 {
        let index = Some(number.to_string());
        tx.add_user_session(NewUserSession {
            user_id: user.id,
            organization_id: user.organization_id,
            connection_id: connection.id,
            epochs: Epochs {
                user: user.epoch,
                organization: 1,
                connection: 1,
            },
            secret_hash: world.secret(),
            auth_time: world.now(),
            acr: "1".to_owned(),
            amr: Vec::new(),
            upstream: Some(("i".to_owned(), "s".to_owned(), index)),
            upstream_name_id: None,
            idle_seconds: 600,
            expires_at: world.now().after(Duration::from_hours(1)),
        })
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let all = find(&world, connection, "s", &[]).await;
    assert_eq!(all.len(), 1001);
    let indexes: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    assert_eq!(find(&world, connection, "s", &indexes).await, all);
}

fn logout(world: &World, connection: &Connection) -> UpstreamLogout {
    UpstreamLogout {
        connection_id: connection.id,
        organization_id: connection.organization_id,
        request_id: "_r1".to_owned(),
        return_to: "https://app.test/bye".to_owned(),
        expires_at: world.now().after(Duration::from_mins(10)),
    }
}

async fn a_logout_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let connection = world.company("acme").await.connection;
    let (handle, late) = (world.secret(), world.secret());
    let begun = logout(&world, &connection);
    let mut tx = world.write().await;
    tx.add_upstream_logout(handle, &begun).await.unwrap();
    tx.add_upstream_logout(late, &begun).await.unwrap();
    tx.commit().await.unwrap();
    let id = connection.id;
    let winners = count_winners(&world, move |world| async move {
        let mut tx = world.write().await;
        let taken = tx.take_upstream_logout(handle, id).await.unwrap();
        tx.commit().await.unwrap();
        let Some(taken) = taken else { return false };
        assert_eq!(taken.request_id, "_r1");
        assert_eq!(taken.return_to, "https://app.test/bye");
        taken.connection_id == id
    })
    .await;
    assert_eq!(winners, 1);
    world.clock.advance(Duration::from_mins(10));
    let mut tx = world.write().await;
    let taken = tx.take_upstream_logout(late, id).await.unwrap();
    assert!(taken.is_none());
}

async fn a_logout_is_its_own_connections_only(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let handle = world.secret();
    let begun = logout(&world, &ours.connection);
    let mut tx = world.write().await;
    tx.add_upstream_logout(handle, &begun).await.unwrap();
    let stolen = tx.take_upstream_logout(handle, theirs.connection.id).await;
    assert!(stolen.unwrap().is_none());
    let taken = tx.take_upstream_logout(handle, ours.connection.id).await;
    assert!(taken.unwrap().is_some(), "a thief cannot use it up");
}

/// A login has asked whether its session is over, and is not stored yet; the provider's logout comes in between.
async fn an_ending_waits_for_a_login_under_way_and_finds_its_sign_in(world: World) {
    let world = Arc::new(world);
    let company = Arc::new(world.company("acme").await);
    for known in [false, true] {
        // Also where an older ending of the same name is there.
        let (sid, until) = (
            format!("sid:{known}"),
            world.now().after(Duration::from_mins(15)),
        );
        if known {
            let mut tx = world.write().await;
            let added = tx
                .add_upstream_ending(company.connection.id, &sid, 5, until)
                .await;
            added.unwrap();
            tx.commit().await.unwrap();
        }
        let mut login = world.write().await;
        let over = login.hold_against_ending(company.connection.id, &sid).await;
        let over = over.unwrap().map(|ending| ending.issued_at);
        assert_eq!(over, known.then_some(5));
        let logout = tokio::spawn({
            let (world, company, sid) = (Arc::clone(&world), Arc::clone(&company), sid.clone());
            async move {
                let mut tx = world.write().await;
                let id = company.connection.id;
                tx.add_upstream_ending(id, &sid, 9, until).await.unwrap();
                let found = tx.list_sessions_of_provider(id, "https://idp.test", &sid, None);
                let found = found.await.unwrap();
                tx.commit().await.unwrap();
                found
            }
        });
        // Time enough for the logout to pass, if nothing held it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!logout.is_finished());
        let epochs = login
            .hold_login(company.user.id, company.connection.id)
            .await;
        let now = world.now();
        let id = login
            .add_user_session(NewUserSession {
                user_id: company.user.id,
                organization_id: company.organization.id,
                connection_id: company.connection.id,
                epochs: epochs.unwrap().unwrap(),
                secret_hash: world.secret(),
                auth_time: now,
                acr: "1".to_owned(),
                amr: Vec::new(),
                upstream: Some(("https://idp.test".to_owned(), "ada".to_owned(), Some(sid))),
                upstream_name_id: None,
                idle_seconds: 60,
                expires_at: now.after(Duration::from_mins(1)),
            })
            .await
            .unwrap();
        login.commit().await.unwrap();
        assert_eq!(logout.await.unwrap(), [id]);
    }
}

async fn a_login_hears_of_what_ended_before_it(world: World) {
    let (ours, theirs) = (
        world.company("acme").await.connection,
        world.company("bolt").await.connection,
    );
    let ask = async |connection: &Connection, name: &str| {
        let mut tx = world.write().await;
        let over = tx.hold_against_ending(connection.id, name).await.unwrap();
        tx.commit().await.unwrap();
        over.map(|ending| ending.issued_at)
    };
    assert_eq!(ask(&ours, "sub:ada").await, None);
    assert_eq!(
        ask(&ours, "sub:ada").await,
        None,
        "who asked left nothing behind"
    );
    let until = world.now().after(Duration::from_mins(15));
    for issued_at in [7, 9, 8] {
        let mut tx = world.write().await;
        let added = tx.add_upstream_ending(ours.id, "sub:ada", issued_at, until);
        added.await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(ask(&ours, "sub:ada").await, Some(9), "the latest");
    assert_eq!(ask(&ours, "sid:ada").await, None);
    assert_eq!(ask(&theirs, "sub:ada").await, None);
    world.clock.set(until.after(Duration::from_hours(2)));
    let mut tx = world.write().await;
    tx.remove_outdated().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask(&ours, "sub:ada").await, None);
}

async fn a_logout_hint_is_taken_once_and_goes_with_its_user(world: World) {
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let other = world.login(&company.user, &company.connection).await;
    let mut tx = world.write().await;
    let until = world.now().after(Duration::from_hours(1));
    for id in [sign_in.id, other.id] {
        let added = tx.add_logout_hint(id, company.user.id, b"sealed", until);
        added.await.unwrap();
    }
    let taken = tx.take_logout_hint(sign_in.id).await.unwrap();
    assert_eq!(taken.as_deref(), Some(&b"sealed"[..]));
    assert_eq!(tx.take_logout_hint(sign_in.id).await.unwrap(), None);
    tx.commit().await.unwrap();
    world.delete(&company.user).await;
    let mut tx = world.write().await;
    assert_eq!(tx.take_logout_hint(other.id).await.unwrap(), None);
}
