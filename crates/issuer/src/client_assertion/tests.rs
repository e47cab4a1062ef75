use serde_json::json;

use super::*;
use crate::keys::SigningKey;

const ISSUER: &str = "https://login.example.com";
const TOKEN: &str = "https://login.example.com/oauth/token";
const NOW: i64 = 1_790_000_000;

fn claims() -> Value {
    json!({ "iss": "dcl_1", "sub": "dcl_1", "aud": TOKEN, "exp": NOW + 60, "iat": NOW, "jti": "j-1" })
}

fn with(changes: Value) -> Value {
    let (mut claims, Value::Object(changes)) = (claims(), changes) else {
        panic!("an object");
    };
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(&name)),
            value => claims[name] = value,
        }
    }
    claims
}

fn jwks(keys: &[&SigningKey]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys })
}

fn assertion(token: &str) -> Result<ClientAssertion, TokenError> {
    let body = Params::from_pairs([
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", token),
    ]);
    ClientAssertion::parse(None, &body.unwrap()).map(Option::unwrap)
}

fn verify(key: &SigningKey, jwks: &Value, claims: &Value) -> Result<Proven, TokenError> {
    let token = key.sign("JWT", claims).unwrap();
    let keys = ClientKeys::parse(jwks).unwrap();
    assertion(&token)?.verify(&keys, &[ISSUER, TOKEN], NOW)
}

#[test]
fn each_algorithm_proves_its_client() {
    for algorithm in Algorithm::ALL {
        let (key, _) = SigningKey::generate(algorithm).unwrap();
        let proven = verify(&key, &jwks(&[&key]), &claims()).unwrap();
        assert_eq!(
            (proven.jti.as_str(), proven.remember_until),
            ("j-1", NOW + 90)
        );
        let (other, _) = SigningKey::generate(algorithm).unwrap();
        assert!(verify(&other, &jwks(&[&key]), &claims()).is_err());
        assert!(verify(&other, &jwks(&[&key, &other]), &claims()).is_ok());
    }
}

#[test]
fn an_applications_assertion_names_the_issuer_alone() {
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = ClientKeys::parse(&jwks(&[&key])).unwrap();
    for (aud, accepted) in [
        (json!(ISSUER), true),
        (json!([ISSUER]), false),
        (json!(TOKEN), false),
        (json!([ISSUER, TOKEN]), false),
        (json!("https://login.example.com/"), false),
    ] {
        let token = key.sign("JWT", &with(json!({ "aud": aud }))).unwrap();
        let got = assertion(&token)
            .unwrap()
            .verify_for_issuer(&keys, ISSUER, NOW);
        assert_eq!(got.is_ok(), accepted, "{aud}");
    }
}

#[test]
fn what_misses_a_rule_is_refused() {
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwks = jwks(&[&key]);
    for (change, accepted) in [
        (json!({}), true),
        (json!({ "aud": ISSUER }), true),
        (json!({ "aud": [ISSUER, TOKEN] }), true),
        (
            json!({ "aud": [ISSUER, "https://elsewhere.example"] }),
            false,
        ),
        (json!({ "aud": [] }), false),
        (json!({ "aud": "https://login.example.com/" }), false),
        (json!({ "aud": null }), false),
        (json!({ "exp": NOW + 300 }), true),
        (json!({ "exp": NOW + 331 }), false),
        (json!({ "exp": NOW - 29 }), true),
        (json!({ "exp": NOW - 30 }), false),
        (json!({ "exp": null }), false),
        (json!({ "nbf": NOW + 31 }), false),
        (json!({ "iat": NOW + 31 }), false),
        (json!({ "iat": null }), true),
        (json!({ "jti": null }), false),
        (json!({ "jti": "" }), false),
        (json!({ "jti": "x".repeat(256) }), false),
        (json!({ "iss": "dcl_2" }), false),
    ] {
        let got = verify(&key, &jwks, &with(change.clone()));
        assert_eq!(got.is_ok(), accepted, "{change}");
    }
}

#[test]
fn header_names_neither_another_algorithm_nor_a_key_nor_an_extension() {
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = key.sign("JWT", &claims()).unwrap();
    let keys = ClientKeys::parse(&jwks(&[&key])).unwrap();
    let (_, rest) = token.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256", "kid": key.kid() }),
        json!({ "alg": "ES256", "kid": "other" }),
        json!({ "alg": "ES256", "kid": key.kid(), "crit": ["b64"] }),
    ] {
        let header = crate::encoding::base64url(header.to_string().as_bytes());
        for signature in ["", "AAAA"] {
            let forged = format!("{header}.{payload}.{signature}");
            let forged = assertion(&forged).unwrap();
            assert!(forged.verify(&keys, &[TOKEN], NOW).is_err());
        }
    }
}

#[test]
fn one_way_to_authenticate() {
    let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = key.sign("JWT", &claims()).unwrap();
    let code = |authorization, pairs: &[(&str, &str)]| {
        let body = Params::from_pairs(pairs.iter().copied()).unwrap();
        ClientAssertion::parse(authorization, &body).map_err(|error| error.code)
    };
    let kind = ("client_assertion_type", ASSERTION_TYPE);
    let own = ("client_assertion", token.as_str());
    assert!(code(None, &[("client_id", "a")]).unwrap().is_none());
    assert!(code(None, &[kind, own]).unwrap().is_some());
    assert!(code(None, &[kind, own, ("client_id", "dcl_1")]).is_ok());
    for (authorization, pairs, wanted) in [
        (
            Some("Basic x"),
            vec![kind, own],
            TokenErrorCode::InvalidRequest,
        ),
        (
            None,
            vec![kind, own, ("client_secret", "s")],
            TokenErrorCode::InvalidRequest,
        ),
        (None, vec![own], TokenErrorCode::InvalidRequest),
        (None, vec![kind], TokenErrorCode::InvalidRequest),
        (None, vec![kind, own, own], TokenErrorCode::InvalidRequest),
        (
            None,
            vec![("client_assertion_type", "x"), own],
            TokenErrorCode::InvalidClient,
        ),
        (
            None,
            vec![kind, ("client_assertion", "a.b.c")],
            TokenErrorCode::InvalidClient,
        ),
        (
            None,
            vec![kind, own, ("client_id", "dcl_2")],
            TokenErrorCode::InvalidClient,
        ),
    ] {
        assert_eq!(
            code(authorization, &pairs).unwrap_err(),
            wanted,
            "{pairs:?}"
        );
    }
}

#[test]
fn only_public_keys_for_signatures_are_a_set() {
    let (ec, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let (ed, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let ec = serde_json::to_value(ec.jwk()).unwrap();
    let ed = serde_json::to_value(ed.jwk()).unwrap();
    let changed = |name: &str, value: Value| {
        let mut key = ec.clone();
        key[name] = value;
        key
    };
    let unnamed = |key: &Value| {
        let mut key = key.clone();
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    for (keys, wanted) in [
        (vec![ec.clone(), ed.clone()], None),
        (vec![unnamed(&ec)], None),
        (vec![], Some(JwksError::Shape)),
        (vec![json!("x")], Some(JwksError::Shape)),
        (vec![ec.clone(); 11], Some(JwksError::Shape)),
        (vec![ec.clone(), ec.clone()], Some(JwksError::Ids)),
        (vec![unnamed(&ec), ed.clone()], Some(JwksError::Ids)),
        (vec![changed("d", json!("AAAA"))], Some(JwksError::Private)),
        (
            vec![json!({ "kty": "oct", "k": "AAAA" })],
            Some(JwksError::Private),
        ),
        (vec![changed("crv", json!("P-384"))], Some(JwksError::Kind)),
        (vec![changed("x", json!("AAAA"))], Some(JwksError::Kind)),
        (
            vec![json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" })],
            Some(JwksError::Kind),
        ),
        (vec![changed("use", json!("enc"))], Some(JwksError::Usage)),
        (vec![changed("alg", json!("ES384"))], Some(JwksError::Usage)),
    ] {
        let got = ClientKeys::parse(&json!({ "keys": keys })).err();
        assert_eq!(got, wanted, "{keys:?}");
    }
}

#[test]
fn of_a_published_set_only_the_keys_for_signatures_count() {
    let (ec, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let (ed, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let [ec, ed] = [ec.jwk(), ed.jwk()].map(|key| serde_json::to_value(key).unwrap());
    let encrypts =
        json!({ "kty": "EC", "crv": "P-521", "use": "enc", "kid": "e", "x": "AA", "y": "AA" });
    for (keys, wanted) in [
        (
            vec![encrypts.clone(), ec.clone(), json!("x"), ed.clone()],
            Ok(2),
        ),
        (vec![encrypts.clone()], Err(JwksError::Shape)),
        (vec![], Err(JwksError::Shape)),
        (vec![encrypts.clone(); 101], Err(JwksError::Shape)),
        (
            vec![ec.clone(), json!({ "kty": "oct", "k": "AAAA" })],
            Err(JwksError::Private),
        ),
        (vec![ec.clone(), ec], Err(JwksError::Ids)),
    ] {
        let got = ClientKeys::published(&json!({ "keys": keys })).map(|keys| keys.0.len());
        assert_eq!(got, wanted, "{keys:?}");
    }
}

#[test]
fn scope_is_at_most_the_clients() {
    use ScimScope::{Read, Write};

    let request = |text: &str| ScimRequest::parse(&Params::from_urlencoded(text).unwrap());
    let scope = |text: &str, most| request(text).and_then(|request| request.scope(most));
    let grant = "grant_type=client_credentials";
    assert_eq!(scope(grant, Write), Ok(Write));
    assert_eq!(scope(grant, Read), Ok(Read));
    assert_eq!(scope(&format!("{grant}&scope=scim:read"), Write), Ok(Read));
    assert_eq!(scope(&format!("{grant}&scope=scim"), Write), Ok(Write));
    assert_eq!(
        scope(&format!("{grant}&scope=other+scim:read"), Read),
        Ok(Read)
    );
    for (text, most, wanted) in [
        ("scope=scim", Read, TokenErrorCode::InvalidScope),
        ("scope=openid", Write, TokenErrorCode::InvalidScope),
    ] {
        let refused = scope(&format!("{grant}&{text}"), most).unwrap_err();
        assert_eq!(refused.code, wanted);
    }
    let refused = request("grant_type=refresh_token").unwrap_err();
    assert_eq!(refused.code, TokenErrorCode::UnauthorizedClient);
    let own = "https://login.example.com/scim/v2/x";
    let asked = |resource: &str| request(&format!("{grant}&resource={resource}")).unwrap();
    assert!(asked(own).check_resource(own).is_ok());
    assert!(
        asked("https://login.example.com/scim/v2/y")
            .check_resource(own)
            .is_err()
    );
}
