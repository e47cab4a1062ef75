//! The ID token and what comes with it.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::provider::{ACCESS_TOKEN, CLIENT_ID, ISSUER, Key};
use super::{Login, NOW, OTHER, RSA, rule};
use crate::{Algorithm, BeginOptions, Error, Fault, Prompt, UserInfo};

#[tokio::test]
async fn honest_login_tells_who_it_is() {
    let login = Login::begin().await;
    let authentication = login
        .finish_with_claims(json!({
            "auth_time": NOW - 20, "acr": "urn:mfa", "amr": ["pwd", "otp"], "sid": "session-1",
            "session_expiry": NOW + 3600, "oid": "object-1", "email": "ada@acme.test", "email_verified": "true",
        }))
        .await
        .expect("a login");
    assert_eq!(authentication.issuer, ISSUER);
    assert_eq!(authentication.subject, "subject-1");
    assert_eq!(authentication.auth_time, Some(NOW - 20));
    assert_eq!(authentication.acr.as_deref(), Some("urn:mfa"));
    assert_eq!(authentication.amr, ["pwd", "otp"]);
    assert_eq!(authentication.sid.as_deref(), Some("session-1"));
    assert_eq!(authentication.session_expiry, Some(NOW + 3600));
    assert_eq!(authentication.oid(), Some("object-1"));
    assert_eq!(authentication.email(), Some("ada@acme.test"));
    assert!(authentication.email_verified());
    assert_eq!(login.provider.exchanges(), 1);
}

#[tokio::test]
async fn email_is_verified_only_if_the_provider_says_true() {
    for (value, verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (Value::Null, false),
    ] {
        let login = Login::begin().await;
        let authentication = login
            .finish_with_claims(json!({"email_verified": value}))
            .await
            .expect("a login");
        assert_eq!(authentication.email_verified(), verified, "{value}");
    }
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let table = [
        (
            json!({"iss": "https://idp.example/other"}),
            "iss",
            Fault::Configuration,
        ),
        (
            json!({"iss": format!("{ISSUER}/")}),
            "iss",
            Fault::Configuration,
        ),
        (
            json!({"iss": null}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (json!({"aud": "somebody-else"}), "aud", Fault::Configuration),
        (json!({"aud": []}), "aud", Fault::Configuration),
        (
            json!({"aud": null}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"aud": [CLIENT_ID, "somebody-else"], "azp": CLIENT_ID}),
            "aud",
            Fault::Configuration,
        ),
        (
            json!({"azp": "somebody-else"}),
            "azp",
            Fault::IdentityProvider,
        ),
        (
            json!({"nonce": "another"}),
            "nonce",
            Fault::IdentityProvider,
        ),
        (json!({"nonce": null}), "nonce", Fault::IdentityProvider),
        (json!({"exp": NOW - 61}), "exp", Fault::Time),
        (json!({"iat": NOW + 61}), "not_yet_valid", Fault::Time),
        (
            json!({"iat": NOW + 86_400, "exp": NOW + 90_000}),
            "not_yet_valid",
            Fault::Time,
        ),
        (json!({"iat": NOW - 61}), "iat", Fault::Time),
        (json!({"nbf": NOW + 61}), "not_yet_valid", Fault::Time),
        (json!({"auth_time": NOW + 61}), "not_yet_valid", Fault::Time),
        (json!({"sub": ""}), "claim_missing", Fault::IdentityProvider),
        (
            json!({"sub": "x".repeat(256)}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
            "at_hash",
            Fault::IdentityProvider,
        ),
        (
            json!({"at_hash": 7}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"exp": null}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"exp": "soon"}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"iat": null}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
        (
            json!({"sub": null}),
            "claim_missing",
            Fault::IdentityProvider,
        ),
    ];
    for (changes, wanted, fault) in table {
        let login = Login::begin().await;
        let result = login.finish_with_claims(changes.clone()).await;
        let got = result.as_ref().map_err(Error::fault);
        assert_eq!(got.err(), Some(fault), "{changes}");
        assert_eq!(rule(result), wanted, "{changes}");
    }
}

#[tokio::test]
async fn claims_at_the_edge_of_the_skew_are_accepted() {
    for changes in [
        json!({"exp": NOW - 59}),
        json!({"iat": NOW + 60}),
        json!({"iat": NOW - 60}),
        json!({"nbf": NOW + 60}),
        json!({"iat": 1_800_000_000.5}),
        json!({"aud": [CLIENT_ID]}),
        json!({"azp": CLIENT_ID}),
        json!({"updated_at": "2026-11-22T00:00:00Z"}),
    ] {
        let login = Login::begin().await;
        let result = login.finish_with_claims(changes.clone()).await;
        assert!(result.is_ok(), "{changes}: {result:?}");
    }
}

#[tokio::test]
async fn further_audience_needs_trust_and_azp() {
    let both = json!([CLIENT_ID, "api"]);
    let login = Login::begin_with(
        |settings| settings.trust_audience("api"),
        BeginOptions::new(),
    )
    .await;
    assert_eq!(
        rule(login.finish_with_claims(json!({"aud": both})).await),
        "azp"
    );
    assert!(
        login
            .finish_with_claims(json!({"aud": both, "azp": CLIENT_ID}))
            .await
            .is_ok()
    );
    assert_eq!(
        rule(
            login
                .finish_with_claims(json!({"aud": both, "azp": "api"}))
                .await
        ),
        "azp"
    );
}

#[tokio::test]
async fn access_token_hash_is_compared() {
    let left_half = |hash: &[u8]| URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]);
    let sha256 = left_half(digest(&SHA256, ACCESS_TOKEN.as_bytes()).as_ref());
    let sha512 = left_half(digest(&SHA512, ACCESS_TOKEN.as_bytes()).as_ref());
    let login = Login::begin().await;
    assert!(
        login
            .finish_with_claims(json!({"at_hash": sha256}))
            .await
            .is_ok()
    );

    let ed25519 = Key::ed25519("ed-1");
    login.provider.publish(&[&ed25519]);
    let mut claims = login.claims();
    claims["at_hash"] = json!(sha512);
    assert!(
        login
            .finish_with_token(&ed25519.sign(&ed25519.header(), &claims))
            .await
            .is_ok()
    );
    claims["at_hash"] = json!(sha256);
    assert_eq!(
        rule(
            login
                .finish_with_token(&ed25519.sign(&ed25519.header(), &claims))
                .await
        ),
        "at_hash"
    );
}

#[tokio::test]
async fn every_default_algorithm_is_verified() {
    let pss = Key::rsa("pss-1", "PS256", aws_lc_rs::rsa::KeySize::Rsa2048);
    let ed25519 = Key::ed25519("ed-1");
    for key in [&*RSA, &*OTHER, &pss, &ed25519] {
        let login = Login::begin().await;
        login.provider.publish(&[key]);
        let honest = key.sign(&key.header(), &login.claims());
        assert!(
            login.finish_with_token(&honest).await.is_ok(),
            "{}",
            key.alg
        );
        let (input, signature) = honest.rsplit_once('.').expect("a token");
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
        bytes[20] ^= 1;
        let forged = format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(
            rule(login.finish_with_token(&forged).await),
            "signature",
            "{}",
            key.alg
        );
    }
}

#[tokio::test]
async fn token_without_signature_is_refused() {
    let login = Login::begin().await;
    for alg in ["none", "None", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "kid": "rsa-1"}).to_string());
        let claims = URL_SAFE_NO_PAD.encode(login.claims().to_string());
        assert_eq!(
            rule(
                login
                    .finish_with_token(&format!("{header}.{claims}."))
                    .await
            ),
            "alg"
        );
    }
}

#[tokio::test]
async fn public_key_is_no_hmac_secret() {
    let login = Login::begin().await;
    let public_key = RSA.jwk();
    let secrets = [
        URL_SAFE_NO_PAD
            .decode(public_key["n"].as_str().expect("a modulus"))
            .expect("bytes"),
        public_key.to_string().into_bytes(),
        super::SECRET.as_bytes().to_vec(),
    ];
    for secret in secrets {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": "rsa-1"}).to_string());
        let input = format!(
            "{header}.{}",
            URL_SAFE_NO_PAD.encode(login.claims().to_string())
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            input.as_bytes(),
        );
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert_eq!(rule(login.finish_with_token(&token).await), "alg");
    }
    assert_eq!(login.provider.key_fetches(), 0);
}

#[tokio::test]
async fn algorithm_outside_the_connections_list_is_refused() {
    let login = Login::begin_with(
        |settings| settings.algorithms(Algorithm::IPSIE),
        BeginOptions::new(),
    )
    .await;
    let error = login
        .finish_with_claims(json!({}))
        .await
        .expect_err("RS256 is not in the profile");
    assert_eq!(
        error.wanted_got(),
        Some(("ES256, PS256, EdDSA".to_owned(), "RS256".to_owned()))
    );
}

#[tokio::test]
async fn header_of_another_kind_of_token_is_refused() {
    let login = Login::begin().await;
    for typ in [
        "logout+jwt",
        "at+jwt",
        "application/at+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "",
    ] {
        let header = json!({"alg": "RS256", "kid": "rsa-1", "typ": typ});
        assert_eq!(rule(login.finish_with_header(header).await), "typ", "{typ}");
    }
    for typ in ["JWT", "jwt", "application/jwt", "JOSE"] {
        let header = json!({"alg": "RS256", "kid": "rsa-1", "typ": typ});
        assert!(login.finish_with_header(header).await.is_ok(), "{typ}");
    }
    assert!(
        login
            .finish_with_header(json!({"alg": "RS256", "kid": "rsa-1"}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn critical_and_nested_headers_are_refused() {
    let login = Login::begin().await;
    for (name, value) in [
        ("crit", json!(["b64"])),
        ("cty", json!("JWT")),
        ("b64", json!(false)),
    ] {
        let mut header = RSA.header();
        header[name] = value;
        assert_eq!(
            rule(login.finish_with_header(header).await),
            "crit",
            "{name}"
        );
    }
    let mut header = RSA.header();
    header["enc"] = json!("A256GCM");
    assert_eq!(
        rule(login.finish_with_header(header).await),
        "id_token_encrypted"
    );
    assert_eq!(
        rule(login.finish_with_token("eyJ9.a.b.c.d").await),
        "id_token_encrypted"
    );
}

#[tokio::test]
async fn token_does_not_choose_its_own_key() {
    let attacker = Key::ecdsa("rsa-1");
    let login = Login::begin().await;
    let mut header = attacker.header();
    header["jwk"] = attacker.jwk();
    // The fake provider panics if anybody but itself is asked.
    header["jku"] = json!("https://attacker.example/keys");
    header["x5u"] = json!("https://attacker.example/certificate");
    let token = attacker.sign(&header, &login.claims());
    assert_eq!(rule(login.finish_with_token(&token).await), "unknown_key");
}

#[tokio::test]
async fn member_that_occurs_twice_is_refused() {
    let login = Login::begin().await;
    let claims = login.claims().to_string();
    let twice = claims.replacen('{', r#"{"sub":"victim","#, 1);
    let header = RSA.header().to_string();
    assert_eq!(
        rule(
            login
                .finish_with_token(&RSA.sign_text(&header, &twice))
                .await
        ),
        "malformed"
    );
    let header = header.replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(
        rule(
            login
                .finish_with_token(&RSA.sign_text(&header, &claims))
                .await
        ),
        "malformed"
    );
}

#[tokio::test]
async fn nonsense_instead_of_a_token_is_refused() {
    let login = Login::begin().await;
    let long = "a".repeat(70_000);
    for token in [
        "",
        "a.b",
        "....",
        "!.!.!",
        "e30.W10.",
        "bnVsbA.e30.AA",
        long.as_str(),
    ] {
        assert_eq!(
            rule(login.finish_with_token(token).await),
            if token == "...." {
                "id_token_encrypted"
            } else {
                "malformed"
            }
        );
    }
}

#[tokio::test]
async fn max_age_is_checked_against_auth_time() {
    let login = Login::begin_with(|settings| settings, BeginOptions::new().max_age(300)).await;
    assert!(
        login
            .begun
            .authorize_url
            .query()
            .is_some_and(|query| query.contains("max_age=300"))
    );
    assert_eq!(rule(login.finish_with_claims(json!({})).await), "auth_time");
    assert_eq!(
        rule(
            login
                .finish_with_claims(json!({"auth_time": NOW - 361}))
                .await
        ),
        "auth_time"
    );
    assert!(
        login
            .finish_with_claims(json!({"auth_time": NOW - 360}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn demanded_sign_in_must_be_a_new_one() {
    let login = Login::begin_with(
        |settings| settings,
        BeginOptions::new().prompt(Prompt::Login),
    )
    .await;
    assert_eq!(
        rule(
            login
                .finish_with_claims(json!({"auth_time": NOW - 61}))
                .await
        ),
        "auth_time"
    );
    assert!(
        login
            .finish_with_claims(json!({"auth_time": NOW}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn required_claim_of_another_tenant_is_refused() {
    let login = Login::begin_with(
        |settings| settings.require_claim("hd", "acme.test"),
        BeginOptions::new(),
    )
    .await;
    assert_eq!(
        rule(login.finish_with_claims(json!({})).await),
        "required_claim"
    );
    assert_eq!(
        rule(login.finish_with_claims(json!({"hd": "evil.test"})).await),
        "required_claim"
    );
    assert_eq!(
        rule(login.finish_with_claims(json!({"hd": ["acme.test"]})).await),
        "required_claim"
    );
    assert!(
        login
            .finish_with_claims(json!({"hd": "acme.test"}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn userinfo_adds_claims_of_the_same_subject_only() {
    let login = Login::begin_with(
        |settings| settings.userinfo(UserInfo::Fetch),
        BeginOptions::new(),
    )
    .await;
    *login.provider.userinfo.lock().unwrap() = json!({"sub": "subject-1", "email": "ada@acme.test", "name": "other", "oid": "victim", "acr": "high"});
    let authentication = login
        .finish_with_claims(json!({"name": "Ada"}))
        .await
        .expect("a login");
    assert_eq!(authentication.email(), Some("ada@acme.test"));
    assert_eq!(authentication.claim("name"), Some("Ada"));
    assert_eq!(
        (authentication.oid(), authentication.claim("acr")),
        (None, None)
    );

    for answer in [
        json!({"sub": "subject-2", "email": "eve@evil.test"}),
        json!({"email": "eve@evil.test"}),
    ] {
        *login.provider.userinfo.lock().unwrap() = answer;
        assert_eq!(
            rule(login.finish_with_claims(json!({})).await),
            "userinfo_subject"
        );
    }
}

#[tokio::test]
async fn pending_login_survives_the_store_and_hides_its_secrets() {
    let login = Login::begin().await;
    let pending = &login.begun.pending;
    let stored = pending.to_stored();
    assert_eq!(
        &crate::Pending::from_stored(&stored).expect("the same"),
        pending
    );
    let told = format!("{pending:?}");
    assert!(
        !told.contains(pending.pkce_verifier.expose()) && !told.contains(pending.nonce.expose()),
        "{told}"
    );
    assert!(!format!("{:?}", login.connection).contains(super::SECRET));
}

#[tokio::test]
async fn odd_claims_that_nobody_needs_do_not_refuse() {
    for (name, value) in [
        ("name", Value::Null),
        ("email", Value::Null),
        ("email_verified", json!("TRUE")),
        ("email_verified", json!(1)),
        ("address", json!("Main Street 1")),
        ("updated_at", json!("yesterday")),
        ("locale", json!({"x": 1})),
        ("picture", json!("")),
        ("website", json!(["not a URL"])),
        ("groups", json!(["a", {"b": 1}])),
        ("name#", json!("x")),
        ("acr", Value::Null),
        ("azp", Value::Null),
    ] {
        let login = Login::begin().await;
        let mut claims = login.claims();
        claims[name] = value.clone();
        let result = login
            .finish_with_token(&RSA.sign(&RSA.header(), &claims))
            .await;
        let authentication = result.unwrap_or_else(|error| panic!("{name}={value}: {error:?}"));
        assert_eq!(authentication.claims[name], value);
        assert!(!authentication.email_verified(), "{value}");
    }
}
