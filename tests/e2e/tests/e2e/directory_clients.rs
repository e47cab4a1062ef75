//! Clients that open a directory with signed assertions (RFC 7523), from registration to revocation.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

on_every_server!(
    a_client_provisions_with_a_token_for_its_assertion,
    an_assertion_counts_once_and_only_here,
    a_revoked_client_is_out_at_once,
    a_client_changes_its_key_without_a_break,
    a_client_gets_no_more_than_it_may_have,
    keys_that_are_none_are_refused,
    expiring_tokens_are_told_of,
);

/// A client's key, made and used without a line of ours.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({ "kty": "EC", "crv": "P-256", "x": part(1), "y": part(33), "kid": self.kid, "use": "sig" })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(signature.unwrap().as_ref())
        )
    }
}

/// A company whose directory has a client.
struct Site<'s> {
    server: &'s TestServer,
    company: Company,
    key: Key,
    client_id: String,
}

impl<'s> Site<'s> {
    async fn with_scope(server: &'s TestServer, scope: &str) -> Self {
        let company = Company::set_up(server).await;
        let key = Key::new("one");
        let place = format!("/directories/{}/clients", company.directory_id);
        let body = json!({ "name": "IdP", "scope": scope, "jwks": { "keys": [key.jwk()] } });
        let client = server.admin.post(&place, body).await;
        assert_eq!(
            client["token_endpoint"].as_str(),
            Some(format!("{}/oauth/token", server.issuer()).as_str())
        );
        Self {
            server,
            company,
            key,
            client_id: client["id"].as_str().unwrap().to_owned(),
        }
    }

    fn place(&self) -> String {
        format!(
            "/directories/{}/clients/{}",
            self.company.directory_id, self.client_id
        )
    }

    fn claims(&self, jti: &str) -> Value {
        let now = self.server.now().unix_seconds();
        json!({
            "iss": self.client_id, "sub": self.client_id, "jti": jti, "iat": now, "exp": now + 60,
            "aud": format!("{}/oauth/token", self.server.issuer()),
        })
    }

    async fn ask(&self, assertion: &str, extra: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        form.extend(extra);
        let request = http_client()
            .post(self.server.url("/oauth/token"))
            .form(&form);
        Reply::read(request.send().await.unwrap()).await
    }

    async fn token(&self, jti: &str) -> String {
        let reply = self.ask(&self.key.sign(&self.claims(jti)), &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(reply.header("cache-control").contains("no-store"));
        reply.text("access_token").to_owned()
    }

    async fn scim(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = http_client()
            .request(method, format!("{}{path}", self.company.scim_url))
            .bearer_auth(token)
            .header("content-type", "application/scim+json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        Reply::read(request.send().await.unwrap()).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.scim(token, Method::GET, "/Users", None).await.status
    }
}

async fn a_client_provisions_with_a_token_for_its_assertion(server: TestServer) {
    let site = Site::with_scope(&server, "write").await;
    let resource = site.company.scim_url.as_str();
    let assertion = site.key.sign(&site.claims("a"));
    let named = [
        ("scope", "scim"),
        ("client_id", site.client_id.as_str()),
        ("resource", resource),
    ];
    let reply = site.ask(&assertion, &named).await;
    assert_eq!(
        (
            reply.status,
            reply.text("token_type"),
            reply.text("scope"),
            reply.body["expires_in"].as_i64()
        ),
        (200, "Bearer", "scim", Some(600)),
        "{}",
        reply.body
    );
    let token = reply.text("access_token").to_owned();
    let body = json!({ "userName": "ada@acme.test", "active": true });
    let made = site.scim(&token, Method::POST, "/Users", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    server.engine.flush_records().await;
    let log = format!(
        "/organizations/{}/provisioning-log",
        site.company.organization_id
    );
    let record = &server.admin.get(&log).await["data"][0];
    assert_eq!(record["client_id"].as_str(), Some(site.client_id.as_str()));
    assert!(record["token_id"].is_null());
    let client = server.admin.get(&site.place()).await;
    assert!(client["last_used_at"].is_string(), "{client}");
    let kept = server
        .database
        .number("SELECT COUNT(*) FROM directory_access_tokens")
        .await;
    assert_eq!(kept, 1);

    // It is no token of any other place.
    let other = Company::with_domain(&server, "globex.test").await;
    let elsewhere = http_client()
        .get(format!("{}/Users", other.scim_url))
        .bearer_auth(&token);
    assert_eq!(elsewhere.send().await.unwrap().status().as_u16(), 401);
    let userinfo = http_client()
        .get(server.url("/oauth/userinfo"))
        .bearer_auth(&token);
    assert_eq!(userinfo.send().await.unwrap().status().as_u16(), 401);
    let admin = server.admin.with_key(&token);
    let refused = admin.call(Method::GET, "/organizations", None).await;
    assert_eq!(refused.status, 401);
    server.pass(Duration::from_mins(10));
    assert_eq!(site.status(&token).await, 401, "its time is over");
}

async fn an_assertion_counts_once_and_only_here(server: TestServer) {
    let site = Site::with_scope(&server, "write").await;
    let assertion = site.key.sign(&site.claims("once"));
    assert_eq!(site.ask(&assertion, &[]).await.status, 200);
    let again = site.ask(&assertion, &[]).await;
    assert_eq!((again.status, again.text("error")), (401, "invalid_client"));
    let same = site.key.sign(&site.claims("once"));
    assert_eq!(site.ask(&same, &[]).await.status, 401, "the same jti");

    let now = server.now().unix_seconds();
    for (member, value) in [
        ("aud", json!("https://elsewhere.example/oauth/token")),
        ("aud", json!([server.issuer(), "https://elsewhere.example"])),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 3600)),
        ("iss", json!("somebody")),
        ("sub", json!("dcl_01h455vb4pex5vsknk084sn02q")),
    ] {
        let mut claims = site.claims("fresh");
        claims[member] = value;
        let reply = site.ask(&site.key.sign(&claims), &[]).await;
        assert_eq!(reply.status, 401, "{claims}");
    }
    let stranger = Key::new("one").sign(&site.claims("forged"));
    assert_eq!(site.ask(&stranger, &[]).await.status, 401);
    let mut claims = site.claims("by the issuer");
    claims["aud"] = json!(server.issuer());
    let reply = site.ask(&site.key.sign(&claims), &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn a_revoked_client_is_out_at_once(server: TestServer) {
    let site = Site::with_scope(&server, "write").await;
    let token = site.token("a").await;
    assert_eq!(site.status(&token).await, 200);
    server.admin.delete(&site.place()).await;
    assert_eq!(site.status(&token).await, 401);
    let late = site.ask(&site.key.sign(&site.claims("b")), &[]).await;
    assert_eq!(late.status, 401);
    let gone = server.admin.call(Method::GET, &site.place(), None).await;
    assert_eq!(gone.status, 404);
    assert_eq!(site.status(&site.company.scim_token).await, 200);
}

async fn a_client_changes_its_key_without_a_break(server: TestServer) {
    let site = Site::with_scope(&server, "write").await;
    let next = Key::new("two");
    let keys = |keys: &[&Key]| {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        json!({ "jwks": { "keys": keys } })
    };
    let both = keys(&[&site.key, &next]);
    server.admin.patch(&site.place(), both).await;
    let by_next = next.sign(&site.claims("next"));
    assert_eq!(site.ask(&by_next, &[]).await.status, 200);
    let held = site.token("old").await;
    server.admin.patch(&site.place(), keys(&[&next])).await;
    let by_old = site.key.sign(&site.claims("older"));
    assert_eq!(site.ask(&by_old, &[]).await.status, 401);
    assert_eq!(site.status(&held).await, 200, "a token outlives its key");
    let widened = json!({ "scope": "write" });
    let refused = server
        .admin
        .call(Method::PATCH, &site.place(), Some(&widened))
        .await;
    assert_eq!(refused.status, 422, "{}", refused.body);
}

async fn a_client_gets_no_more_than_it_may_have(server: TestServer) {
    let site = Site::with_scope(&server, "read").await;
    let reader = site.token("a").await;
    assert_eq!(site.status(&reader).await, 200);
    let body = json!({ "userName": "eve@acme.test" });
    let write = site.scim(&reader, Method::POST, "/Users", Some(body)).await;
    assert_eq!((write.status, write.text("status")), (403, "403"));
    for (name, value, status, error) in [
        ("scope", "scim", 400, "invalid_scope"),
        ("scope", "openid", 400, "invalid_scope"),
        (
            "resource",
            "https://elsewhere.example",
            400,
            "invalid_target",
        ),
    ] {
        let assertion = site.key.sign(&site.claims(&format!("{name}-{value}")));
        let reply = site.ask(&assertion, &[(name, value)]).await;
        assert_eq!((reply.status, reply.text("error")), (status, error));
    }
    let assertion = site.key.sign(&site.claims("s"));
    let secret = site.ask(&assertion, &[("client_secret", "x")]).await;
    assert_eq!(
        (secret.status, secret.text("error")),
        (400, "invalid_request")
    );
}

async fn keys_that_are_none_are_refused(server: TestServer) {
    let site = Site::with_scope(&server, "write").await;
    let place = format!("/directories/{}/clients", site.company.directory_id);
    let mut private = site.key.jwk();
    private["d"] = json!("AAAA");
    for body in [
        json!({}),
        json!({ "jwks": {} }),
        json!({ "jwks": { "keys": [] } }),
        json!({ "jwks": { "keys": [private] } }),
        json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }),
        json!({ "jwks": { "keys": [site.key.jwk()] }, "expires_at": "2001-01-01T00:00:00Z" }),
    ] {
        let refused = server.admin.call(Method::POST, &place, Some(&body)).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.body);
    }
    let listed = server.admin.get(&place).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}

async fn expiring_tokens_are_told_of(server: TestServer) {
    let company = Company::set_up(&server).await;
    let place = format!("/directories/{}/tokens", company.directory_id);
    let expires_at = server
        .now()
        .after(Duration::from_hours(20 * 24))
        .to_string();
    let body = json!({ "name": "short", "expires_at": expires_at });
    let token = server.admin.post(&place, body).await;
    let told = async || {
        let events = server.admin.get("/events?type=directory.token_expiring");
        let events = events.await;
        events["data"].as_array().unwrap().clone()
    };
    let begun = std::time::Instant::now();
    server.pass(Duration::from_mins(2));
    while told().await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody is told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let events = told().await;
    let data = &events[0]["data"];
    assert_eq!(
        (events.len(), &data["token_id"], &data["days"]),
        (1, &token["id"], &json!(20))
    );
}
