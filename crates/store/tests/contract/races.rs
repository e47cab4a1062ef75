//! Logins, exchanges and refreshes against deactivation: nothing issued before the last bump is live (I2, I3, I8).

use std::{env, sync::Arc, time::Duration};

use tokio::sync::Barrier;
use vestibule_support::{Company, Grant, Lasting, Share, SignIn, World, on_every_database};

on_every_database!(nothing_issued_before_the_last_bump_outlives_it);

/// Rounds on each database; `STORE_RACE_ROUNDS` asks for more.
fn rounds() -> u64 {
    env::var("STORE_RACE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(120)
}

/// The same database seen by another node: on PostgreSQL with connections of its own.
fn node(world: &World, store: vestibule_store::Store) -> World {
    World {
        database: world.database.twin(&store),
        store,
        clock: world.clock.clone(),
    }
}

/// What one round hands out while the user is being deactivated and comes back.
#[derive(Default)]
struct Issued {
    sign_ins: Vec<SignIn>,
    grants: Vec<Grant>,
    shares: Vec<Share>,
}

async fn nothing_issued_before_the_last_bump_outlives_it(world: World) {
    let other = Arc::new(node(&world, world.database.second_node().await));
    let world = Arc::new(world);
    let mut company = world.company("acme").await;
    for round in 0..rounds() {
        company.user = world
            .user(&company.organization, None, &format!("user{round}"))
            .await;
        run_round(round, &world, &other, &company).await;
    }
}

async fn run_round(round: u64, world: &Arc<World>, other: &Arc<World>, company: &Company) {
    let sign_in = world.login(&company.user, &company.connection).await;
    let waiting = world.authorize(sign_in, &company.application).await;
    let share = world
        .exchange(world.authorize(sign_in, &company.application).await)
        .await;
    let mut issued = Issued {
        sign_ins: vec![sign_in],
        grants: vec![waiting],
        shares: vec![share],
    };
    let start = Arc::new(Barrier::new(5));
    // A little apart, another way in each round, so that every order comes up.
    let pause = move |place: u64| Duration::from_micros((round * 331 + place * 577) % 1500);

    let login = tokio::spawn({
        let (world, company, start) = (Arc::clone(world), company.clone(), Arc::clone(&start));
        async move {
            start.wait().await;
            tokio::time::sleep(pause(1)).await;
            let sign_in = world.try_login(&company.user, &company.connection).await?;
            let grant = world.try_authorize(sign_in, &company.application).await;
            Some((sign_in, grant))
        }
    });
    let exchange = tokio::spawn({
        let (world, start) = (Arc::clone(other), Arc::clone(&start));
        async move {
            start.wait().await;
            tokio::time::sleep(pause(2)).await;
            world.try_exchange(waiting, Lasting::Offline).await
        }
    });
    let refresh = tokio::spawn({
        let (world, start) = (Arc::clone(world), Arc::clone(&start));
        async move {
            start.wait().await;
            tokio::time::sleep(pause(3)).await;
            world.try_refresh(share).await
        }
    });
    let bump = tokio::spawn({
        let (world, user, start) = (Arc::clone(other), company.user.clone(), Arc::clone(&start));
        async move {
            start.wait().await;
            tokio::time::sleep(pause(4)).await;
            world.set_active(&user, false).await;
            world.set_active(&user, true).await;
        }
    });
    start.wait().await;
    let (login, exchange, refresh, bump) = tokio::join!(login, exchange, refresh, bump);
    bump.unwrap();
    if let Some((sign_in, grant)) = login.unwrap() {
        issued.sign_ins.push(sign_in);
        issued.grants.extend(grant);
    }
    issued.shares.extend(exchange.unwrap());
    issued.shares.extend(refresh.unwrap());
    check_round(round, world, other, company, &issued).await;
}

async fn check_round(round: u64, world: &World, other: &World, company: &Company, issued: &Issued) {
    // The login may have come after the last bump; everything else began before the first.
    let user = world.user_now(&company.user).await.unwrap();
    assert!(user.active && user.epoch == company.user.epoch + 2);
    for (node, name) in [(world, "one node"), (other, "the other")] {
        for sign_in in &issued.sign_ins {
            let row = node.read().await.find_user_session(sign_in.id).await;
            let is_new = row.unwrap().unwrap().epochs.user == user.epoch;
            let live = node.is_signed_in(*sign_in).await;
            assert_eq!(live, is_new, "round {round}, sign-in, {name}");
        }
        for share in &issued.shares {
            let live = node.is_share_live(share.id).await;
            assert!(!live, "round {round}, share, {name}");
            assert!(node.try_refresh(*share).await.is_none());
        }
    }
    let (old, late) = issued.grants.split_at(1);
    assert!(!world.is_code_live(old[0]).await, "round {round}, code");
    for grant in late {
        let of_late = world.is_signed_in(issued.sign_ins[1]).await;
        assert_eq!(world.is_code_live(*grant).await, of_late, "round {round}");
    }
    // I8: every share that was handed out was ended by a cause and has its notice.
    let untold = format!(
        "SELECT COUNT(*) FROM app_sessions a WHERE a.user_id = '{}' AND (a.ended_at IS NULL OR NOT EXISTS (
           SELECT 1 FROM outbox b WHERE b.kind = 'logout' AND b.user_id = a.user_id
           AND CAST(b.payload AS TEXT) LIKE '%' || a.id || '%'))",
        user.id
    );
    assert_eq!(world.database.number(&untold).await, 0, "round {round}");
}
