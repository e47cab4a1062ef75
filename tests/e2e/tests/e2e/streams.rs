//! The transmitter of security event tokens: what an application can do, and what it is told.

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Reply, TestServer, http_client},
};

use crate::relying::{Relying, Tokens, claims};

pub(crate) const PUSH: &str = "urn:ietf:rfc:8935";
pub(crate) const SESSION_REVOKED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
pub(crate) const CREDENTIAL_CHANGE: &str =
    "https://schemas.openid.net/secevent/caep/event-type/credential-change";
pub(crate) const CLAIMS_CHANGE: &str =
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
pub(crate) const DISABLED: &str =
    "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const ENABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
const PURGED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-purged";
pub(crate) const VERIFICATION: &str =
    "https://schemas.openid.net/secevent/ssf/event-type/verification";

on_every_server!(
    the_configuration_names_what_there_is,
    a_token_for_streams_is_for_confidential_applications_and_dies_with_them,
    a_stream_is_made_read_changed_and_deleted,
    another_applications_stream_does_not_exist,
    what_is_no_stream_is_refused,
    an_offboarding_is_told_in_the_same_words_by_poll,
    each_ending_of_a_session_is_told_to_its_application,
    a_third_party_hears_of_people_who_let_it,
    a_paused_stream_keeps_and_a_disabled_one_forgets,
);

/// An application at the stream endpoints.
pub(crate) struct Caller<'a> {
    server: &'a TestServer,
    app: Relying,
    pub(crate) token: String,
}

impl<'a> Caller<'a> {
    pub(crate) async fn of(server: &'a TestServer, app: Relying) -> Self {
        let reply = grant(&app, "ssf.manage").await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (200, "no-store"),
            "{}",
            reply.body
        );
        let token = reply.text("access_token").to_owned();
        Self { server, app, token }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call_with(&self.token, method, path, body).await
    }

    async fn call_with(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let mut request = http_client()
            .request(method.parse().unwrap(), self.server.url(path))
            .bearer_auth(token);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        Reply::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn open(&self, body: Value) -> String {
        let reply = self.call("POST", "/ssf/streams", body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.text("stream_id").to_owned()
    }

    pub(crate) async fn set(&self, id: &str, status: &str) {
        let body = json!({ "stream_id": id, "status": status });
        let reply = self.call("POST", "/ssf/status", body).await;
        assert_eq!((reply.status, reply.text("status")), (200, status));
    }

    /// The claims of what waits, in order, which is acknowledged.
    pub(crate) async fn drain(&self, id: &str) -> Vec<Value> {
        let path = format!("/ssf/poll/{id}");
        let reply = self
            .call("POST", &path, json!({ "returnImmediately": true }))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let sets = reply.body["sets"].as_object().unwrap().clone();
        let ack: Vec<&String> = sets.keys().collect();
        let done = self
            .call("POST", &path, json!({ "ack": ack, "maxEvents": 0 }))
            .await;
        assert_eq!(done.body["sets"], json!({}));
        let told: Vec<Value> = sets
            .values()
            .map(|token| claims(token.as_str().unwrap()))
            .collect();
        for (jti, token) in sets.keys().zip(&told) {
            assert_eq!(token["jti"], *jti);
        }
        told
    }
}

async fn grant(app: &Relying, scope: &str) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "client_credentials"), ("scope", scope)])
        .finish();
    let mut request = http_client()
        .post(format!("{}/oauth/token", app.base))
        .header("content-type", "application/x-www-form-urlencoded");
    let body = match &app.client_secret {
        Some(secret) => {
            request = request.basic_auth(&app.client_id, Some(secret));
            body
        }
        None => format!("{body}&client_id={}", app.client_id),
    };
    Reply::read(request.body(body).send().await.unwrap()).await
}

pub(crate) fn kinds(told: &[Value]) -> Vec<String> {
    let mut kinds: Vec<String> = told
        .iter()
        .flat_map(|token| token["events"].as_object().unwrap().keys().cloned())
        .collect();
    kinds.sort_unstable();
    kinds
}

async fn signed_in(server: &TestServer, company: &Company, employee: &Employee) -> Tokens {
    let app = Relying::of(server, company);
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(company, &mut browser, &employee.person, &[])
        .await;
    Tokens::of(&app.exchange(&code).await)
}

async fn the_configuration_names_what_there_is(server: TestServer) {
    let url = server.url("/.well-known/ssf-configuration");
    let reply = Reply::read(http_client().get(url).send().await.unwrap()).await;
    let at = |path: &str| format!("{}{path}", server.issuer());
    assert_eq!(
        reply.body,
        json!({
            "spec_version": "1_0", "issuer": server.issuer(), "jwks_uri": at("/oauth/jwks"),
            "delivery_methods_supported": [PUSH, "urn:ietf:rfc:8936"],
            "configuration_endpoint": at("/ssf/streams"), "status_endpoint": at("/ssf/status"),
            "verification_endpoint": at("/ssf/verify"), "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
            "default_subjects": "ALL",
        })
    );
    let jwks = http_client()
        .get(server.url("/oauth/jwks"))
        .send()
        .await
        .unwrap();
    let jwks = Reply::read(jwks).await.body;
    let rsa = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["alg"] == "RS256");
    assert!(
        rsa.is_some_and(|key| key["n"].as_str().unwrap().len() >= 342),
        "2048 bits: {jwks}"
    );
}

async fn a_token_for_streams_is_for_confidential_applications_and_dies_with_them(
    server: TestServer,
) {
    let app = Relying::register(&server, json!({})).await;
    let public = Relying::register(&server, json!({ "token_endpoint_auth_method": "none" })).await;
    let refused = grant(&public, "ssf.manage").await;
    assert_eq!(
        (refused.status, refused.text("error")),
        (400, "unauthorized_client")
    );
    let refused = grant(&app, "openid").await;
    assert_eq!(
        (refused.status, refused.text("error")),
        (400, "invalid_scope")
    );
    let wrong = Relying {
        client_secret: Some("wrong".to_owned()),
        ..app.clone()
    };
    assert_eq!(grant(&wrong, "ssf.manage").await.status, 401);
    let caller = Caller::of(&server, app.clone()).await;
    let granted = grant(&app, "ssf.read").await;
    assert_eq!(
        (granted.text("scope"), &granted.body["token_type"]),
        ("ssf.read", &json!("Bearer"))
    );
    assert!(granted.body["expires_in"].as_i64().unwrap() <= 3600);
    let reader = granted.text("access_token");
    assert_eq!(
        caller
            .call_with(reader, "GET", "/ssf/streams", Value::Null)
            .await
            .body,
        json!([])
    );
    let made = caller
        .call_with(reader, "POST", "/ssf/streams", json!({}))
        .await;
    assert_eq!(
        (made.status, made.text("error")),
        (403, "insufficient_scope")
    );
    // It opens nothing else, and nothing else opens this.
    assert_eq!(app.userinfo(&caller.token).await.status, 401);
    assert_eq!(
        caller
            .call_with("vst_x", "GET", "/ssf/streams", Value::Null)
            .await
            .status,
        401
    );
    let place = format!("/applications/{}", app.client_id);
    server.admin.patch(&place, json!({ "active": false })).await;
    assert_eq!(
        caller.call("GET", "/ssf/streams", Value::Null).await.status,
        401
    );
    server.admin.patch(&place, json!({ "active": true })).await;
    assert_eq!(
        caller.call("GET", "/ssf/streams", Value::Null).await.status,
        401,
        "dead once, dead for good"
    );
    let caller = Caller::of(&server, app).await;
    assert_eq!(
        caller.call("GET", "/ssf/streams", Value::Null).await.status,
        200
    );
    server.pass(std::time::Duration::from_secs(3601));
    assert_eq!(
        caller.call("GET", "/ssf/streams", Value::Null).await.status,
        401,
        "an hour at most"
    );
}

async fn a_stream_is_made_read_changed_and_deleted(server: TestServer) {
    let caller = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let unknown = "https://e.example/unknown";
    let made = caller
        .call(
            "POST",
            "/ssf/streams",
            json!({ "events_requested": [SESSION_REVOKED, unknown], "description": "ours" }),
        )
        .await;
    let id = made.text("stream_id").to_owned();
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(
        made.body["events_requested"],
        json!([SESSION_REVOKED, unknown])
    );
    assert_eq!(made.body["events_delivered"], json!([SESSION_REVOKED]));
    assert_eq!(
        (&made.body["iss"], &made.body["aud"]),
        (&json!(server.issuer()), &json!(caller.app.client_id))
    );
    let polled = format!("{}/ssf/poll/{id}", server.issuer());
    assert_eq!(
        made.body["delivery"],
        json!({ "method": "urn:ietf:rfc:8936", "endpoint_url": polled })
    );
    let one = format!("/ssf/streams?stream_id={id}");
    assert_eq!(caller.call("GET", &one, Value::Null).await.body, made.body);
    assert_eq!(
        caller.call("GET", "/ssf/streams", Value::Null).await.body,
        json!([made.body])
    );
    let push = json!({ "method": PUSH, "endpoint_url": "https://r.example/events", "authorization_header": "Bearer s3cret" });
    let changed = caller
        .call(
            "PATCH",
            "/ssf/streams",
            json!({ "stream_id": id, "delivery": push }),
        )
        .await;
    assert_eq!(
        changed.body["delivery"],
        json!({ "method": PUSH, "endpoint_url": "https://r.example/events" }),
        "no secret"
    );
    assert_eq!(
        changed.body["description"], "ours",
        "what is not named stays"
    );
    let sql = "SELECT COUNT(*) FROM streams WHERE authorization_sealed IS NOT NULL";
    assert_eq!(server.database.number(sql).await, 1);
    let replaced = caller
        .call(
            "PUT",
            "/ssf/streams",
            json!({ "stream_id": id, "events_requested": [PURGED] }),
        )
        .await;
    assert_eq!(replaced.body["events_delivered"], json!([PURGED]));
    assert!(
        replaced.body.get("description").is_none(),
        "what is not named has its default: {}",
        replaced.body
    );
    assert_eq!(server.database.number(sql).await, 0);
    let status = format!("/ssf/status?stream_id={id}");
    assert_eq!(
        caller.call("GET", &status, Value::Null).await.body,
        json!({ "stream_id": id, "status": "enabled" })
    );
    assert_eq!(caller.call("DELETE", &one, Value::Null).await.status, 204);
    for (method, path) in [("GET", &one), ("DELETE", &one), ("GET", &status)] {
        assert_eq!(
            caller.call(method, path, Value::Null).await.status,
            404,
            "{method} {path}"
        );
    }
}

async fn another_applications_stream_does_not_exist(server: TestServer) {
    let caller = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let id = caller.open(json!({})).await;
    let other = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    assert_eq!(
        other.call("GET", "/ssf/streams", Value::Null).await.body,
        json!([])
    );
    let named = json!({ "stream_id": id });
    for (method, path, body) in [
        ("GET", format!("/ssf/streams?stream_id={id}"), Value::Null),
        ("PATCH", "/ssf/streams".to_owned(), named.clone()),
        ("PUT", "/ssf/streams".to_owned(), named.clone()),
        (
            "DELETE",
            format!("/ssf/streams?stream_id={id}"),
            Value::Null,
        ),
        ("GET", format!("/ssf/status?stream_id={id}"), Value::Null),
        (
            "POST",
            "/ssf/status".to_owned(),
            json!({ "stream_id": id, "status": "disabled" }),
        ),
        ("POST", "/ssf/verify".to_owned(), named),
        (
            "POST",
            format!("/ssf/poll/{id}"),
            json!({ "returnImmediately": true }),
        ),
    ] {
        assert_eq!(
            other.call(method, &path, body).await.status,
            404,
            "{method} {path}"
        );
    }
    let status = caller
        .call("GET", &format!("/ssf/status?stream_id={id}"), Value::Null)
        .await;
    assert_eq!(status.text("status"), "enabled");
}

async fn what_is_no_stream_is_refused(server: TestServer) {
    let caller = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let push = |url: &str| json!({ "delivery": { "method": PUSH, "endpoint_url": url } });
    for body in [
        json!([]),
        json!({ "delivery": { "method": "urn:x" } }),
        json!({ "delivery": { "method": PUSH } }),
        push("ftp://r.example/"),
        push("https://user:pass@r.example/"),
        push("https://r.example/#x"),
        push("x"),
        json!({ "iss": "https://other.example" }),
        json!({ "aud": "somebody" }),
        json!({ "description": "x".repeat(2000) }),
        json!({ "events_requested": vec!["https://e.example"; 200] }),
        json!({ "delivery": { "method": PUSH, "endpoint_url": "https://r.example/", "authorization_header": "a\r\nb: c" } }),
    ] {
        let reply = caller.call("POST", "/ssf/streams", body.clone()).await;
        assert_eq!(
            (reply.status, reply.text("error")),
            (400, "invalid_request"),
            "{body}"
        );
    }
    let id = caller.open(json!({})).await;
    let wrong = json!({ "stream_id": id, "status": "asleep" });
    assert_eq!(caller.call("POST", "/ssf/status", wrong).await.status, 400);
    for _ in 1..10 {
        caller.open(json!({})).await;
    }
    assert_eq!(
        caller.call("POST", "/ssf/streams", json!({})).await.status,
        409
    );
    let verify = json!({ "stream_id": id, "state": "s-1" });
    assert_eq!(
        caller
            .call("POST", "/ssf/verify", verify.clone())
            .await
            .status,
        204
    );
    assert_eq!(
        caller.call("POST", "/ssf/verify", verify).await.status,
        429,
        "too soon"
    );
    let told = caller.drain(&id).await;
    assert_eq!(told[0]["sub_id"], json!({ "format": "opaque", "id": id }));
    assert_eq!(
        told[0]["events"],
        json!({ VERIFICATION: { "state": "s-1" } })
    );
}

async fn an_offboarding_is_told_in_the_same_words_by_poll(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let id = caller.open(json!({})).await;
    signed_in(&server, &company, &ada).await;
    let user = format!("/users/{}", ada.user_id);
    server
        .admin
        .post(&format!("{user}/deactivate"), json!({}))
        .await;
    let told = caller.drain(&id).await;
    assert_eq!(kinds(&told), [SESSION_REVOKED, DISABLED]);
    let subject = json!({ "format": "iss_sub", "iss": server.issuer(), "sub": ada.user_id });
    for token in &told {
        assert_eq!(token["sub_id"], subject, "{token}");
        assert_eq!(
            (&token["iss"], &token["aud"]),
            (&json!(server.issuer()), &json!(company.client_id))
        );
        assert_eq!(token["txn"], told[0]["txn"], "one cause");
        assert!(token["txn"].as_str().unwrap().starts_with("off_"));
        assert!(token.get("sub").is_none() && token.get("exp").is_none());
        let event = token["events"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap();
        assert_eq!(
            (&event["initiating_entity"], &event["reason_admin"]["en"]),
            (&json!("admin"), &json!("deactivated"))
        );
    }
    assert!(caller.drain(&id).await.is_empty(), "acknowledged");
    server
        .admin
        .post(&format!("{user}/activate"), json!({}))
        .await;
    assert_eq!(kinds(&caller.drain(&id).await), [ENABLED]);
    company.scim.delete(&ada.user_id).await.unwrap();
    let told = caller.drain(&id).await;
    assert_eq!(kinds(&told), [SESSION_REVOKED, PURGED]);
    let event = &told[0]["events"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()["initiating_entity"];
    assert_eq!(event, "policy", "the directory's");
    server.settled().await;
}

async fn each_ending_of_a_session_is_told_to_its_application(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let id = caller
        .open(json!({ "events_requested": [SESSION_REVOKED] }))
        .await;
    let other = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let others = other
        .open(json!({ "events_requested": [SESSION_REVOKED] }))
        .await;
    let share_of = |tokens: &Tokens| tokens.claims()["sid"].clone();
    let one = |told: &[Value], sid: &Value| {
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            told[0]["sub_id"],
            json!({
                "format": "complex",
                "user": { "format": "iss_sub", "iss": server.issuer(), "sub": ada.user_id },
                "session": { "format": "opaque", "id": sid },
                "tenant": { "format": "opaque", "id": company.organization_id },
            })
        );
    };
    // The application revokes its own token.
    let tokens = signed_in(&server, &company, &ada).await;
    caller.app.revoke(&tokens.refresh).await;
    one(&caller.drain(&id).await, &share_of(&tokens));
    // The provider ends the session.
    let tokens = signed_in(&server, &company, &ada).await;
    company
        .idp
        .end_sessions(&ada.person.user_name)
        .await
        .unwrap();
    let told = caller.drain(&id).await;
    assert!(
        told.iter()
            .any(|token| token["sub_id"]["session"]["id"] == share_of(&tokens)),
        "{told:?}"
    );
    // The connection is taken out of use: everybody's, by the fan-out.
    server.pass(std::time::Duration::from_secs(10));
    let tokens = signed_in(&server, &company, &ada).await;
    let place = format!("/connections/{}", company.connection_id);
    server
        .admin
        .patch(&place, json!({ "state": "inactive" }))
        .await;
    server.settled().await;
    let told = caller.drain(&id).await;
    let of_share = |token: &&Value| token["sub_id"]["session"]["id"] == share_of(&tokens);
    let token = told.iter().find(of_share);
    let token = token.unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(
        token["events"][SESSION_REVOKED]["initiating_entity"],
        "admin"
    );
    assert!(
        other.drain(&others).await.is_empty(),
        "another application had no share"
    );
}

async fn a_third_party_hears_of_people_who_let_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let third = Relying::register(&server, json!({ "third_party": true })).await;
    let stranger = Caller::of(&server, third).await;
    let theirs = stranger.open(json!({})).await;
    let first = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let ours = first.open(json!({})).await;
    let user = format!("/users/{}", ada.user_id);
    server
        .admin
        .post(&format!("{user}/deactivate"), json!({}))
        .await;
    assert!(stranger.drain(&theirs).await.is_empty());
    assert_eq!(first.drain(&ours).await.len(), 2);
    server.settled().await;
}

async fn a_paused_stream_keeps_and_a_disabled_one_forgets(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let id = caller
        .open(json!({ "events_requested": [DISABLED, ENABLED, CLAIMS_CHANGE] }))
        .await;
    let user = format!("/users/{}", ada.user_id);
    caller.set(&id, "paused").await;
    server
        .admin
        .post(&format!("{user}/deactivate"), json!({}))
        .await;
    assert!(caller.drain(&id).await.is_empty());
    caller.set(&id, "enabled").await;
    assert_eq!(kinds(&caller.drain(&id).await), [DISABLED]);
    caller.set(&id, "disabled").await;
    server
        .admin
        .post(&format!("{user}/activate"), json!({}))
        .await;
    caller.set(&id, "enabled").await;
    assert!(caller.drain(&id).await.is_empty());
    server.settled().await;
}
