//! The installation that is measured: a company, an application that notes when it is told, and people who sign in.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aws_lc_rs::digest;
use axum::{Router, body::Bytes, extract::State, routing::post};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use vestibule_core::Generator;
use vestibule_simulate::{Browser, http::Http};
use vestibule_support::{
    Database,
    installation::Installation,
    server::{Company, Employee, Site},
};

use crate::bulk::Template;

const REDIRECT_URI: &str = "http://app.localhost:1/callback";

pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) installation: Installation,
    pub(crate) site: Site,
    pub(crate) application: Application,
    http: Http,
}

/// Somebody's sign-in, with all that proves it.
pub(crate) struct SignedIn {
    pub(crate) template: Template,
    pub(crate) cookie: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Place {
    pub(crate) async fn on(database: Database) -> Self {
        let installation = tokio::task::block_in_place(|| Installation::of_one(&database.url));
        let site = installation.site();
        let application = Application::register(&site).await;
        Self {
            http: site.http(),
            application,
            site,
            installation,
            database,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let url: Url = self.site.url.parse().expect("a URL");
        url.socket_addrs(|| None).expect("an address")[0]
    }

    pub(crate) async fn company(&self, domain: &str) -> Company {
        Company::at(&self.site, domain).await
    }

    /// Signs somebody in to the application, through the provider's form.
    pub(crate) async fn sign_in(&self, company: &Company, employee: &Employee) -> SignedIn {
        let verifier = Generator::system().token("a_verifier_of_more_than_43_characters_");
        let challenge = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
        let mut url: Url = format!("{}/oauth/authorize", self.site.url)
            .parse()
            .expect("a URL");
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.application.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid offline_access"),
            ("organization", &company.organization_id),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
        ]);
        let mut browser = Browser::with_http(self.http.clone());
        browser.stop_before(&REDIRECT_URI.parse().expect("a URL"));
        let page = browser.get(&url).await.expect("an answer");
        let page = company
            .at_provider(&mut browser, page, &employee.person)
            .await;
        let back = page.location().expect("the way back to the application");
        let code = back.query_pairs().find(|(name, _)| name == "code");
        let code = code.expect("a code").1.into_owned();
        let tokens = self
            .application
            .post(
                &self.http,
                &format!("{}/oauth/token", self.site.url),
                &[
                    ("grant_type", "authorization_code"),
                    ("code", &code),
                    ("redirect_uri", REDIRECT_URI),
                    ("code_verifier", verifier.expose()),
                ],
            )
            .await;
        let cookies = browser.cookies(&url);
        let session = cookies
            .iter()
            .find(|cookie| cookie.name.ends_with("session"));
        let session = session.expect("the cookie of the sign-in");
        let (user_session_id, _) = session.value.split_once('.').expect("id and secret");
        SignedIn {
            template: Template {
                user: employee.user_id.clone(),
                user_session: user_session_id.to_owned(),
                app_session: text(&claims(&text(&tokens, "id_token")), "sid"),
            },
            cookie: format!("{}={}", session.name, session.value),
            access: text(&tokens, "access_token"),
            refresh: text(&tokens, "refresh_token"),
        }
    }
}

/// An application that takes every logout notice and notes when it came.
pub(crate) struct Application {
    pub(crate) client_id: String,
    client_secret: String,
    notices: Notices,
}

/// When each notice came, and its body.
type Notices = Arc<Mutex<Vec<(Instant, Bytes)>>>;

impl Application {
    async fn register(site: &Site) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let application = json!({
            "name": "Measured",
            "redirect_uris": [REDIRECT_URI],
            "backchannel_logout_uri": format!("http://{address}/logout"),
        });
        let application = site.admin.post("/applications", application).await;
        let notices = Notices::default();
        let router = Router::new()
            .route("/logout", post(receive))
            .with_state(Arc::clone(&notices));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            client_id: text(&application, "client_id"),
            client_secret: text(&application, "client_secret"),
            notices,
        }
    }

    /// The credentials as HTTP Basic sends them.
    pub(crate) fn authorization(&self) -> String {
        use base64::engine::general_purpose::STANDARD;
        let pair = format!("{}:{}", self.client_id, self.client_secret);
        format!("Basic {}", STANDARD.encode(pair))
    }

    /// Forgets what came so far.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// When the notices about a user came, the first one first.
    pub(crate) fn told_of(&self, user_id: &str) -> Vec<Instant> {
        let notices = self.lock();
        let about = notices.iter().filter(|(_, body)| {
            let body = String::from_utf8_lossy(body);
            let token = body.trim_start_matches("logout_token=");
            text(&claims(token), "sub") == user_id
        });
        about.map(|(at, _)| *at).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Bytes)>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, http: &Http, url: &str, fields: &[(&str, &str)]) -> Value {
        let client = (self.client_id.as_str(), self.client_secret.as_str());
        let answer = http.post_form(url, Some(client), fields).await;
        let answer = answer.and_then(|answer| answer.success("the token endpoint"));
        answer.expect("tokens")
    }
}

async fn receive(State(notices): State<Notices>, body: Bytes) {
    let at = Instant::now();
    notices
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((at, body));
}

/// The claims of a JWT, unverified.
fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

fn text(value: &Value, member: &str) -> String {
    let text = value.get(member).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{value} has no {member}"))
        .to_owned()
}
