//! Sign-in to a break-glass account: a link of an operator and the account's password, neither of which opens anything alone.

use std::{net::IpAddr, time::Duration};

use vestibule_core::{Secret, Timestamp};
use vestibule_store::{BreakGlassLink, Live, NewLoginRecord, PendingLogin, ReadTx, User};

use super::{
    LoginOutcome, LoginPage,
    password::{self, PASSWORD_ACR, Verdict},
    sign_in::Proof,
};
use crate::{
    Brand, Browser, Engine, Fault,
    authorize::{Purpose, to_request},
};

/// How long such a sign-in lasts at most: for putting things in order, not for a day's work.
const SESSION: Duration = Duration::from_secs(60 * 60);

/// A try at a break-glass account.
#[derive(Debug)]
pub struct BreakGlassLogin {
    /// The secret of the operator's link.
    pub link: Secret,
    /// The password of the account.
    pub password: Secret,
    /// Where the try came from.
    pub address: IpAddr,
}

impl Engine {
    /// The page to which a link leads; none where the link is no good any more.
    ///
    /// Looking at it uses nothing up, since what reads mail follows links.
    pub async fn break_glass_page(
        &self,
        link: &Secret,
        now: Timestamp,
    ) -> Result<Option<LoginPage>, Fault> {
        let mut tx = self.store().read(now).await?;
        let found = find(&mut tx, link).await?;
        Ok(found.map(|found| found.page))
    }

    /// The person typed the password of the account whose link they have.
    pub async fn finish_break_glass(
        &self,
        request: BreakGlassLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move { engine.finish_break_glass_now(request, browser, now).await })
            .await
    }

    async fn finish_break_glass_now(
        &self,
        request: BreakGlassLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(found) = find(&mut tx, &request.link).await? else {
            return Ok(LoginOutcome::Gone);
        };
        if !self.limits().admits_login(request.address) {
            return Ok(LoginOutcome::TooManyTries(found.page));
        }
        let stored = tx.find_password(found.user.id).await?;
        drop(tx);
        let verdict = self.judge_password(request.password, stored, now).await?;
        let mut tx = self.store().write(now).await?;
        if verdict != Verdict::Right {
            let login = NewLoginRecord {
                organization_id: Some(found.link.organization_id),
                connection_id: Some(found.link.connection_id),
                user_id: Some(found.user.id),
                ..NewLoginRecord::default()
            };
            password::refuse(&mut tx, verdict, login).await?;
            tx.commit().await?;
            self.wake();
            return Ok(LoginOutcome::WrongPassword(found.page));
        }
        let Some(link) = tx.take_break_glass_link(request.link.hash()).await? else {
            return Ok(LoginOutcome::Gone);
        };
        let Some(connection) = tx.find_connection(link.connection_id).await? else {
            return Ok(LoginOutcome::Gone);
        };
        tx.clear_password_failures(link.user_id).await?;
        let proof = Proof {
            user: Box::new(found.user),
            auth_time: now,
            acr: PASSWORD_ACR.to_owned(),
            amr: ["pwd", "otp", "mfa"].map(str::to_owned).to_vec(),
            upstream: None,
            upstream_name_id: None,
            logout_hint: None,
            session_expiry: Some(now.after(SESSION)),
            epochs: Some(link.epochs),
            report: None,
        };
        let pending = pending(&link, now)?;
        self.sign_in(tx, pending, &connection, proof, &browser)
            .await
    }
}

/// What a live link leads to.
struct Found {
    link: Live<BreakGlassLink>,
    user: User,
    page: LoginPage,
}

async fn find(tx: &mut ReadTx, link: &Secret) -> Result<Option<Found>, Fault> {
    let Some(link) = tx.live_break_glass_link(link.hash()).await? else {
        return Ok(None);
    };
    let Some(user) = tx.user_of(&link).await? else {
        return Ok(None);
    };
    let page = LoginPage {
        login_hint: Some(user.user_name.clone()),
        brand: Brand::find(tx, Some(user.organization_id)).await?,
        ..LoginPage::default()
    };
    Ok(Some(Found { link, user, page }))
}

/// The login that the link stands for: no application waits for it.
fn pending(link: &BreakGlassLink, now: Timestamp) -> Result<PendingLogin, Fault> {
    Ok(PendingLogin {
        browser_hash: Vec::new(),
        application_id: None,
        organization_id: Some(link.organization_id),
        connection_id: Some(link.connection_id),
        request: to_request(&Purpose::SignIn)?,
        upstream_sealed: None,
        expires_at: now,
    })
}
