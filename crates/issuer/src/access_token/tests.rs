use super::*;
use crate::keys::{Algorithm, KeyState, SigningKey};
use crate::scope::ScopeValue;

fn key() -> AccessTokenKey {
    AccessTokenKey::new([7; 32])
}

fn token(seed: u8) -> AccessToken {
    AccessToken {
        session_id: [seed; 16],
        generation: u32::from(seed).wrapping_mul(0x0101_0101),
        exp: i64::from(seed) * 1_000_000_007 - 5,
        scope: Scope::from_bits(seed % 64).unwrap(),
    }
}

#[test]
fn every_token_comes_back() {
    for seed in 0..=u8::MAX {
        let issued = key().issue(&token(seed));
        assert!(issued.expose().starts_with("vat_"));
        assert_eq!(key().open(issued.expose()), Some(token(seed)));
    }
    for exp in [i64::MIN, -1, 0, i64::MAX] {
        let extreme = AccessToken {
            exp,
            generation: u32::MAX,
            ..token(1)
        };
        assert_eq!(key().open(key().issue(&extreme).expose()), Some(extreme));
    }
}

#[test]
fn no_changed_bit_is_accepted() {
    let issued = key().issue(&token(5));
    let bytes = from_base64url(&issued.expose()[4..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            key().open(&format!("vat_{}", base64url(&changed))),
            None,
            "{bit}"
        );
    }
}

#[test]
fn no_other_text_is_accepted() {
    let issued = key().issue(&token(5));
    let text = issued.expose();
    for end in 0..text.len() {
        assert_eq!(key().open(&text[..end]), None, "{end}");
    }
    for extra in ["A", "AA", "AAAA", "=", " ", "\n"] {
        assert_eq!(key().open(&format!("{text}{extra}")), None, "{extra:?}");
    }
    for bad in [
        &text[4..],
        &text.replace("vat_", "vrt_"),
        &text.replace("vat_", "VAT_"),
        "vat_é",
    ] {
        assert_eq!(key().open(bad), None, "{bad}");
    }
}

#[test]
fn another_key_does_not_open() {
    let issued = key().issue(&token(5));
    assert_eq!(AccessTokenKey::new([8; 32]).open(issued.expose()), None);
}

#[test]
fn another_version_with_a_right_mac_is_refused() {
    let mut body = token(5).body();
    *body.last_mut().unwrap() = VERSION + 1;
    let mac = key().mac(&body);
    body.extend_from_slice(mac.as_ref());
    assert_eq!(key().open(&format!("vat_{}", base64url(&body))), None);
}

#[test]
fn expired_token_opens_only_without_a_time() {
    let short = AccessToken {
        exp: 100,
        ..token(1)
    };
    let issued = key().issue(&short);
    assert_eq!(key().open(issued.expose()), Some(short));
    assert_eq!(key().open_at(issued.expose(), 99), Some(short));
    assert_eq!(key().open_at(issued.expose(), 100), None);
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", key()), "AccessTokenKey(…)");
}

fn authentication(session_expiry: Option<i64>) -> Authentication {
    Authentication {
        auth_time: 900,
        acr: None,
        amr: vec!["pwd".into()],
        sid: "ses_1".into(),
        org_id: "org_1".into(),
        session_expiry,
    }
}

fn grant() -> JwtGrant<'static> {
    JwtGrant {
        audience: "https://api.example",
        client_id: "app",
        sub: "usr_1",
        jti: "j1",
        scope: Scope::default()
            .with(ScopeValue::OpenId)
            .with(ScopeValue::Email),
        generation: 3,
    }
}

#[test]
fn jwt_has_the_claims_of_rfc_9068() {
    let issuer = Issuer::parse("https://i").unwrap();
    let claims = JwtClaims::new(&issuer, grant(), authentication(None), 300, 1000);
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        serde_json::json!({
            "iss": "https://i", "exp": 1300, "aud": "https://api.example", "sub": "usr_1",
            "client_id": "app", "iat": 1000, "jti": "j1", "sid": "ses_1", "scope": "openid email",
            "auth_time": 900, "amr": ["pwd"], "org_id": "org_1", "gen": 3,
        })
    );
}

#[test]
fn jwt_lives_at_most_300_seconds_and_never_longer_than_the_session() {
    let issuer = Issuer::parse("https://i").unwrap();
    for (ttl, expiry, wanted) in [
        (3600, None, 1300),
        (60, None, 1060),
        (-5, None, 1000),
        (300, Some(1100), 1100),
        (300, Some(9000), 1300),
    ] {
        let claims = JwtClaims::new(&issuer, grant(), authentication(expiry), ttl, 1000);
        assert_eq!(claims.exp(), wanted);
    }
}

#[test]
fn jwt_is_verified_with_type_issuer_and_time() {
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = KeySet::new([(KeyState::Active, key)]).unwrap();
    let issuer = Issuer::parse("https://i").unwrap();
    let claims = JwtClaims::new(&issuer, grant(), authentication(None), 300, 1000);
    let token = keys.sign(Algorithm::Es256, JWT_TYP, &claims).unwrap();
    assert_eq!(
        JwtClaims::verify(&token, &keys, &issuer, 1299),
        Ok(claims.clone())
    );
    assert_eq!(
        JwtClaims::verify(&token, &keys, &issuer, 1300),
        Err(JwtError::Expired)
    );
    let other = Issuer::parse("https://j").unwrap();
    assert_eq!(
        JwtClaims::verify(&token, &keys, &other, 1000),
        Err(JwtError::Issuer)
    );
    let id_token = keys.sign(Algorithm::Es256, "JWT", &claims).unwrap();
    let refused = JwtClaims::verify(&id_token, &keys, &issuer, 1000);
    assert_eq!(refused, Err(JwtError::NotOurs(VerifyError::Type)));
}
