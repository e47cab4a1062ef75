//! Metadata, and what must not pass for it.

use serde_json::{Value, json};

use super::provider::{ISSUER, Provider};
use super::{NOW, RSA};
use crate::{ClientAuth, Error, Metadata, Transport};

async fn discover(changes: Value) -> Result<Metadata, Error> {
    let provider = Provider::new(&[&RSA]);
    for (name, value) in changes.as_object().expect("an object") {
        provider.metadata.lock().unwrap()[name] = value.clone();
    }
    Metadata::discover(&provider, ISSUER, Transport::HttpsOnly, NOW).await
}

#[tokio::test]
async fn metadata_can_be_kept_by_the_host() {
    let metadata = discover(json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}))
        .await
        .expect("metadata");
    let kept = serde_json::to_string(&metadata).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Metadata>(&kept).expect("metadata"),
        metadata
    );
    assert!(!metadata.is_stale(NOW + 86_399));
    assert!(metadata.is_stale(NOW + 86_400));
    assert!(!metadata.offers(ClientAuth::ClientSecretBasic));
    assert!(
        discover(json!({}))
            .await
            .expect("metadata")
            .offers(ClientAuth::ClientSecretBasic)
    );
}

#[tokio::test]
async fn metadata_that_does_not_fit_is_refused() {
    for (changes, wanted) in [
        (json!({"issuer": format!("{ISSUER}/")}), "iss"),
        (json!({"issuer": "https://idp.example/TENANT"}), "iss"),
        (
            json!({"issuer": "https://idp.example/{tenantid}"}),
            "template_issuer",
        ),
        (json!({"issuer": null}), "malformed"),
        (json!({"token_endpoint": null}), "endpoint_missing"),
        (json!({"jwks_uri": null}), "endpoint_missing"),
        (json!({"authorization_endpoint": null}), "endpoint_missing"),
        (json!({"token_endpoint": "http://idp.example/token"}), "url"),
        (json!({"jwks_uri": "http://127.0.0.1/keys"}), "url"),
        (json!({"jwks_uri": "file:///etc/passwd"}), "url"),
        (
            json!({"userinfo_endpoint": "https://user:word@idp.example/"}),
            "url",
        ),
        (
            json!({"end_session_endpoint": "javascript:alert(1)"}),
            "url",
        ),
        (
            json!({"authorization_endpoint": "https://idp.example/#x"}),
            "url",
        ),
        (json!({"authorization_endpoint": "/authorize"}), "malformed"),
    ] {
        let error = discover(changes.clone()).await.expect_err("a refusal");
        assert_eq!(error.rule(), wanted, "{changes}");
    }
}

#[tokio::test]
async fn issuers_that_cannot_be_trusted_are_not_even_asked() {
    let provider = Provider::new(&[&RSA]);
    for (issuer, wanted) in [
        ("http://idp.example", "url"),
        ("http://127.0.0.1:8080", "url"),
        ("ftp://idp.example", "url"),
        ("idp.example", "url"),
        ("https://idp.example/?a=b", "url"),
        ("https://idp.example/#x", "url"),
        ("https://user@idp.example/", "url"),
        (
            "https://login.microsoftonline.com/common/v2.0",
            "template_issuer",
        ),
        (
            "https://login.microsoftonline.com/Organizations/v2.0",
            "template_issuer",
        ),
        (
            "https://login.microsoftonline.com/consumers/v2.0",
            "template_issuer",
        ),
        (
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "template_issuer",
        ),
        ("https://login.microsoftonline.com", "template_issuer"),
    ] {
        let error = Metadata::discover(&provider, issuer, Transport::HttpsOnly, NOW)
            .await
            .expect_err(issuer);
        assert_eq!(error.rule(), wanted, "{issuer}");
    }
    let error = Metadata::discover(
        &provider,
        "http://10.0.0.1/",
        Transport::HttpsOrLoopback,
        NOW,
    )
    .await;
    assert_eq!(error.expect_err("not loopback").rule(), "url");
}

#[test]
fn loopback_is_told_by_address_and_reserved_name() {
    for (url, loopback) in [
        ("http://127.0.0.1:1/", true),
        ("http://127.9.9.9/", true),
        ("http://[::1]/", true),
        ("http://localhost/", true),
        ("http://idp.localhost/", true),
        ("http://localhost.example/", false),
        ("http://notlocalhost/", false),
        ("http://10.0.0.1/", false),
    ] {
        let parsed = url::Url::parse(url).expect("a URL");
        assert_eq!(crate::metadata::is_loopback(&parsed), loopback, "{url}");
        let passes =
            crate::metadata::check_url(&parsed, "issuer", Transport::HttpsOrLoopback).is_ok();
        assert_eq!(passes, loopback, "{url}");
    }
}
