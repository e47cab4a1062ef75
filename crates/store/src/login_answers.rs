//! A verified answer of an identity provider that waits for the browser which began the login.

use serde_json::Value;
use vestibule_core::{ApplicationId, ConnectionId, OrganizationId, SecretHash, Timestamp, UserId};

use crate::{
    Epochs, Live, Result, WriteTx,
    live::{chain, live_row},
    query::query,
    row::{Json, text},
    statement::Statement,
};

/// A verified answer, as the login that it ends left it.
///
/// It grants nothing by itself: whoever presents its secret has to be the browser of `browser_hash` too.
#[derive(Debug, Clone)]
pub struct LoginAnswer {
    /// The browser that began the login.
    pub browser_hash: Vec<u8>,
    /// Who was proved.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// How they come in.
    pub connection_id: ConnectionId,
    /// The application that asked, if one did.
    pub application_id: Option<ApplicationId>,
    /// As they were when the answer was verified; the sign-in copies them.
    pub epochs: Epochs,
    /// The application's request, as the engine writes it.
    pub request: Value,
    /// What the identity provider said (acr, amr, name identifier), sealed.
    pub proof_sealed: Vec<u8>,
    /// When the answer was verified.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When the identity provider ended the sign-in that it tells of.
    pub ended_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "browser_hash, user_id, organization_id, connection_id, application_id, user_epoch, organization_epoch, connection_epoch,
         request, proof_sealed, created_at, expires_at, ended_at"
    };
}

from_row!(LoginAnswer, row => LoginAnswer {
    browser_hash: row.get("browser_hash")?,
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    connection_id: row.id("connection_id")?,
    application_id: row.id_or_null("application_id")?,
    epochs: Epochs {
        user: row.get("user_epoch")?,
        organization: row.get("organization_epoch")?,
        connection: row.get("connection_epoch")?,
    },
    request: row.get::<Json<Value>>("request")?.0,
    proof_sealed: row.get("proof_sealed")?,
    created_at: row.time("created_at")?,
    expires_at: row.time("expires_at")?,
    ended_at: row.time_or_null("ended_at")?,
});

/// What a verified answer leaves until its browser comes.
#[derive(Debug)]
pub struct NewLoginAnswer<'a> {
    /// The hash of the secret that the browser will present.
    pub hash: SecretHash,
    /// The browser that began the login.
    pub browser_hash: &'a [u8],
    /// Who was proved.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// How they come in.
    pub connection_id: ConnectionId,
    /// The application that asked, if one did.
    pub application_id: Option<ApplicationId>,
    /// What [`WriteTx::hold_login`] gave in this transaction.
    pub epochs: Epochs,
    /// The application's request.
    pub request: &'a Value,
    /// The identity provider, its name for the person, and its session where it named one.
    pub upstream: (&'a str, &'a str, Option<&'a str>),
    /// What the identity provider said, sealed.
    pub proof_sealed: &'a [u8],
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What taking an answer finds.
#[derive(Debug)]
pub enum TakenAnswer {
    /// It is good, and used up now.
    Live(Box<Live<LoginAnswer>>),
    /// It is used up now and was over before: expired, or what it rests on ended. It is for the record of the refusal.
    Dead(Box<LoginAnswer>),
    /// There is none, or it was used up before.
    Gone,
}

impl WriteTx {
    /// Keeps a verified answer for the browser that began the login.
    pub async fn add_login_answer(&mut self, new: NewLoginAnswer<'_>) -> Result<()> {
        let now = self.now().micros();
        let (issuer, subject, session) = new.upstream;
        query(
            "INSERT INTO login_answers (hash, browser_hash, user_id, organization_id, connection_id, application_id, user_epoch,
             organization_epoch, connection_epoch, request, upstream_issuer, upstream_subject, upstream_session, proof_sealed,
             created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)")
            .bind(new.hash.as_bytes())
            .bind(new.browser_hash)
            .bind(new.user_id.to_string())
            .bind(new.organization_id.to_string())
            .bind(new.connection_id.to_string())
            .bind(text(new.application_id))
            .bind(new.epochs.user)
            .bind(new.epochs.organization)
            .bind(new.epochs.connection)
            .bind(Json(new.request))
            .bind(issuer)
            .bind(subject)
            .bind(session)
            .bind(new.proof_sealed)
            .bind(now)
            .bind(new.expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Ends the answers that tell of a sign-in which its identity provider ends: those of the sessions it names, or all of
    /// the person's where it names none (SAML 2.0 Core §3.7.1).
    ///
    /// Call it before [`list_upstream_sessions`](Self::list_upstream_sessions): it waits for whoever turns an answer
    /// into a session just now, and that session is found then.
    pub async fn end_login_answers(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        subject: &str,
        session_indexes: &[String],
    ) -> Result<u64> {
        let mut statement = Statement::new("UPDATE login_answers SET ended_at = ");
        statement
            .number(self.now().micros())
            .sql(" WHERE connection_id = ")
            .text(&connection_id)
            .sql(" AND upstream_subject = ")
            .text(subject)
            .sql(" AND upstream_issuer = ")
            .text(issuer)
            .sql(" AND consumed_at IS NULL AND ended_at IS NULL");
        if !session_indexes.is_empty() {
            statement
                .sql(" AND upstream_session IN ")
                .list(session_indexes);
        }
        self.execute(statement).await
    }

    /// Uses an answer up, good or bad; exactly one caller gets it.
    pub async fn take_login_answer(&mut self, hash: SecretHash) -> Result<TakenAnswer> {
        let now = self.now().micros();
        // The user first: a deactivation that waits for us must not wait for us holding the answer.
        let live = live_row!(
            self,
            " FOR SHARE OF u",
            concat!(
                "SELECT w.user_epoch, w.organization_epoch, w.connection_epoch FROM login_answers w",
                chain!("w"),
                "WHERE w.hash = $1 AND w.expires_at > $2 AND w.ended_at IS NULL"
            ),
            Epochs,
            hash.as_bytes(),
            now
        );
        let taken: Option<LoginAnswer> = query(concat!(
            "UPDATE login_answers SET consumed_at = $2 WHERE hash = $1 AND consumed_at IS NULL RETURNING ", columns!()))
            .bind(hash.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(match (taken, live) {
            (Some(answer), Some(_)) => TakenAnswer::Live(Box::new(Live::proven(answer))),
            (Some(answer), None) => TakenAnswer::Dead(Box::new(answer)),
            (None, _) => TakenAnswer::Gone,
        })
    }
}
