//! What the provider remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::broadcast;
use url::Url;

use super::authorize::Pending;
use super::saml::{Participant, SamlMemory};
use super::{Client, Faults, IdpConfig, IdpEvent, IdpEventKind};
use crate::http::Http;
use crate::jose::{Algorithm, SigningKey};
use crate::{Person, chance, clock};

/// The session cookie's name; the host is loopback and http, so it cannot carry `__Host-`.
pub(super) const COOKIE: &str = "idp_session";
/// How long a code is good, in seconds.
const CODE_TTL: i64 = 60;
/// How long a login form can be used, in seconds.
const PENDING_TTL: i64 = 900;
/// How long an access token is good, in seconds.
pub(super) const ACCESS_TOKEN_TTL: i64 = 300;

pub(super) struct State {
    pub(super) issuer: String,
    pub(super) browser_url: Url,
    pub(super) company: String,
    pub(super) id_token_ttl: i64,
    pub(super) admin_token: Option<String>,
    pub(super) http: Http,
    pub(super) events: broadcast::Sender<IdpEvent>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) people: Vec<Person>,
    pub(super) clients: Vec<Client>,
    pub(super) faults: Faults,
    /// How people sign in, as the ID token's `amr` has it.
    pub(super) methods: Vec<String>,
    pub(super) saml: SamlMemory,
    /// The signing key first, then the one before it.
    keys: Vec<Arc<SigningKey>>,
    sessions: HashMap<String, Session>,
    pending: HashMap<String, (Pending, i64)>,
    codes: HashMap<String, (Grant, i64)>,
    access_tokens: HashMap<String, (Grant, i64)>,
    refresh_tokens: HashMap<String, Grant>,
    /// Seconds that its clock shows beyond the wall's.
    pub(super) clock_ahead: i64,
}

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) user_name: String,
    pub(super) sid: String,
    pub(super) auth_time: i64,
    /// The clients that got a code from it.
    pub(super) clients: Vec<String>,
    /// The service providers that got an assertion from it.
    pub(super) saml: Vec<Participant>,
}

/// What an application asked for.
#[derive(Debug, Clone)]
pub(super) struct AuthorizeRequest {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) max_age: Option<i64>,
    pub(super) login_hint: Option<String>,
}

/// What a code or token stands for.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) request: AuthorizeRequest,
    pub(super) session: Session,
}

impl State {
    pub(super) fn new(
        issuer: String,
        browser_url: Url,
        http: Http,
        config: &IdpConfig,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            issuer,
            browser_url,
            company: config.company.clone(),
            id_token_ttl: config.id_token_ttl,
            admin_token: config.admin_token.clone(),
            http,
            events: broadcast::channel(256).0,
            inner: Mutex::new(Inner {
                people: config.people.clone(),
                clients: config.clients.clone(),
                faults: Faults::none(),
                methods: vec!["pwd".to_owned()],
                saml: SamlMemory::new(config.saml_key_kind, config.saml_key.clone()),
                keys: vec![Arc::new(SigningKey::generate(config.algorithm)?)],
                sessions: HashMap::new(),
                pending: HashMap::new(),
                codes: HashMap::new(),
                access_tokens: HashMap::new(),
                refresh_tokens: HashMap::new(),
                clock_ahead: 0,
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(
        &self,
        kind: IdpEventKind,
        user_name: Option<&str>,
        client_id: Option<&str>,
    ) {
        // Nobody has to listen.
        let _ = self.events.send(IdpEvent {
            kind,
            user_name: user_name.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            at: Instant::now(),
        });
    }

    pub(super) fn add_person(&self, person: Person) {
        let mut inner = self.lock();
        inner
            .people
            .retain(|known| known.user_name != person.user_name);
        inner.people.push(person);
    }

    pub(super) fn remove_person(&self, user_name: &str) -> Option<Person> {
        let mut inner = self.lock();
        let at = inner
            .people
            .iter()
            .position(|person| person.user_name == user_name)?;
        let person = inner.people.remove(at);
        inner.take_sessions(user_name);
        inner
            .codes
            .retain(|_, (grant, _)| grant.session.user_name != user_name);
        inner
            .access_tokens
            .retain(|_, (grant, _)| grant.session.user_name != user_name);
        inner
            .refresh_tokens
            .retain(|_, grant| grant.session.user_name != user_name);
        Some(person)
    }

    pub(super) fn rotate_key(&self, algorithm: Algorithm) -> anyhow::Result<()> {
        let key = Arc::new(SigningKey::generate(algorithm)?);
        let mut inner = self.lock();
        inner.keys.insert(0, key);
        inner.keys.truncate(2);
        Ok(())
    }
}

impl Inner {
    pub(super) fn client(&self, client_id: &str) -> Option<&Client> {
        self.clients
            .iter()
            .find(|client| client.client_id == client_id)
    }

    pub(super) fn person(&self, user_name: &str) -> Option<&Person> {
        self.people
            .iter()
            .find(|person| person.user_name.eq_ignore_ascii_case(user_name))
    }

    /// The key that signs.
    pub(super) fn signing_key(&self) -> anyhow::Result<Arc<SigningKey>> {
        self.keys
            .first()
            .cloned()
            .ok_or_else(|| anyhow::anyhow!("the provider has no key"))
    }

    /// The published keys.
    pub(super) fn public_keys(&self) -> anyhow::Result<Vec<Value>> {
        self.keys.iter().map(|key| key.public_jwk()).collect()
    }

    /// The time as tokens state it.
    pub(super) fn now(&self) -> i64 {
        clock::unix_seconds() + self.clock_ahead
    }

    pub(super) fn session(&self, cookie: &str) -> Option<&Session> {
        self.sessions.get(cookie)
    }

    /// Opens a session and returns its cookie; the browser's former one ends.
    pub(super) fn open_session(
        &mut self,
        user_name: &str,
        former: Option<&str>,
    ) -> anyhow::Result<String> {
        if let Some(cookie) = former {
            self.sessions.remove(cookie);
        }
        let cookie = chance::token()?;
        let session = Session {
            user_name: user_name.to_owned(),
            sid: chance::guid()?,
            auth_time: self.now(),
            clients: Vec::new(),
            saml: Vec::new(),
        };
        self.sessions.insert(cookie.clone(), session);
        Ok(cookie)
    }

    pub(super) fn take_session(&mut self, cookie: &str) -> Option<Session> {
        self.sessions.remove(cookie)
    }

    pub(super) fn take_sessions(&mut self, user_name: &str) -> Vec<Session> {
        self.take_sessions_where(|session| session.user_name == user_name)
    }

    pub(super) fn take_sessions_where(&mut self, taken: impl Fn(&Session) -> bool) -> Vec<Session> {
        let (taken, kept) = std::mem::take(&mut self.sessions)
            .into_iter()
            .partition(|(_, session)| taken(session));
        self.sessions = kept;
        taken.into_values().collect()
    }

    /// The sessions of a person that signed in to a service provider.
    pub(super) fn participants(&self, user_name: &str, entity_id: &str) -> Vec<Participant> {
        self.sessions
            .values()
            .filter(|session| session.user_name == user_name)
            .flat_map(|session| session.saml.clone())
            .filter(|participant| participant.entity_id == entity_id)
            .collect()
    }

    /// Remembers that a session signed in to a service provider.
    pub(super) fn add_participant(&mut self, cookie: &str, participant: Participant) {
        if let Some(session) = self.sessions.get_mut(cookie) {
            session
                .saml
                .retain(|known| known.entity_id != participant.entity_id);
            session.saml.push(participant);
        }
    }

    pub(super) fn add_pending(&mut self, request: Pending) -> anyhow::Result<String> {
        let now = clock::unix_seconds();
        self.pending.retain(|_, (_, until)| *until > now);
        let id = chance::token()?;
        self.pending
            .insert(id.clone(), (request, now + PENDING_TTL));
        Ok(id)
    }

    pub(super) fn pending(&self, id: &str) -> Option<&Pending> {
        let (request, until) = self.pending.get(id)?;
        (*until > clock::unix_seconds()).then_some(request)
    }

    pub(super) fn take_pending(&mut self, id: &str) {
        self.pending.remove(id);
    }

    /// Issues a code for a signed-in browser.
    pub(super) fn add_code(
        &mut self,
        request: AuthorizeRequest,
        cookie: &str,
    ) -> anyhow::Result<String> {
        let session = self
            .sessions
            .get_mut(cookie)
            .ok_or_else(|| anyhow::anyhow!("the session ended meanwhile"))?;
        if !session.clients.contains(&request.client_id) {
            session.clients.push(request.client_id.clone());
        }
        let grant = Grant {
            request,
            session: session.clone(),
        };
        let code = chance::token()?;
        self.codes
            .insert(code.clone(), (grant, clock::unix_seconds() + CODE_TTL));
        Ok(code)
    }

    /// Uses a code up; good or bad, it never works again.
    pub(super) fn take_code(&mut self, code: &str) -> Option<Grant> {
        let (grant, until) = self.codes.remove(code)?;
        (until > clock::unix_seconds()).then_some(grant)
    }

    pub(super) fn add_access_token(&mut self, grant: Grant) -> anyhow::Result<String> {
        let now = clock::unix_seconds();
        self.access_tokens.retain(|_, (_, until)| *until > now);
        let token = chance::token()?;
        self.access_tokens
            .insert(token.clone(), (grant, now + ACCESS_TOKEN_TTL));
        Ok(token)
    }

    pub(super) fn access_token(&self, token: &str) -> Option<&Grant> {
        let (grant, until) = self.access_tokens.get(token)?;
        (*until > clock::unix_seconds()).then_some(grant)
    }

    pub(super) fn add_refresh_token(&mut self, grant: Grant) -> anyhow::Result<String> {
        let token = chance::token()?;
        self.refresh_tokens.insert(token.clone(), grant);
        Ok(token)
    }

    pub(super) fn take_refresh_token(&mut self, token: &str) -> Option<Grant> {
        self.refresh_tokens.remove(token)
    }
}
