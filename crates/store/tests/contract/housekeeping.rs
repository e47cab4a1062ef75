//! Housekeeping removes what can no longer matter, and nothing else.

use std::time::Duration;

use vestibule_core::{DirectoryScope, EndCause, EndScope, EventKind};
use vestibule_store::{
    Destination, NewEvent, NewJob, NewLoginAnswer, NewLoginRecord, PendingLogin, UpstreamLogout,
};
use vestibule_support::{SHARE_TTL, World, on_every_database};

on_every_database!(
    only_what_is_outdated_is_removed,
    what_was_good_for_minutes_goes_an_hour_after_its_end,
    a_long_backlog_is_removed_in_passes,
    a_sign_in_stays_while_a_share_of_it_does,
);

const TABLES: [&str; 9] = [
    "pending_logins",
    "codes",
    "refresh_tokens",
    "app_sessions",
    "user_sessions",
    "idempotency",
    "logins",
    "events",
    "outbox",
];

async fn counts(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        counts.push(world.database.number(&sql).await);
    }
    counts
}

async fn tidy(world: &World) -> bool {
    let mut tx = world.write().await;
    let more = tx.remove_outdated().await.unwrap();
    tx.commit().await.unwrap();
    more
}

async fn only_what_is_outdated_is_removed(world: World) {
    let company = world.company("acme").await;
    let begun = world.now();
    let share = world.sign_in_to_app(&company).await;
    let mut tx = world.write().await;
    let pending = PendingLogin {
        browser_hash: vec![1],
        application_id: None,
        organization_id: None,
        connection_id: None,
        request: serde_json::json!({}),
        upstream_sealed: None,
        expires_at: begun.after(Duration::from_mins(15)),
    };
    tx.add_pending_login(world.secret(), &pending)
        .await
        .unwrap();
    let free_at = begun.after(Duration::from_hours(24));
    tx.take_idempotency(world.secret(), world.secret(), free_at)
        .await
        .unwrap();
    let record = NewLoginRecord {
        organization_id: Some(company.organization.id),
        outcome: "succeeded".to_owned(),
        ..NewLoginRecord::default()
    };
    tx.add_login(&record).await.unwrap();
    while tx.place_events().await.unwrap() {}
    let job = |destination: &str| NewJob {
        kind: Destination::Logout,
        destination: destination.to_owned(),
        organization_id: None,
        user_id: None,
        cause_id: None,
        payload: serde_json::json!({}),
        not_before: begun,
    };
    tx.add_jobs(&[job("done"), job("dead"), job("waiting")])
        .await
        .unwrap();
    for job in tx
        .claim_jobs(Destination::Logout, Duration::from_mins(1), 10)
        .await
        .unwrap()
    {
        match job.destination.as_str() {
            "done" => tx.finish_job(job.id).await.unwrap(),
            "dead" => tx.set_job_failed(job.id, "gone", None).await.unwrap(),
            _ => {}
        }
    }
    tx.commit().await.unwrap();
    let events = 1;
    let all = vec![1, 1, 1, 1, 1, 1, 1, events, 3];
    assert_eq!(counts(&world).await, all);
    assert!(!tidy(&world).await);
    assert_eq!(counts(&world).await, all, "nothing is outdated yet");

    // Column by column: what each table still holds after so long.
    let hours = |hours| Duration::from_hours(hours);
    for (age, wanted) in [
        (hours(23), [0, 1, 1, 1, 1, 1, 1, events, 3]),
        (hours(26), [0, 0, 1, 1, 1, 0, 1, events, 3]),
        (hours(9 * 24), [0, 0, 1, 1, 1, 0, 1, events, 3]),
        (hours(30 * 24 + 1), [0, 0, 1, 1, 1, 0, 0, events, 1]),
        (hours(31 * 24 + 1), [0, 0, 0, 0, 0, 0, 0, events, 1]),
        (hours(90 * 24 + 1), [0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        world.clock.set(begun.after(age));
        assert!(!tidy(&world).await);
        assert_eq!(counts(&world).await, wanted, "after {age:?}");
    }
    let waiting = world.database.texts("SELECT destination FROM outbox").await;
    assert_eq!(waiting, ["waiting"], "what was never delivered stays");
    assert!(!world.is_share_live(share.id).await);
    assert!(world.user_now(&company.user).await.is_some());
}

async fn what_was_good_for_minutes_goes_an_hour_after_its_end(world: World) {
    let company = world.company("acme").await;
    let (user, connection) = (&company.user, &company.connection);
    let directory = world.directory(&company.organization).await;
    let ends_at = world.now().after(Duration::from_mins(5));
    let mut tx = world.write().await;
    let epochs = tx.hold_login(user.id, connection.id).await.unwrap();
    tx.add_login_answer(NewLoginAnswer {
        hash: world.secret(),
        browser_hash: &[1],
        user_id: user.id,
        organization_id: user.organization_id,
        connection_id: connection.id,
        application_id: None,
        epochs: epochs.unwrap(),
        request: &serde_json::json!({}),
        upstream: ("https://idp.example", "ada", Some("s-1")),
        proof_sealed: &[2],
        expires_at: ends_at,
    })
    .await
    .unwrap();
    let logout = UpstreamLogout {
        connection_id: connection.id,
        organization_id: connection.organization_id,
        request_id: "_r1".to_owned(),
        return_to: "/".to_owned(),
        expires_at: ends_at,
    };
    tx.add_upstream_logout(world.secret(), &logout)
        .await
        .unwrap();
    let fresh = tx.remember_message(connection.id, "assertion:_a", ends_at);
    assert!(fresh.await.unwrap());
    let jwks = serde_json::json!({ "keys": [] });
    let client = tx
        .add_directory_client(&directory, "c", DirectoryScope::Write, &jwks, None)
        .await
        .unwrap();
    let client = tx.live_directory_client(client.id).await.unwrap().unwrap();
    let fresh = tx.remember_client_assertion(client.id, "j", ends_at);
    assert!(fresh.await.unwrap());
    tx.add_directory_access_token(&client, world.secret(), DirectoryScope::Write, ends_at)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let last = ends_at.after(Duration::from_hours(1));
    for (now, kept) in [(last, 1), (last.after(Duration::from_micros(1)), 0)] {
        world.clock.set(now);
        assert!(!tidy(&world).await);
        for table in [
            "login_answers",
            "upstream_logouts",
            "seen_assertions",
            "seen_client_assertions",
            "directory_access_tokens",
        ] {
            let count = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(world.database.number(&count).await, kept, "{table}");
        }
    }
}

async fn a_long_backlog_is_removed_in_passes(world: World) {
    let mut tx = world.write().await;
    for _ in 0..2001 {
        tx.push_event(NewEvent {
            kind: EventKind::GroupUpdated,
            organization_id: None,
            user_id: None,
            data: serde_json::json!({}),
        })
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_hours(91 * 24));
    assert!(!tidy(&world).await);
    let count = "SELECT COUNT(*) FROM events";
    assert_eq!(
        world.database.number(count).await,
        2001,
        "nobody has seen them, as they have no position"
    );
    let mut tx = world.write().await;
    tx.place_events().await.unwrap();
    tx.commit().await.unwrap();
    assert!(tidy(&world).await);
    assert!(!tidy(&world).await);
    assert_eq!(world.database.number(count).await, 0);
}

async fn a_sign_in_stays_while_a_share_of_it_does(world: World) {
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let grant = world.authorize(sign_in, &company.application).await;
    let offline = world.exchange_offline(grant).await;
    world
        .end(EndScope::UserSession(sign_in.id), EndCause::Logout)
        .await;
    let ends_at = world.now().after(SHARE_TTL);
    world.clock.set(ends_at.before(Duration::from_secs(1)));
    assert!(!tidy(&world).await);
    let live = world.read().await.live_app_session(offline.id).await;
    let live = live.unwrap().unwrap();
    assert_eq!(live.amr, ["pwd"]);
}
