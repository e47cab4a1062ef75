//! Wrong input gets a clear error, and changes nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

use crate::relying::{Relying, Tokens};

/// More than any route takes; SCIM takes most, for groups with a hundred thousand members.
const TOO_LONG: usize = 11 * 1024 * 1024;

on_every_server!(
    malformed_bodies_are_refused_by_name,
    long_bodies_are_refused,
    tokens_of_other_kinds_open_nothing,
    a_client_that_goes_away_breaks_nothing,
    the_same_post_twice_is_one,
);

async fn send(
    server: &TestServer,
    method: &str,
    path: &str,
    kind: &str,
    bearer: Option<&str>,
    body: Vec<u8>,
) -> Reply {
    let mut request = http_client()
        .request(method.parse().unwrap(), server.url(path))
        .header("content-type", kind);
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    Reply::read(
        request
            .body(body)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}")),
    )
    .await
}

/// The path of the company's directory on this node.
fn scim_path(server: &TestServer, company: &Company) -> String {
    company
        .scim_url
        .strip_prefix(server.issuer())
        .unwrap()
        .to_owned()
}

async fn malformed_bodies_are_refused_by_name(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let users = server.database.number("SELECT COUNT(*) FROM users").await;
    let scim = scim_path(&server, &company);
    for (body, wanted) in [
        (&b"{"[..], 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"{\"userName\":{}}", 400),
        (b"{}", 400),
        (b"", 400),
    ] {
        let reply = send(
            &server,
            "POST",
            &format!("{scim}/Users"),
            "application/scim+json",
            Some(&company.scim_token),
            body.to_vec(),
        )
        .await;
        assert_eq!(reply.status, wanted, "{body:?}: {}", reply.body);
        assert_eq!(
            reply.body["schemas"][0],
            json!("urn:ietf:params:scim:api:messages:2.0:Error"),
            "{}",
            reply.body
        );
        assert!(reply.text("detail").len() > 10, "{}", reply.body);
    }
    let reply = send(
        &server,
        "POST",
        &format!("{scim}/Users"),
        "text/xml",
        Some(&company.scim_token),
        b"<a/>".to_vec(),
    )
    .await;
    assert!(matches!(reply.status, 400 | 415), "{}", reply.status);
    for filter in [
        "userName eq",
        "userName foo \"x\"",
        "(userName eq \"x\"",
        "%ff",
        "password eq \"x\"",
    ] {
        let path = format!(
            "{scim}/Users?filter={}",
            filter.replace(' ', "%20").replace('"', "%22")
        );
        let reply = send(
            &server,
            "GET",
            &path,
            "application/scim+json",
            Some(&company.scim_token),
            Vec::new(),
        )
        .await;
        assert_eq!(reply.status, 400, "{filter}: {}", reply.body);
    }
    for (body, code) in [
        (json!({ "name": 7 }).to_string(), "invalid_body"),
        ("{".to_owned(), "malformed_json"),
        (
            json!({ "name": "X", "nickname": "x" }).to_string(),
            "unknown_field",
        ),
        (json!({}).to_string(), "invalid_field"),
        (
            json!({ "name": "X", "domains": ["gmail.com"] }).to_string(),
            "invalid_field",
        ),
        (
            json!({ "name": "X", "domains": ["co.uk"] }).to_string(),
            "invalid_field",
        ),
        (json!({ "name": "a\u{0}b" }).to_string(), "invalid_field"),
    ] {
        let reply = admin(&server, "/organizations", &body).await;
        assert!(
            matches!(reply.status, 400 | 422),
            "{body}: {} {}",
            reply.status,
            reply.body
        );
        assert_eq!(reply.text("code"), code, "{body}: {}", reply.body);
        assert!(reply.text("detail").len() > 10, "{}", reply.body);
    }
    let taken = admin(
        &server,
        "/organizations",
        &json!({ "name": "X", "domains": ["acme.test"] }).to_string(),
    )
    .await;
    assert_eq!(
        (taken.status, taken.text("code")),
        (409, "conflict"),
        "a domain belongs to one organization"
    );
    let jit = server
        .admin
        .call(
            Method::PATCH,
            &format!("/connections/{}", company.connection_id),
            Some(&json!({ "jit": true })),
        )
        .await;
    assert_eq!(
        jit.status, 409,
        "no users at login while a directory is attached: {}",
        jit.body
    );
    let foreign = server
        .admin
        .call(
            Method::GET,
            &format!("/users/{}", company.organization_id),
            None,
        )
        .await;
    assert_eq!(foreign.status, 404, "an id of another kind names nothing");
    for page in ["limit=0", "limit=x", "after=nonsense", "unknown=1"] {
        let reply = server
            .admin
            .call(Method::GET, &format!("/organizations?{page}"), None)
            .await;
        assert_eq!(reply.status, 400, "{page}: {}", reply.body);
    }
    assert_eq!(
        server.database.number("SELECT COUNT(*) FROM users").await,
        users
    );
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM organizations")
            .await,
        1
    );
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn admin(server: &TestServer, path: &str, body: &str) -> Reply {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    if !value.is_null() {
        return server.admin.call(Method::POST, path, Some(&value)).await;
    }
    let key = server
        .admin
        .post("/api-keys", json!({ "name": "x", "scopes": ["*"] }))
        .await;
    send(
        server,
        "POST",
        &format!("/api/v1{path}"),
        "application/json",
        key["key"].as_str(),
        body.as_bytes().to_vec(),
    )
    .await
}

async fn long_bodies_are_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    let key = server
        .admin
        .post("/api-keys", json!({ "name": "x", "scopes": ["*"] }))
        .await;
    let scim = scim_path(&server, &company);
    for (path, kind, bearer) in [
        (
            "/oauth/token".to_owned(),
            "application/x-www-form-urlencoded",
            None,
        ),
        (
            "/oauth/authorize".to_owned(),
            "application/x-www-form-urlencoded",
            None,
        ),
        (
            "/login".to_owned(),
            "application/x-www-form-urlencoded",
            None,
        ),
        (
            "/api/v1/organizations".to_owned(),
            "application/json",
            key["key"].as_str(),
        ),
        (
            format!("{scim}/Users"),
            "application/scim+json",
            Some(company.scim_token.as_str()),
        ),
    ] {
        let answer = flood(&server, &path, kind, bearer).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
    let long = server.url(&format!(
        "/oauth/authorize?client_id={}",
        "x".repeat(60_000)
    ));
    let reply = http_client().get(long).send().await.unwrap();
    let status = reply.status().as_u16();
    assert!(matches!(status, 400 | 414 | 431), "{status}");
    company.hire("Ada", "Lovelace").await;
}

/// Sends eleven megabytes while it listens, as curl does: the answer comes before all of it has been sent.
async fn flood(server: &TestServer, path: &str, kind: &str, bearer: Option<&str>) -> String {
    let address = server.url("/").socket_addrs(|| None).unwrap()[0];
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let authorization = bearer.map_or_else(String::new, |bearer| {
        format!("authorization: Bearer {bearer}\r\n")
    });
    let path = server.url(path).path().to_owned();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\n{authorization}content-length: {TOO_LONG}\r\n\r\n"
    );
    let sent = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await.unwrap();
        // The server hangs up on whoever does not stop.
        let _ = writer.write_all(&vec![b' '; TOO_LONG]).await;
    });
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = reader.read(&mut chunk).await {
        answer.extend_from_slice(&chunk[..length]);
    }
    sent.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn tokens_of_other_kinds_open_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let code = app.code(&mut browser, &[]).await;
    let mut cut = tokens.access.clone();
    cut.pop();
    let changed = format!("{}{}", &tokens.access[..tokens.access.len() - 4], "AAAA");
    for wrong in [
        &tokens.refresh,
        &tokens.id,
        &code,
        &company.scim_token,
        &company.client_secret,
        &cut,
        &changed,
        "",
        "a b",
        ".",
    ] {
        assert_eq!(app.userinfo(wrong).await.status, 401, "{wrong}");
        assert_eq!(
            app.introspect(wrong).await.body["active"]
                .as_bool()
                .unwrap_or(false),
            *wrong == tokens.refresh,
            "{wrong}"
        );
    }
    for wrong in [
        &tokens.access,
        &tokens.id,
        &code,
        &company.scim_token,
        "",
        ".",
    ] {
        assert_eq!(app.refresh(wrong).await.status, 400, "{wrong}");
    }
    for wrong in [
        &tokens.access,
        &tokens.refresh,
        &tokens.id,
        &company.scim_token,
    ] {
        assert_eq!(
            server
                .admin
                .with_key(wrong)
                .call(Method::GET, "/organizations", None)
                .await
                .status,
            401
        );
        let scim = vestibule_simulate::ScimClient::new(&company.scim_url, wrong).unwrap();
        let wanted = if *wrong == company.scim_token {
            200
        } else {
            401
        };
        assert_eq!(scim.read(&ada.user_id).await.unwrap().status, wanted);
    }
    // The cookie of a sign-in is no secret of another one, and a half of it is none at all.
    let cookies = browser.cookies(&server.url("/"));
    let session = cookies
        .iter()
        .find(|cookie| cookie.name.ends_with("session"))
        .unwrap();
    let (id, secret) = session.value.split_once('.').unwrap();
    for forged in [
        format!("{id}."),
        format!("{id}.{}", "A".repeat(secret.len())),
        format!("ses_01h455vb4pex5vsknk084sn02q.{secret}"),
    ] {
        let mut thief = Browser::new().unwrap();
        thief.set_cookie(
            &server.url("/"),
            &format!("{}={forged}; Path=/", session.name),
        );
        let page = app.ask(&mut thief, &[("prompt", "none")]).await;
        assert_eq!(crate::provider::error(&page), "login_required");
    }
    assert_eq!(
        app.exchange(&code).await.status,
        200,
        "the code was not used up by strangers to it"
    );
}

async fn a_client_that_goes_away_breaks_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let scim = scim_path(&server, &company);
    let address = server.url("/").socket_addrs(|| None).unwrap()[0];
    let patch = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] })
        .to_string();
    for (head, body) in [
        (
            "POST /oauth/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded"
                .to_owned(),
            format!("grant_type=authorization_code&code={code}"),
        ),
        (
            format!(
                "PATCH {scim}/Users/{} HTTP/1.1\r\nauthorization: Bearer {}",
                ada.user_id, company.scim_token
            ),
            patch,
        ),
        (
            "POST /api/v1/organizations HTTP/1.1\r\ncontent-type: application/json".to_owned(),
            "{\"name\":\"X\"".to_owned(),
        ),
    ] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // More is announced than comes.
        let request = format!(
            "{head}\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len() + 100
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        drop(socket);
    }
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /healthz HT").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let user = server.admin.get(&format!("/users/{}", ada.user_id)).await;
    assert_eq!(user["active"], json!(true), "half a request is none");
    assert_eq!(app.exchange(&code).await.status, 200);
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM organizations")
            .await,
        1
    );
}

async fn the_same_post_twice_is_one(server: TestServer) {
    let key = server
        .admin
        .post("/api-keys", json!({ "name": "x", "scopes": ["*"] }))
        .await;
    let post = |name: &'static str| {
        let (url, key) = (
            server.url("/api/v1/organizations"),
            key["key"].as_str().unwrap().to_owned(),
        );
        async move {
            let request = http_client()
                .post(url)
                .bearer_auth(key)
                .header("idempotency-key", "once")
                .header("content-type", "application/json");
            Reply::read(
                request
                    .body(json!({ "name": name }).to_string())
                    .send()
                    .await
                    .unwrap(),
            )
            .await
        }
    };
    let (first, second) = (post("Acme").await, post("Acme").await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    let other = post("Globex").await;
    assert!(matches!(other.status, 409 | 422), "{}", other.body);
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM organizations")
            .await,
        1
    );
}
