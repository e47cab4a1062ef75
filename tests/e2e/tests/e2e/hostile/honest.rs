//! The same provider when it is honest: what we send it, and who comes in.

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Reply, TestServer, http_client},
};

use super::{CLIENT_ID, Said, Stage, changed};
use crate::relying::answer;

pub(super) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

on_every_server!(
    a_key_of_the_connection_proves_who_we_are_and_is_rotated_under_logins,
    requests_are_pushed_and_the_browser_carries_a_reference,
    a_google_account_of_a_verified_domain_is_in_whichever_way_its_issuer_is_spelled,
    an_entra_account_is_known_by_its_object_id_within_its_tenant,
    userinfo_fills_what_the_id_token_lacks,
);

pub(super) fn is_in(page: &Page) {
    assert!(
        answer(page).contains_key("code"),
        "{} {} {}",
        page.status,
        page.url,
        page.body
    );
}

async fn key_set(connection: &Value) -> JwkSet {
    let url = connection["oidc"]["jwks_uri"].as_str().unwrap();
    let reply = Reply::read(http_client().get(url).send().await.unwrap()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/jwk-set+json");
    assert!(reply.header("cache-control").contains("max-age=300"));
    for private in ["\"d\"", "\"p\"", "\"q\""] {
        assert!(!reply.body.to_string().contains(private), "{}", reply.body);
    }
    serde_json::from_value(reply.body).unwrap()
}

/// The claims of an assertion, under a key set that the provider read at some time.
fn verified(assertion: &str, keys: &JwkSet) -> (String, Value) {
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    let kid = header.kid.unwrap();
    let key = keys.find(&kid).expect("a key that the provider knows");
    let mut validation = Validation::new(header.alg);
    validation.validate_aud = false;
    validation.leeway = 0;
    // Our clock may have been moved on.
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(key).unwrap();
    let data = jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap();
    (kid, data.claims)
}

async fn a_key_of_the_connection_proves_who_we_are_and_is_rotated_under_logins(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let by_key = json!({"client_auth": "private_key_jwt", "client_secret": null});
    let id = stage.connect(&server, "keyed", by_key.clone()).await;
    let other = stage.connect(&server, "other", by_key).await;
    let place = format!("/connections/{id}");
    let connection = server.admin.get(&place).await;
    assert_eq!(connection["oidc"]["assertion_audience"], "issuer");
    let first = key_set(&connection).await;
    assert_eq!(first.keys.len(), 1);
    let others = key_set(&server.admin.get(&format!("/connections/{other}")).await).await;
    assert_ne!(first.keys, others.keys, "no two connections share a key");

    let sign_in = async |known: &JwkSet| {
        is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
        let seen = stage.hostile.seen("keyed");
        assert_eq!(seen.authorization, None);
        assert!(!seen.token.contains_key("client_secret"));
        verified(&seen.token["client_assertion"], known)
    };
    let (old, claims) = sign_in(&first).await;
    let issuer = stage.hostile.at("keyed", |tenant| tenant.issuer.clone());
    assert_eq!(claims["aud"], json!(issuer), "one string, the issuer");
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!(CLIENT_ID), &json!(CLIENT_ID))
    );
    let (iat, exp) = (
        claims["iat"].as_i64().unwrap(),
        claims["exp"].as_i64().unwrap(),
    );
    assert!((1..=60).contains(&(exp - iat)), "{claims}");
    let (_, again) = sign_in(&first).await;
    assert_ne!(claims["jti"], again["jti"]);

    // The next key is published, and not used before somebody says so.
    let rotate = format!("{place}/keys/rotate");
    server
        .admin
        .post(&rotate, json!({"purpose": "signing"}))
        .await;
    let both = key_set(&connection).await;
    assert_eq!(both.keys.len(), 2);
    assert_eq!(sign_in(&first).await.0, old);
    let activate = json!({"purpose": "signing", "activate": true});
    let early = server
        .admin
        .call(reqwest::Method::POST, &rotate, Some(&activate))
        .await;
    assert_eq!(
        early.status, 409,
        "a provider may keep the key set for five minutes: {}",
        early.body
    );
    assert_eq!(sign_in(&first).await.0, old);
    server.pass(std::time::Duration::from_secs(301));
    server.admin.post(&rotate, activate).await;
    stage.hostile.at("keyed", |tenant| tenant.ahead = 301);
    let (new, _) = sign_in(&both).await;
    assert_ne!(new, old);
    assert_eq!(
        key_set(&connection).await.keys.len(),
        2,
        "the old one stays for a while"
    );

    let keys = server.admin.get(&format!("{place}/keys")).await;
    assert!(
        keys["data"][0]["certificate"]
            .as_str()
            .unwrap()
            .contains("BEGIN CERTIFICATE"),
        "{keys}"
    );
    let wrong = server
        .admin
        .call(
            reqwest::Method::POST,
            &rotate,
            Some(&json!({"purpose": "encryption"})),
        )
        .await;
    assert_eq!(wrong.status, 409, "{}", wrong.body);

    // With a secret again there is nothing to sign with, and the secret is asked for.
    let change =
        json!({"oidc": {"client_auth": "client_secret_post", "client_secret": super::SECRET}});
    let connection = server.admin.patch(&place, change).await;
    assert_eq!(connection["oidc"]["jwks_uri"], Value::Null);
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    let seen = stage.hostile.seen("keyed");
    assert_eq!(seen.token["client_secret"], super::SECRET);
    assert!(!seen.token.contains_key("client_assertion"));
    let change = json!({"oidc": {"client_auth": "private_key_jwt"}});
    let connection = server.admin.patch(&place, change).await;
    assert_eq!(
        connection["oidc"]["has_client_secret"], false,
        "it is not kept"
    );
    let now = key_set(&connection).await;
    assert!(
        ![&old, &new].contains(&&sign_in(&now).await.0),
        "a key of its own again"
    );
    server.settled().await;
}

async fn requests_are_pushed_and_the_browser_carries_a_reference(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "pushed", json!({})).await;
    stage.hostile.at("pushed", |tenant| {
        tenant.metadata = json!({
            "pushed_authorization_request_endpoint": format!("{}/par", tenant.issuer),
            "require_pushed_authorization_requests": true,
        });
    });
    let asked = [("login_hint", "ada@acme.test"), ("acr_values", "mfa")];
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &asked).await);
    let seen = stage.hostile.seen("pushed");
    let mut carried: Vec<&String> = seen.authorize.keys().collect();
    carried.sort();
    assert_eq!(carried, ["client_id", "request_uri"]);
    assert_eq!(seen.par["login_hint"], "ada@acme.test");
    assert_eq!(seen.par["acr_values"], "mfa");
    assert_eq!(seen.par["code_challenge_method"], "S256");
    assert!(
        seen.authorization
            .is_some_and(|header| header.starts_with("Basic "))
    );
    // A connection that does not want it sends everything by the browser, where the provider lets it.
    let id = stage
        .connect(&server, "plain", json!({"pushed_requests": "never"}))
        .await;
    stage.hostile.at("plain", |tenant| {
        tenant.metadata =
            json!({"pushed_authorization_request_endpoint": format!("{}/par", tenant.issuer)});
    });
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &asked).await);
    let seen = stage.hostile.seen("plain");
    assert!(seen.par.is_empty() && seen.authorize.contains_key("nonce"));
    server.settled().await;
}

async fn a_google_account_of_a_verified_domain_is_in_whichever_way_its_issuer_is_spelled(
    server: TestServer,
) {
    let stage = Stage::set_up(&server).await;
    let id = stage
        .connect(&server, "google", json!({"provider": "google"}))
        .await;
    for short in [false, true] {
        stage.hostile.at("google", |tenant| {
            let issuer = tenant.issuer.clone();
            let iss = match short {
                true => issuer.strip_prefix("http://").unwrap(),
                false => &issuer,
            };
            tenant.claims = json!({"hd": "acme.test", "iss": iss});
        });
        let mut browser = Browser::new().unwrap();
        is_in(
            &stage
                .enter(&mut browser, &id, &[("login_hint", "ada@acme.test")])
                .await,
        );
        let seen = stage.hostile.seen("google");
        assert_eq!(
            (
                seen.authorize["hd"].as_str(),
                seen.authorize["login_hint"].as_str()
            ),
            ("acme.test", "ada@acme.test")
        );
        assert!(!seen.authorize.contains_key("domain_hint"));
    }
    let sql = format!("SELECT COUNT(*) FROM identities WHERE connection_id = '{id}'");
    assert_eq!(
        server.database.number(&sql).await,
        1,
        "one person, one link"
    );
    server.settled().await;
}

async fn an_entra_account_is_known_by_its_object_id_within_its_tenant(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage
        .connect(&server, TENANT, json!({"provider": "entra"}))
        .await;
    let enter = async |claims: Value| {
        stage.hostile.at(TENANT, |tenant| tenant.claims = claims);
        let page = stage
            .enter(
                &mut Browser::new().unwrap(),
                &id,
                &[("domain_hint", "acme.test")],
            )
            .await;
        let login = stage.company.last_login(&server).await;
        (page, login["rule"].as_str().unwrap_or_default().to_owned())
    };
    let (page, _) = enter(json!({"tid": TENANT})).await;
    is_in(&page);
    assert_eq!(
        stage.hostile.seen(TENANT).authorize["domain_hint"],
        "acme.test"
    );
    // Another registration of ours at the tenant: Entra gives the same person another `sub`.
    is_in(&enter(json!({"tid": TENANT, "sub": "pairwise-2"})).await.0);
    for (what, claims) in [
        (
            "another tenant",
            json!({"tid": "11111111-86f1-41af-91ab-2d7cd011db47"}),
        ),
        ("no tenant", json!({})),
        (
            "the tenant in another spelling",
            json!({"tid": TENANT.to_uppercase()}),
        ),
    ] {
        assert_eq!(enter(claims).await.1, "required_claim", "{what}");
    }
    // The same `sub` without the object id is nobody.
    assert_eq!(
        enter(json!({"tid": TENANT, "oid": null})).await.1,
        "claim_missing"
    );

    // Addresses: nobody owns what `email` says, unless Entra says so in its own claim (nOAuth).
    let join = json!({"join": {"directory": "emails.value", "claim": "email"}});
    server
        .admin
        .patch(&format!("/connections/{id}"), join)
        .await;
    let email = stage.ada.person.email.clone();
    for edov in [
        Value::Null,
        json!(false),
        json!("0"),
        json!("yes"),
        json!(2),
    ] {
        let claims = json!({"tid": TENANT, "oid": "new", "email": email, "email_verified": true, "xms_edov": edov});
        assert_eq!(enter(claims).await.1, "email_unverified", "{edov}");
    }
    for (number, edov) in [json!(true), json!("1"), json!(1), json!("true")]
        .into_iter()
        .enumerate()
    {
        server
            .admin
            .delete(&format!("/users/{}/identities", stage.ada.user_id))
            .await;
        let claims = json!({"tid": TENANT, "oid": format!("new-{number}"), "email": email, "xms_edov": edov});
        is_in(&enter(claims).await.0);
    }
    server.settled().await;
}

async fn userinfo_fills_what_the_id_token_lacks(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "thin", json!({})).await;
    let join = json!({"join": {"directory": "userName", "claim": "preferred_username"}});
    server
        .admin
        .patch(&format!("/connections/{id}"), join)
        .await;
    let name = stage.ada.person.user_name.clone();
    stage.hostile.at("thin", |tenant| {
        let about = changed(
            tenant.subject.clone(),
            &json!({"preferred_username": name, "sid": "another"}),
        );
        tenant.userinfo = Some(Said::Json(200, about));
    });
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    assert_eq!(stage.hostile.seen("thin").userinfo_fetches, 1);
    let sql = "SELECT upstream_session FROM user_sessions WHERE ended_at IS NULL";
    assert_eq!(
        server.database.texts(sql).await,
        ["session-1"],
        "userinfo names no session"
    );
    // With the claim in the ID token nobody else is asked.
    stage.hostile.at("thin", |tenant| {
        tenant.claims = json!({"preferred_username": name});
    });
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    assert_eq!(stage.hostile.seen("thin").userinfo_fetches, 1);
    server.settled().await;
}
