//! A directory on a fresh database.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use vestibule_core::{
    ConnectionId, ConnectionState, DirectoryId, DirectoryMode, DirectoryScope, DirectoryState,
    Generator, OrganizationId, Policy, Protocol, Secret, Timestamp, UserId,
};
use vestibule_engine::{
    Clock, Engine, Grant, MasterKey, Outbound, OutboundPolicy, Provisioning, Settings,
    admin::{Actor, DirectoryChange, DirectoryTokenChange},
};
use vestibule_scim::{
    Change, Directory as _, Draft, Error, Filter, Page, Precondition, Query, Repairs, ResourceType,
    Stored, Update, Updated, Wanted,
};
use vestibule_store::{
    ApplicationRecord, Connection, Directory, Epochs, NewAppSession, NewDirectoryToken,
    NewUserSession, Store, TakenCode, UserRecord,
};

pub(crate) const USER: ResourceType = ResourceType::User;
pub(crate) const GROUP: ResourceType = ResourceType::Group;

/// An organization with one directory.
pub(crate) struct Setup {
    pub(crate) engine: Engine,
    pub(crate) provisioning: Provisioning,
    pub(crate) store: Store,
    pub(crate) organization_id: OrganizationId,
    pub(crate) directory: Directory,
    pub(crate) token: Secret,
    clock: Arc<AtomicI64>,
}

/// Requests a second that no test reaches.
const UNLIMITED: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// Runs a test on each database that there is.
pub(crate) async fn on_both<F: Future<Output = ()>>(test: impl Fn(Setup) -> F) {
    on_both_limited(UNLIMITED, test).await;
}

/// Runs a test on each database, where a directory may send so many requests a second.
pub(crate) async fn on_both_limited<F: Future<Output = ()>>(
    requests_per_second: NonZeroU32,
    test: impl Fn(Setup) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let url = format!("sqlite://{}", file.display());
    run(&url, requests_per_second, &test).await;
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return;
    };
    let name = format!("provisioning_{}", Generator::system().uuid().simple());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    run(&url, requests_per_second, &test).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(drop))
        .execute(&mut admin)
        .await
        .unwrap();
}

async fn run<F: Future<Output = ()>>(
    url: &str,
    requests_per_second: NonZeroU32,
    test: &impl Fn(Setup) -> F,
) {
    let setup = Setup::open(url, requests_per_second).await;
    let store = setup.store.clone();
    test(setup).await;
    store.close().await.unwrap();
}

impl Setup {
    async fn open(url: &str, requests_per_second: NonZeroU32) -> Self {
        let generator = Generator::system();
        let clock = Arc::new(AtomicI64::new(1_790_000_000_000_000));
        let store = Store::open(url, generator.clone()).await.unwrap();
        store.migrate().await.unwrap();
        let mut settings = Settings::new("http://127.0.0.1:8080");
        settings.scim_requests_per_second = requests_per_second;
        let engine = Engine::open(
            store.clone(),
            MasterKey::generate(&generator),
            Outbound::new(OutboundPolicy::new()).unwrap(),
            settings,
            Timestamp::from_micros(clock.load(Ordering::SeqCst)),
        )
        .await
        .unwrap();
        let ticking = Arc::clone(&clock);
        let provisioning = Provisioning::new(
            engine.clone(),
            // Every look at the clock is a millisecond later, so that no two changes share their time.
            Clock::new(move || Timestamp::from_micros(ticking.fetch_add(1_000, Ordering::SeqCst))),
        );
        let now = Timestamp::from_micros(clock.load(Ordering::SeqCst));
        let mut tx = store.write(now).await.unwrap();
        let organization = tx
            .add_organization("Acme", None, &Policy::default())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (directory, token) = add_directory(&store, organization.id, now, |_| {}).await;
        Self {
            engine,
            provisioning,
            store,
            organization_id: organization.id,
            directory,
            token,
            clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap();
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) async fn set_directory(&mut self, change: impl FnOnce(&mut Directory)) {
        change(&mut self.directory);
        let mut tx = self.store.write(self.now()).await.unwrap();
        tx.set_directory(&self.directory).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Another directory of the same organization.
    pub(crate) async fn other_grant(&self) -> Grant {
        let (directory, token) =
            add_directory(&self.store, self.organization_id, self.now(), |_| {}).await;
        self.authorize(directory.id, &token).await.unwrap()
    }

    /// A directory that replaces the first one, and its token.
    pub(crate) async fn replacement(&self) -> (Directory, Secret) {
        let change = DirectoryChange {
            replaces: Some(self.directory.id),
            ..DirectoryChange::default()
        };
        let actor = Actor::command_line();
        let now = self.now();
        let made = self
            .engine
            .add_directory(&actor, self.organization_id, change, now)
            .await
            .unwrap();
        let token =
            self.engine
                .add_directory_token(&actor, made.id, DirectoryTokenChange::default(), now);
        (made, token.await.unwrap().token)
    }

    pub(crate) async fn authorize(&self, id: DirectoryId, token: &Secret) -> Result<Grant, Error> {
        self.provisioning
            .authorize(&id.suffix(), Some(token.expose()))
            .await
    }

    pub(crate) async fn grant(&self) -> Grant {
        self.authorize(self.directory.id, &self.token)
            .await
            .unwrap()
    }

    pub(crate) async fn try_create(
        &self,
        grant: &Grant,
        kind: ResourceType,
        body: Value,
    ) -> Result<Stored, Error> {
        let profile = self.provisioning.profile(grant);
        let draft = Draft::parse(
            body,
            profile.registry.of(kind),
            profile.dialect,
            &mut Repairs::default(),
        )?;
        self.provisioning
            .create(grant, kind, draft, Wanted::EVERYTHING)
            .await
            .map(|created| created.stored)
    }

    pub(crate) async fn create(&self, grant: &Grant, kind: ResourceType, body: Value) -> Stored {
        self.try_create(grant, kind, body).await.unwrap()
    }

    pub(crate) async fn user(&self, grant: &Grant, name: &str) -> Stored {
        self.create(grant, USER, json!({ "userName": name, "active": true }))
            .await
    }

    pub(crate) async fn find(&self, grant: &Grant, kind: ResourceType, id: &str) -> Option<Stored> {
        self.provisioning
            .find(grant, kind, id, Wanted::EVERYTHING)
            .await
            .unwrap()
    }

    pub(crate) fn change(
        &self,
        grant: &Grant,
        kind: ResourceType,
        operations: &Value,
    ) -> Result<Change, Error> {
        let profile = self.provisioning.profile(grant);
        Change::patch(
            json!({ "schemas": [vestibule_scim::patch::PATCH_URN], "Operations": operations }),
            profile.registry.of(kind),
            profile.dialect,
            &mut Repairs::default(),
        )
    }

    pub(crate) async fn patch(
        &self,
        grant: &Grant,
        kind: ResourceType,
        id: &str,
        operations: Value,
    ) -> Result<Updated, Error> {
        let change = self.change(grant, kind, &operations)?;
        self.apply(grant, kind, id, &change, &Precondition::None)
            .await
    }

    pub(crate) async fn put(
        &self,
        grant: &Grant,
        kind: ResourceType,
        id: &str,
        body: Value,
    ) -> Result<Updated, Error> {
        let profile = self.provisioning.profile(grant);
        let change = Change::put(
            body,
            profile.registry.of(kind),
            profile.dialect,
            &mut Repairs::default(),
        )?;
        self.apply(grant, kind, id, &change, &Precondition::None)
            .await
    }

    pub(crate) async fn apply(
        &self,
        grant: &Grant,
        kind: ResourceType,
        id: &str,
        change: &Change,
        precondition: &Precondition,
    ) -> Result<Updated, Error> {
        let update = Update::new(change, precondition, Wanted::EVERYTHING);
        self.provisioning.update(grant, kind, id, update).await
    }

    pub(crate) async fn delete(
        &self,
        grant: &Grant,
        kind: ResourceType,
        id: &str,
    ) -> Result<(), Error> {
        self.provisioning
            .delete(grant, kind, id, &Precondition::None)
            .await
    }

    pub(crate) fn filter(&self, grant: &Grant, kind: ResourceType, text: &str) -> Filter {
        let profile = self.provisioning.profile(grant);
        let mut repairs = Repairs::default();
        Filter::parse_as(
            text,
            profile.registry.of(kind),
            profile.dialect,
            &mut repairs,
        )
        .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The first page of a thousand.
    pub(crate) async fn search(&self, grant: &Grant, kind: ResourceType, filter: &str) -> Page {
        let mut query = Query::new(1000);
        query.filter = Some(self.filter(grant, kind, filter));
        self.provisioning.list(grant, kind, &query).await.unwrap()
    }

    /// The data of all events of a kind, in order.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let mut tx = self.store.write(self.now()).await.unwrap();
        while tx.place_events().await.unwrap() {}
        tx.commit().await.unwrap();
        let mut tx = self.store.read(self.now()).await.unwrap();
        let events = tx
            .list_events(0, 10_000, None, Some(kind.parse().unwrap()))
            .await
            .unwrap();
        events.into_iter().map(|event| event.data).collect()
    }

    /// Adds a user that no directory owns.
    pub(crate) async fn add_unowned(&self, name: &str) -> UserId {
        let record = UserRecord {
            user_name: name.to_owned(),
            external_id: None,
            display_name: None,
            email: Some(name.to_owned()),
            emails: vec![name.to_owned()],
            active: true,
            attributes: serde_json::Map::new(),
            indexed: None,
        };
        let mut tx = self.store.write(self.now()).await.unwrap();
        let user = tx
            .add_user(self.organization_id, None, &record)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        user.id
    }
}

async fn add_directory(
    store: &Store,
    organization_id: OrganizationId,
    now: Timestamp,
    change: impl FnOnce(&mut Directory),
) -> (Directory, Secret) {
    let token = store.generator().token("vdt_");
    let mut directory = Directory {
        id: store.generator().id(now),
        organization_id,
        name: "People".to_owned(),
        dialect: "auto".to_owned(),
        detected_dialect: None,
        mode: DirectoryMode::Lenient,
        accept_password: false,
        state: DirectoryState::Active,
        replaces_id: None,
        replaced_by: None,
        last_seen_at: None,
        created_at: now,
        updated_at: now,
    };
    change(&mut directory);
    let mut tx = store.write(now).await.unwrap();
    tx.add_directory(&directory).await.unwrap();
    let expires_at = now.after(Duration::from_hours(365 * 24));
    let bearer = NewDirectoryToken {
        name: "test",
        hash: token.hash(),
        scope: DirectoryScope::Write,
        expires_at,
    };
    tx.add_directory_token(&directory, bearer).await.unwrap();
    tx.commit().await.unwrap();
    (directory, token)
}

/// A person who is signed in to an application.
pub(crate) struct SignedIn {
    user_session: (vestibule_core::UserSessionId, Secret),
    app_session: vestibule_core::AppSessionId,
    pub(crate) application_id: vestibule_core::ApplicationId,
}

impl Setup {
    pub(crate) async fn sign_in(&self, user_id: UserId) -> SignedIn {
        let now = self.now();
        let generator = self.store.generator();
        let expires_at = now.after(Duration::from_hours(24));
        let connection_id: ConnectionId = generator.id(now);
        let (secret, code) = (generator.token("s_"), generator.token("c_"));
        let mut tx = self.store.write(now).await.unwrap();
        tx.add_connection(&connection(self.organization_id, connection_id, now))
            .await
            .unwrap();
        let application = tx
            .add_application(&listening_application(), None)
            .await
            .unwrap();
        let user = tx
            .find_user(self.organization_id, user_id)
            .await
            .unwrap()
            .unwrap();
        let id = tx
            .add_user_session(NewUserSession {
                user_id,
                organization_id: self.organization_id,
                connection_id,
                epochs: Epochs {
                    user: user.epoch,
                    organization: 1,
                    connection: 1,
                },
                secret_hash: secret.hash(),
                auth_time: now,
                acr: "1".to_owned(),
                amr: vec!["pwd".to_owned()],
                upstream: None,
                upstream_name_id: None,
                idle_seconds: 12 * 3600,
                expires_at,
            })
            .await
            .unwrap();
        let live = tx
            .hold_user_session(id, secret.hash())
            .await
            .unwrap()
            .unwrap();
        let app_session = tx
            .add_code(
                &live,
                NewAppSession {
                    code: code.hash(),
                    application_id: application.id,
                    application_epoch: application.epoch,
                    scope: "openid",
                    nonce: None,
                    redirect_uri: "https://app.test/callback",
                    code_challenge: "x",
                    expires_at,
                },
            )
            .await
            .unwrap();
        let TakenCode::Live(code) = tx.take_code(code.hash(), application.id).await.unwrap() else {
            panic!("the code is good");
        };
        tx.add_app_session(&code, true, expires_at).await.unwrap();
        tx.commit().await.unwrap();
        SignedIn {
            user_session: (id, secret),
            app_session,
            application_id: application.id,
        }
    }

    /// Whether the sign-in, and the application's share of it, are accepted.
    pub(crate) async fn is_live(&self, signed_in: &SignedIn) -> (bool, bool) {
        let mut tx = self.store.read(self.now()).await.unwrap();
        let (id, secret) = &signed_in.user_session;
        let session = tx.live_user_session(*id, secret.hash()).await.unwrap();
        let share = tx.live_app_session(signed_in.app_session).await.unwrap();
        (session.is_some(), share.is_some())
    }

    /// The logout notices for the application.
    pub(crate) async fn notices(&self, signed_in: &SignedIn) -> usize {
        let mut tx = self.store.read(self.now()).await.unwrap();
        let destination = signed_in.application_id.to_string();
        tx.list_jobs(&destination, None, 100).await.unwrap().len()
    }
}

fn connection(organization_id: OrganizationId, id: ConnectionId, now: Timestamp) -> Connection {
    Connection {
        id,
        organization_id,
        directory_id: None,
        default_application_id: None,
        name: "Provider".to_owned(),
        protocol: Protocol::Oidc,
        settings: json!({}),
        client_secret_sealed: None,
        join_directory: None,
        join_claim: None,
        jit: false,
        allow_idp_initiated: false,
        state: ConnectionState::Active,
        epoch: 1,
        created_at: now,
        updated_at: now,
    }
}

fn listening_application() -> ApplicationRecord {
    ApplicationRecord {
        name: "App".to_owned(),
        redirect_uris: vec!["https://app.test/callback".to_owned()],
        post_logout_redirect_uris: Vec::new(),
        backchannel_logout_uri: Some("https://app.test/logout".to_owned()),
        initiate_login_uri: None,
        token_endpoint_auth_method: "none".to_owned(),
        jwks: None,
        require_pushed_requests: false,
        require_acr: false,
        jwks_uri: None,
        third_party: false,
        claims: serde_json::Map::new(),
        access_token_format: "opaque".to_owned(),
        id_token_signed_response_alg: "ES256".to_owned(),
        refresh_retry_seconds: 0,
        active: true,
    }
}
