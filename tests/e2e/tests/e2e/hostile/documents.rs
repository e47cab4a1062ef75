//! Endpoints and documents that are wrong in one way each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{on_every_server, server::TestServer};

use super::{ADMIN, Key, NETWORK, PROVIDER, Said, Stage, Tenant, Way, refuse_all, way};

on_every_server!(
    wrong_discovery_lets_nobody_in,
    wrong_keys_and_endpoints_let_nobody_in,
    wrong_userinfo_and_pushes_let_nobody_in,
    a_provider_that_dawdles_holds_nobody_up,
);

fn html(status: u16) -> Said {
    Said::Text(
        status,
        "text/html",
        "<h1>Sign in to the proxy</h1>".to_owned(),
    )
}

fn metadata(changes: Value) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.metadata = changes.clone()
}

fn discovery(said: Said) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.discovery = Some(said.clone())
}

fn keys(said: Said) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.keys = Some(said.clone())
}

fn token(said: Said) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.token = Some(said.clone())
}

fn large() -> Said {
    Said::Text(200, "application/json", " ".repeat(1_200_000))
}

async fn wrong_discovery_lets_nobody_in(server: TestServer) {
    let p = PROVIDER;
    let endpoint = |member: &str, url: &str| metadata(json!({member: url}));
    let ways = vec![
        way(
            "another issuer",
            ("iss", ADMIN),
            metadata(json!({"issuer": "https://other.example"})),
        ),
        way(
            "the issuer with a slash",
            ("iss", ADMIN),
            |t: &mut Tenant| t.metadata = json!({"issuer": format!("{}/", t.issuer)}),
        ),
        way(
            "the issuer of all tenants",
            ("template_issuer", ADMIN),
            metadata(json!({"issuer": "https://login.example/{tenantid}/v2.0"})),
        ),
        way(
            "no issuer",
            ("malformed", p),
            metadata(json!({"issuer": null})),
        ),
        way(
            "a page in its place",
            ("malformed", p),
            discovery(html(200)),
        ),
        way("nothing there", ("status", p), discovery(html(404))),
        way("a server that is down", ("status", p), discovery(html(503))),
        way("a redirect", ("http", NETWORK), discovery(Said::Redirect)),
        way(
            "more than a mebibyte",
            ("http", NETWORK),
            discovery(large()),
        ),
        way(
            "no token endpoint",
            ("endpoint_missing", ADMIN),
            metadata(json!({"token_endpoint": null})),
        ),
        way(
            "no keys",
            ("endpoint_missing", ADMIN),
            metadata(json!({"jwks_uri": null})),
        ),
        way(
            "no authorization endpoint",
            ("endpoint_missing", ADMIN),
            metadata(json!({"authorization_endpoint": null})),
        ),
        way(
            "a login page without https",
            ("url", ADMIN),
            endpoint("authorization_endpoint", "http://idp.example/authorize"),
        ),
        way(
            "a token endpoint without https",
            ("url", ADMIN),
            endpoint("token_endpoint", "http://idp.example/token"),
        ),
        way(
            "keys without https",
            ("url", ADMIN),
            endpoint("jwks_uri", "http://idp.example/keys"),
        ),
        way(
            "keys on another scheme",
            ("url", ADMIN),
            endpoint("jwks_uri", "file:///etc/passwd"),
        ),
        way(
            "userinfo with a password in it",
            ("url", ADMIN),
            endpoint("userinfo_endpoint", "https://a:b@idp.example/userinfo"),
        ),
        way(
            "a login page by script",
            ("url", ADMIN),
            endpoint("authorization_endpoint", "javascript:alert(1)"),
        ),
        way(
            "pushed requests without https",
            ("url", ADMIN),
            endpoint(
                "pushed_authorization_request_endpoint",
                "http://idp.example/par",
            ),
        ),
        way(
            "a logout by script",
            ("url", ADMIN),
            endpoint("end_session_endpoint", "javascript:alert(1)"),
        ),
        way(
            "an endpoint that is no URL",
            ("malformed", p),
            endpoint("token_endpoint", "/token"),
        ),
    ];
    refuse_all(&server, ways).await;
}

async fn wrong_keys_and_endpoints_let_nobody_in(server: TestServer) {
    let p = PROVIDER;
    let many: Vec<Value> = (0..101)
        .map(|number| Key::new(&number.to_string()).jwk())
        .collect();
    let answer = |changes: Value| move |tenant: &mut Tenant| tenant.answer = changes.clone();
    let by_key = |name, refused, bend: Value| Way {
        settings: json!({"client_auth": "private_key_jwt", "client_secret": null, "assertion_audience": "endpoint"}),
        ..way(name, refused, metadata(bend))
    };
    let ways = vec![
        way(
            "no keys in the key set",
            ("malformed", p),
            keys(Said::Json(200, json!({"keys": []}))),
        ),
        way(
            "a key set without keys",
            ("malformed", p),
            keys(Said::Json(200, json!({}))),
        ),
        way(
            "more than a hundred keys",
            ("malformed", p),
            keys(Said::Json(200, json!({"keys": many}))),
        ),
        way(
            "a page in the place of keys",
            ("malformed", p),
            keys(html(200)),
        ),
        way("keys that are not there", ("status", p), keys(html(404))),
        way("keys that moved", ("http", NETWORK), keys(Said::Redirect)),
        way(
            "keys of more than a mebibyte",
            ("http", NETWORK),
            keys(large()),
        ),
        way(
            "keys in the network of the machine",
            ("http", NETWORK),
            metadata(json!({"jwks_uri": "https://169.254.169.254/keys"})),
        ),
        way(
            "a token endpoint in the network of the machine",
            ("http", NETWORK),
            metadata(json!({"token_endpoint": "https://169.254.169.254/token"})),
        ),
        way(
            "a token endpoint that nobody has",
            ("http", NETWORK),
            metadata(json!({"token_endpoint": "http://127.0.0.1:1/token"})),
        ),
        way(
            "a token endpoint that is down",
            ("token_endpoint", p),
            token(html(503)),
        ),
        way(
            "a token endpoint that is elsewhere",
            ("token_endpoint", p),
            token(html(404)),
        ),
        way(
            "a token endpoint that moved",
            ("http", NETWORK),
            token(Said::Redirect),
        ),
        way(
            "a page in the place of tokens",
            ("malformed", p),
            token(html(200)),
        ),
        way(
            "tokens of more than a mebibyte",
            ("http", NETWORK),
            token(large()),
        ),
        way(
            "tokens that are no JSON",
            ("malformed", p),
            token(Said::Text(200, "application/json", "id_token=x".to_owned())),
        ),
        way(
            "a client that it does not know",
            ("token_refused", p),
            token(Said::Json(
                401,
                json!({"error": "invalid_client", "error_description": "no such client"}),
            )),
        ),
        way(
            "a code that it does not know",
            ("token_refused", p),
            token(Said::Json(400, json!({"error": "invalid_grant"}))),
        ),
        way(
            "a refusal that repeats what it was sent",
            ("token_refused", p),
            |tenant: &mut Tenant| {
                let echo = format!("wrong: {}, eyJhbGciOiJub25lIn0.e30.", super::SECRET);
                tenant.token = Some(Said::Json(
                    401,
                    json!({"error": "invalid_client", "error_description": echo}),
                ));
            },
        ),
        way(
            "no ID token",
            ("id_token_missing", p),
            answer(json!({"id_token": null})),
        ),
        way(
            "an ID token that is a list",
            ("malformed", p),
            answer(json!({"id_token": ["x"]})),
        ),
        way(
            "no access token",
            ("malformed", p),
            answer(json!({"access_token": null})),
        ),
        way(
            "the ID token twice",
            ("malformed", p),
            token(Said::Text(
                200,
                "application/json",
                r#"{"access_token":"a","token_type":"b","id_token":"x","id_token":"y"}"#.to_owned(),
            )),
        ),
        by_key(
            "assertions by algorithms that our key has not",
            ("assertion_alg", ADMIN),
            json!({"token_endpoint_auth_signing_alg_values_supported": ["ES256"]}),
        ),
        by_key(
            "an assertion for somebody else's address",
            ("assertion_audience", ADMIN),
            json!({"token_endpoint": "https://api.victim.example/token"}),
        ),
    ];
    refuse_all(&server, ways).await;
}

async fn wrong_userinfo_and_pushes_let_nobody_in(server: TestServer) {
    let p = PROVIDER;
    let asking = |name, refused, said: Said| Way {
        settings: json!({"userinfo": "fetch"}),
        ..way(name, refused, move |tenant: &mut Tenant| {
            tenant.userinfo = Some(said.clone());
        })
    };
    let pushing = |name, refused, said: Said| {
        way(name, refused, move |tenant: &mut Tenant| {
            tenant.metadata =
                json!({"pushed_authorization_request_endpoint": format!("{}/par", tenant.issuer)});
            tenant.par = Some(said.clone());
        })
    };
    let jwt = |token: &str| Said::Text(200, "application/jwt", token.to_owned());
    let forged = Key::new("key-1").sign(
        r#"{"alg":"ES256","kid":"key-1"}"#,
        r#"{"iss":"x","aud":"vestibule","sub":"y"}"#,
    );
    let ways = vec![
        asking(
            "userinfo about another person",
            ("userinfo_subject", p),
            Said::Json(
                200,
                json!({"sub": "somebody-else", "email": "ada@acme.test"}),
            ),
        ),
        asking(
            "userinfo about nobody",
            ("userinfo_subject", p),
            Said::Json(200, json!({"email": "ada@acme.test"})),
        ),
        asking(
            "userinfo about a number",
            ("userinfo_subject", p),
            Said::Json(200, json!({"sub": 1})),
        ),
        asking("userinfo that refuses us", ("status", p), html(401)),
        asking("userinfo that moved", ("http", NETWORK), Said::Redirect),
        asking(
            "a page in the place of userinfo",
            ("malformed", p),
            html(200),
        ),
        asking(
            "userinfo of more than a mebibyte",
            ("http", NETWORK),
            large(),
        ),
        asking(
            "signed userinfo of another issuer",
            ("iss", ADMIN),
            jwt(&forged),
        ),
        asking(
            "signed userinfo that is no token",
            ("malformed", p),
            jwt("nonsense"),
        ),
        Way {
            settings: json!({"userinfo": "fetch"}),
            ..way(
                "no userinfo where it is wanted",
                ("endpoint_missing", ADMIN),
                metadata(json!({"userinfo_endpoint": null})),
            )
        },
        pushing(
            "a pushed request that is refused",
            ("par_refused", p),
            Said::Json(
                400,
                json!({"error": "invalid_request", "error_description": "no"}),
            ),
        ),
        pushing(
            "pushed requests that are down",
            ("par_endpoint", p),
            html(502),
        ),
        pushing(
            "pushed requests that moved",
            ("http", NETWORK),
            Said::Redirect,
        ),
        pushing(
            "a page in the place of a receipt",
            ("malformed", p),
            html(200),
        ),
        pushing(
            "a receipt without a reference",
            ("malformed", p),
            Said::Json(201, json!({"expires_in": 60})),
        ),
        Way {
            settings: json!({"pushed_requests": "always"}),
            ..way(
                "no pushed requests where they are wanted",
                ("endpoint_missing", ADMIN),
                metadata(json!({})),
            )
        },
        way(
            "pushed requests demanded and not offered",
            ("endpoint_missing", ADMIN),
            metadata(json!({"require_pushed_authorization_requests": true})),
        ),
    ];
    refuse_all(&server, ways).await;
}

/// An endpoint that answers at once, and whose body never ends.
async fn dawdling() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n";
        stream.writable().await.unwrap();
        let mut written = stream.try_write(head.as_bytes());
        while written.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            written = stream.try_write(b" ");
        }
    });
    url
}

async fn a_provider_that_dawdles_holds_nobody_up(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let connection = stage.connect(&server, "slow", json!({})).await;
    let url = dawdling().await;
    stage.hostile.at("slow", |tenant| {
        tenant.metadata = json!({"token_endpoint": url});
    });
    let begun = Instant::now();
    let mut browser = Browser::new().unwrap();
    let page = stage.enter(&mut browser, &connection, &[]).await;
    let took = begun.elapsed();
    assert_eq!(page.status, 403, "{}", page.body);
    let login = stage.company.last_login(&server).await;
    assert_eq!(
        (&login["rule"], &login["fault"]),
        (&json!("http"), &json!(NETWORK))
    );
    assert!(took < Duration::from_secs(12), "{took:?}");
}
