//! Logout tokens on trial, one row per rule of Back-Channel Logout 1.0 §2.6.

use serde_json::{Value, json};

use super::{Login, NOW, OTHER, RSA};
use crate::{Error, LogoutToken};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": super::ISSUER, "aud": super::CLIENT_ID, "iat": NOW, "exp": NOW + 120, "jti": "j-1",
        "sub": "subject-1", "sid": "session-1", "events": { EVENT: {} },
    });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn header(typ: Option<&str>) -> Value {
    let mut header = RSA.header();
    match typ {
        Some(typ) => header["typ"] = json!(typ),
        None => drop(header.as_object_mut().expect("an object").remove("typ")),
    }
    header
}

async fn judge(login: &Login, token: &str) -> Result<LogoutToken, Error> {
    login
        .connection
        .logout_token(token, &login.provider, NOW)
        .await
}

#[tokio::test]
async fn an_honest_token_names_who_is_out() {
    let login = Login::begin().await;
    for typ in [
        Some("logout+jwt"),
        Some("application/LOGOUT+JWT"),
        Some("JWT"),
        None,
    ] {
        let token = RSA.sign(&header(typ), &claims(&json!({})));
        let verified = judge(&login, &token).await.expect("a logout token");
        let wanted = LogoutToken {
            jti: "j-1".to_owned(),
            issued_at: NOW,
            remember_until: NOW + 180,
            subject: Some("subject-1".to_owned()),
            sid: Some("session-1".to_owned()),
        };
        assert_eq!(verified, wanted);
    }
    for (left_out, subject, sid) in [
        ("sub", None, Some("session-1")),
        ("sid", Some("subject-1"), None),
    ] {
        let token = RSA.sign(
            &header(Some("logout+jwt")),
            &claims(&json!({ left_out: null })),
        );
        let verified = judge(&login, &token).await.expect("a logout token");
        assert_eq!(
            (verified.subject.as_deref(), verified.sid.as_deref()),
            (subject, sid)
        );
    }
}

#[tokio::test]
async fn what_misses_a_rule_is_refused() {
    let login = Login::begin().await;
    for (changes, rule) in [
        (json!({ "iss": "https://evil.example" }), "iss"),
        (json!({ "aud": "another-client" }), "aud"),
        (
            json!({ "aud": [super::CLIENT_ID, "another-client"] }),
            "aud",
        ),
        (json!({ "iat": null }), "claim_missing"),
        (json!({ "iat": NOW + 61 }), "not_yet_valid"),
        (json!({ "iat": NOW - 361, "exp": NOW + 3600 }), "exp"),
        (json!({ "iat": NOW - 361, "exp": null }), "exp"),
        (json!({ "exp": NOW - 60 }), "exp"),
        (json!({ "jti": null }), "claim_missing"),
        (json!({ "jti": "" }), "claim_missing"),
        (json!({ "jti": 7 }), "claim_missing"),
        (json!({ "sub": null, "sid": null }), "claim_missing"),
        (json!({ "sub": "" }), "claim_missing"),
        (json!({ "sid": ["session-1"] }), "claim_missing"),
        (json!({ "nonce": "n" }), "malformed"),
        (json!({ "events": null }), "malformed"),
        (json!({ "events": {} }), "malformed"),
        (json!({ "events": { EVENT: true } }), "malformed"),
        (json!({ "events": [EVENT] }), "malformed"),
    ] {
        let token = RSA.sign(&header(Some("logout+jwt")), &claims(&changes));
        let error = judge(&login, &token).await.expect_err("a refusal");
        assert_eq!(error.rule(), rule, "{changes}");
    }
    for typ in ["at+jwt", "secevent+jwt", ""] {
        let token = RSA.sign(&header(Some(typ)), &claims(&json!({})));
        let error = judge(&login, &token).await.expect_err("a refusal");
        assert_eq!(error.rule(), "typ", "{typ}");
    }
    let foreign = OTHER.sign(&OTHER.header(), &claims(&json!({})));
    assert_eq!(
        judge(&login, &foreign).await.expect_err("a refusal").rule(),
        "unknown_key"
    );
    let mut stolen_name = OTHER.header();
    stolen_name["kid"] = RSA.header()["kid"].clone();
    let forged = OTHER.sign(&stolen_name, &claims(&json!({})));
    assert!(judge(&login, &forged).await.is_err());
}

#[tokio::test]
async fn an_id_token_is_no_logout_token_and_the_other_way_round() {
    let login = Login::begin().await;
    let id_token = RSA.sign(&RSA.header(), &login.claims());
    assert_eq!(
        judge(&login, &id_token)
            .await
            .expect_err("a refusal")
            .rule(),
        "malformed"
    );
    let logout_token = RSA.sign(&header(Some("logout+jwt")), &claims(&json!({})));
    let refused = login.finish_with_token(&logout_token).await;
    assert_eq!(super::rule(refused), "typ");
}
