//! One application's share of a sign-in, and what it was given: code and refresh tokens.

use vestibule_core::{
    AppSessionId, ApplicationId, ConnectionId, OrganizationId, SecretHash, Timestamp, UserId,
    UserSessionId,
};

use crate::{
    Epochs, Live, ReadTx, Result, UserSession, WriteTx,
    live::{application_chain, chain, live_row},
    query::query,
    row::Json,
};

/// One application's share of a sign-in; its id is the `sid` that the application sees.
#[derive(Debug, Clone)]
pub struct AppSession {
    /// The `sid`.
    pub id: AppSessionId,
    /// The sign-in it belongs to.
    pub user_session_id: UserSessionId,
    /// Whose share it is.
    pub application_id: ApplicationId,
    /// The `sub`.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// How the person came in.
    pub connection_id: ConnectionId,
    /// The granted scope, separated by spaces.
    pub scope: String,
    /// Whether it outlives the sign-in (`offline_access`).
    pub offline: bool,
    /// Access tokens of an earlier generation are revoked.
    pub min_generation: i64,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// From the sign-in.
    pub auth_time: Timestamp,
    /// From the sign-in.
    pub acr: String,
    /// From the sign-in.
    pub amr: Vec<String>,
    /// When the sign-in ends in any case.
    pub session_expires_at: Timestamp,
}

macro_rules! columns {
    () => {
        "a.id, a.user_session_id, a.application_id, a.user_id, a.organization_id, a.connection_id, a.scope, a.offline,
         a.min_generation, a.expires_at, s.auth_time, s.acr, s.amr, s.expires_at AS session_expires_at"
    };
}
pub(crate) use columns;

from_row!(AppSession, row => AppSession {
    id: row.id("id")?,
    user_session_id: row.id("user_session_id")?,
    application_id: row.id("application_id")?,
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    connection_id: row.id("connection_id")?,
    scope: row.get("scope")?,
    offline: row.get("offline")?,
    min_generation: row.get("min_generation")?,
    expires_at: row.time("expires_at")?,
    auth_time: row.time("auth_time")?,
    acr: row.get("acr")?,
    amr: row.get::<Json<Vec<String>>>("amr")?.0,
    session_expires_at: row.time("session_expires_at")?,
});

/// What an authorization request has been granted, until its code is exchanged.
#[derive(Debug)]
pub struct NewAppSession<'a> {
    /// The hash of the code.
    pub code: SecretHash,
    /// Who asked.
    pub application_id: ApplicationId,
    /// The epoch of the application.
    pub application_epoch: i64,
    /// The granted scope.
    pub scope: &'a str,
    /// The request's `nonce`.
    pub nonce: Option<&'a str>,
    /// Where the code goes.
    pub redirect_uri: &'a str,
    /// The PKCE challenge (S256).
    pub code_challenge: &'a str,
    /// When the code ends.
    pub expires_at: Timestamp,
}

/// An authorization code, with the grant behind it.
#[derive(Debug, Clone)]
pub struct Code {
    /// The share that its exchange begins.
    pub app_session_id: AppSessionId,
    /// The sign-in it came from.
    pub user_session_id: UserSessionId,
    /// Who may exchange it.
    pub application_id: ApplicationId,
    /// The `sub`.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    connection_id: ConnectionId,
    epochs: Epochs,
    application_epoch: i64,
    /// The granted scope.
    pub scope: String,
    /// The request's `nonce`.
    pub nonce: Option<String>,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The PKCE challenge.
    pub code_challenge: String,
}

macro_rules! code_columns {
    () => {
        "k.app_session_id, k.user_session_id, k.application_id, k.user_id, k.organization_id, k.connection_id, k.user_epoch,
         k.organization_epoch, k.connection_epoch, k.application_epoch, k.scope, k.nonce, k.redirect_uri, k.code_challenge"
    };
}

from_row!(Code, row => Code {
    app_session_id: row.id("app_session_id")?,
    user_session_id: row.id("user_session_id")?,
    application_id: row.id("application_id")?,
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    connection_id: row.id("connection_id")?,
    epochs: Epochs {
        user: row.get("user_epoch")?,
        organization: row.get("organization_epoch")?,
        connection: row.get("connection_epoch")?,
    },
    application_epoch: row.get("application_epoch")?,
    scope: row.get("scope")?,
    nonce: row.get("nonce")?,
    redirect_uri: row.get("redirect_uri")?,
    code_challenge: row.get("code_challenge")?,
});

/// What taking a code finds.
#[derive(Debug)]
pub enum TakenCode {
    /// It is good, and used up now.
    Live(Box<Live<Code>>),
    /// It was used before; the share it began is named.
    Replayed(AppSessionId, ApplicationId),
    /// There is none, or it is expired, or what it rests on is over.
    Dead,
}

/// A refresh token as the store knows it.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// The share it belongs to.
    pub app_session_id: AppSessionId,
    /// Its place in the chain of rotations.
    pub generation: i64,
    /// When it ends if it is not used.
    pub expires_at: Timestamp,
    /// When it was used up.
    pub consumed_at: Option<Timestamp>,
}

from_row!(RefreshToken, row => RefreshToken {
    app_session_id: row.id("app_session_id")?,
    generation: row.get("generation")?,
    expires_at: row.time("expires_at")?,
    consumed_at: row.time_or_null("consumed_at")?,
});

impl WriteTx {
    /// Issues a code from a live sign-in; it copies the sign-in's epochs.
    pub async fn add_code(
        &mut self,
        session: &Live<UserSession>,
        new: NewAppSession<'_>,
    ) -> Result<AppSessionId> {
        let now = self.now();
        let app_session_id: AppSessionId = self.generator().id(now);
        query(
            "INSERT INTO codes (hash, app_session_id, user_session_id, application_id, user_id, organization_id, connection_id,
             user_epoch, organization_epoch, connection_epoch, application_epoch, scope, nonce, redirect_uri, code_challenge,
             created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
            .bind(new.code.as_bytes())
            .bind(app_session_id.to_string())
            .bind(session.id.to_string())
            .bind(new.application_id.to_string())
            .bind(session.user_id.to_string())
            .bind(session.organization_id.to_string())
            .bind(session.connection_id.to_string())
            .bind(session.epochs.user)
            .bind(session.epochs.organization)
            .bind(session.epochs.connection)
            .bind(new.application_epoch)
            .bind(new.scope)
            .bind(new.nonce)
            .bind(new.redirect_uri)
            .bind(new.code_challenge)
            .bind(now.micros())
            .bind(new.expires_at.micros())
            .execute(self)
            .await?;
        Ok(app_session_id)
    }

    /// Uses a code up. Exactly one caller finds it live (RFC 6749 §4.1.2).
    pub async fn take_code(
        &mut self,
        code: SecretHash,
        application_id: ApplicationId,
    ) -> Result<TakenCode> {
        let now = self.now().micros();
        // The user first: a deactivation that waits for us must not wait for us holding the code.
        let live = live_row!(
            self,
            " FOR SHARE OF u",
            concat!(
                "SELECT ",
                code_columns!(),
                " FROM codes k",
                application_chain!("k", "FALSE"),
                "WHERE k.hash = $1 AND k.application_id = $3 AND k.expires_at > $2"
            ),
            Code,
            code.as_bytes(),
            now,
            application_id.to_string()
        );
        let taken = query("UPDATE codes SET consumed_at = $3 WHERE hash = $1 AND application_id = $2 AND consumed_at IS NULL")
            .bind(code.as_bytes())
            .bind(application_id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        if taken == 1 {
            return Ok(live.map_or(TakenCode::Dead, |code| {
                TakenCode::Live(Box::new(Live::proven(code)))
            }));
        }
        let replayed: Option<Code> = query(concat!(
            "SELECT ",
            code_columns!(),
            " FROM codes k WHERE k.hash = $1 AND k.application_id = $2"
        ))
        .bind(code.as_bytes())
        .bind(application_id.to_string())
        .fetch_optional(self)
        .await?;
        Ok(replayed.map_or(TakenCode::Dead, |code| {
            TakenCode::Replayed(code.app_session_id, code.application_id)
        }))
    }

    /// Begins the share that a code stands for; it copies the code's epochs.
    pub async fn add_app_session(
        &mut self,
        code: &Live<Code>,
        offline: bool,
        expires_at: Timestamp,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO app_sessions (id, user_session_id, application_id, user_id, organization_id, connection_id, user_epoch,
             organization_epoch, connection_epoch, application_epoch, scope, offline, min_generation, last_issued_at, expires_at,
             created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $13)")
            .bind(code.app_session_id.to_string())
            .bind(code.user_session_id.to_string())
            .bind(code.application_id.to_string())
            .bind(code.user_id.to_string())
            .bind(code.organization_id.to_string())
            .bind(code.connection_id.to_string())
            .bind(code.epochs.user)
            .bind(code.epochs.organization)
            .bind(code.epochs.connection)
            .bind(code.application_epoch)
            .bind(&code.scope)
            .bind(offline)
            .bind(now)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Issues a refresh token of a live share.
    pub async fn add_refresh_token(
        &mut self,
        app_session: &Live<AppSession>,
        token: SecretHash,
        generation: i64,
        expires_at: Timestamp,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO refresh_tokens (hash, app_session_id, user_id, generation, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(token.as_bytes())
            .bind(app_session.id.to_string())
            .bind(app_session.user_id.to_string())
            .bind(generation)
            .bind(now)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Uses a refresh token up; true for exactly one caller.
    pub async fn take_refresh_token(&mut self, token: SecretHash) -> Result<bool> {
        let now = self.now().micros();
        let taken = query(
            "UPDATE refresh_tokens SET consumed_at = $2 WHERE hash = $1 AND consumed_at IS NULL",
        )
        .bind(token.as_bytes())
        .bind(now)
        .execute(self)
        .await?;
        Ok(taken == 1)
    }

    /// Notes that tokens leave for the application now, which decides about its second logout notice.
    pub async fn set_last_issued(&mut self, app_session: &Live<AppSession>) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE app_sessions SET last_issued_at = $2 WHERE id = $1")
            .bind(app_session.id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Revokes the access tokens up to and with a generation (RFC 7009).
    pub async fn revoke_access_tokens(&mut self, id: AppSessionId, generation: i64) -> Result<()> {
        query("UPDATE app_sessions SET min_generation = $2 WHERE id = $1 AND min_generation < $2")
            .bind(id.to_string())
            .bind(generation + 1)
            .execute(self)
            .await?;
        Ok(())
    }
}

impl ReadTx {
    /// A refresh token, used or not.
    pub async fn find_refresh_token(&mut self, token: SecretHash) -> Result<Option<RefreshToken>> {
        query(
            "SELECT app_session_id, generation, expires_at, consumed_at FROM refresh_tokens WHERE hash = $1")
            .bind(token.as_bytes())
            .fetch_optional(self)
            .await
    }

    /// The refresh token at a place in a chain.
    pub async fn find_refresh_token_at(
        &mut self,
        id: AppSessionId,
        generation: i64,
    ) -> Result<Option<RefreshToken>> {
        query(
            "SELECT app_session_id, generation, expires_at, consumed_at FROM refresh_tokens WHERE app_session_id = $1 AND generation = $2")
            .bind(id.to_string())
            .bind(generation)
            .fetch_optional(self)
            .await
    }

    /// The shares of an application in a user's sign-ins that have not been ended.
    pub async fn list_shares(
        &mut self,
        user_id: UserId,
        application_id: ApplicationId,
    ) -> Result<Vec<AppSessionId>> {
        let ids: Vec<String> = query(
            "SELECT id FROM app_sessions WHERE user_id = $1 AND application_id = $2 AND ended_at IS NULL ORDER BY id")
            .bind(user_id.to_string())
            .bind(application_id.to_string())
            .fetch_all(self)
            .await?;
        ids.iter()
            .map(|id| {
                id.parse()
                    .map_err(|_| crate::Error::corrupt("app session id"))
            })
            .collect()
    }

    /// The application that a share belongs to, live or not.
    pub async fn find_app_session_owner(
        &mut self,
        id: AppSessionId,
    ) -> Result<Option<ApplicationId>> {
        let owner: Option<String> = query("SELECT application_id FROM app_sessions WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self)
            .await?;
        owner
            .map(|text| {
                text.parse()
                    .map_err(|_| crate::Error::corrupt("application id"))
            })
            .transpose()
    }
}
