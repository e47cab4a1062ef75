//! A server over a directory in memory, and what tests ask of its answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;
use vestibule_scim::directory::Profile;
use vestibule_scim::{Options, router};

use crate::memory::{Memory, TOKEN};

/// The URL of the directory in answers.
pub(crate) const BASE: &str = "https://host.test/app/scim/v2/dir";

pub(crate) struct Server {
    app: Router,
    pub(crate) memory: Arc<Memory>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Value,
}

/// A server without resources.
pub(crate) fn server() -> Server {
    server_of(Profile::new())
}

/// A server without resources whose directories speak and grant this.
pub(crate) fn server_of(profile: Profile) -> Server {
    let memory = Arc::new(Memory::new(profile));
    let options = Options::new("https://host.test/app/scim/v2".parse().unwrap());
    let scim: Router = router(Arc::clone(&memory), options.clone());
    let short: Router = router(Arc::clone(&memory), options);
    let app = Router::new().nest("/scim/v2", scim).nest("/scim", short);
    Server { app, memory }
}

/// The body of a PATCH.
pub(crate) fn patch(operations: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

impl Server {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A request with the token; `null` is no body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.with(method, path, body, &[]).await
    }

    pub(crate) async fn with(
        &self,
        method: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("/scim/v2/dir{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    /// Creates a user and gives the id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let body = json!({ "userName": name, "externalId": name });
        self.call("POST", "/Users", body).await.created()
    }

    /// Creates a group and gives the id.
    pub(crate) async fn group(&self, name: &str, members: &[String]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "displayName": name, "members": members });
        self.call("POST", "/Groups", body).await.created()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn created(&self) -> String {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.body);
        self.body["id"].as_str().unwrap().to_owned()
    }

    /// Asserts a refusal in the form of RFC 7644 §3.12.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, scim_type: Option<&str>) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.body["status"], json!(status.to_string()));
        assert_eq!(
            self.body["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
        );
        assert_eq!(
            self.body.get("scimType").and_then(Value::as_str),
            scim_type,
            "{}",
            self.body
        );
        assert!(!self.body["detail"].as_str().unwrap_or_default().is_empty());
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}
