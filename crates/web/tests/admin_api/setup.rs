//! A router with the bootstrap key, and calls to it.

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use vestibule_core::Secret;
use vestibule_engine::{Clock, Engine, MasterKey, Outbound, OutboundPolicy, Settings};
use vestibule_support::World;

pub(crate) const BOOTSTRAP: &str = "bootstrap-key-of-at-least-32-characters";

/// The admin API on a fresh database.
pub(crate) struct Api {
    pub(crate) world: World,
    pub(crate) engine: Engine,
    router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The body of an answer that has to have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The detail of a refusal that has to have this status, with what every problem says checked.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(
            self.body["type"]
                .as_str()
                .unwrap()
                .ends_with(self.body["code"].as_str().unwrap())
        );
        self.body["detail"].as_str().unwrap().to_owned()
    }

    /// The first field that a refusal names.
    pub(crate) fn field(&self) -> &str {
        self.body["errors"][0]["field"].as_str().unwrap_or_default()
    }
}

impl Api {
    pub(crate) async fn on(world: World) -> Self {
        let settings = Settings::new("https://login.vendor.test")
            .with_bootstrap_api_key(&Secret::new(BOOTSTRAP));
        let engine = Engine::open(
            world.store.clone(),
            MasterKey::generate(world.store.generator()),
            Outbound::new(OutboundPolicy::new()).unwrap(),
            settings,
            world.now(),
        )
        .await
        .unwrap();
        let clock = world.clock.clone();
        let router = vestibule_web::api::api_router(engine.clone())
            .layer(Extension(Clock::new(move || clock.now())));
        Self {
            world,
            engine,
            router,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        // What is no JSON is a text: a page, a signed receipt.
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
        };
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn call(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(BOOTSTRAP, Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(BOOTSTRAP, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call(BOOTSTRAP, Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(BOOTSTRAP, Method::DELETE, path, None).await
    }

    /// The id of a new organization.
    pub(crate) async fn organization(&self, name: &str) -> String {
        id(&self
            .post("/organizations", json!({ "name": name }))
            .await
            .expect(201))
    }

    /// The id of a new connection by OpenID Connect.
    pub(crate) async fn connection(&self, organization: &str, extra: Value) -> Reply {
        let mut body = json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.test", "client_id": "c", "client_secret": "s3cret" } });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        self.post(&format!("/organizations/{organization}/connections"), body)
            .await
    }

    /// A key that may do everything in one organization.
    pub(crate) async fn bound_key(&self, organization: &str) -> String {
        let body = json!({ "name": "customer", "scopes": ["*"], "organization_id": organization });
        let made = self.post("/api-keys", body).await.expect(201);
        made["key"].as_str().unwrap().to_owned()
    }
}

/// The id in an answer.
#[track_caller]
pub(crate) fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}
