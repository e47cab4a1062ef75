use jsonwebtoken::jwk::{Jwk as PeerJwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;

fn generate(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().0
}

fn claims() -> Value {
    json!({"iss": "https://i", "aud": "app", "exp": 4_000_000_000_u64, "sub": "usr_1"})
}

/// Base64url JSON of a token's header or claims.
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&from_base64url(part).unwrap()).unwrap()
}

/// The token with another header, signature kept.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", base64url(header.to_string().as_bytes()))
}

#[test]
fn a_peer_verifies_what_we_sign_with_what_we_publish() {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    for (algorithm, peer) in [
        (Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
        (Algorithm::Rs256, jsonwebtoken::Algorithm::RS256),
        (Algorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA),
    ] {
        let set = KeySet::new([(KeyState::Active, generate(algorithm))]).unwrap();
        let token = set.sign(algorithm, "JWT", &claims()).unwrap();
        let published = serde_json::to_string(&set.jwks()).unwrap();
        let published: JwkSet = serde_json::from_str(&published).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("JWT"));
        let jwk: &PeerJwk = published.find(&header.kid.unwrap()).unwrap();
        let thumbprint = jwk
            .thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256)
            .unwrap();
        assert_eq!(Some(thumbprint), jwk.common.key_id, "{algorithm}");
        let mut validation = Validation::new(peer);
        validation.set_audience(&["app"]);
        validation.set_issuer(&["https://i"]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
        assert_eq!(read.claims, claims(), "{algorithm}");
    }
}

#[test]
fn thumbprint_is_that_of_rfc_7638() {
    // RFC 7638 §3.1.
    let key = KeyType::Rsa {
        n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw".to_owned(),
        e: "AQAB".to_owned(),
    };
    assert_eq!(
        key.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn ed25519_is_that_of_rfc_8037() {
    // RFC 8037 appendix A: key, thumbprint and signature.
    let seed = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let mut pkcs8 = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    pkcs8.extend_from_slice(&seed);
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(
        base64url(&key.sign_bytes(message).unwrap()),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn stored_key_comes_back_the_same() {
    for algorithm in Algorithm::ALL {
        let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
        let again = SigningKey::from_pkcs8(algorithm, pkcs8.expose()).unwrap();
        assert_eq!(again.jwk(), key.jwk());
        assert_eq!(format!("{pkcs8:?}"), "Pkcs8(…)");
        for other in Algorithm::ALL {
            let loaded = SigningKey::from_pkcs8(other, pkcs8.expose());
            assert_eq!(loaded.is_ok(), other == algorithm, "{algorithm} as {other}");
        }
    }
    assert_eq!(
        SigningKey::from_pkcs8(Algorithm::Es256, b"").unwrap_err(),
        KeyError::Rejected
    );
}

#[test]
fn es256_signatures_have_the_fixed_form() {
    let token = generate(Algorithm::Es256).sign("JWT", &claims()).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert_eq!(from_base64url(signature).unwrap().len(), 64);
    assert_eq!(part(&token, 1), claims());
}

#[test]
fn jwks_has_public_members_only() {
    let keys = Algorithm::ALL.map(|algorithm| (KeyState::Active, generate(algorithm)));
    let jwks = serde_json::to_value(KeySet::new(keys).unwrap().jwks()).unwrap();
    for jwk in jwks["keys"].as_array().unwrap() {
        let jwk = jwk.as_object().unwrap();
        let names: Vec<&str> = jwk.keys().map(String::as_str).collect();
        let wanted = match jwk["kty"].as_str().unwrap() {
            "EC" => vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
            "RSA" => vec!["alg", "e", "kid", "kty", "n", "use"],
            "OKP" => vec!["alg", "crv", "kid", "kty", "use", "x"],
            other => panic!("{other}"),
        };
        assert_eq!(names, wanted);
        assert_eq!(jwk["use"], "sig");
    }
}

#[test]
fn set_signs_with_the_active_key_and_publishes_all() {
    let [next, active, retired] = [(); 3].map(|()| generate(Algorithm::Es256));
    let old = retired.sign("JWT", &claims()).unwrap();
    let set = KeySet::new([
        (KeyState::Next, next),
        (KeyState::Active, active.clone()),
        (KeyState::Retired, retired),
    ])
    .unwrap();
    let token = set.sign(Algorithm::Es256, "JWT", &claims()).unwrap();
    assert_eq!(part(&token, 0)["kid"], active.kid());
    assert_eq!(set.jwks().keys.len(), 3);
    assert_eq!(set.algorithms(), [Algorithm::Es256]);
    assert_eq!(set.verify::<Value>(&old, "JWT"), Ok(claims()));
    let missing = set.sign(Algorithm::Rs256, "JWT", &claims());
    assert_eq!(missing, Err(KeyError::NoActiveKey));
}

#[test]
fn set_refuses_two_active_keys_and_doubles() {
    let [a, b] = [(); 2].map(|()| generate(Algorithm::EdDsa));
    let two = KeySet::new([(KeyState::Active, a.clone()), (KeyState::Active, b)]);
    assert_eq!(two.unwrap_err(), KeyError::TwoActive);
    let double = KeySet::new([(KeyState::Active, a.clone()), (KeyState::Retired, a)]);
    assert_eq!(double.unwrap_err(), KeyError::SameKeyTwice);
}

#[test]
fn type_key_and_algorithm_must_be_right() {
    let key = generate(Algorithm::Es256);
    let token = key.sign("JWT", &claims()).unwrap();
    let set = KeySet::new([(KeyState::Active, key.clone())]).unwrap();
    let verify = |token: &str| set.verify::<Value>(token, "JWT").unwrap_err();

    assert_eq!(
        set.verify::<Value>(&token, "at+jwt").unwrap_err(),
        VerifyError::Type
    );
    let stranger = generate(Algorithm::Es256).sign("JWT", &claims()).unwrap();
    assert_eq!(verify(&stranger), VerifyError::UnknownKey);
    for (header, error) in [
        (
            json!({"alg": "none", "typ": "JWT", "kid": key.kid()}),
            VerifyError::UnknownKey,
        ),
        (
            json!({"alg": "HS256", "typ": "JWT", "kid": key.kid()}),
            VerifyError::UnknownKey,
        ),
        (
            json!({"alg": "ES256", "typ": "JWT"}),
            VerifyError::UnknownKey,
        ),
        (json!({"alg": "ES256", "kid": key.kid()}), VerifyError::Type),
        (
            json!({"alg": "ES256", "typ": "JWT", "kid": key.kid(), "crit": ["b64"], "b64": false}),
            VerifyError::Malformed,
        ),
        (
            json!({"alg": "ES256", "typ": "JWT", "kid": key.kid(), "x": 1}),
            VerifyError::Signature,
        ),
        (json!([]), VerifyError::Malformed),
    ] {
        assert_eq!(verify(&with_header(&token, &header)), error, "{header}");
    }
}

#[test]
fn no_changed_token_verifies() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = generate(algorithm);
        let token = key.sign("JWT", &claims()).unwrap();
        let set = KeySet::new([(KeyState::Active, key)]).unwrap();
        assert_eq!(set.verify::<Value>(&token, "JWT"), Ok(claims()));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                set.verify::<Value>(&changed, "JWT").is_err(),
                "{algorithm} {index}"
            );
            assert!(
                set.verify::<Value>(&token[..index], "JWT").is_err(),
                "{algorithm} {index}"
            );
        }
        for bad in [
            format!("{token}."),
            format!("{token}A"),
            format!(" {token}"),
            "A".repeat(20_000),
        ] {
            assert!(set.verify::<Value>(&bad, "JWT").is_err());
        }
    }
}

#[test]
fn another_keys_signature_under_our_kid_is_refused() {
    let ours = generate(Algorithm::Es256);
    let forged = generate(Algorithm::Es256).sign("JWT", &claims()).unwrap();
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": ours.kid()});
    let set = KeySet::new([(KeyState::Active, ours)]).unwrap();
    let verified = set.verify::<Value>(&with_header(&forged, &header), "JWT");
    assert_eq!(verified, Err(VerifyError::Signature));
}
