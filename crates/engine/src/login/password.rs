//! Sign-in by a password that we keep, where an organization allows it.

use std::net::IpAddr;

use vestibule_core::{ConnectionId, ConnectionState, Protocol, Secret, Timestamp};
use vestibule_store::{Connection, NewLoginRecord, ReadTx, StoredPassword, User, WriteTx};

use super::{LoginOutcome, find_own, page_of, record_of, sign_in::Proof};
use crate::{Browser, Engine, Fault, LoginRefusal, refusal::Actor};

/// The context class of a password that we checked ourselves.
pub(super) const PASSWORD_ACR: &str =
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// The argon2id hash of a random password that nobody knows.
const NOBODYS_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh$J2Bq0DgWZ3HPYmcCdDIuHQ3s8u8w8Jn8GqVQJ1gJm5Y";

/// A try at a password.
#[derive(Debug)]
pub struct PasswordLogin {
    /// The waiting login.
    pub handle: Secret,
    /// The password connection that the page was shown for.
    pub connection_id: ConnectionId,
    /// Who says to be there.
    pub user_name: String,
    /// The password.
    pub password: Secret,
    /// Where the try came from.
    pub address: IpAddr,
}

/// What a typed password is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Right or wrong: after ten wrong ones none counts for a while.
    Locked,
}

impl Engine {
    /// The person typed a password.
    pub async fn finish_password(
        &self,
        request: PasswordLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move { engine.finish_password_now(request, browser, now).await })
            .await
    }

    async fn finish_password_now(
        &self,
        request: PasswordLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, &request.handle, &browser).await? else {
            return Ok(LoginOutcome::Gone);
        };
        let mut page = page_of(&mut tx, &pending).await?;
        page.login_hint = Some(request.user_name.clone());
        let Some(connection) = tx.find_connection(request.connection_id).await? else {
            return Ok(LoginOutcome::Gone);
        };
        let usable = connection.protocol == Protocol::Password
            && connection.state == ConnectionState::Active
            && pending
                .organization_id
                .is_none_or(|id| id == connection.organization_id)
            && pending.connection_id.is_none_or(|id| id == connection.id);
        if !usable {
            return Ok(LoginOutcome::Gone);
        }
        if !self.limits().admits_login(request.address) {
            return Ok(LoginOutcome::TooManyTries(page));
        }
        let user = find_password_user(&mut tx, &connection, &request.user_name).await?;
        let stored = match &user {
            Some(user) => tx.find_password(user.id).await?,
            None => None,
        };
        drop(tx);
        let verdict = self.judge_password(request.password, stored, now).await?;
        let mut tx = self.store().write(now).await?;
        match user {
            Some(user) if verdict == Verdict::Right => {
                if tx
                    .take_pending_login(request.handle.hash())
                    .await?
                    .is_none()
                {
                    return Ok(LoginOutcome::Gone);
                }
                tx.clear_password_failures(user.id).await?;
                let proof = Proof {
                    user: Box::new(user),
                    auth_time: now,
                    acr: PASSWORD_ACR.to_owned(),
                    amr: vec!["pwd".to_owned()],
                    upstream: None,
                    upstream_name_id: None,
                    logout_hint: None,
                    session_expiry: None,
                    epochs: None,
                    report: None,
                };
                self.sign_in(tx, pending, &connection, proof, &browser)
                    .await
            }
            user => {
                let login = NewLoginRecord {
                    user_id: user.map(|user: User| user.id),
                    ..record_of(&pending, &connection)
                };
                refuse(&mut tx, verdict, login).await?;
                tx.commit().await?;
                self.wake();
                Ok(LoginOutcome::WrongPassword(page))
            }
        }
    }

    /// Judges what somebody typed.
    ///
    /// Nobody, somebody without a password and a locked account take as long as a wrong password and are answered alike:
    /// a lock that showed would tell who has an account.
    pub(super) async fn judge_password(
        &self,
        password: Secret,
        stored: Option<StoredPassword>,
        now: Timestamp,
    ) -> Result<Verdict, Fault> {
        let locked = stored
            .as_ref()
            .and_then(|stored| stored.locked_until)
            .is_some_and(|until| until > now);
        let phc = stored.map_or_else(|| NOBODYS_PASSWORD.to_owned(), |stored| stored.phc);
        let right = self.check_password(password, phc).await?;
        Ok(match (locked, right) {
            (true, _) => Verdict::Locked,
            (false, true) => Verdict::Right,
            (false, false) => Verdict::Wrong,
        })
    }
}

/// Records why a password did not do, and counts it.
pub(super) async fn refuse(
    tx: &mut WriteTx,
    verdict: Verdict,
    login: NewLoginRecord,
) -> Result<(), Fault> {
    let refusal = if verdict == Verdict::Locked {
        LoginRefusal::new(
            "locked",
            "the account is locked after ten wrong passwords in a row",
            Actor::Person,
            "wait a quarter of an hour, then try again",
        )
    } else {
        if let Some(user_id) = login.user_id {
            tx.add_password_failure(user_id).await?;
        }
        LoginRefusal::new(
            "wrong_password",
            "the name or the password is wrong",
            Actor::Person,
            "try again",
        )
    };
    refusal.record(tx, login).await?;
    Ok(())
}

/// Users that a directory owns never sign in by password while another way in is active, and break-glass accounts never
/// without a link of an operator.
async fn find_password_user(
    tx: &mut ReadTx,
    connection: &Connection,
    user_name: &str,
) -> Result<Option<User>, Fault> {
    let federated = tx
        .list_connections(connection.organization_id)
        .await?
        .iter()
        .any(|other| {
            other.protocol != Protocol::Password && other.state == ConnectionState::Active
        });
    let mut users = tx
        .list_users_named(connection.organization_id, user_name)
        .await?;
    users.retain(|user| {
        user.active && !user.break_glass && (user.directory_id.is_none() || !federated)
    });
    Ok(match users.as_slice() {
        [user] => Some(user.clone()),
        // A name that two directories use means nobody.
        _ => None,
    })
}
