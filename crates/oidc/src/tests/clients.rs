//! How the client proves itself, hands requests in beforehand, and tells what an endpoint answered.

use std::collections::HashMap;
use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::provider::{CLIENT_ID, CODE, ISSUER, Provider, SECRET, answer};
use super::{Login, NOW, RSA, STATE, rule};
use crate::{
    AssertionAudience, BeginOptions, Begun, ClientAuth, ClientKey, Connection, ConnectionSettings,
    Error, Fault, Keys, Metadata, ProviderKind, PushedRequests, Secret, Transport,
};

static PKCS8: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    der.as_ref().to_vec()
});

fn key() -> ClientKey {
    ClientKey::from_pkcs8_der(&PKCS8, Some(b"certificate")).expect("a client key")
}

fn keyed(mut settings: ConnectionSettings) -> ConnectionSettings {
    settings.client_secret = None;
    settings.client_key(key())
}

/// A login at a provider whose metadata has further members.
async fn begin_at(
    metadata: Value,
    change: impl FnOnce(ConnectionSettings) -> ConnectionSettings,
) -> Login {
    let provider = Provider::new(&[&RSA]);
    {
        let mut known = provider.metadata.lock().unwrap();
        for (name, value) in metadata.as_object().expect("an object") {
            known[name] = value.clone();
        }
    }
    let found = Metadata::discover(&provider, ISSUER, Transport::HttpsOnly, NOW)
        .await
        .expect("metadata");
    let settings = change(super::settings());
    *provider.client_auth.lock().unwrap() = settings.client_auth.as_str();
    let connection = Connection::new(settings, found, Keys::new()).expect("a connection");
    Login::of(provider, connection, &BeginOptions::new())
}

/// Header and claims of the assertion in the last form, its signature verified.
fn assertion(login: &Login) -> (Value, Value) {
    let posted = login.provider.posted.lock().unwrap().1.clone();
    let token = &posted["client_assertion"];
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        panic!("no compact JWS")
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let object = |part: &str| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
    let (parsed, jwk) = (object(header), key().jwk());
    let part = |name: &str| decode(jwk[name].as_str().expect("a number"));
    let public = PublicKeyComponents {
        n: part("n"),
        e: part("e"),
    };
    let algorithm: &RsaParameters = match parsed["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        other => panic!("{other:?}"),
    };
    let signed = format!("{header}.{claims}");
    public
        .verify(algorithm, signed.as_bytes(), &decode(signature))
        .expect("a good signature");
    (parsed, object(claims))
}

#[tokio::test]
async fn an_assertion_is_for_the_issuer_alone_and_for_a_minute() {
    let login = begin_at(json!({}), keyed).await;
    assert!(login.finish_with_claims(json!({})).await.is_ok());
    let (header, claims) = assertion(&login);
    assert_eq!(header["alg"], "RS256", "metadata that says nothing");
    assert_eq!(header["kid"], json!(key().kid()));
    assert_eq!(header["typ"], "JWT");
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"certificate");
    assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(thumbprint));
    assert_eq!(claims["iss"], CLIENT_ID);
    assert_eq!(claims["sub"], CLIENT_ID);
    assert_eq!(claims["aud"], ISSUER, "one string");
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(NOW), &json!(NOW + 60))
    );
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 43));
}

#[tokio::test]
async fn an_assertion_is_signed_as_the_provider_takes_it() {
    for (taken, wanted) in [
        (json!(["RS256", "ES256"]), Some("RS256")),
        (json!(["RS256", "PS256"]), Some("PS256")),
        (json!(["ES256", "HS256"]), None),
    ] {
        let metadata = json!({"token_endpoint_auth_signing_alg_values_supported": taken});
        let login = begin_at(metadata, keyed).await;
        let result = login.finish_with_claims(json!({})).await;
        if let Some(algorithm) = wanted {
            assert!(result.is_ok(), "{taken}: {result:?}");
            assert_eq!(assertion(&login).0["alg"], algorithm);
        } else {
            assert_eq!(rule(result), "assertion_alg");
            assert_eq!(login.provider.exchanges(), 0);
        }
    }
}

#[tokio::test]
async fn each_endpoint_gets_an_assertion_of_its_own() {
    let metadata = json!({"pushed_authorization_request_endpoint": format!("{ISSUER}/par")});
    let login = begin_at(metadata, |settings| {
        keyed(settings).assertion_audience(AssertionAudience::Endpoint)
    })
    .await;
    let begun = login.begun.clone();
    let pushed = login.connection.push(begun, &login.provider, NOW).await;
    assert!(pushed.is_ok(), "{pushed:?}");
    let first = assertion(&login).1;
    assert_eq!(first["aud"], json!(format!("{ISSUER}/par")));
    assert!(login.finish_with_claims(json!({})).await.is_ok());
    let second = assertion(&login).1;
    assert_eq!(second["aud"], json!(format!("{ISSUER}/token")));
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn no_assertion_is_made_for_a_foreign_address() {
    let metadata = json!({"token_endpoint": "https://api.victim.example/token"});
    let login = begin_at(metadata, |settings| {
        keyed(settings).assertion_audience(AssertionAudience::Endpoint)
    })
    .await;
    let error = login
        .finish_with_claims(json!({}))
        .await
        .expect_err("a foreign endpoint");
    assert_eq!(error.rule(), "assertion_audience");
    assert_eq!(
        error.wanted_got(),
        Some(("idp.example".to_owned(), "api.victim.example".to_owned()))
    );
}

#[test]
fn a_client_key_is_an_rsa_key_of_2048_bits() {
    assert!(ClientKey::from_pkcs8_der(b"no key", None).is_err());
    let told = format!("{:?}", key());
    assert!(
        told.contains(key().kid()) && !told.contains("modulus"),
        "{told}"
    );
    assert_eq!(key().jwk()["use"], "sig");
    // Without a key nothing can be signed.
    let settings = super::settings().client_auth(ClientAuth::PrivateKeyJwt);
    assert!(settings.client_key.is_none());
}

async fn push(login: &Login) -> Result<Begun, Error> {
    login
        .connection
        .push(login.begun.clone(), &login.provider, NOW)
        .await
}

#[tokio::test]
async fn a_pushed_request_leaves_only_its_reference_to_the_browser() {
    let metadata = json!({"pushed_authorization_request_endpoint": format!("{ISSUER}/par")});
    for client_auth in [
        ClientAuth::ClientSecretBasic,
        ClientAuth::ClientSecretPost,
        ClientAuth::PrivateKeyJwt,
        ClientAuth::None,
    ] {
        let change = |mut settings: ConnectionSettings| {
            if client_auth == ClientAuth::PrivateKeyJwt {
                return keyed(settings);
            }
            if client_auth == ClientAuth::None {
                settings.client_secret = None;
            }
            settings.client_auth(client_auth)
        };
        let login = begin_at(metadata.clone(), change).await;
        let begun = push(&login).await.expect("a pushed request");
        let query: HashMap<String, String> =
            begun.authorize_url.query_pairs().into_owned().collect();
        let wanted = [
            ("client_id", CLIENT_ID),
            ("realm", "1"),
            ("request_uri", "urn:pushed:1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(query, HashMap::from(wanted));
        let (path, form) = login.provider.posted.lock().unwrap().clone();
        assert_eq!(path, "/tenant/par");
        assert_eq!(
            (form["client_id"].as_str(), form["state"].as_str()),
            (CLIENT_ID, STATE)
        );
        assert_eq!(form["response_type"], "code");
        assert_eq!(form["code_challenge_method"], "S256");
        assert!(
            form.contains_key("nonce") && !form.contains_key("realm"),
            "{form:?}"
        );
        assert!(
            login.finish_with_claims(json!({})).await.is_ok(),
            "{client_auth:?}"
        );
    }
}

#[tokio::test]
async fn requests_are_pushed_where_the_provider_and_the_setting_say_so() {
    use PushedRequests::{Always, Auto, Never};

    let offered = json!({"pushed_authorization_request_endpoint": format!("{ISSUER}/par")});
    let demanded = json!({"pushed_authorization_request_endpoint": format!("{ISSUER}/par"), "require_pushed_authorization_requests": true});
    let absurd = json!({"require_pushed_authorization_requests": true});
    for (metadata, setting, wanted) in [
        (json!({}), Auto, Ok(false)),
        (json!({}), Never, Ok(false)),
        (json!({}), Always, Err("endpoint_missing")),
        (offered.clone(), Auto, Ok(true)),
        (offered.clone(), Always, Ok(true)),
        (offered, Never, Ok(false)),
        (demanded.clone(), Auto, Ok(true)),
        (demanded, Never, Ok(true)),
        (absurd.clone(), Auto, Err("endpoint_missing")),
        (absurd, Never, Err("endpoint_missing")),
    ] {
        let login = begin_at(metadata.clone(), |settings| {
            settings.pushed_requests(setting)
        })
        .await;
        let result = push(&login).await.map(|begun| {
            begun
                .authorize_url
                .query()
                .is_some_and(|query| query.contains("request_uri"))
        });
        assert_eq!(
            result.map_err(|error| error.rule()),
            wanted,
            "{setting:?} {metadata}"
        );
    }
}

#[tokio::test]
async fn a_refused_push_is_not_sent_through_the_browser_instead() {
    let metadata = json!({"pushed_authorization_request_endpoint": format!("{ISSUER}/par")});
    let login = begin_at(metadata, |settings| settings).await;
    for (failure, wanted) in [
        (
            answer(
                400,
                &json!({"error": "invalid_request", "error_description": "no"}),
            ),
            "par_refused",
        ),
        (answer(503, &Value::Null), "par_endpoint"),
        (answer(201, &json!({"expires_in": 60})), "malformed"),
        (answer(201, &json!({"request_uri": ""})), "malformed"),
    ] {
        *login.provider.failure.lock().unwrap() = Some(failure);
        assert_eq!(push(&login).await.expect_err("a refusal").rule(), wanted);
    }
}

#[tokio::test]
async fn what_the_token_endpoint_answered_is_told_without_what_it_was_sent() {
    let login = Login::begin().await;
    let html = http::Response::builder()
        .status(503)
        .header("content-type", "text/html");
    let html = html.body(b"<h1>down</h1>".to_vec()).expect("a response");
    *login.provider.failure.lock().unwrap() = Some(html);
    let pairs = [("code", CODE), ("state", STATE)];
    let error = login
        .finish_with_callback(&pairs, NOW)
        .await
        .expect_err("down");
    assert_eq!(
        (error.rule(), error.fault()),
        ("token_endpoint", Fault::IdentityProvider)
    );
    assert_eq!(
        error.wanted_got(),
        Some((
            "an answer of the token endpoint".to_owned(),
            "status 503".to_owned()
        ))
    );
    let echo = format!(
        "bad secret {SECRET}, code\n{CODE} and eyJhbGciOi.x.y {}",
        "x".repeat(400)
    );
    let body = json!({"error": "invalid_client", "error_description": echo});
    *login.provider.failure.lock().unwrap() = Some(answer(401, &body));
    let result = login.finish_with_callback(&pairs, NOW).await;
    let (_, got) = result
        .as_ref()
        .expect_err("refused")
        .wanted_got()
        .expect("words");
    assert!(
        got.starts_with("invalid_client: bad secret …, code … and … xxx"),
        "{got}"
    );
    assert!(got.len() < 340 && !got.contains('\n'), "{got}");
    assert_eq!(rule(result), "token_refused");
    // A page in the place of tokens is no answer, whatever its status says.
    let mut page = answer(200, &json!({"access_token": "a", "token_type": "b"}));
    page.headers_mut()
        .insert("content-type", "text/html".parse().expect("a header"));
    *login.provider.failure.lock().unwrap() = Some(page);
    assert_eq!(
        rule(login.finish_with_callback(&pairs, NOW).await),
        "malformed"
    );
}

#[tokio::test]
async fn a_logout_names_the_sign_in_and_where_to_come_back() {
    let metadata = json!({"end_session_endpoint": "https://idp.example/tenant/logout?realm=1"});
    let login = begin_at(metadata, |settings| settings).await;
    let request = crate::LogoutRequest::new("https://app.example/out", "handle-1");
    let hinted = request.clone().id_token_hint(Secret::new("eyJ.x.y"));
    let url = login.connection.logout_url(&hinted).expect("an address");
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let wanted = [
        ("realm", "1"),
        ("id_token_hint", "eyJ.x.y"),
        ("client_id", CLIENT_ID),
        ("post_logout_redirect_uri", "https://app.example/out"),
        ("state", "handle-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query, HashMap::from(wanted));
    // A token that would not fit into an address is left out; the provider then asks the person.
    let long = request.id_token_hint(Secret::new("x".repeat(8000)));
    let url = login.connection.logout_url(&long).expect("an address");
    assert!(!url.as_str().contains("id_token_hint"));
    let without = Login::begin().await;
    assert!(without.connection.logout_url(&long).is_none());
}

#[test]
fn kinds_of_providers_are_seen_by_their_issuers() {
    for (issuer, kind) in [
        (
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            ProviderKind::Entra,
        ),
        (
            "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            ProviderKind::Entra,
        ),
        ("https://accounts.google.com", ProviderKind::Google),
        ("https://acme.okta.com", ProviderKind::Okta),
        (
            "https://acme.oktapreview.com/oauth2/default",
            ProviderKind::Okta,
        ),
        ("https://okta.com.evil.example", ProviderKind::Generic),
        ("https://evilokta.com", ProviderKind::Generic),
        (
            "https://accounts.google.com.evil.example",
            ProviderKind::Generic,
        ),
        ("not a url", ProviderKind::Generic),
    ] {
        assert_eq!(ProviderKind::of_issuer(issuer), kind, "{issuer}");
    }
}
