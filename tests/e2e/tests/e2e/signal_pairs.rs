//! Our own transmitter and our own receiver: two installations that speak to each other over HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    Database, DatabaseKind, on_every_server,
    server::{Company, Employee, Reply, TestServer},
};

use crate::{
    relying::Relying,
    streams::{Caller, PUSH},
};

on_every_server!(
    our_own_receiver_takes_what_is_pushed,
    our_own_receiver_polls,
    our_own_receiver_asks_for_its_tokens,
    a_token_for_polls_is_kept_and_replaced,
    a_client_for_polls_goes_nowhere_else,
    why_a_poll_failed_is_said_until_it_works,
);

/// Another installation on the same kind of database, whose people are the receiver's.
async fn transmitter_for(server: &TestServer) -> Option<TestServer> {
    let database = match server.database.kind {
        DatabaseKind::Sqlite => Database::sqlite().await,
        DatabaseKind::Postgres => Database::postgres().await?,
    };
    Some(TestServer::start(database).await)
}

/// The transmitter's people, known to the receiver's provider under the ids that the transmitter gave them.
async fn pair(server: &TestServer) -> (TestServer, Company, Company, Employee, Employee) {
    let transmitter = transmitter_for(server)
        .await
        .expect("a second installation");
    let there = Company::set_up(&transmitter).await;
    let here = Company::set_up(server).await;
    let known = there.hire("Ada", "Lovelace").await;
    let mut person = vestibule_simulate::Person::new("Ada", "Lovelace", "acme.test").unwrap();
    person.sub.clone_from(&known.user_id);
    here.idp.add_person(person.clone());
    let own = here.push(person).await;
    (transmitter, there, here, known, own)
}

async fn source(server: &TestServer, company: &Company, source: &Value) -> Reply {
    let path = format!("/connections/{}/signal-source", company.connection_id);
    server
        .admin
        .call("PUT".parse().unwrap(), &path, Some(source))
        .await
}

async fn until_ended(server: &TestServer) {
    let begun = std::time::Instant::now();
    let sql = "SELECT COUNT(*) FROM user_sessions WHERE ended_at IS NULL";
    while server.database.number(sql).await > 0 {
        assert!(begun.elapsed().as_secs() < 20, "the signal did not arrive");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until this is why the source does not work; null when it does.
async fn until_error(server: &TestServer, company: &Company, wanted: &Value) {
    let path = format!("/connections/{}/signal-source", company.connection_id);
    let begun = std::time::Instant::now();
    loop {
        let error = server.admin.get(&path).await["last_error"].clone();
        if error == *wanted {
            break;
        }
        assert!(begun.elapsed().as_secs() < 20, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn our_own_receiver_takes_what_is_pushed(server: TestServer) {
    let (transmitter, there, here, known, own) = pair(&server).await;
    let caller = Caller::of(&transmitter, Relying::of(&transmitter, &there)).await;
    // The receiver reads the keys from the transmitter's configuration.
    let set = source(
        &server,
        &here,
        &json!({
        "issuer": transmitter.issuer(), "audience": there.client_id, "method": "push" }),
    )
    .await;
    assert_eq!(set.status, 200, "{}", set.body);
    let id = caller
        .open(json!({ "delivery": {
        "method": PUSH, "endpoint_url": set.text("push_url"),
        "authorization_header": format!("Bearer {}", set.text("push_secret")) } }))
        .await;
    let verify = json!({ "stream_id": id, "state": "s" });
    assert_eq!(caller.call("POST", "/ssf/verify", verify).await.status, 204);
    transmitter.settled().await;
    let path = format!("/connections/{}/signal-source", here.connection_id);
    assert!(server.admin.get(&path).await["last_verified_at"].is_string());
    here.signed_in(&mut Browser::new().unwrap(), &own).await;
    transmitter
        .admin
        .post(&format!("/users/{}/deactivate", known.user_id), json!({}))
        .await;
    until_ended(&server).await;
    transmitter.settled().await;
    let user = server.admin.get(&format!("/users/{}", own.user_id)).await;
    assert_eq!(
        user["active"], true,
        "the transmitter does not say who is active here"
    );
    server.settled().await;
}

async fn our_own_receiver_polls(server: TestServer) {
    let (transmitter, there, here, known, own) = pair(&server).await;
    let caller = Caller::of(&transmitter, Relying::of(&transmitter, &there)).await;
    let id = caller.open(json!({})).await;
    let set = source(&server, &here, &json!({
        "issuer": transmitter.issuer(), "audience": there.client_id, "method": "poll",
        "poll_url": format!("{}/ssf/poll/{id}", transmitter.issuer()), "poll_token": caller.token })).await;
    assert_eq!(set.status, 200, "{}", set.body);
    here.signed_in(&mut Browser::new().unwrap(), &own).await;
    deactivated_there_is_out_here(&transmitter, &server, &known).await;
}

async fn deactivated_there_is_out_here(
    transmitter: &TestServer,
    server: &TestServer,
    known: &Employee,
) {
    transmitter
        .admin
        .post(&format!("/users/{}/deactivate", known.user_id), json!({}))
        .await;
    until_ended(server).await;
    let waiting = "SELECT COUNT(*) FROM stream_events";
    let begun = std::time::Instant::now();
    while transmitter.database.number(waiting).await > 0 {
        assert!(begun.elapsed().as_secs() < 10, "it is acknowledged");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.settled().await;
}

async fn our_own_receiver_asks_for_its_tokens(server: TestServer) {
    let (transmitter, there, here, known, own) = pair(&server).await;
    let caller = Caller::of(&transmitter, Relying::of(&transmitter, &there)).await;
    let id = caller.open(json!({})).await;
    let mut wanted = json!({
        "issuer": transmitter.issuer(), "audience": there.client_id, "method": "poll",
        "poll_url": format!("{}/ssf/poll/{id}", transmitter.issuer()),
        "poll_client": {
            "token_endpoint": format!("{}/oauth/token", transmitter.issuer()),
            "client_id": there.client_id, "client_secret": "not it", "scope": "ssf.read" } });
    let refused = source(&server, &here, &wanted).await;
    assert_eq!(refused.status, 422, "a space: {}", refused.body);
    wanted["poll_client"]["client_secret"] = json!("wrong");
    assert_eq!(source(&server, &here, &wanted).await.status, 200);
    let why = "the poll failed: the token endpoint answered 401: invalid_client";
    until_error(&server, &here, &json!(why)).await;
    wanted["poll_client"]["client_secret"] = json!(there.client_secret);
    let set = source(&server, &here, &wanted).await;
    assert_eq!(set.status, 200, "{}", set.body);
    assert_eq!(set.body["poll_client"]["client_id"], json!(there.client_id));
    assert!(!set.body.to_string().contains(&there.client_secret));
    here.signed_in(&mut Browser::new().unwrap(), &own).await;
    deactivated_there_is_out_here(&transmitter, &server, &known).await;
}

/// A transmitter that gives out tokens in turn and takes the latest one only, as long as it is not withdrawn.
#[derive(Default)]
struct TokenShop {
    given: AtomicUsize,
    is_withdrawn: AtomicBool,
    polls: AtomicUsize,
}

impl TokenShop {
    async fn open(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (giving, taking) = (Arc::clone(self), Arc::clone(self));
        let router = Router::new()
            .route(
                "/token",
                post(async move || {
                    giving.is_withdrawn.store(false, Ordering::SeqCst);
                    let number = giving.given.fetch_add(1, Ordering::SeqCst) + 1;
                    Json(json!({ "access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 120 }))
                }),
            )
            .route(
                "/poll",
                post(async move |headers: HeaderMap| {
                    let latest = format!("Bearer t{}", taking.given.load(Ordering::SeqCst));
                    let is_latest = headers.get("authorization").is_some_and(|sent| *sent == latest);
                    match is_latest && !taking.is_withdrawn.load(Ordering::SeqCst) {
                        true => {
                            taking.polls.fetch_add(1, Ordering::SeqCst);
                            (StatusCode::OK, Json(json!({ "sets": {} })))
                        }
                        false => (StatusCode::UNAUTHORIZED, Json(Value::Null)),
                    }
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}")
    }

    /// Polls once more after so much time, and says how many tokens were given until then.
    async fn after(&self, server: &TestServer, time: Duration) -> usize {
        let before = self.polls.load(Ordering::SeqCst);
        server.pass(time);
        let begun = std::time::Instant::now();
        while self.polls.load(Ordering::SeqCst) == before {
            assert!(begun.elapsed().as_secs() < 20, "no poll came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.given.load(Ordering::SeqCst)
    }
}

async fn a_token_for_polls_is_kept_and_replaced(server: TestServer) {
    let company = Company::set_up(&server).await;
    let shop = Arc::new(TokenShop::default());
    let place = shop.open().await;
    let wanted = json!({
        "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "method": "poll",
        "poll_url": format!("{place}/poll"),
        "poll_client": { "token_endpoint": format!("{place}/token"), "client_id": "c", "client_secret": "s" } });
    assert_eq!(source(&server, &company, &wanted).await.status, 200);
    assert_eq!(shop.after(&server, Duration::ZERO).await, 1);
    let six = Duration::from_secs(6);
    assert_eq!(shop.after(&server, six).await, 1, "it is kept");
    shop.is_withdrawn.store(true, Ordering::SeqCst);
    assert_eq!(
        shop.after(&server, six).await,
        2,
        "one that is refused is replaced at once"
    );
    let life = Duration::from_secs(110);
    assert_eq!(shop.after(&server, life).await, 3, "before it ends");
    until_error(&server, &company, &Value::Null).await;
}

async fn a_client_for_polls_goes_nowhere_else(server: TestServer) {
    let company = Company::set_up(&server).await;
    let wanted = |place: &str, client: Value| {
        json!({
            "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "method": "poll",
            "poll_url": format!("https://{place}.test/poll"), "poll_client": client })
    };
    let client = |host: &str, secret: Option<&str>| {
        let mut client =
            json!({ "token_endpoint": format!("https://{host}.test/token"), "client_id": "c" });
        if let Some(secret) = secret {
            client["client_secret"] = json!(secret);
        }
        client
    };
    let refused = source(&server, &company, &wanted("a", client("a", None))).await;
    assert_eq!(refused.status, 422, "it has no secret: {}", refused.body);
    let first = wanted("a", client("a", Some("s")));
    assert_eq!(source(&server, &company, &first).await.status, 200);
    for kept in [wanted("b", client("a", None)), wanted("b", Value::Null)] {
        assert_eq!(source(&server, &company, &kept).await.status, 200);
    }
    let mut both = first.clone();
    both["poll_token"] = json!("t");
    for refused in [
        wanted("b", client("b", None)),
        wanted("c", Value::Null),
        both,
    ] {
        let reply = source(&server, &company, &refused).await;
        assert_eq!(reply.status, 422, "{refused}: {}", reply.body);
    }
}

async fn why_a_poll_failed_is_said_until_it_works(server: TestServer) {
    let company = Company::set_up(&server).await;
    let is_up = Arc::new(AtomicBool::new(false));
    let its_state = Arc::clone(&is_up);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let poll_url = format!("http://{}/poll", listener.local_addr().unwrap());
    let router = Router::new().route(
        "/poll",
        post(async move || match its_state.load(Ordering::SeqCst) {
            true => (StatusCode::OK, Json(json!({ "sets": {} }))),
            false => (StatusCode::BAD_GATEWAY, Json(Value::Null)),
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let wanted = json!({
        "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "method": "poll",
        "poll_url": poll_url, "poll_token": "t" });
    assert_eq!(source(&server, &company, &wanted).await.status, 200);
    let why = "the poll failed: the transmitter answered 502";
    until_error(&server, &company, &json!(why)).await;
    is_up.store(true, Ordering::SeqCst);
    server.pass(Duration::from_secs(31));
    until_error(&server, &company, &Value::Null).await;
}
