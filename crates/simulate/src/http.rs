//! Outbound calls of the simulated world.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, ClientBuilder, RequestBuilder, redirect};
use serde_json::Value;
use url::{Url, form_urlencoded};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client of an outside party: no redirects, no proxy, names below `.localhost` are loopback.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client that trusts the system's roots and, beside them, `root_certificates` (PEM).
    pub fn new(root_certificates: &[String]) -> anyhow::Result<Self> {
        let mut builder = ClientBuilder::new()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(LocalhostResolver));
        if !root_certificates.is_empty() {
            let roots: Result<Vec<_>, _> = root_certificates
                .iter()
                .map(|pem| Certificate::from_pem(pem.as_bytes()))
                .collect();
            builder = builder.tls_certs_merge(roots.context("a root certificate is not PEM")?);
        }
        Ok(Self {
            client: builder.build().context("the HTTP client cannot start")?,
        })
    }

    /// The client beneath, for calls that need more than the methods here.
    pub(crate) fn raw(&self) -> &reqwest::Client {
        &self.client
    }

    /// Reads a JSON document.
    pub async fn get_json(&self, url: &str, bearer: Option<&str>) -> anyhow::Result<Answer> {
        let mut request = self.client.get(url).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }

    /// Reads a document of any other kind.
    pub async fn get_text(&self, url: &str) -> anyhow::Result<String> {
        let response = self.client.get(url).send().await;
        let response = response.context("the call got no answer")?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "GET {url} answered {status}");
        response.text().await.context("the answer broke off")
    }

    /// Sends a JSON document.
    pub async fn post_json(
        &self,
        url: &str,
        bearer: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut request = self
            .client
            .post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }

    /// Sends a form, with HTTP Basic client authentication if given (RFC 6749 §2.3.1).
    pub async fn post_form(
        &self,
        url: &str,
        client: Option<(&str, &str)>,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut request = self
            .client
            .post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(fields));
        if let Some((id, secret)) = client {
            request = request.basic_auth(percent(id), Some(percent(secret)));
        }
        answer(request).await
    }
}

/// What a peer answered to a call that expects JSON.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; a string when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The string at a top-level member.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member).and_then(Value::as_str)
    }

    /// The body if the status is 2xx, else an error that quotes the peer's problem.
    pub fn success(self, call: &str) -> anyhow::Result<Value> {
        anyhow::ensure!(
            self.is_success(),
            "{call} answered {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await.context("the call got no answer")?;
    let status = response.status().as_u16();
    let text = response.text().await.context("the answer broke off")?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Ok(Answer { status, body })
}

/// Encodes form fields.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Joins a path to a base that may have a path of its own.
pub(crate) fn join(base: &Url, path: &str) -> String {
    format!(
        "{}/{}",
        base.as_str().trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}

fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// RFC 6761 §6.3: `localhost` and all names below it are loopback.
struct LocalhostResolver;

impl Resolve for LocalhostResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let found: Vec<SocketAddr> = if host == "localhost" || host.ends_with(".localhost") {
                vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)]
            } else {
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect()
            };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
