use std::{net::SocketAddr, sync::Arc};

use reqwest::{
    Certificate, Client, ClientBuilder, Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect,
};
use serde_json::Value;

/// A client of the admin API with one key.
#[derive(Debug, Clone)]
pub struct Admin {
    http: Client,
    base: String,
    key: Option<String>,
}

/// What a call was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a string where it is none, or null where it is empty.
    pub body: Value,
}

impl Reply {
    /// Reads an answer to its end.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer is complete");
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        Self {
            status,
            headers,
            body,
        }
    }

    /// The text of a member of the body; empty where there is none.
    pub fn text(&self, member: &str) -> &str {
        self.body
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Admin {
    /// A client of the API below a public URL.
    pub fn new(public_url: &str, key: &str) -> Self {
        Self {
            http: http_client(),
            base: format!("{}/api/v1", public_url.trim_end_matches('/')),
            key: Some(key.to_owned()),
        }
    }

    /// The same over a client that trusts further certificates (PEM).
    pub fn trusting(public_url: &str, key: &str, root_certificates: &[String]) -> Self {
        let certificates = root_certificates
            .iter()
            .map(|pem| Certificate::from_pem(pem.as_bytes()).expect("a PEM certificate"));
        let http = builder()
            .tls_certs_merge(certificates)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            ..Self::new(public_url, key)
        }
    }

    /// The same API with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// The same API without a key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self {
            key: None,
            ..self.clone()
        }
    }

    /// Any call; every status is an answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Reply::read(request.send().await.expect("the admin API answers")).await
    }

    /// Sends something that is not JSON.
    pub async fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        let mut request = self.http.put(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let request = request
            .header("content-type", content_type)
            .body(body.to_vec());
        Reply::read(request.send().await.expect("the admin API answers")).await
    }

    /// Reads; fails the test unless it succeeds.
    pub async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, None).await
    }

    /// Makes or does something; fails the test unless it succeeds.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.done(Method::POST, path, Some(&body)).await
    }

    /// Changes something; fails the test unless it succeeds.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.done(Method::PATCH, path, Some(&body)).await
    }

    /// Deletes or ends something; fails the test unless it succeeds.
    pub async fn delete(&self, path: &str) -> Value {
        self.done(Method::DELETE, path, None).await
    }

    async fn done(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let reply = self.call(method.clone(), path, body).await;
        assert!(
            reply.is_success(),
            "{method} {path} was answered {}: {}",
            reply.status,
            reply.body
        );
        reply.body
    }
}

/// A client that follows no redirect, and for which names below `.localhost` are loopback.
pub fn http_client() -> Client {
    builder().build().expect("an HTTP client")
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Loopback))
}

#[derive(Debug)]
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async {
            Ok(Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs)
        })
    }
}
