//! What the app remembers.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;

use super::AppUrls;
use super::provider::{IdToken, Provider, Tokens};
use crate::{chance, clock};

/// How long a session of the app lasts, in milliseconds: the app's own choice, as in any app.
const SESSION_TTL: i64 = 12 * 3_600_000;
/// How long a login may take, in milliseconds.
const PENDING_TTL: i64 = 900_000;

/// The app's sessions and notices, as `/state` shows them.
#[derive(Debug, Clone, Serialize)]
pub struct AppState {
    /// Every session there was, oldest first.
    pub sessions: Vec<AppSession>,
    /// Every verified logout token, oldest first.
    pub logout_tokens: Vec<LogoutToken>,
}

impl AppState {
    /// The sessions that have not ended.
    pub fn live_sessions(&self) -> impl Iterator<Item = &AppSession> {
        self.sessions
            .iter()
            .filter(|session| session.ending.is_none())
    }
}

/// One sign-in at the app.
#[derive(Debug, Clone, Serialize)]
pub struct AppSession {
    /// The app's own name for it; not the cookie.
    pub id: String,
    /// The provider's lasting subject.
    pub sub: String,
    /// The provider's session id, which logout tokens name.
    pub sid: Option<String>,
    /// The claims of the ID token.
    pub claims: Value,
    /// Whether the provider issued a refresh token.
    pub refreshable: bool,
    /// Milliseconds since the Unix epoch.
    pub started_at: i64,
    /// How it ended, if it did.
    pub ending: Option<Ending>,
}

impl AppSession {
    /// A claim's text.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}

/// How a session ended.
#[derive(Debug, Clone, Serialize)]
pub struct Ending {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// `logout_token`, `signed_out`, `refresh_refused` or `signed_in_again`.
    pub reason: &'static str,
}

/// A logout token that verified.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutToken {
    /// When the request arrived: milliseconds since the Unix epoch.
    pub received_at: i64,
    /// When the request arrived.
    #[serde(skip)]
    pub received: Instant,
    /// Its `jti`.
    pub jti: String,
    /// Its `sub`.
    pub sub: Option<String>,
    /// Its `sid`.
    pub sid: Option<String>,
    /// How many sessions it ended.
    pub ended: usize,
    /// All its claims.
    pub claims: Value,
}

/// Something that happened at the app.
#[derive(Debug, Clone)]
pub struct AppEvent {
    /// What happened.
    pub kind: AppEventKind,
    /// The subject it concerns.
    pub sub: Option<String>,
    /// The app's name for the session it concerns.
    pub session: Option<String>,
    /// When; for a logout notice, when its request arrived.
    pub at: Instant,
}

/// The kinds of [`AppEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppEventKind {
    /// A browser was sent to the provider.
    LoginStarted,
    /// The provider's answer did not lead to a session; the reason.
    LoginRefused(String),
    /// A session began.
    SignedIn,
    /// A refresh token was used with success.
    Refreshed,
    /// The provider refused a refresh token; its error code.
    RefreshRefused(String),
    /// A logout token verified; how many sessions it ended.
    LogoutNotice(usize),
    /// A logout token did not verify; the rule.
    LogoutNoticeRefused(String),
    /// A session ended; the reason as in [`Ending`].
    SessionEnded(&'static str),
}

/// What the token or userinfo endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenOutcome {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth error code, if any.
    pub error: Option<String>,
}

impl TokenOutcome {
    /// Whether the token was accepted.
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What became of a session's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The access token at the userinfo endpoint.
    pub access_token: TokenOutcome,
    /// The refresh token, if there is one.
    pub refresh_token: Option<TokenOutcome>,
}

impl Probe {
    /// Whether any of the tokens was accepted.
    pub fn is_any_accepted(&self) -> bool {
        self.access_token.is_accepted()
            || self
                .refresh_token
                .as_ref()
                .is_some_and(TokenOutcome::is_accepted)
    }
}

pub(super) struct State {
    pub(super) name: String,
    pub(super) urls: AppUrls,
    pub(super) provider: Provider,
    pub(super) events: broadcast::Sender<AppEvent>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: Vec<Stored>,
    pending: HashMap<String, Pending>,
    logout_tokens: Vec<LogoutToken>,
    seen: HashSet<String>,
}

struct Stored {
    cookie: String,
    tokens: Tokens,
    session: AppSession,
}

/// A login that waits for the provider's answer; it is bound to one browser by a cookie.
pub(super) struct Pending {
    pub(super) browser: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) max_age: Option<i64>,
    pub(super) started_at: i64,
}

impl State {
    pub(super) fn new(name: String, urls: AppUrls, provider: Provider) -> Self {
        let events = broadcast::channel(1024).0;
        Self {
            name,
            urls,
            provider,
            events,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, kind: AppEventKind, session: Option<&AppSession>, at: Instant) {
        // Nobody has to listen.
        let _ = self.events.send(AppEvent {
            kind,
            sub: session.map(|session| session.sub.clone()),
            session: session.map(|session| session.id.clone()),
            at,
        });
    }

    pub(super) fn snapshot(&self) -> AppState {
        let inner = self.lock();
        AppState {
            sessions: inner
                .sessions
                .iter()
                .map(|stored| stored.session.clone())
                .collect(),
            logout_tokens: inner.logout_tokens.clone(),
        }
    }

    pub(super) fn add_pending(&self, state: String, pending: Pending) {
        let oldest = clock::unix_millis() - PENDING_TTL;
        let mut inner = self.lock();
        inner
            .pending
            .retain(|_, pending| pending.started_at > oldest);
        inner.pending.insert(state, pending);
    }

    /// Uses a login up: the first answer counts, good or bad, and only in the browser that began.
    pub(super) fn take_pending(&self, state: &str, browser: Option<&str>) -> Option<Pending> {
        let pending = self.lock().pending.remove(state)?;
        let age = clock::unix_millis() - pending.started_at;
        let same_browser = browser.is_some_and(|got| chance::equal(got, &pending.browser));
        (age < PENDING_TTL && same_browser).then_some(pending)
    }

    /// Opens a session and returns its cookie; the browser's former session ends.
    pub(super) fn open_session(
        &self,
        id_token: IdToken,
        tokens: Tokens,
        former: Option<&str>,
    ) -> anyhow::Result<String> {
        if let Some(former) = former {
            self.end_where("signed_in_again", |stored| stored.cookie == former);
        }
        let cookie = chance::token()?;
        let session = AppSession {
            id: chance::token()?.chars().take(12).collect(),
            sub: id_token.sub,
            sid: id_token.sid,
            claims: id_token.claims,
            refreshable: tokens.refresh_token.is_some(),
            started_at: clock::unix_millis(),
            ending: None,
        };
        let stored = Stored {
            cookie: cookie.clone(),
            tokens,
            session: session.clone(),
        };
        self.lock().sessions.push(stored);
        self.tell(AppEventKind::SignedIn, Some(&session), Instant::now());
        Ok(cookie)
    }

    /// The live session of a cookie.
    pub(super) fn session(&self, cookie: &str) -> Option<AppSession> {
        let oldest = clock::unix_millis() - SESSION_TTL;
        let inner = self.lock();
        let stored = inner
            .sessions
            .iter()
            .find(|stored| stored.cookie == cookie)?;
        let session = &stored.session;
        (session.ending.is_none() && session.started_at > oldest).then(|| session.clone())
    }

    /// Ends a cookie's session and returns its ID token, the hint for logout at the provider.
    pub(super) fn sign_out(&self, cookie: &str) -> Option<String> {
        self.session(cookie)?;
        self.end_where("signed_out", |stored| stored.cookie == cookie);
        let inner = self.lock();
        let stored = inner
            .sessions
            .iter()
            .find(|stored| stored.cookie == cookie)?;
        Some(stored.tokens.id_token.clone())
    }

    /// Takes a verified logout token: false if its `jti` was here before.
    pub(super) fn take_logout_token(&self, mut token: LogoutToken) -> bool {
        if !self.lock().seen.insert(token.jti.clone()) {
            return false;
        }
        // With `sid` that one session ends, else all of the subject (Back-Channel Logout 1.0 §2.7).
        let names = |session: &AppSession| match (&token.sid, &token.sub) {
            (Some(sid), sub) => {
                session.sid.as_ref() == Some(sid)
                    && sub.as_ref().is_none_or(|sub| *sub == session.sub)
            }
            (None, Some(sub)) => session.sub == *sub,
            (None, None) => false,
        };
        token.ended = self.end_where("logout_token", |stored| names(&stored.session));
        let event = AppEvent {
            kind: AppEventKind::LogoutNotice(token.ended),
            sub: token.sub.clone(),
            session: None,
            at: token.received,
        };
        self.lock().logout_tokens.push(token);
        let _ = self.events.send(event);
        true
    }

    fn end_where(&self, reason: &'static str, matches: impl Fn(&Stored) -> bool) -> usize {
        let at = clock::unix_millis();
        let mut ended = Vec::new();
        for stored in &mut self.lock().sessions {
            if stored.session.ending.is_none() && matches(stored) {
                stored.session.ending = Some(Ending { at, reason });
                ended.push(stored.session.clone());
            }
        }
        for session in &ended {
            self.tell(
                AppEventKind::SessionEnded(reason),
                Some(session),
                Instant::now(),
            );
        }
        ended.len()
    }

    fn tokens(&self, session_id: &str) -> anyhow::Result<Tokens> {
        let inner = self.lock();
        let stored = inner
            .sessions
            .iter()
            .find(|stored| stored.session.id == session_id);
        stored
            .map(|stored| stored.tokens.clone())
            .context("the app has no such session")
    }

    pub(super) async fn refresh(&self, session_id: &str) -> anyhow::Result<TokenOutcome> {
        let tokens = self.tokens(session_id)?;
        let token = tokens
            .refresh_token
            .context("the session has no refresh token")?;
        let (outcome, fresh) = self.provider.refresh(&token).await?;
        let session = {
            let mut inner = self.lock();
            let stored = inner
                .sessions
                .iter_mut()
                .find(|stored| stored.session.id == session_id);
            let stored = stored.context("the app has no such session")?;
            if let Some(fresh) = fresh {
                stored.tokens.renew(fresh);
            }
            stored.session.clone()
        };
        let kind = match &outcome.error {
            None => AppEventKind::Refreshed,
            Some(error) => AppEventKind::RefreshRefused(error.clone()),
        };
        self.tell(kind, Some(&session), Instant::now());
        // The provider says that the grant is gone: an app that goes on would serve a stranger.
        if outcome.error.as_deref() == Some("invalid_grant") {
            self.end_where("refresh_refused", |stored| stored.session.id == session_id);
        }
        Ok(outcome)
    }

    pub(super) async fn probe(&self, session_id: &str) -> anyhow::Result<Probe> {
        let tokens = self.tokens(session_id)?;
        let access_token = self.provider.userinfo(&tokens.access_token).await?;
        let refresh_token = match tokens.refresh_token {
            Some(_) => Some(self.refresh(session_id).await?),
            None => None,
        };
        Ok(Probe {
            access_token,
            refresh_token,
        })
    }
}
