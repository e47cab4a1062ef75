//! An admin's desk for connections by SAML: an organization, and metadata that is written and published by hand.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::saml::{KeyKind, SamlKey, Validity};
use vestibule_support::server::{Reply, TestServer};

pub(crate) const PROVIDER: &str = "https://idp.acme.test/saml";
const DAY: i64 = 24 * 3600;

/// A key whose certificate began yesterday and ends after so many days.
pub(crate) fn key(server: &TestServer, days: i64) -> SamlKey {
    let now = server.now().unix_seconds();
    let validity = Validity {
        not_before: now - DAY,
        not_after: now + days * DAY,
    };
    SamlKey::generate_valid(KeyKind::P256, validity).unwrap()
}

/// The fingerprint as the API writes it.
pub(crate) fn fingerprint(key: &SamlKey) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.certificate().der());
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// An identity provider's metadata.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) entity_id: String,
    pub(crate) attributes: String,
    pub(crate) services: String,
    pub(crate) certificates: Vec<String>,
}

impl Described {
    /// With these keys, and addresses for both bindings and for logouts.
    pub(crate) fn with(keys: &[&SamlKey]) -> Self {
        Self {
            entity_id: PROVIDER.to_owned(),
            attributes: String::new(),
            services: [
                ("SingleLogoutService", "Redirect", "https://idp.acme.test/slo"),
                ("SingleSignOnService", "Redirect", "https://idp.acme.test/sso"),
                ("SingleSignOnService", "POST", "https://idp.acme.test/sso/post"),
            ]
            .map(|(name, binding, url)| {
                format!("<md:{name} Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{binding}\" Location=\"{url}\"/>")
            })
            .concat(),
            certificates: keys.iter().map(|key| key.certificate().base64()).collect(),
        }
    }

    pub(crate) fn xml(&self) -> String {
        let keys = self.certificates.iter().map(|certificate| {
            format!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            )
        });
        let keys = keys.collect::<Vec<_>>().concat();
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
             entityID=\"{}\" {}><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}{}\
             </md:IDPSSODescriptor></md:EntityDescriptor>",
            self.entity_id, self.attributes, self.services
        )
    }
}

/// A place that publishes metadata.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    pub(crate) url: String,
    page: Arc<Mutex<PublishedPage>>,
}

#[derive(Debug, Clone, Default)]
struct PublishedPage {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    reads: usize,
    unchanged: usize,
}

impl Publisher {
    pub(crate) async fn start(body: impl Into<String>) -> Self {
        let page = Arc::new(Mutex::new(PublishedPage::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(serve_page)
            .with_state(Arc::clone(&page));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let publisher = Self {
            url: format!("http://{address}/metadata.xml"),
            page,
        };
        publisher.publish(body);
        publisher
    }

    pub(crate) fn publish(&self, body: impl Into<String>) {
        self.answer(200, &[], body);
    }

    pub(crate) fn answer(
        &self,
        status: u16,
        headers: &[(&'static str, &str)],
        body: impl Into<String>,
    ) {
        let mut page = self.page.lock().unwrap();
        page.status = status;
        page.headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        page.body = body.into();
    }

    /// How often it was read, and how often it answered that nothing changed.
    pub(crate) fn reads(&self) -> (usize, usize) {
        let page = self.page.lock().unwrap();
        (page.reads, page.unchanged)
    }
}

async fn serve_page(State(page): State<Arc<Mutex<PublishedPage>>>, headers: HeaderMap) -> Response {
    let mut page = page.lock().unwrap();
    page.reads += 1;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|etag| etag.to_str().ok());
    if known.is_some_and(|etag| {
        page.headers
            .iter()
            .any(|(name, value)| *name == "etag" && value == etag)
    }) {
        page.unchanged += 1;
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = page.body.clone().into_response();
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap();
    for (name, value) in &page.headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// An organization without a connection.
pub(crate) struct Desk<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) organization_id: String,
}

impl<'a> Desk<'a> {
    pub(crate) async fn at(server: &'a TestServer) -> Self {
        let organization = server
            .admin
            .post("/organizations", json!({ "name": "Acme" }))
            .await;
        Self {
            server,
            organization_id: organization["id"].as_str().unwrap().to_owned(),
        }
    }

    /// Asks for a connection with these settings of SAML.
    pub(crate) async fn ask(&self, saml: Value) -> Reply {
        self.ask_for(json!({ "protocol": "saml", "saml": saml }))
            .await
    }

    pub(crate) async fn ask_for(&self, body: Value) -> Reply {
        let path = format!("/organizations/{}/connections", self.organization_id);
        self.server
            .admin
            .call(Method::POST, &path, Some(&body))
            .await
    }

    /// Makes a connection with these settings of SAML.
    pub(crate) async fn connect(&self, saml: Value) -> Value {
        let reply = self.ask(saml).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body
    }

    pub(crate) async fn read(&self, connection: &Value) -> Value {
        self.server.admin.get(&place(connection, "")).await
    }

    pub(crate) async fn patch(&self, connection: &Value, saml: Value) -> Reply {
        let body = json!({ "saml": saml });
        self.call(Method::PATCH, connection, "", Some(&body)).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        connection: &Value,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let path = place(connection, path);
        self.server.admin.call(method, &path, body).await
    }

    /// How often everything that came through the connection has ended, as a number that goes up.
    pub(crate) async fn epoch(&self, connection: &Value) -> i64 {
        let id = connection["id"].as_str().unwrap();
        let sql = format!("SELECT epoch FROM connections WHERE id = '{id}'");
        self.server.database.number(&sql).await
    }

    /// The data of the events of a type, the oldest first.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/events?type={kind}&limit=500");
        let events = self.server.admin.get(&path).await;
        let events = events["data"].as_array().unwrap();
        events.iter().map(|event| event["data"].clone()).collect()
    }

    /// What was done to the connection, as the audit log names it.
    pub(crate) async fn audited(&self, connection: &Value) -> Vec<String> {
        let audit = self.server.admin.get("/audit?limit=500").await;
        let rows = audit["data"].as_array().unwrap();
        rows.iter()
            .filter(|row| row["subject"] == connection["id"])
            .map(|row| row["action"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until the connection is as wanted.
    pub(crate) async fn until(
        &self,
        connection: &Value,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let now = self.read(connection).await;
            if holds(&now) {
                return now;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "waited in vain until {what}: {now:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) fn place(connection: &Value, path: &str) -> String {
    format!("/connections/{}{path}", connection["id"].as_str().unwrap())
}

/// The fingerprints that a connection trusts, in order.
pub(crate) fn trusted(connection: &Value) -> Vec<&str> {
    let mut fingerprints: Vec<&str> = connection["saml"]["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|certificate| certificate["fingerprint"].as_str().unwrap())
        .collect();
    fingerprints.sort_unstable();
    fingerprints
}

pub(crate) fn sorted(keys: &[&SamlKey]) -> Vec<String> {
    let mut fingerprints: Vec<String> = keys.iter().map(|key| fingerprint(key)).collect();
    fingerprints.sort_unstable();
    fingerprints
}
