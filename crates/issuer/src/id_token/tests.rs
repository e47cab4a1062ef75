use serde_json::json;

use super::*;

fn authentication() -> Authentication {
    Authentication {
        auth_time: 900,
        acr: Some("urn:example:aal2".into()),
        amr: vec!["pwd".into(), "otp".into()],
        sid: "ses_1".into(),
        org_id: "org_1".into(),
        session_expiry: Some(5000),
    }
}

fn profile() -> Profile {
    Profile {
        email: Some("u@acme.test".into()),
        email_verified: true,
        name: Some("Una U".into()),
        given_name: Some("Una".into()),
        family_name: Some("U".into()),
        preferred_username: Some("una".into()),
        groups: vec![],
        roles: vec!["admin".into()],
        further: serde_json::Map::new(),
    }
}

#[test]
fn claims_are_complete_and_aud_is_one_string() {
    let issuer = Issuer::parse("https://i").unwrap();
    let claims = IdTokenClaims::new(&issuer, "app", "usr_1", authentication(), 1000)
        .with_nonce(Some("n".into()))
        .with_access_token("vat_x", Algorithm::Es256)
        .with_person(profile().claims(Scope::ALL));
    let json = serde_json::to_value(&claims).unwrap();
    assert_eq!(
        json,
        json!({
            "iss": "https://i", "sub": "usr_1", "aud": "app", "exp": 1300, "iat": 1000,
            "auth_time": 900, "nonce": "n", "acr": "urn:example:aal2", "amr": ["pwd", "otp"],
            "sid": "ses_1", "org_id": "org_1", "session_expiry": 5000,
            "at_hash": at_hash("vat_x", Algorithm::Es256),
            "email": "u@acme.test", "email_verified": true, "name": "Una U", "given_name": "Una",
            "family_name": "U", "preferred_username": "una", "groups": [], "roles": ["admin"],
        })
    );
}

#[test]
fn token_never_outlives_the_session() {
    let issuer = Issuer::parse("https://i").unwrap();
    let claims = IdTokenClaims::new(&issuer, "app", "usr_1", authentication(), 4900);
    assert_eq!(claims.exp(), 5000);
    let unbounded = Authentication {
        session_expiry: None,
        ..authentication()
    };
    let claims = IdTokenClaims::new(&issuer, "app", "usr_1", unbounded, 4900);
    assert_eq!(claims.exp(), 4900 + MAX_TTL);
}

#[test]
fn scope_decides_what_the_app_learns() {
    let names = |scope: &str| {
        let claims = profile().claims(Scope::parse(scope).unwrap());
        let json = serde_json::to_value(claims).unwrap();
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names("openid"), "");
    assert_eq!(names("openid email"), "email email_verified");
    assert_eq!(
        names("openid profile"),
        "family_name given_name name preferred_username"
    );
    assert_eq!(names("openid groups"), "groups");
    assert_eq!(names("openid roles"), "roles");
    let nobody = Profile::default().claims(Scope::ALL);
    let json = serde_json::to_value(nobody).unwrap();
    assert_eq!(json, json!({"groups": [], "roles": []}));
}

#[test]
fn userinfo_says_the_same() {
    let person = profile().claims(Scope::parse("openid email").unwrap());
    let json = serde_json::to_value(UserInfo::new("usr_1", "org_1", person)).unwrap();
    assert_eq!(
        json,
        json!({"sub": "usr_1", "org_id": "org_1", "email": "u@acme.test", "email_verified": true})
    );
}

#[test]
fn at_hash_is_the_left_half() {
    // OpenID Connect Core 1.0, appendix A.3.
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(at_hash(token, Algorithm::Rs256), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(at_hash(token, Algorithm::EdDsa).len(), 43);
}
