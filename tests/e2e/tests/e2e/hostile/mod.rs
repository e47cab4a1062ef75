//! An OpenID Provider without manners: each of its tenants errs in one way, over real HTTP on loopback.

mod around;
mod callbacks;
mod documents;
mod honest;
mod tokens;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Form, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page, Person};
use vestibule_support::server::{Company, Employee, TestServer};

use crate::{refusals::counts, relying::Relying};

/// Our client id at every tenant.
pub(crate) const CLIENT_ID: &str = "vestibule";
/// Our secret at every tenant.
pub(crate) const SECRET: &str = "the secret that only the two of us know";
/// The access token of every login.
pub(crate) const ACCESS_TOKEN: &str = "an-access-token";

type Pairs = HashMap<String, String>;

/// A P-256 key with the id under which it is published.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: Arc<EcdsaKeyPair>,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Arc::new(pair),
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
               "x": encode(&point[1..33]), "y": encode(&point[33..65])})
    }

    /// Signs whatever header and claims say, also what lies or is no JSON.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let input = input(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.unwrap().as_ref());
        format!("{input}.{signature}")
    }
}

/// The two parts under a signature.
pub(crate) fn input(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    )
}

/// What an endpoint says in the place of what it should.
#[derive(Clone)]
pub(crate) enum Said {
    Json(u16, Value),
    Text(u16, &'static str, String),
    /// To another address of the same tenant, where the right answer would be.
    Redirect,
}

impl Said {
    fn answer(&self, place: &str) -> Response {
        match self {
            Self::Json(status, body) => text(*status, "application/json", body.to_string()),
            Self::Text(status, content_type, body) => text(*status, content_type, body.clone()),
            Self::Redirect => Redirect::temporary(&format!("{place}-moved")).into_response(),
        }
    }
}

fn text(status: u16, content_type: &str, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [(header::CONTENT_TYPE, content_type.to_owned())],
        body,
    )
        .into_response()
}

/// Header and claims of the token that an honest provider would issue now.
pub(crate) struct Minting<'a> {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) key: &'a Key,
}

type Mint = Box<dyn Fn(&Minting<'_>) -> String + Send + Sync>;
type ReturnWith = fn(&mut Vec<(String, String)>);

/// One tenant: an honest provider until something is changed.
pub(crate) struct Tenant {
    pub(crate) issuer: String,
    pub(crate) key: Key,
    /// By how many seconds its clock is ahead of the machine's.
    pub(crate) ahead: i64,
    /// Who is at the browser.
    pub(crate) subject: Value,
    /// Members of the metadata that differ; null leaves one out.
    pub(crate) metadata: Value,
    pub(crate) discovery: Option<Said>,
    /// The key set in the place of the right one.
    pub(crate) keys: Option<Said>,
    /// Members of the header that differ.
    pub(crate) header: Value,
    /// Claims that differ; null leaves one out.
    pub(crate) claims: Value,
    /// How the token is made, in the place of a signature by `key`.
    pub(crate) mint: Option<Mint>,
    /// What comes back with the browser.
    pub(crate) returns: Option<ReturnWith>,
    pub(crate) token: Option<Said>,
    /// Members of the token endpoint's answer that differ.
    pub(crate) answer: Value,
    pub(crate) userinfo: Option<Said>,
    pub(crate) par: Option<Said>,
    pub(crate) seen: Seen,
    codes: HashMap<String, Pairs>,
    pushed: HashMap<String, Pairs>,
}

/// What a tenant was asked.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    /// The query of the browser's last request.
    pub(crate) authorize: Pairs,
    pub(crate) token: Pairs,
    pub(crate) par: Pairs,
    pub(crate) logout: Pairs,
    /// The header with which the client authenticated last.
    pub(crate) authorization: Option<String>,
    pub(crate) key_fetches: usize,
    pub(crate) userinfo_fetches: usize,
    pub(crate) exchanges: usize,
    /// Requests to places that only a token names.
    pub(crate) lured: usize,
}

/// The server with all its tenants.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) url: String,
    tenants: Arc<Mutex<HashMap<String, Tenant>>>,
}

impl Hostile {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hostile = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            tenants: Arc::default(),
        };
        let router = Router::new()
            .route("/{tenant}/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/keys", get(keys))
            .route("/{tenant}/authorize", get(authorize))
            .route("/{tenant}/token", post(token))
            .route("/{tenant}/userinfo", get(userinfo))
            .route("/{tenant}/par", post(par))
            .route("/{tenant}/logout", get(logout))
            .route("/{tenant}/lure", get(lure))
            .with_state(hostile.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        hostile
    }

    /// Adds an honest tenant at which this person is at the browser; its issuer.
    pub(crate) fn add(&self, name: &str, person: &Person) -> String {
        let issuer = format!("{}/{name}", self.url);
        let subject = json!({"sub": person.sub, "oid": person.oid, "email": person.email, "email_verified": true});
        let tenant = Tenant {
            issuer: issuer.clone(),
            key: Key::new("key-1"),
            ahead: 0,
            subject,
            metadata: json!({}),
            discovery: None,
            keys: None,
            header: json!({}),
            claims: json!({}),
            mint: None,
            returns: None,
            token: None,
            answer: json!({}),
            userinfo: None,
            par: None,
            seen: Seen::default(),
            codes: HashMap::new(),
            pushed: HashMap::new(),
        };
        self.lock().insert(name.to_owned(), tenant);
        issuer
    }

    /// Changes a tenant, or looks at it.
    pub(crate) fn at<T>(&self, name: &str, change: impl FnOnce(&mut Tenant) -> T) -> T {
        change(self.lock().get_mut(name).unwrap())
    }

    pub(crate) fn seen(&self, name: &str) -> Seen {
        self.at(name, |tenant| tenant.seen.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tenant>> {
        self.tenants.lock().unwrap()
    }
}

/// The provider's clock, which is the machine's: these tests do not move the time.
#[expect(
    clippy::disallowed_methods,
    reason = "a provider has a clock of its own"
)]
pub(crate) fn now() -> i64 {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(wall.unwrap().as_secs()).unwrap()
}

/// Members replaced, or (null) removed.
pub(crate) fn changed(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        match change.is_null() {
            true => members.remove(name),
            false => members.insert(name.clone(), change.clone()),
        };
    }
    value
}

async fn discovery(State(hostile): State<Hostile>, Path(name): Path<String>) -> Response {
    hostile.at(&name, |tenant| {
        let issuer = &tenant.issuer;
        if let Some(said) = &tenant.discovery {
            return said.answer(&format!("{issuer}/.well-known/openid-configuration"));
        }
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "end_session_endpoint": format!("{issuer}/logout"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "authorization_response_iss_parameter_supported": true,
        });
        Said::Json(200, changed(metadata, &tenant.metadata)).answer("")
    })
}

async fn keys(State(hostile): State<Hostile>, Path(name): Path<String>) -> Response {
    hostile.at(&name, |tenant| {
        tenant.seen.key_fetches += 1;
        let right = Said::Json(200, json!({"keys": [tenant.key.jwk()]}));
        let said = tenant.keys.as_ref().unwrap_or(&right);
        said.answer(&format!("{}/keys", tenant.issuer))
    })
}

async fn authorize(
    State(hostile): State<Hostile>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Response {
    hostile.at(&name, |tenant| {
        tenant.seen.authorize.clone_from(&query);
        let request = match query.get("request_uri") {
            Some(reference) => tenant.pushed.remove(reference).unwrap(),
            None => query,
        };
        let code = format!("code-{}", tenant.codes.len());
        let mut url: url::Url = request["redirect_uri"].parse().unwrap();
        let mut pairs = vec![
            ("code".to_owned(), code.clone()),
            ("state".to_owned(), request["state"].clone()),
            ("iss".to_owned(), tenant.issuer.clone()),
        ];
        if let Some(returns) = tenant.returns {
            returns(&mut pairs);
        }
        url.query_pairs_mut().extend_pairs(pairs);
        tenant.codes.insert(code, request);
        Redirect::to(url.as_str()).into_response()
    })
}

async fn token(
    State(hostile): State<Hostile>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Pairs>,
) -> Response {
    hostile.at(&name, |tenant| {
        tenant.seen.exchanges += 1;
        tenant.seen.token.clone_from(&form);
        tenant.seen.authorization = authorization(&headers);
        if let Some(said) = &tenant.token {
            return said.answer(&format!("{}/token", tenant.issuer));
        }
        let Some(request) = tenant.codes.remove(&form["code"]) else {
            return Said::Json(400, json!({"error": "invalid_grant"})).answer("");
        };
        let challenge = digest::digest(&digest::SHA256, form["code_verifier"].as_bytes());
        assert_eq!(
            request["code_challenge"],
            URL_SAFE_NO_PAD.encode(challenge),
            "PKCE fits"
        );
        let body = json!({
            "access_token": ACCESS_TOKEN,
            "token_type": "Bearer",
            "id_token": mint(tenant, &request["nonce"]),
        });
        Said::Json(200, changed(body, &tenant.answer)).answer("")
    })
}

/// The ID token of a login, bent as the tenant says.
pub(crate) fn mint(tenant: &Tenant, nonce: &str) -> String {
    let hash = digest::digest(&digest::SHA256, ACCESS_TOKEN.as_bytes());
    let claims = json!({
        "iss": tenant.issuer,
        "aud": CLIENT_ID,
        "iat": now() + tenant.ahead,
        "exp": now() + tenant.ahead + 300,
        "auth_time": now() + tenant.ahead,
        "nonce": nonce,
        "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        "sid": "session-1",
    });
    let header = json!({"alg": "ES256", "kid": tenant.key.kid, "typ": "JWT"});
    let minting = Minting {
        header: changed(header, &tenant.header),
        claims: changed(changed(claims, &tenant.subject), &tenant.claims),
        key: &tenant.key,
    };
    if let Some(mint) = &tenant.mint {
        return mint(&minting);
    }
    let (header, claims) = (minting.header.to_string(), minting.claims.to_string());
    tenant.key.sign(&header, &claims)
}

async fn userinfo(
    State(hostile): State<Hostile>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    hostile.at(&name, |tenant| {
        tenant.seen.userinfo_fetches += 1;
        let bearer = format!("Bearer {ACCESS_TOKEN}");
        assert_eq!(authorization(&headers), Some(bearer));
        let right = Said::Json(200, tenant.subject.clone());
        let said = tenant.userinfo.as_ref().unwrap_or(&right);
        said.answer(&format!("{}/userinfo", tenant.issuer))
    })
}

async fn par(
    State(hostile): State<Hostile>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Pairs>,
) -> Response {
    hostile.at(&name, |tenant| {
        tenant.seen.par.clone_from(&form);
        tenant.seen.authorization = authorization(&headers);
        if let Some(said) = &tenant.par {
            return said.answer(&format!("{}/par", tenant.issuer));
        }
        let reference = format!("urn:pushed:{}", tenant.pushed.len());
        tenant.pushed.insert(reference.clone(), form);
        Said::Json(201, json!({"request_uri": reference, "expires_in": 60})).answer("")
    })
}

async fn logout(
    State(hostile): State<Hostile>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Response {
    hostile.at(&name, |tenant| tenant.seen.logout.clone_from(&query));
    let mut back: url::Url = query["post_logout_redirect_uri"].parse().unwrap();
    back.query_pairs_mut().append_pair("state", &query["state"]);
    Redirect::to(back.as_str()).into_response()
}

async fn lure(State(hostile): State<Hostile>, Path(name): Path<String>) -> StatusCode {
    hostile.at(&name, |tenant| tenant.seen.lured += 1);
    StatusCode::OK
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?;
    Some(value.to_str().unwrap().to_owned())
}

/// A company whose people come in through tenants of the hostile provider.
pub(crate) struct Stage {
    pub(crate) hostile: Hostile,
    pub(crate) company: Company,
    pub(crate) ada: Employee,
    pub(crate) app: Relying,
}

impl Stage {
    pub(crate) async fn set_up(server: &TestServer) -> Self {
        let company = Company::set_up(server).await;
        let ada = company.hire("Ada", "Lovelace").await;
        Self {
            hostile: Hostile::start().await,
            app: Relying::of(server, &company),
            company,
            ada,
        }
    }

    /// A connection to a new tenant; `settings` are further members of `oidc`. Its id.
    pub(crate) async fn connect(&self, server: &TestServer, name: &str, settings: Value) -> String {
        let issuer = self.hostile.add(name, &self.ada.person);
        let oidc = json!({"issuer": issuer, "client_id": CLIENT_ID, "client_secret": SECRET});
        let connection = json!({
            "protocol": "oidc",
            "oidc": changed(oidc, &settings),
            "join": {"directory": "externalId", "claim": "oid"},
        });
        let place = format!(
            "/organizations/{}/connections",
            self.company.organization_id
        );
        let made = server.admin.post(&place, connection).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Sends a browser through a connection, as far as it gets.
    pub(crate) async fn enter(
        &self,
        browser: &mut Browser,
        connection: &str,
        asked: &[(&str, &str)],
    ) -> Page {
        let mut asked = asked.to_vec();
        asked.push(("organization", &self.company.organization_id));
        asked.push(("connection", connection));
        self.app.ask(browser, &asked).await
    }
}

/// One way to err, and how it has to be recorded.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// The rule and who has to act.
    pub(crate) refused: (&'static str, &'static str),
    /// Further settings of the connection.
    pub(crate) settings: Value,
    /// Further parameters of the app's request.
    pub(crate) asked: &'static [(&'static str, &'static str)],
    pub(crate) bend: Box<dyn Fn(&mut Tenant) + Send + Sync>,
}

/// A way that needs nothing but a bent tenant.
pub(crate) fn way(
    name: &'static str,
    refused: (&'static str, &'static str),
    bend: impl Fn(&mut Tenant) + Send + Sync + 'static,
) -> Way {
    Way {
        name,
        refused,
        settings: json!({}),
        asked: &[],
        bend: Box::new(bend),
    }
}

pub(crate) const PROVIDER: &str = "identity_provider";
pub(crate) const ADMIN: &str = "administrator";
pub(crate) const PERSON: &str = "person";
pub(crate) const NETWORK: &str = "network";

/// Lets somebody sign in through each way, once: nobody is in, the page says whom to ask, the record names the rule.
pub(crate) async fn refuse_all(server: &TestServer, ways: Vec<Way>) {
    let stage = Stage::set_up(server).await;
    let mut tried = 0;
    for way in ways {
        let name = format!("t{tried}");
        tried += 1;
        let connection = stage.connect(server, &name, way.settings.clone()).await;
        stage.hostile.at(&name, |tenant| (way.bend)(tenant));
        let before = counts(server).await;
        let mut browser = Browser::new().unwrap();
        let page = stage.enter(&mut browser, &connection, way.asked).await;
        let login = stage.company.last_login(server).await;
        let got = |member: &str| login[member].as_str().unwrap_or_default().to_owned();
        let what = format!("{}: {} {login} {}", way.name, page.status, page.url);
        assert_eq!(page.status, 403, "{what} {}", page.body);
        assert_eq!(
            (got("rule").as_str(), got("fault").as_str()),
            way.refused,
            "{what}"
        );
        assert_eq!(
            (got("outcome").as_str(), got("connection_id")),
            ("refused", connection),
            "{what}"
        );
        assert!(got("remedy").len() > 10, "{what}");
        for text in [way.refused.0, &got("id"), "Who has to act"] {
            assert!(
                page.body.contains(text),
                "{}: {text} is missing on {}",
                way.name,
                page.body
            );
        }
        for secret in [SECRET, ACCESS_TOKEN, "eyJ"] {
            assert!(!login.to_string().contains(secret), "{what}");
            assert!(!page.body.contains(secret), "{what}");
        }
        assert_eq!(
            counts(server).await,
            before,
            "{} changed something",
            way.name
        );
        let silent = stage.app.ask(&mut browser, &[("prompt", "none")]).await;
        assert_eq!(
            crate::provider::error(&silent),
            "login_required",
            "{}",
            way.name
        );
        let lured = stage.hostile.seen(&name).lured;
        assert_eq!(lured, 0, "{}: we went where a token sent us", way.name);
    }
    assert!(tried > 10, "{tried} ways");
}
