//! Over means over: who is live, and what an epoch ends.

use std::time::Duration;

use vestibule_core::{ApiScope, ConnectionState, EndCause, EndScope, Protocol};
use vestibule_store::{ApiKeyMaker, NewApiKey, NewAppSession, NewUserSession, TakenCode};
use vestibule_support::{Company, Grant, Lasting, Share, SignIn, World, on_every_database};

on_every_database!(
    deactivation_kills_every_kind_and_reactivation_revives_nothing,
    a_login_after_reactivation_works_at_once,
    what_was_under_way_is_dead_at_birth,
    each_scope_ends_its_own_and_nothing_else,
    an_offline_share_survives_logout_and_expiry_but_no_epoch,
    a_switched_off_parent_refuses_its_children,
    time_ends_every_kind,
    use_moves_the_idle_expiry_and_never_the_absolute_one,
    a_sign_in_opens_with_its_own_secret_only,
    another_password_ends_what_was_issued_before,
    api_keys_die_with_their_maker_and_their_organization,
    a_deleted_user_is_dead_at_once,
);

/// One credential of each kind that a person has.
struct Issued {
    sign_in: SignIn,
    code: Grant,
    share: Share,
    offline: Share,
}

async fn issue(world: &World, company: &Company) -> Issued {
    let sign_in = world.login(&company.user, &company.connection).await;
    let application = &company.application;
    let offline = world.authorize(sign_in, application).await;
    Issued {
        sign_in,
        code: world.authorize(sign_in, application).await,
        share: world
            .exchange(world.authorize(sign_in, application).await)
            .await,
        offline: world.exchange_offline(offline).await,
    }
}

/// Which of the kinds are live: sign-in, code, share, offline share.
async fn live(world: &World, issued: &Issued) -> [bool; 4] {
    [
        world.is_signed_in(issued.sign_in).await,
        world.is_code_live(issued.code).await,
        world.is_share_live(issued.share.id).await,
        world.is_share_live(issued.offline.id).await,
    ]
}

const ALL: [bool; 4] = [true; 4];
const NONE: [bool; 4] = [false; 4];

async fn deactivation_kills_every_kind_and_reactivation_revives_nothing(world: World) {
    let company = world.company("acme").await;
    let issued = issue(&world, &company).await;
    assert_eq!(live(&world, &issued).await, ALL);

    let gone = world.set_active(&company.user, false).await;
    assert_eq!((gone.active, gone.epoch), (false, company.user.epoch + 1));
    assert_eq!(live(&world, &issued).await, NONE);
    let refused = world.try_login(&company.user, &company.connection).await;
    assert!(refused.is_none(), "nobody signs in while inactive");
    assert!(world.try_refresh(issued.share).await.is_none());
    assert!(world.try_refresh(issued.offline).await.is_none());

    let back = world.set_active(&company.user, true).await;
    assert_eq!((back.active, back.epoch), (true, company.user.epoch + 2));
    assert_eq!(live(&world, &issued).await, NONE);
    assert!(world.try_refresh(issued.offline).await.is_none());
    let exchanged = world.try_exchange(issued.code, Lasting::WithSignIn).await;
    assert!(exchanged.is_none(), "an old code begins nothing");
}

async fn a_login_after_reactivation_works_at_once(world: World) {
    let company = world.company("acme").await;
    world.set_active(&company.user, false).await;
    world.set_active(&company.user, true).await;
    // The clock stands still: nothing may depend on a later second.
    assert_eq!(live(&world, &issue(&world, &company).await).await, ALL);
}

/// Every kind is begun from a parent that was proven live in an earlier transaction, and all came back meanwhile (I2).
async fn what_was_under_way_is_dead_at_birth(world: World) {
    let scopes: [fn(&Company) -> EndScope; 4] = [
        |company| EndScope::User(company.user.id),
        |company| EndScope::Organization(company.organization.id),
        |company| EndScope::Connection(company.connection.id),
        |company| EndScope::Application(company.application.id),
    ];
    for scope in scopes {
        let name = world.store.generator().uuid().simple().to_string();
        let company = world.company(&name).await;
        let (user, connection) = (&company.user, &company.connection);
        let sign_in = world.login(user, connection).await;
        let grant = world.authorize(sign_in, &company.application).await;
        let mut tx = world.write().await;
        let epochs = tx.hold_login(user.id, connection.id).await.unwrap();
        let session = tx.hold_user_session(sign_in.id, sign_in.secret).await;
        let session = session.unwrap().unwrap();
        let taken = tx.take_code(grant.code, grant.application_id).await;
        let TakenCode::Live(taken) = taken.unwrap() else {
            panic!("the code is live");
        };
        tx.commit().await.unwrap();

        let scope = scope(&company);
        world.end(scope, EndCause::Deactivated).await;
        world.end(scope, EndCause::Reactivated).await;

        let expires_at = world.now().after(Duration::from_mins(1));
        let (secret, code) = (world.secret(), world.secret());
        let mut tx = world.write().await;
        let late = tx
            .add_user_session(NewUserSession {
                user_id: user.id,
                organization_id: user.organization_id,
                connection_id: connection.id,
                epochs: epochs.unwrap(),
                secret_hash: secret,
                auth_time: world.now(),
                acr: "1".to_owned(),
                amr: Vec::new(),
                upstream: Some(("i".to_owned(), "s".to_owned(), None)),
                upstream_name_id: None,
                idle_seconds: 60,
                expires_at,
            })
            .await
            .unwrap();
        let new = NewAppSession {
            code,
            application_id: company.application.id,
            application_epoch: company.application.epoch,
            scope: "openid",
            nonce: None,
            redirect_uri: "https://app.test/callback",
            code_challenge: "challenge",
            expires_at,
        };
        let begun = tx.add_code(&session, new).await.unwrap();
        tx.add_app_session(&taken, true, expires_at).await.unwrap();
        tx.commit().await.unwrap();
        let late = SignIn { id: late, secret };
        let late_code = Grant {
            code,
            application_id: company.application.id,
            app_session_id: begun,
        };
        let found = [
            world.is_signed_in(late).await,
            world.is_code_live(late_code).await,
            world.is_share_live(taken.app_session_id).await,
        ];
        // An application's ending leaves the sign-in alone.
        let signed_in = matches!(scope, EndScope::Application(_));
        assert_eq!(found, [signed_in, false, false], "{scope:?}");
    }
}

async fn each_scope_ends_its_own_and_nothing_else(world: World) {
    type Scope = fn(&Company, &Issued) -> EndScope;
    // What lives on of: the person's own credentials; a second sign-in of theirs; what they hold through another
    // connection; what another application holds; a colleague; somebody in another organization.
    let table: [(Scope, [bool; 4], [bool; 5]); 6] = [
        (
            |company, _| EndScope::User(company.user.id),
            NONE,
            [false, false, false, true, true],
        ),
        (
            |company, _| EndScope::Organization(company.organization.id),
            NONE,
            [false, false, false, false, true],
        ),
        (
            |company, _| EndScope::Connection(company.connection.id),
            NONE,
            [false, true, false, false, true],
        ),
        (
            |company, _| EndScope::Application(company.application.id),
            [true, false, false, false],
            [true; 5],
        ),
        (
            |_, issued| EndScope::UserSession(issued.sign_in.id),
            [false, false, false, true],
            [true, true, false, true, true],
        ),
        (
            |_, issued| EndScope::AppSession(issued.share.id),
            [true, true, false, true],
            [true; 5],
        ),
    ];
    for (scope, wanted, wanted_of_others) in table {
        let name = world.store.generator().uuid().simple().to_string();
        let company = world.company(&name).await;
        let elsewhere = world.company(&format!("not{name}")).await;
        let other_way = world
            .connection(&company.organization, Protocol::Password)
            .await;
        let colleague = world.user(&company.organization, None, "colleague").await;
        let other_application = world.application("Other").await;

        let issued = issue(&world, &company).await;
        let second = world.login(&company.user, &company.connection).await;
        let through_other_way = world.login(&company.user, &other_way).await;
        let other_grant = world.authorize(issued.sign_in, &other_application).await;
        let other_share = world.exchange(other_grant).await;
        let of_colleague = world.login(&colleague, &company.connection).await;
        let of_elsewhere = issue(&world, &elsewhere).await;

        let scope = scope(&company, &issued);
        world.end(scope, EndCause::Operator).await;
        assert_eq!(live(&world, &issued).await, wanted, "{scope:?}");
        let others = [
            world.is_signed_in(second).await,
            world.is_signed_in(through_other_way).await,
            world.is_share_live(other_share.id).await,
            world.is_signed_in(of_colleague).await,
            live(&world, &of_elsewhere).await == ALL,
        ];
        assert_eq!(others, wanted_of_others, "{scope:?}");
    }
}

async fn an_offline_share_survives_logout_and_expiry_but_no_epoch(world: World) {
    let company = world.company("acme").await;
    let logged_out = issue(&world, &company).await;
    world
        .end(
            EndScope::UserSession(logged_out.sign_in.id),
            EndCause::Logout,
        )
        .await;
    // The share that ended and the offline one are both told, and once more, for both are young.
    let told = world.count_jobs_about("logout", company.user.id).await;
    assert_eq!(told, 4);
    let expired = issue(&world, &company).await;
    world.clock.advance(Duration::from_hours(8 * 24));
    for issued in [&logged_out, &expired] {
        assert_eq!(live(&world, issued).await, [false, false, false, true]);
        assert!(world.try_refresh(issued.offline).await.is_some());
    }
    world
        .end(
            EndScope::Connection(company.connection.id),
            EndCause::Operator,
        )
        .await;
    for issued in [&logged_out, &expired] {
        assert_eq!(live(&world, issued).await, NONE);
    }
}

async fn a_switched_off_parent_refuses_its_children(world: World) {
    let company = world.company("acme").await;
    let issued = issue(&world, &company).await;

    // Without an ending on purpose: the state alone has to be enough while it lasts.
    let mut tx = world.write().await;
    let mut organization = tx
        .lock_organization(company.organization.id)
        .await
        .unwrap()
        .unwrap();
    organization.active = false;
    tx.set_organization(&organization).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live(&world, &issued).await, NONE);
    assert!(
        world
            .try_login(&company.user, &company.connection)
            .await
            .is_none()
    );
    organization.active = true;
    let mut tx = world.write().await;
    tx.set_organization(&organization).await.unwrap();
    tx.commit().await.unwrap();

    for state in [ConnectionState::Inactive, ConnectionState::Draft] {
        let mut connection = company.connection.clone();
        connection.state = state;
        let mut tx = world.write().await;
        tx.set_connection(&connection).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(live(&world, &issued).await, NONE);
        assert!(world.try_login(&company.user, &connection).await.is_none());
    }
    let mut tx = world.write().await;
    tx.set_connection(&company.connection).await.unwrap();
    tx.commit().await.unwrap();

    let mut record = company.application.record();
    record.active = false;
    let mut tx = world.write().await;
    let locked = tx.lock_application(company.application.id).await.unwrap();
    assert!(locked.is_some());
    tx.set_application(company.application.id, &record)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live(&world, &issued).await, [true, false, false, false]);
}

async fn time_ends_every_kind(world: World) {
    let company = world.company("acme").await;
    let issued = issue(&world, &company).await;
    // A code lives a minute, a sign-in twelve hours without use, an offline share thirty days.
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(live(&world, &issued).await, ALL);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(live(&world, &issued).await, [true, false, true, true]);
    world.clock.advance(Duration::from_hours(12));
    assert_eq!(live(&world, &issued).await, [false, false, false, true]);
    world.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(live(&world, &issued).await, NONE);
}

async fn use_moves_the_idle_expiry_and_never_the_absolute_one(world: World) {
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let session = world.read().await.find_user_session(sign_in.id).await;
    let session = session.unwrap().unwrap();
    let begun = world.now();
    assert!(!session.is_due_for_touch(begun.after(Duration::from_mins(1))));
    assert!(session.is_due_for_touch(begun.after(Duration::from_secs(61))));
    for hours in 1..=20 {
        world.clock.advance(Duration::from_hours(10));
        let mut tx = world.write().await;
        tx.touch_user_session(sign_in.id).await.unwrap();
        tx.commit().await.unwrap();
        let alive = world.is_signed_in(sign_in).await;
        assert_eq!(alive, hours * 10 < 7 * 24, "after {} hours", hours * 10);
    }
}

async fn a_sign_in_opens_with_its_own_secret_only(world: World) {
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let stolen = SignIn {
        secret: world.secret(),
        ..sign_in
    };
    assert!(world.is_signed_in(sign_in).await);
    assert!(!world.is_signed_in(stolen).await);
    assert!(
        world
            .try_authorize(stolen, &company.application)
            .await
            .is_none()
    );
    let mut tx = world.read().await;
    let live = tx.live_user_session(sign_in.id, sign_in.secret).await;
    let live = live.unwrap().unwrap();
    let user = tx.user_of(&live).await.unwrap().unwrap();
    assert_eq!(user.id, company.user.id);
    assert_eq!(live.into_inner().auth_time, world.now());
    let listed = tx.list_user_sessions(user.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    drop(tx);
    world
        .end(EndScope::UserSession(sign_in.id), EndCause::Logout)
        .await;
    let mut tx = world.read().await;
    assert!(tx.list_user_sessions(user.id).await.unwrap().is_empty());
    let ended = tx.find_user_session(sign_in.id).await.unwrap().unwrap();
    assert_eq!(ended.end_reason.as_deref(), Some("logout"));
    assert_eq!(ended.ended_at, Some(world.now()));
}

async fn another_password_ends_what_was_issued_before(world: World) {
    let company = world.company("acme").await;
    let user = company.user.id;
    let mut tx = world.write().await;
    tx.set_password(user, "phc-1", "operator").await.unwrap();
    tx.commit().await.unwrap();
    let first = issue(&world, &company).await;
    assert_eq!(live(&world, &first).await, ALL);

    let mut tx = world.write().await;
    tx.set_password(user, "phc-2", "operator").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live(&world, &first).await, NONE);
    let second = issue(&world, &company).await;

    let mut tx = world.write().await;
    assert!(tx.remove_password(user, "operator").await.unwrap());
    assert!(!tx.remove_password(user, "operator").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(live(&world, &second).await, NONE);
}

async fn api_keys_die_with_their_maker_and_their_organization(world: World) {
    let organization = world.organization("acme").await;
    let mut tx = world.write().await;
    let operator = tx.add_operator("Op@Vestibule.test", "phc").await.unwrap();
    let expires_at = Some(world.now().after(Duration::from_hours(1)));
    let [free, bound, made, child] = std::array::from_fn(|_| world.secret());
    let key = |hash, maker| NewApiKey {
        name: "k",
        hash,
        scopes: &[ApiScope::All],
        organization_id: None,
        expires_at: None,
        maker,
    };
    tx.add_api_key(&NewApiKey {
        expires_at,
        ..key(free, ApiKeyMaker::Installation)
    })
    .await
    .unwrap();
    tx.add_api_key(&NewApiKey {
        organization_id: Some(organization.id),
        ..key(bound, ApiKeyMaker::Installation)
    })
    .await
    .unwrap();
    let parent = tx
        .add_api_key(&key(made, ApiKeyMaker::Operator(operator.id)))
        .await
        .unwrap();
    tx.add_api_key(&key(child, ApiKeyMaker::Key(parent.id)))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let live = async || {
        let mut found = [false; 4];
        for (live, key) in found.iter_mut().zip([free, bound, made, child]) {
            *live = world
                .read()
                .await
                .live_api_key(key)
                .await
                .unwrap()
                .is_some();
        }
        found
    };
    assert_eq!(live().await, ALL);

    // Another password moves the operator's epoch: the key made by the operator dies, and the key made by that key.
    let mut tx = world.write().await;
    tx.set_operator_password(operator.id, "phc-2")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live().await, [true, true, false, false]);

    let mut tx = world.write().await;
    tx.delete_organization(organization.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live().await, [true, false, false, false]);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(live().await, NONE);

    let mut tx = world.write().await;
    let listed = tx.list_api_keys(None, None, 10).await.unwrap();
    assert_eq!(listed.len(), 4);
    let of_organization = tx.list_api_keys(Some(organization.id), None, 10).await;
    assert_eq!(of_organization.unwrap().len(), 1);
    let key = tx.find_api_key(parent.id).await.unwrap().unwrap();
    assert!(key.is_due_for_touch(world.now()));
    tx.touch_api_key(parent.id).await.unwrap();
    let key = tx.find_api_key(parent.id).await.unwrap().unwrap();
    assert!(!key.is_due_for_touch(world.now()));
    assert!(tx.revoke_api_key(parent.id).await.unwrap());
    assert!(!tx.revoke_api_key(parent.id).await.unwrap());
    assert!(tx.find_api_key(parent.id).await.unwrap().is_none());
}

async fn a_deleted_user_is_dead_at_once(world: World) {
    let company = world.company("acme").await;
    let issued = issue(&world, &company).await;
    let ended = world.delete(&company.user).await;
    assert_eq!((ended.user_sessions, ended.app_sessions), (1, 2));
    assert_eq!(live(&world, &issued).await, NONE);
    let refused = world.try_login(&company.user, &company.connection).await;
    assert!(refused.is_none());
}
