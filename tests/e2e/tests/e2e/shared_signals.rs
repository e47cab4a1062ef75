//! Security event tokens that identity providers push, good and hostile.

use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Reply, TestServer, http_client},
};

use crate::{
    hostile::now,
    signals::{EVENT, changed, email, iss_sub, last_signal, live, signed_in},
};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const ACCOUNT_DISABLED: &str =
    "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const ACCOUNT_ENABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

on_every_server!(
    a_pushed_event_ends_the_sign_ins_and_never_the_account,
    a_session_of_an_event_is_the_one_that_ends,
    hostile_events_end_nothing,
    a_push_needs_its_secret,
);

struct Pushing<'a> {
    server: &'a TestServer,
    company: &'a Company,
    secret: String,
}

impl<'a> Pushing<'a> {
    async fn set_up(server: &'a TestServer, company: &'a Company) -> Self {
        let path = format!("/connections/{}/signal-source", company.connection_id);
        let source = json!({ "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "method": "push" });
        let set = server
            .admin
            .call("PUT".parse().unwrap(), &path, Some(&source))
            .await;
        assert_eq!(set.status, 200, "{}", set.body);
        let secret = set.text("push_secret").to_owned();
        assert!(secret.starts_with("vsp_"));
        let shown = server.admin.get(&path).await;
        assert!(shown["push_secret"].is_null(), "once: {shown}");
        let again = server
            .admin
            .call("PUT".parse().unwrap(), &path, Some(&source))
            .await;
        assert!(again.body["push_secret"].is_null(), "the secret stays");
        Self {
            server,
            company,
            secret,
        }
    }

    fn claims(&self, event: &str, subject: &Value, changes: &Value) -> Value {
        let audience = format!(
            "{}/sso/{}/ssf/events",
            self.server.issuer(),
            self.company.connection_id
        );
        let claims = json!({
            "iss": self.company.idp.issuer(), "aud": audience, "iat": now(),
            "jti": format!("{}", self.server.now().micros()), "sub_id": subject, "events": { event: { "event_timestamp": now() } },
        });
        changed(claims, changes)
    }

    async fn push(&self, token: &str) -> Reply {
        self.push_with(&self.secret, token).await
    }

    async fn push_with(&self, secret: &str, token: &str) -> Reply {
        let path = format!("/sso/{}/ssf/events", self.company.connection_id);
        let request = http_client()
            .post(self.server.url(&path))
            .header("content-type", "application/secevent+jwt")
            .bearer_auth(secret)
            .body(token.to_owned());
        Reply::read(request.send().await.unwrap()).await
    }

    async fn tell(&self, event: &str, subject: &Value) -> String {
        let claims = self.claims(event, subject, &json!({}));
        let token = self.company.idp.signed(EVENT, &claims).unwrap();
        let reply = self.push(&token).await;
        assert_eq!((reply.status, &reply.body), (202, &Value::Null));
        token
    }
}

async fn a_pushed_event_ends_the_sign_ins_and_never_the_account(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    signed_in(&server, &company, &bob).await;
    let pushing = Pushing::set_up(&server, &company).await;
    for (event, name) in [
        (SESSION_REVOKED, email(&ada)),
        (ACCOUNT_DISABLED, iss_sub(&company, &ada)),
    ] {
        signed_in(&server, &company, &ada).await;
        let token = pushing.tell(event, &name).await;
        assert_eq!(live(&server).await, 1, "Bob's");
        let signal = last_signal(&server, &company).await;
        assert_eq!(
            (&signal["event"], &signal["effect"]),
            (&json!(event), &json!("ended"))
        );
        let user = server.admin.get(&format!("/users/{}", ada.user_id)).await;
        assert_eq!(user["active"], true);
        server.pass(std::time::Duration::from_secs(10));
        signed_in(&server, &company, &ada).await;
        assert_eq!(pushing.push(&token).await.status, 202);
        assert_eq!(live(&server).await, 2, "a copy ends nothing");
        server
            .admin
            .delete(&format!("/users/{}/sessions", ada.user_id))
            .await;
        server.pass(std::time::Duration::from_secs(10));
    }
    let (_, before) = (
        signed_in(&server, &company, &ada).await,
        live(&server).await,
    );
    pushing.tell(ACCOUNT_ENABLED, &email(&ada)).await;
    pushing
        .tell("https://e.example/unknown", &email(&ada))
        .await;
    assert_eq!(live(&server).await, before, "told, and without effect");
    let stream = json!({ "format": "opaque", "id": "stream-1" });
    pushing.tell(VERIFICATION, &stream).await;
    assert_eq!(last_signal(&server, &company).await["effect"], "verified");
    let path = format!("/connections/{}/signal-source", company.connection_id);
    let source = server.admin.get(&path).await;
    assert!(
        source["last_verified_at"].is_string() && source["last_error"].is_null(),
        "{source}"
    );
    let events = server
        .admin
        .get("/events?type=signal.received&limit=500")
        .await;
    assert_eq!(events["data"].as_array().unwrap().len(), 5, "{events}");
    server.settled().await;
}

async fn a_session_of_an_event_is_the_one_that_ends(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    signed_in(&server, &company, &ada).await;
    signed_in(&server, &company, &ada).await;
    let sql = "SELECT upstream_session FROM user_sessions WHERE ended_at IS NULL ORDER BY id";
    let sessions = server.database.texts(sql).await;
    let pushing = Pushing::set_up(&server, &company).await;
    let part = |user: &Employee, sid: &str| json!({ "format": "complex", "user": iss_sub(&company, user), "session": { "format": "opaque", "id": sid } });
    signed_in(&server, &company, &bob).await;
    pushing
        .tell(SESSION_REVOKED, &part(&bob, &sessions[0]))
        .await;
    assert_eq!(live(&server).await, 3, "all parts have to match");
    pushing
        .tell(SESSION_REVOKED, &part(&ada, &sessions[0]))
        .await;
    assert_eq!(live(&server).await, 2);
    assert_eq!(server.database.texts(sql).await[0], sessions[1]);
    let device = json!({ "format": "complex", "user": email(&ada), "device": { "format": "opaque", "id": "d" } });
    pushing.tell(SESSION_REVOKED, &device).await;
    assert_eq!(live(&server).await, 2, "we know of no devices");
    let user = json!({ "format": "complex", "user": email(&ada) });
    pushing.tell(SESSION_REVOKED, &user).await;
    assert_eq!(live(&server).await, 1);
    let nobody = json!({ "format": "complex", "session": { "format": "opaque", "id": "ALL" } });
    pushing.tell(SESSION_REVOKED, &nobody).await;
    assert_eq!(live(&server).await, 1, "all sessions, but whose");
    // As Keycloak writes that an administrator has signed somebody out.
    pushing.tell(SESSION_REVOKED, &part(&bob, "ALL")).await;
    assert_eq!(live(&server).await, 0);
    server.settled().await;
}

async fn hostile_events_end_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = company.hire("Ada", "Lovelace").await;
    let eve = globex.hire("Eve", "Noyce").await;
    signed_in(&server, &company, &ada).await;
    signed_in(&server, &globex, &eve).await;
    let pushing = Pushing::set_up(&server, &company).await;
    let bent = |changes: Value| pushing.claims(SESSION_REVOKED, &email(&ada), &changes);
    let signed = |claims: &Value| company.idp.signed(EVENT, claims).unwrap();
    let good = bent(json!({ "jti": "good" }));
    for (what, err, token) in [
        (
            "another audience",
            "invalid_audience",
            signed(&bent(json!({ "aud": "vestibule" }))),
        ),
        (
            "another issuer",
            "invalid_issuer",
            signed(&bent(json!({ "iss": globex.idp.issuer() }))),
        ),
        (
            "another company's key",
            "invalid_key",
            globex.idp.signed(EVENT, &good).unwrap(),
        ),
        (
            "a logout token",
            "invalid_request",
            company.idp.signed("logout+jwt", &good).unwrap(),
        ),
        (
            "an ID token",
            "invalid_request",
            company.idp.signed("JWT", &good).unwrap(),
        ),
        (
            "a subject",
            "invalid_request",
            signed(&bent(json!({ "sub": ada.person.sub }))),
        ),
        (
            "an end",
            "invalid_request",
            signed(&bent(json!({ "exp": now() + 60 }))),
        ),
        (
            "no id",
            "invalid_request",
            signed(&bent(json!({ "jti": null }))),
        ),
        (
            "no event",
            "invalid_request",
            signed(&bent(json!({ "events": {} }))),
        ),
        (
            "nobody",
            "invalid_request",
            signed(&bent(json!({ "sub_id": null }))),
        ),
        (
            "a NUL in a name",
            "invalid_request",
            signed(&bent(
                json!({ "sub_id": { "format": "opaque", "id": "a\u{0}b" } }),
            )),
        ),
        (
            "a NUL in an event",
            "invalid_request",
            signed(&bent(
                json!({ "events": { "https://e.example/\u{0}": {} } }),
            )),
        ),
        (
            "the future",
            "invalid_request",
            signed(&bent(json!({ "iat": now() + 3600 }))),
        ),
        ("nothing", "invalid_request", "x".to_owned()),
        ("too much", "invalid_request", "x".repeat(65_000)),
    ] {
        let reply = pushing.push(&token).await;
        assert_eq!(
            (reply.status, reply.text("err")),
            (400, err),
            "{what}: {}",
            reply.body
        );
        assert_eq!(live(&server).await, 2, "{what}");
    }
    for (effect, subject) in [
        ("other_domain", email(&eve)),
        ("unknown_subject", iss_sub(&globex, &eve)),
        (
            "unsupported_subject",
            json!({ "format": "opaque", "id": eve.user_id }),
        ),
    ] {
        pushing.tell(SESSION_REVOKED, &subject).await;
        assert_eq!(last_signal(&server, &company).await["effect"], effect);
        assert_eq!(live(&server).await, 2);
    }
    let old = bent(json!({ "iat": now() - 14 * 24 * 3600 }));
    assert_eq!(pushing.push(&signed(&old)).await.status, 202);
    assert_eq!(last_signal(&server, &company).await["effect"], "too_old");
    assert_eq!(live(&server).await, 2);
    server.settled().await;
}

async fn a_push_needs_its_secret(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    signed_in(&server, &company, &ada).await;
    let pushing = Pushing::set_up(&server, &company).await;
    let claims = pushing.claims(SESSION_REVOKED, &email(&ada), &json!({}));
    let token = company.idp.signed(EVENT, &claims).unwrap();
    for secret in ["", "x", "vsp_x"] {
        let reply = pushing.push_with(secret, &token).await;
        assert_eq!(
            (reply.status, reply.text("err")),
            (401, "authentication_failed")
        );
    }
    let path = format!("/connections/{}/signal-source", company.connection_id);
    let source = json!({
        "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "method": "push", "new_secret": true });
    let set = server
        .admin
        .call("PUT".parse().unwrap(), &path, Some(&source))
        .await;
    assert_eq!(
        pushing.push(&token).await.status,
        401,
        "the old secret is over"
    );
    assert_eq!(live(&server).await, 1);
    let reply = pushing.push_with(set.text("push_secret"), &token).await;
    assert_eq!((reply.status, live(&server).await), (202, 0));
    server.settled().await;
}
