use std::time::Duration;

use serde_json::{Map, Value, json};
use vestibule_core::{
    AppSessionId, ApplicationId, ConnectionState, DirectoryId, DirectoryMode, DirectoryState,
    EndCause, EndScope, Policy, Protocol, ProvisioningId, Secret, SecretHash, Timestamp, UserId,
    UserSessionId,
};
use vestibule_store::{
    Application, ApplicationRecord, Connection, Directory, Ended, Ending, Group, GroupRecord,
    NewAppSession, NewProvisioningRecord, NewUserSession, Organization, ProvisioningQuery, ReadTx,
    Store, TakenCode, User, UserRecord, WriteTx,
};

use crate::{Database, TestClock};

/// How long a share of the fixtures lives, and its refresh tokens.
pub const SHARE_TTL: Duration = Duration::from_hours(30 * 24);
const CODE_TTL: Duration = Duration::from_mins(1);
const SESSION_IDLE: Duration = Duration::from_hours(12);
const SESSION_MAX: Duration = Duration::from_hours(7 * 24);

/// A database with a clock, and what tests put into it.
#[derive(Debug)]
pub struct World {
    /// The database.
    pub database: Database,
    /// Its store.
    pub store: Store,
    /// What time it is.
    pub clock: TestClock,
}

/// An organization with one way in, one person and an application.
#[derive(Debug, Clone)]
pub struct Company {
    /// The organization.
    pub organization: Organization,
    /// Its way in.
    pub connection: Connection,
    /// A person in it, whom no directory owns.
    pub user: User,
    /// An application that people sign in to; it belongs to nobody.
    pub application: Application,
}

/// A browser's sign-in and the secret of its cookie.
#[derive(Debug, Clone, Copy)]
pub struct SignIn {
    /// The sign-in.
    pub id: UserSessionId,
    /// The hash of the cookie's secret.
    pub secret: SecretHash,
}

/// A code on its way to an application.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The hash of the code.
    pub code: SecretHash,
    /// Who may exchange it.
    pub application_id: ApplicationId,
    /// The share that its exchange begins.
    pub app_session_id: AppSessionId,
}

/// An application's share of a sign-in, with its current refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// The share; the `sid`.
    pub id: AppSessionId,
    /// The hash of the refresh token that may be used next.
    pub refresh: SecretHash,
    /// Its generation.
    pub generation: i64,
}

impl World {
    /// A world on a fresh database.
    pub fn on(database: Database) -> Self {
        Self {
            store: database.store.clone(),
            database,
            clock: TestClock::new(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads now.
    pub async fn read(&self) -> ReadTx {
        let tx = self.store.read(self.now()).await;
        tx.expect("the store can be read")
    }

    /// Writes now.
    pub async fn write(&self) -> WriteTx {
        let tx = self.store.write(self.now()).await;
        tx.expect("the store can be written")
    }

    /// The hash of a fresh secret.
    pub fn secret(&self) -> SecretHash {
        self.token().hash()
    }

    /// A fresh secret.
    pub fn token(&self) -> Secret {
        self.store.generator().token("test_")
    }

    /// An active organization with the default policy.
    pub async fn organization(&self, name: &str) -> Organization {
        let mut tx = self.write().await;
        let made = tx
            .add_organization(name, None, &Policy::default())
            .await
            .expect("an organization");
        commit(tx).await;
        made
    }

    /// An active connection, without a directory.
    pub async fn connection(&self, organization: &Organization, protocol: Protocol) -> Connection {
        let now = self.now();
        let connection = Connection {
            id: self.store.generator().id(now),
            organization_id: organization.id,
            directory_id: None,
            default_application_id: None,
            name: protocol.as_str().to_owned(),
            protocol,
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
        };
        let mut tx = self.write().await;
        let added = tx.add_connection(&connection).await;
        added.expect("a connection");
        commit(tx).await;
        connection
    }

    /// An active directory.
    pub async fn directory(&self, organization: &Organization) -> Directory {
        let now = self.now();
        let directory = Directory {
            id: self.store.generator().id(now),
            organization_id: organization.id,
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
        let mut tx = self.write().await;
        let added = tx.add_directory(&directory).await;
        added.expect("a directory");
        commit(tx).await;
        directory
    }

    /// The record of a request that a directory's client sent.
    pub async fn provisioning_record(&self, directory: &Directory) -> ProvisioningId {
        let record = NewProvisioningRecord {
            organization_id: directory.organization_id,
            directory_id: directory.id,
            token_id: None,
            client_id: None,
            request_id: None,
            method: "GET".to_owned(),
            path: "/Users".to_owned(),
            resource_id: None,
            user_agent: None,
            dialect: None,
            changed: None,
            status: 200,
            scim_type: None,
            detail: None,
            repairs: json!([]),
            duration_micros: 1,
            created_at: self.now(),
        };
        let mut tx = self.write().await;
        let added = tx.add_provisioning_records(&[record]).await;
        added.expect("a record");
        tx.commit().await.expect("a commit");
        let wanted = ProvisioningQuery {
            directory_id: Some(directory.id),
            ..ProvisioningQuery::default()
        };
        let mut tx = self.read().await;
        let listed = tx.list_provisioning_records(directory.organization_id, &wanted, 1);
        let listed = listed.await.expect("the log");
        listed.first().expect("the record").id
    }

    /// An active user.
    pub async fn user(
        &self,
        organization: &Organization,
        directory_id: Option<DirectoryId>,
        user_name: &str,
    ) -> User {
        let mut tx = self.write().await;
        let user = tx
            .add_user(organization.id, directory_id, &person(user_name))
            .await
            .expect("a user");
        commit(tx).await;
        user
    }

    /// A group without members.
    pub async fn group(&self, directory: &Directory, name: &str) -> Group {
        let record = GroupRecord {
            display_name: name.to_owned(),
            external_id: None,
            attributes: Map::new(),
        };
        let mut tx = self.write().await;
        let group = tx
            .add_group(directory.organization_id, directory.id, &record)
            .await
            .expect("a group");
        commit(tx).await;
        group
    }

    /// An active, public application that wants logout notices.
    pub async fn application(&self, name: &str) -> Application {
        let mut tx = self.write().await;
        let made = tx
            .add_application(&application_record(name), None)
            .await
            .expect("an application");
        commit(tx).await;
        made
    }

    /// An organization with an OpenID Connect connection, a user and an application.
    pub async fn company(&self, name: &str) -> Company {
        let organization = self.organization(name).await;
        Company {
            connection: self.connection(&organization, Protocol::Oidc).await,
            user: self
                .user(&organization, None, &format!("ada@{name}.test"))
                .await,
            application: self.application("App").await,
            organization,
        }
    }

    /// Signs the company's person in to its application.
    pub async fn sign_in_to_app(&self, company: &Company) -> Share {
        let sign_in = self.login(&company.user, &company.connection).await;
        self.exchange(self.authorize(sign_in, &company.application).await)
            .await
    }

    /// Signs a user in as the login of an identity provider does; none where the login is refused.
    pub async fn try_login(&self, user: &User, connection: &Connection) -> Option<SignIn> {
        let mut tx = self.write().await;
        let epochs = tx
            .hold_login(user.id, connection.id)
            .await
            .expect("the login is judged")?;
        let secret = self.secret();
        let now = self.now();
        let id = tx
            .add_user_session(NewUserSession {
                user_id: user.id,
                organization_id: user.organization_id,
                connection_id: connection.id,
                epochs,
                secret_hash: secret,
                auth_time: now,
                acr: "1".to_owned(),
                amr: vec!["pwd".to_owned()],
                upstream: None,
                upstream_name_id: None,
                idle_seconds: SESSION_IDLE.as_secs(),
                expires_at: now.after(SESSION_MAX),
            })
            .await
            .expect("a sign-in");
        commit(tx).await;
        Some(SignIn { id, secret })
    }

    /// Signs a user in.
    pub async fn login(&self, user: &User, connection: &Connection) -> SignIn {
        let sign_in = self.try_login(user, connection).await;
        sign_in.expect("the login is accepted")
    }

    /// Issues a code from a sign-in; none where the sign-in is not live.
    pub async fn try_authorize(&self, sign_in: SignIn, application: &Application) -> Option<Grant> {
        let mut tx = self.write().await;
        let live = tx
            .hold_user_session(sign_in.id, sign_in.secret)
            .await
            .expect("the sign-in is judged")?;
        let code = self.secret();
        let app_session_id = tx
            .add_code(
                &live,
                NewAppSession {
                    code,
                    application_id: application.id,
                    application_epoch: application.epoch,
                    scope: "openid",
                    nonce: Some("n"),
                    redirect_uri: "https://app.test/callback",
                    code_challenge: "challenge",
                    expires_at: self.now().after(CODE_TTL),
                },
            )
            .await
            .expect("a code");
        commit(tx).await;
        Some(Grant {
            code,
            application_id: application.id,
            app_session_id,
        })
    }

    /// Issues a code from a live sign-in.
    pub async fn authorize(&self, sign_in: SignIn, application: &Application) -> Grant {
        let grant = self.try_authorize(sign_in, application).await;
        grant.expect("the sign-in is live")
    }

    /// Exchanges a code as the token endpoint does: a replay ends the share that the code began.
    pub async fn try_exchange(&self, grant: Grant, lasting: Lasting) -> Option<Share> {
        let mut tx = self.write().await;
        let taken = tx
            .take_code(grant.code, grant.application_id)
            .await
            .expect("the code is judged");
        let code = match taken {
            TakenCode::Live(code) => code,
            TakenCode::Replayed(id, _) => {
                end(&mut tx, EndScope::AppSession(id), EndCause::CodeReplayed).await;
                commit(tx).await;
                return None;
            }
            TakenCode::Dead => {
                commit(tx).await;
                return None;
            }
        };
        let expires_at = self.now().after(SHARE_TTL);
        tx.add_app_session(&code, lasting == Lasting::Offline, expires_at)
            .await
            .expect("a share");
        let live = tx
            .hold_app_session(code.app_session_id)
            .await
            .expect("the share is judged")
            .expect("a share of a live code is live");
        let refresh = self.secret();
        tx.add_refresh_token(&live, refresh, 1, expires_at)
            .await
            .expect("a refresh token");
        commit(tx).await;
        Some(Share {
            id: code.app_session_id,
            refresh,
            generation: 1,
        })
    }

    /// Exchanges a live code.
    pub async fn exchange(&self, grant: Grant) -> Share {
        let share = self.try_exchange(grant, Lasting::WithSignIn).await;
        share.expect("the code is live")
    }

    /// Exchanges a live code for a share that outlives the sign-in.
    pub async fn exchange_offline(&self, grant: Grant) -> Share {
        let share = self.try_exchange(grant, Lasting::Offline).await;
        share.expect("the code is live")
    }

    /// Refreshes as the token endpoint does: a token that was used before ends its share.
    pub async fn try_refresh(&self, share: Share) -> Option<Share> {
        let mut tx = self.write().await;
        let live = tx
            .hold_app_session(share.id)
            .await
            .expect("the share is judged")?;
        let taken = tx
            .take_refresh_token(share.refresh)
            .await
            .expect("the token is judged");
        if !taken {
            end(
                &mut tx,
                EndScope::AppSession(share.id),
                EndCause::RefreshTokenReused,
            )
            .await;
            commit(tx).await;
            return None;
        }
        let next = Share {
            refresh: self.secret(),
            generation: share.generation + 1,
            ..share
        };
        tx.add_refresh_token(
            &live,
            next.refresh,
            next.generation,
            self.now().after(SHARE_TTL),
        )
        .await
        .expect("the next token");
        tx.set_last_issued(&live).await.expect("the note");
        commit(tx).await;
        Some(next)
    }

    /// Sets `active` as a directory does.
    pub async fn set_active(&self, user: &User, active: bool) -> User {
        let mut tx = self.write().await;
        let current = tx
            .lock_user(user.organization_id, user.id)
            .await
            .expect("the user is read")
            .expect("the user is not deleted");
        let record = UserRecord {
            active,
            ..record_of(&current)
        };
        let after = tx
            .set_user(&current, &record, &["active".to_owned()], "directory:test")
            .await
            .expect("the user is changed");
        commit(tx).await;
        after
    }

    /// Deletes a user as a directory does.
    pub async fn delete(&self, user: &User) -> Ended {
        let mut tx = self.write().await;
        let current = tx
            .lock_user(user.organization_id, user.id)
            .await
            .expect("the user is read")
            .expect("the user is not deleted");
        let ended = tx.delete_user(&current, "directory:test").await;
        let ended = ended.expect("the user is deleted");
        commit(tx).await;
        ended
    }

    /// Ends a scope in a transaction of its own.
    pub async fn end(&self, scope: EndScope, cause: EndCause) -> Ended {
        let mut tx = self.write().await;
        let ended = end(&mut tx, scope, cause).await;
        commit(tx).await;
        ended
    }

    /// Whether a sign-in is live.
    pub async fn is_signed_in(&self, sign_in: SignIn) -> bool {
        let found = self
            .read()
            .await
            .live_user_session(sign_in.id, sign_in.secret)
            .await;
        found.expect("the sign-in is judged").is_some()
    }

    /// Whether a share is live.
    pub async fn is_share_live(&self, id: AppSessionId) -> bool {
        let found = self.read().await.live_app_session(id).await;
        found.expect("the share is judged").is_some()
    }

    /// Whether a code would be accepted; the code is not used up.
    pub async fn is_code_live(&self, grant: Grant) -> bool {
        let mut tx = self.write().await;
        let taken = tx.take_code(grant.code, grant.application_id).await;
        matches!(taken.expect("the code is judged"), TakenCode::Live(_))
    }

    /// The user as it is now.
    pub async fn user_now(&self, user: &User) -> Option<User> {
        let found = self
            .read()
            .await
            .find_user(user.organization_id, user.id)
            .await;
        found.expect("the user is read")
    }

    /// How many jobs of a kind there are about a user, in any state.
    pub async fn count_jobs_about(&self, kind: &str, user_id: UserId) -> i64 {
        let sql =
            format!("SELECT COUNT(*) FROM outbox WHERE kind = '{kind}' AND user_id = '{user_id}'");
        self.database.number(&sql).await
    }
}

/// Whether a share outlives its sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// It ends with the sign-in.
    WithSignIn,
    /// It outlives the sign-in.
    Offline,
}

/// A person with this user name, which is their address too.
pub fn person(user_name: &str) -> UserRecord {
    let mut attributes = Map::new();
    attributes.insert("userName".to_owned(), Value::from(user_name));
    UserRecord {
        user_name: user_name.to_owned(),
        external_id: Some(format!("ext-{user_name}")),
        display_name: Some(user_name.to_uppercase()),
        email: Some(user_name.to_owned()),
        emails: vec![user_name.to_owned()],
        active: true,
        attributes,
        indexed: None,
    }
}

/// A public application that wants logout notices.
pub fn application_record(name: &str) -> ApplicationRecord {
    ApplicationRecord {
        name: name.to_owned(),
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

fn record_of(user: &User) -> UserRecord {
    UserRecord {
        user_name: user.user_name.clone(),
        external_id: user.external_id.clone(),
        display_name: None,
        email: user.email.clone(),
        emails: user.email.iter().cloned().collect(),
        active: user.active,
        attributes: user.attributes.clone(),
        indexed: None,
    }
}

async fn end(tx: &mut WriteTx, scope: EndScope, cause: EndCause) -> Ended {
    let ended = tx
        .end(Ending {
            scope,
            cause,
            actor: "system",
        })
        .await;
    ended.expect("the scope ends")
}

async fn commit(tx: WriteTx) {
    tx.commit().await.expect("the transaction commits");
}
