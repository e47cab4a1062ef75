//! Our own transmitter and our own receiver: two installations that speak to each other over HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, http::StatusCode, routing::post};
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
    transmitter
        .admin
        .post(&format!("/users/{}/deactivate", known.user_id), json!({}))
        .await;
    until_ended(&server).await;
    let waiting = "SELECT COUNT(*) FROM stream_events";
    let begun = std::time::Instant::now();
    while transmitter.database.number(waiting).await > 0 {
        assert!(begun.elapsed().as_secs() < 10, "it is acknowledged");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.settled().await;
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
    let path = format!("/connections/{}/signal-source", company.connection_id);
    let until = async |wanted: &Value| {
        let begun = std::time::Instant::now();
        loop {
            let error = server.admin.get(&path).await["last_error"].clone();
            if error == *wanted {
                break;
            }
            assert!(begun.elapsed().as_secs() < 20, "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until(&json!("the poll failed: the transmitter answered 502")).await;
    is_up.store(true, Ordering::SeqCst);
    server.pass(Duration::from_secs(31));
    until(&Value::Null).await;
}
