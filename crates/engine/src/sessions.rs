//! Who is signed in, and how a person signs out.

use vestibule_core::{EndCause, EndScope, OrganizationId, Timestamp, UserId, UserSessionId};
use vestibule_issuer::logout::{CheckedLogout, LogoutError, LogoutRequest};
use vestibule_store::{Ending, WriteTx};

use crate::{
    Brand, Browser, Engine, Fault, authorize::find_active_application, browser::SessionCookie,
    saml::ToProvider,
};

/// The person behind a browser's live sign-in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurrentUser {
    /// The user, the same id that apps see as `sub`.
    pub id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// The user name.
    pub user_name: String,
    /// The primary address.
    pub email: Option<String>,
    /// The display name, if the directory sent one.
    pub display_name: Option<String>,
    /// The sign-in.
    pub session_id: UserSessionId,
    /// When the person proved who they are.
    pub auth_time: Timestamp,
}

/// What a logout request leads to.
#[derive(Debug)]
pub enum LogoutOutcome {
    /// Signed out: the sign-ins that the browser keeps, and where it goes, if the application named a place.
    SignedOut {
        /// What stays in the cookie.
        sessions: Vec<SessionCookie>,
        /// Where the browser goes first, to sign out at the identity provider as well.
        upstream: Option<ToProvider>,
        /// The application's place for afterwards.
        return_url: Option<String>,
        /// The application's name.
        application: Option<String>,
        /// How the pages of the organization look that the person belonged to.
        brand: Option<Brand>,
    },
    /// Nothing proves that the person wants this: ask.
    Confirm {
        /// The application's name.
        application: Option<String>,
        /// Who would be signed out.
        user_name: String,
        /// How the pages of their organization look.
        brand: Option<Brand>,
        /// The application's place for afterwards, which the page's form leads to.
        returns_to: Option<String>,
    },
    /// The request is wrong; nothing was ended.
    Refused(LogoutError),
}

impl Engine {
    /// The person who signed in most recently in this browser, if that is live.
    pub async fn current_user(
        &self,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Option<CurrentUser>, Fault> {
        let mut tx = self.store().read(now).await?;
        let live = browser.live_sessions(&mut tx).await?;
        let Some((_, session)) = live.first() else {
            return Ok(None);
        };
        let Some(user) = tx.user_of(session).await? else {
            return Ok(None);
        };
        let display_name = user.display_name().map(str::to_owned);
        let current = CurrentUser {
            id: user.id,
            organization_id: user.organization_id,
            user_name: user.user_name,
            email: user.email,
            display_name,
            session_id: session.id,
            auth_time: session.auth_time,
        };
        let due = session.is_due_for_touch(now);
        drop(tx);
        if due {
            let mut tx = self.store().write(now).await?;
            tx.touch_user_session(current.session_id).await?;
            tx.commit().await?;
        }
        Ok(Some(current))
    }

    /// Answers a logout request of an application (RP-Initiated Logout 1.0 §2); `confirmed` by the person where asked.
    pub async fn logout(
        &self,
        request: LogoutRequest,
        browser: Browser,
        consent: LogoutConsent,
        now: Timestamp,
    ) -> Result<LogoutOutcome, Fault> {
        let checked = match request.check(&self.keys(), self.issuer()) {
            Ok(checked) => checked,
            Err(error) => return Ok(LogoutOutcome::Refused(error)),
        };
        let mut tx = self.store().read(now).await?;
        let application = match &checked.client_id {
            Some(client_id) => find_active_application(&mut tx, client_id).await?,
            None => None,
        };
        let registered = application.as_ref().map_or(&[][..], |application| {
            &application.post_logout_redirect_uris
        });
        let return_url = match checked.return_url(registered) {
            Ok(return_url) => return_url,
            Err(error) => return Ok(LogoutOutcome::Refused(error)),
        };
        let application = application.map(|application| application.name);
        let live = browser.live_sessions(&mut tx).await?;
        let organization_id = live.first().map(|(_, session)| session.organization_id);
        let named = match hinted_session(&checked) {
            Some(sid) => tx
                .live_app_session(sid)
                .await?
                .map(|share| share.user_session_id),
            None => None,
        };
        let ending: Vec<UserSessionId> = match named {
            Some(id) if browser.sessions.iter().any(|cookie| cookie.id == id) => vec![id],
            _ if live.is_empty() => Vec::new(),
            _ if consent == LogoutConsent::Given => {
                live.iter().map(|(_, session)| session.id).collect()
            }
            _ => {
                let user = match live.first() {
                    Some((_, session)) => tx.user_of(session).await?,
                    None => None,
                };
                return Ok(LogoutOutcome::Confirm {
                    application,
                    user_name: user.map(|user| user.user_name).unwrap_or_default(),
                    brand: Brand::find(&mut tx, organization_id).await?,
                    returns_to: return_url,
                });
            }
        };
        let brand = Brand::find(&mut tx, organization_id).await?;
        drop(tx);
        let sessions = self.end_sessions_of(browser, ending.clone(), now).await?;
        let return_to = return_url
            .clone()
            .unwrap_or_else(|| self.signed_out_url(organization_id));
        let upstream = self.begin_provider_logout(&ending, &return_to, now).await?;
        Ok(LogoutOutcome::SignedOut {
            sessions,
            upstream,
            return_url,
            application,
            brand,
        })
    }

    /// Signs out of everything in this browser; where the browser goes to sign out at an identity provider as well.
    pub async fn sign_out(
        &self,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<ToProvider>, Fault> {
        let mut tx = self.store().read(now).await?;
        let live = browser.live_sessions(&mut tx).await?;
        drop(tx);
        let ending: Vec<UserSessionId> = live.iter().map(|(_, session)| session.id).collect();
        self.end_sessions_of(browser, ending.clone(), now).await?;
        let organization_id = live.first().map(|(_, session)| session.organization_id);
        self.begin_provider_logout(&ending, &self.signed_out_url(organization_id), now)
            .await
    }

    /// Our page for afterwards, which looks as the organization's pages do.
    fn signed_out_url(&self, organization_id: Option<OrganizationId>) -> String {
        match organization_id {
            Some(id) => self.url(&format!("/logout/done?organization={id}")),
            None => self.url("/logout/done"),
        }
    }

    /// Ends the named sign-ins together with the browser's other ones of the same people.
    async fn end_sessions_of(
        &self,
        browser: Browser,
        ending: Vec<UserSessionId>,
        now: Timestamp,
    ) -> Result<Vec<SessionCookie>, Fault> {
        let engine = self.clone();
        self.detached(async move {
            let mut tx = engine.store().write(now).await?;
            let mut people = Vec::new();
            for id in &ending {
                people.extend(
                    tx.find_user_session(*id)
                        .await?
                        .map(|session| session.user_id),
                );
            }
            let mut kept = Vec::new();
            for cookie in browser.sessions {
                // The cookie has to prove the sign-in before it may end it.
                let own = tx.find_user_session(cookie.id).await?;
                let live = tx
                    .live_user_session(cookie.id, cookie.secret.hash())
                    .await?
                    .is_some();
                if own.is_some_and(|session| people.contains(&session.user_id)) {
                    if live || ending.contains(&cookie.id) {
                        tx.end(Ending {
                            scope: EndScope::UserSession(cookie.id),
                            cause: EndCause::Logout,
                            actor: "user",
                        })
                        .await?;
                    }
                } else if live {
                    kept.push(cookie);
                }
            }
            tx.commit().await?;
            engine.wake();
            Ok(kept)
        })
        .await
    }
}

/// Whether the person was asked about signing out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutConsent {
    /// Not yet.
    NotAsked,
    /// They said yes, on our page.
    Given,
}

fn hinted_session(checked: &CheckedLogout) -> Option<vestibule_core::AppSessionId> {
    checked.hint.as_ref()?.sid.parse().ok()
}

/// Ends sign-ins because their identity provider says so.
pub(crate) async fn end_by_provider(
    tx: &mut WriteTx,
    ids: Vec<UserSessionId>,
) -> Result<(), Fault> {
    for id in ids {
        tx.end(Ending {
            scope: EndScope::UserSession(id),
            cause: EndCause::UpstreamLogout,
            actor: "identity provider",
        })
        .await?;
    }
    Ok(())
}
