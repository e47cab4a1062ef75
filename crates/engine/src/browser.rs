//! What a browser brings: its own handle, and the sign-ins that it holds.

use vestibule_core::{Secret, SecretHash, UserSessionId};
use vestibule_store::{Live, ReadTx, UserSession};

use crate::Fault;

/// Sign-ins that one browser holds at most; the oldest goes when one more comes.
pub const SESSIONS_AT_MOST: usize = 8;

/// One browser, as its cookies describe it; nothing of it is believed until the store has been asked.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// The handle that binds waiting logins to the browser that began them.
    pub handle: Option<Secret>,
    /// The sign-ins, the newest last.
    pub sessions: Vec<SessionCookie>,
}

/// The cookie's share of one sign-in.
#[derive(Debug, Clone)]
pub struct SessionCookie {
    /// Which sign-in.
    pub id: UserSessionId,
    /// What proves it.
    pub secret: Secret,
}

impl SessionCookie {
    /// Reads `ses_….secret`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let sound = (32..=64).contains(&secret.len());
        sound.then_some(())?;
        Some(Self {
            id: id.parse().ok()?,
            secret: Secret::new(secret),
        })
    }

    /// The text that [`parse`](Self::parse) reads; it is a credential.
    pub fn expose(&self) -> String {
        format!("{}.{}", self.id, self.secret.expose())
    }
}

impl Browser {
    /// The hash of the handle, to compare a waiting login with.
    pub(crate) fn handle_hash(&self) -> Option<SecretHash> {
        self.handle.as_ref().map(Secret::hash)
    }

    /// What this browser holds of a sign-in.
    pub(crate) fn session(&self, id: UserSessionId) -> Option<&SessionCookie> {
        self.sessions.iter().find(|cookie| cookie.id == id)
    }

    /// The live sign-ins, the most recent first.
    pub(crate) async fn live_sessions(
        &self,
        tx: &mut ReadTx,
    ) -> Result<Vec<(SessionCookie, Live<UserSession>)>, Fault> {
        let mut live = Vec::new();
        for cookie in self.sessions.iter().rev().take(SESSIONS_AT_MOST) {
            if let Some(session) = tx
                .live_user_session(cookie.id, cookie.secret.hash())
                .await?
            {
                live.push((cookie.clone(), session));
            }
        }
        live.sort_by_key(|(_, session)| std::cmp::Reverse(session.auth_time));
        Ok(live)
    }

    /// The cookies after one more sign-in.
    pub(crate) fn with_session(&self, new: SessionCookie) -> Vec<SessionCookie> {
        let mut sessions: Vec<SessionCookie> = self
            .sessions
            .iter()
            .filter(|cookie| cookie.id != new.id)
            .cloned()
            .collect();
        sessions.push(new);
        let surplus = sessions.len().saturating_sub(SESSIONS_AT_MOST);
        sessions.split_off(surplus)
    }
}

/// Of each person the first sign-in.
pub(crate) fn one_of_each_person(
    mut live: Vec<(SessionCookie, Live<UserSession>)>,
) -> Vec<(SessionCookie, Live<UserSession>)> {
    let mut seen = Vec::new();
    live.retain(|(_, session)| {
        let first = !seen.contains(&session.user_id);
        seen.push(session.user_id);
        first
    });
    live
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_core::{Generator, Timestamp};

    fn cookie(generator: &Generator, second: i64) -> SessionCookie {
        SessionCookie {
            id: generator.id(Timestamp::from_unix_seconds(second)),
            secret: generator.token(""),
        }
    }

    #[test]
    fn a_ninth_sign_in_pushes_the_oldest_out() {
        let generator = Generator::seeded_for_tests(1);
        let mut browser = Browser::default();
        for second in 0..9 {
            browser.sessions = browser.with_session(cookie(&generator, second));
        }
        assert_eq!(browser.sessions.len(), SESSIONS_AT_MOST);
        let parsed: Vec<_> = browser
            .sessions
            .iter()
            .map(|cookie| SessionCookie::parse(&cookie.expose()).unwrap().id)
            .collect();
        assert!(parsed.is_sorted());
    }

    #[test]
    fn a_cookie_without_id_or_with_a_short_secret_is_none() {
        for text in [
            "",
            "ses_x.y",
            "ses_01h455vb4pex5vsknk084sn02q.short",
            "usr_01h455vb4pex5vsknk084sn02q.0123456789012345678901234567890123456789012",
        ] {
            assert!(SessionCookie::parse(text).is_none(), "{text}");
        }
    }
}
