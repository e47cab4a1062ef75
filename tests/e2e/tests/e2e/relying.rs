//! An application without manners: it says exactly what a test tells it to say.

use std::collections::HashMap;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use url::Url;
use vestibule_simulate::{Browser, Page};
use vestibule_support::server::{Company, Reply, TestServer, http_client};

/// The verifier of every request (RFC 7636 §4.1 wants at least 43 characters).
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-43-characters-0123456789";
/// The nonce of every request.
pub(crate) const NONCE: &str = "n-0S6_WzA2Mj";
/// The state of every request.
pub(crate) const STATE: &str = "af0ifjsldkj";

/// A registered application.
#[derive(Clone)]
pub(crate) struct Relying {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) redirect_uri: String,
    pub(crate) base: String,
}

/// What a code or a refresh token was exchanged for.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) id: String,
}

impl Tokens {
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{}", reply.body);
        Self {
            access: reply.text("access_token").to_owned(),
            refresh: reply.text("refresh_token").to_owned(),
            id: reply.text("id_token").to_owned(),
        }
    }

    /// The claims of the ID token, unverified.
    pub(crate) fn claims(&self) -> Value {
        claims(&self.id)
    }
}

impl Relying {
    /// Speaks in the name of the company's app.
    pub(crate) fn of(server: &TestServer, company: &Company) -> Self {
        Self {
            client_id: company.client_id.clone(),
            client_secret: Some(company.client_secret.clone()),
            redirect_uri: company.app.urls().redirect_uri.clone(),
            base: base(server),
        }
    }

    /// Registers an application; `more` are further members of the request.
    pub(crate) async fn register(server: &TestServer, more: Value) -> Self {
        let redirect_uri = "http://app.localhost:1/callback";
        let mut body = serde_json::json!({ "name": "Relying", "redirect_uris": [redirect_uri] });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = server.admin.post("/applications", body).await;
        Self {
            client_id: made["client_id"].as_str().unwrap().to_owned(),
            client_secret: made["client_secret"].as_str().map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            base: base(server),
        }
    }

    /// The same application, talking to another node.
    pub(crate) fn at(&self, node: &TestServer) -> Self {
        Self {
            base: base(node),
            ..self.clone()
        }
    }

    /// A correct authorization request in which single parameters are replaced, added, or (empty) left out.
    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> Url {
        let challenge = challenge(VERIFIER);
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid profile email groups offline_access"),
            ("state", STATE),
            ("nonce", NONCE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for change in changes {
            pairs.retain(|pair| pair.0 != change.0);
            if !change.1.is_empty() {
                pairs.push(*change);
            }
        }
        let mut url: Url = format!("{}/oauth/authorize", self.base).parse().unwrap();
        url.query_pairs_mut().extend_pairs(pairs);
        url
    }

    /// Sends a browser with a request, and stops it at the app's door.
    pub(crate) async fn ask(&self, browser: &mut Browser, changes: &[(&str, &str)]) -> Page {
        browser.stop_before(&self.redirect_uri.parse().unwrap());
        let page = browser.get(&self.authorize_url(changes)).await.unwrap();
        browser.stop_nowhere();
        page
    }

    /// A code for whoever is signed in.
    pub(crate) async fn code(&self, browser: &mut Browser, changes: &[(&str, &str)]) -> String {
        let page = self.ask(browser, changes).await;
        let answer = answer(&page);
        answer
            .get("code")
            .unwrap_or_else(|| panic!("{answer:?}: {}", page.body))
            .clone()
    }

    /// Signs somebody in at the company's provider, for this application, and gives the code.
    pub(crate) async fn sign_in(
        &self,
        company: &Company,
        browser: &mut Browser,
        person: &vestibule_simulate::Person,
        changes: &[(&str, &str)],
    ) -> String {
        let mut changes = changes.to_vec();
        changes.push(("organization", &company.organization_id));
        let page = self.ask(browser, &changes).await;
        browser.stop_before(&self.redirect_uri.parse().unwrap());
        let page = company.at_provider(browser, page, person).await;
        browser.stop_nowhere();
        let answer = answer(&page);
        answer
            .get("code")
            .unwrap_or_else(|| panic!("{answer:?}: {}", page.body))
            .clone()
    }

    /// Exchanges a code as it should be done.
    pub(crate) async fn exchange(&self, code: &str) -> Reply {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        self.post("/oauth/token", fields).await
    }

    pub(crate) async fn introspect(&self, token: &str) -> Reply {
        self.post("/oauth/introspect", &[("token", token)]).await
    }

    pub(crate) async fn revoke(&self, token: &str) -> Reply {
        self.post("/oauth/revoke", &[("token", token)]).await
    }

    pub(crate) async fn userinfo(&self, access_token: &str) -> Reply {
        let request = http_client().get(format!("{}/oauth/userinfo", self.base));
        Reply::read(request.bearer_auth(access_token).send().await.unwrap()).await
    }

    /// Posts a form with the client's own authentication.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut fields = fields.to_vec();
        let mut request = http_client().post(format!("{}{path}", self.base));
        match &self.client_secret {
            Some(secret) => request = request.basic_auth(&self.client_id, Some(secret)),
            None => fields.push(("client_id", &self.client_id)),
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        Reply::read(request.send().await.unwrap()).await
    }
}

/// The S256 challenge of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The parameters with which a browser was sent back to the app; none where it was not.
pub(crate) fn answer(page: &Page) -> HashMap<String, String> {
    let location = page.location();
    location
        .map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default()
}

fn base(server: &TestServer) -> String {
    server.url("").as_str().trim_end_matches('/').to_owned()
}
