//! What is used up once is used up once, however many try at the same moment.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use vestibule_core::{EndCause, EndScope};
use vestibule_store::{PendingLogin, TakenCode};
use vestibule_support::{Lasting, World, on_every_database, person};

on_every_database!(
    a_code_is_taken_by_exactly_one,
    a_replayed_code_ends_the_share_that_it_began,
    a_code_is_its_own_applications_only,
    a_refresh_token_is_taken_by_exactly_one,
    a_used_refresh_token_ends_its_share,
    revoking_access_tokens_moves_the_generation_forward_only,
    a_pending_login_is_taken_by_exactly_one,
    a_name_is_taken_by_exactly_one,
);

const TAKERS: usize = 32;

/// Runs the same thing as often at the same moment and counts those for whom it was true.
pub(crate) async fn count_winners<F>(world: &Arc<World>, take: impl Fn(Arc<World>) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut takers = JoinSet::new();
    for _ in 0..TAKERS {
        takers.spawn(take(Arc::clone(world)));
    }
    let won = takers.join_all().await;
    won.into_iter().filter(|won| *won).count()
}

async fn a_code_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let grant = world.authorize(sign_in, &company.application).await;
    let winners = count_winners(&world, |world| async move {
        let mut tx = world.write().await;
        let taken = tx.take_code(grant.code, grant.application_id).await;
        let won = match taken.unwrap() {
            TakenCode::Live(_) => true,
            TakenCode::Replayed(id, _) => {
                assert_eq!(id, grant.app_session_id);
                false
            }
            TakenCode::Dead => panic!("the code was there for everybody"),
        };
        tx.commit().await.unwrap();
        won
    })
    .await;
    assert_eq!(winners, 1);
}

async fn a_replayed_code_ends_the_share_that_it_began(world: World) {
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let grant = world.authorize(sign_in, &company.application).await;
    let share = world.exchange(grant).await;
    assert!(world.is_share_live(share.id).await);
    let again = world.try_exchange(grant, Lasting::WithSignIn).await;
    assert!(again.is_none() && !world.is_share_live(share.id).await);
    assert!(world.is_signed_in(sign_in).await, "the sign-in stays");
    let owner = world.read().await.find_app_session_owner(share.id).await;
    assert_eq!(owner.unwrap(), Some(company.application.id));
}

async fn a_code_is_its_own_applications_only(world: World) {
    let company = world.company("acme").await;
    let thief = world.application("Thief").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let grant = world.authorize(sign_in, &company.application).await;
    let mut tx = world.write().await;
    let taken = tx.take_code(grant.code, thief.id).await.unwrap();
    assert!(matches!(taken, TakenCode::Dead));
    let unknown = tx.take_code(world.secret(), company.application.id).await;
    assert!(matches!(unknown.unwrap(), TakenCode::Dead));
    tx.commit().await.unwrap();
    assert!(world.is_code_live(grant).await, "a thief cannot use it up");
}

async fn a_refresh_token_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let share = world.sign_in_to_app(&company).await;
    let winners = count_winners(&world, move |world| async move {
        let mut tx = world.write().await;
        assert!(tx.hold_app_session(share.id).await.unwrap().is_some());
        let won = tx.take_refresh_token(share.refresh).await.unwrap();
        tx.commit().await.unwrap();
        won
    })
    .await;
    assert_eq!(winners, 1);
    let mut tx = world.read().await;
    let token = tx.find_refresh_token(share.refresh).await.unwrap().unwrap();
    assert_eq!(token.consumed_at, Some(world.now()));
    let same = tx.find_refresh_token_at(share.id, 1).await.unwrap();
    assert_eq!(same.unwrap().app_session_id, share.id);
    assert!(
        tx.find_refresh_token_at(share.id, 2)
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_used_refresh_token_ends_its_share(world: World) {
    let company = world.company("acme").await;
    let first = world.sign_in_to_app(&company).await;
    let second = world.try_refresh(first).await.unwrap();
    let third = world.try_refresh(second).await.unwrap();
    assert_eq!(third.generation, 3);
    assert!(world.try_refresh(first).await.is_none());
    assert!(!world.is_share_live(first.id).await);
    assert!(world.try_refresh(third).await.is_none());
}

async fn revoking_access_tokens_moves_the_generation_forward_only(world: World) {
    let company = world.company("acme").await;
    let share = world.sign_in_to_app(&company).await;
    for (revoked, minimum) in [(3, 4), (1, 4), (4, 5)] {
        let mut tx = world.write().await;
        tx.revoke_access_tokens(share.id, revoked).await.unwrap();
        tx.commit().await.unwrap();
        let live = world.read().await.live_app_session(share.id).await;
        assert_eq!(live.unwrap().unwrap().min_generation, minimum);
    }
    world
        .end(EndScope::AppSession(share.id), EndCause::Revoked)
        .await;
    assert!(!world.is_share_live(share.id).await);
}

async fn a_pending_login_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let handle = world.secret();
    let late = world.secret();
    let login = PendingLogin {
        browser_hash: vec![7; 32],
        application_id: Some(company.application.id),
        organization_id: Some(company.organization.id),
        connection_id: None,
        request: serde_json::json!({ "scope": "openid" }),
        upstream_sealed: None,
        expires_at: world.now().after(Duration::from_mins(15)),
    };
    let mut tx = world.write().await;
    tx.add_pending_login(handle, &login).await.unwrap();
    tx.add_pending_login(late, &login).await.unwrap();
    let sent = tx.set_pending_upstream(handle, company.connection.id, &[1, 2]);
    assert!(sent.await.unwrap());
    tx.commit().await.unwrap();
    let found = world.read().await.find_pending_login(handle).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.connection_id, Some(company.connection.id));
    assert_eq!(found.upstream_sealed.as_deref(), Some(&[1, 2][..]));
    assert_eq!(found.request, login.request);

    let winners = count_winners(&world, move |world| async move {
        let mut tx = world.write().await;
        let won = tx.take_pending_login(handle).await.unwrap().is_some();
        tx.commit().await.unwrap();
        won
    })
    .await;
    assert_eq!(winners, 1);

    world.clock.advance(Duration::from_mins(15));
    let mut tx = world.write().await;
    let connection = company.connection.id;
    for gone in [handle, late] {
        assert!(tx.find_pending_login(gone).await.unwrap().is_none());
        assert!(tx.take_pending_login(gone).await.unwrap().is_none());
        let sent = tx.set_pending_upstream(gone, connection, &[3]).await;
        assert!(!sent.unwrap());
    }
}

async fn a_name_is_taken_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let organization = world.organization("acme").await;
    let winners = count_winners(&world, move |world| async move {
        let mut tx = world.write().await;
        match tx
            .add_user(organization.id, None, &person("Ada@Acme.test"))
            .await
        {
            Ok(_) => {
                tx.commit().await.unwrap();
                true
            }
            Err(error) => {
                assert!(error.is_taken() && !error.is_busy(), "{error:?}");
                false
            }
        }
    })
    .await;
    assert_eq!(winners, 1);
}
