//! The rules of single providers, and what userinfo may add.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::provider::{CLIENT_ID, ISSUER, Provider};
use super::{Login, NOW, OTHER, RSA, rule, settings};
use crate::{
    BeginOptions, Connection, ConnectionSettings, Keys, Metadata, ProviderKind, Transport,
    UserInfo, tenant_of,
};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

#[test]
fn entra_is_one_tenant_and_never_personal_accounts() {
    let rule = |issuer: &str| {
        ProviderKind::Entra
            .check_issuer(issuer)
            .map_err(|error| error.rule())
    };
    let v2 = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    assert_eq!(rule(&v2(TENANT)), Ok(()));
    assert_eq!(rule(&format!("https://sts.windows.net/{TENANT}/")), Ok(()));
    for many in [
        "common",
        "organizations",
        "consumers",
        "{tenantid}",
        "acme.onmicrosoft.com",
        "",
    ] {
        assert_eq!(rule(&v2(many)), Err("template_issuer"), "{many}");
    }
    let personal = v2("9188040D-6c67-4c5b-b112-36a304b66dad");
    assert_eq!(rule(&personal), Err("provider_issuer"));
    assert_eq!(
        tenant_of(&v2(&TENANT.to_uppercase())).as_deref(),
        Some(TENANT)
    );
    assert_eq!(
        tenant_of("https://login.microsoftonline.com/72f988bf/v2.0"),
        None
    );
}

#[test]
fn okta_is_an_org_or_a_custom_authorization_server() {
    for (issuer, accepted) in [
        ("https://acme.okta.com", true),
        ("https://acme.okta.com/oauth2/default", true),
        ("https://login.acme.test/oauth2/aus1", true),
        ("https://acme.okta.com/", false),
        ("https://acme-admin.okta.com", false),
        ("https://acme.okta.com/oauth2", false),
        ("https://acme.okta.com/oauth2/default/", false),
        ("https://acme.okta.com/oauth2/default/v1/authorize", false),
        (
            "https://acme.okta.com/.well-known/openid-configuration",
            false,
        ),
    ] {
        let result = ProviderKind::Okta.check_issuer(issuer);
        assert_eq!(result.is_ok(), accepted, "{issuer}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.rule(), "provider_issuer");
            assert!(error.remedy().contains("use "), "{}", error.remedy());
        }
    }
}

#[tokio::test]
async fn google_writes_its_issuer_in_two_ways_and_it_is_one() {
    let google = |settings: ConnectionSettings| settings.provider(ProviderKind::Google);
    let short = ISSUER.strip_prefix("https://").expect("https");
    let login = Login::begin_with(google, BeginOptions::new()).await;
    for iss in [ISSUER, short] {
        let authentication = login
            .finish_with_claims(json!({"iss": iss}))
            .await
            .expect(iss);
        assert_eq!(
            authentication.issuer, ISSUER,
            "a link is found under one name"
        );
    }
    for iss in [
        "accounts.google.com",
        &format!("http://{short}"),
        &format!("//{short}"),
    ] {
        assert_eq!(
            rule(login.finish_with_claims(json!({"iss": iss})).await),
            "iss",
            "{iss}"
        );
    }
    // Nobody else may do so.
    let login = Login::begin().await;
    assert_eq!(
        rule(login.finish_with_claims(json!({"iss": short})).await),
        "iss"
    );
}

#[tokio::test]
async fn a_required_claim_is_one_of_its_values() {
    let both =
        |settings: ConnectionSettings| settings.require_one_of("hd", ["acme.test", "acme.example"]);
    let login = Login::begin_with(both, BeginOptions::new()).await;
    for (hd, accepted) in [
        (json!("acme.test"), true),
        (json!("acme.example"), true),
        (json!("ACME.test"), false),
        (json!("evil.test"), false),
        (json!(["acme.test"]), false),
        (Value::Null, false),
    ] {
        let result = login.finish_with_claims(json!({"hd": hd})).await;
        assert_eq!(result.is_ok(), accepted, "{hd}");
        if !accepted {
            assert_eq!(rule(result), "required_claim");
        }
    }
    let nobody = |settings: ConnectionSettings| settings.require_one_of("hd", Vec::<String>::new());
    let login = Login::begin_with(nobody, BeginOptions::new()).await;
    let result = login.finish_with_claims(json!({"hd": "acme.test"})).await;
    assert_eq!(rule(result), "required_claim", "of no values none is right");
}

#[tokio::test]
async fn hints_are_sent_and_prove_nothing() {
    let options = BeginOptions::new()
        .login_hint("ada@acme.test")
        .domain_hint("acme.test")
        .hosted_domain("acme.test");
    let login = Login::begin_with(|settings| settings, options).await;
    let query: std::collections::HashMap<_, _> = login.begun.authorize_url.query_pairs().collect();
    assert_eq!(query["login_hint"], "ada@acme.test");
    assert_eq!(query["domain_hint"], "acme.test");
    assert_eq!(query["hd"], "acme.test");
    assert!(
        login
            .finish_with_claims(json!({"hd": "evil.test"}))
            .await
            .is_ok(),
        "only a required claim counts"
    );
}

fn asking(userinfo: UserInfo) -> impl Fn(ConnectionSettings) -> ConnectionSettings {
    move |settings| settings.userinfo(userinfo).wanted_claims(["email", "oid"])
}

#[tokio::test]
async fn userinfo_is_asked_only_for_what_the_id_token_lacks() {
    for (userinfo, claims, fetches) in [
        (UserInfo::Skip, json!({}), 0),
        (UserInfo::Missing, json!({"email": "ada@acme.test"}), 0),
        (UserInfo::Missing, json!({}), 1),
        (UserInfo::Missing, json!({"email": null}), 1),
        (UserInfo::Fetch, json!({"email": "ada@acme.test"}), 1),
    ] {
        let login = Login::begin_with(asking(userinfo), BeginOptions::new()).await;
        assert!(login.finish_with_claims(claims.clone()).await.is_ok());
        let asked = login.provider.userinfo_fetches.load(Ordering::SeqCst);
        assert_eq!(asked, fetches, "{userinfo:?} {claims}");
    }
}

#[tokio::test]
async fn a_provider_without_userinfo_is_not_asked() {
    let provider = Provider::new(&[&RSA]);
    provider
        .metadata
        .lock()
        .unwrap()
        .as_object_mut()
        .expect("an object")
        .remove("userinfo_endpoint");
    let metadata = Metadata::discover(&provider, ISSUER, Transport::HttpsOnly, NOW)
        .await
        .expect("metadata");
    let make =
        |userinfo| Connection::new(asking(userinfo)(settings()), metadata.clone(), Keys::new());
    let login = Login::of(
        provider,
        make(UserInfo::Missing).expect("a connection"),
        &BeginOptions::new(),
    );
    assert!(login.finish_with_claims(json!({})).await.is_ok());
    let connection = make(UserInfo::Fetch).expect("a connection");
    let login = Login::of(login.provider, connection, &BeginOptions::new());
    assert_eq!(
        rule(login.finish_with_claims(json!({})).await),
        "endpoint_missing"
    );
}

#[tokio::test]
async fn an_address_and_its_verification_come_from_one_place() {
    let login = Login::begin_with(asking(UserInfo::Fetch), BeginOptions::new()).await;
    for (token, userinfo, email, verified) in [
        // The ID token vouches for an address that it does not name.
        (
            json!({"email_verified": true}),
            json!({"email": "eve@acme.test"}),
            "eve@acme.test",
            false,
        ),
        (
            json!({"email_verified": true}),
            json!({"email": "eve@acme.test", "email_verified": false}),
            "eve@acme.test",
            false,
        ),
        (
            json!({}),
            json!({"email": "ada@acme.test", "email_verified": true}),
            "ada@acme.test",
            true,
        ),
        // Userinfo vouches for another address than the one in the ID token.
        (
            json!({"email": "ada@acme.test"}),
            json!({"email": "eve@acme.test", "email_verified": true}),
            "ada@acme.test",
            false,
        ),
        (
            json!({"email": "ada@acme.test"}),
            json!({"email_verified": "true"}),
            "ada@acme.test",
            false,
        ),
    ] {
        let mut answer = userinfo.clone();
        answer["sub"] = json!("subject-1");
        *login.provider.userinfo.lock().unwrap() = answer;
        let result = login
            .finish_with_claims(token.clone())
            .await
            .expect("a login");
        let got = (result.email().unwrap_or_default(), result.email_verified());
        assert_eq!(got, (email, verified), "{token} {userinfo}");
    }
}

#[tokio::test]
async fn signed_userinfo_is_verified_like_an_id_token() {
    let login = Login::begin_with(asking(UserInfo::Fetch), BeginOptions::new()).await;
    let honest =
        json!({"iss": ISSUER, "aud": CLIENT_ID, "sub": "subject-1", "email": "ada@acme.test"});
    let changed = |name: &str, value: Value| {
        let mut claims = honest.clone();
        claims[name] = value;
        RSA.sign(&RSA.header(), &claims)
    };
    let forged = OTHER.sign(&json!({"alg": "ES256", "kid": "rsa-1"}), &honest);
    for (token, wanted) in [
        (RSA.sign(&RSA.header(), &honest), None),
        (changed("sub", json!("subject-2")), Some("userinfo_subject")),
        (changed("iss", json!("https://other.example")), Some("iss")),
        (changed("aud", json!("somebody-else")), Some("aud")),
        (
            RSA.sign(
                &json!({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}),
                &honest,
            ),
            Some("typ"),
        ),
        (forged, Some("unknown_key")),
        ("no token".to_owned(), Some("malformed")),
    ] {
        *login.provider.signed_userinfo.lock().unwrap() = Some(token);
        let result = login.finish_with_claims(json!({})).await;
        match wanted {
            None => assert_eq!(result.expect("a login").email(), Some("ada@acme.test")),
            Some(wanted) => assert_eq!(rule(result), wanted),
        }
    }
}
