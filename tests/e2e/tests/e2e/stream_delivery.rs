//! News of streams on their way: pushed, polled, paused, and asked for by whoever may not hear them.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, eventually, http_client},
};

use crate::{
    relying::{Relying, claims},
    streams::{
        CLAIMS_CHANGE, CREDENTIAL_CHANGE, Caller, DISABLED, PUSH, SESSION_REVOKED, VERIFICATION,
        kinds,
    },
    webhooks::Receiver,
};

on_every_server!(
    broken_requests_about_streams_are_refused,
    what_is_not_acknowledged_comes_again,
    a_paused_push_stream_keeps_what_happens_and_sends_it_later,
    what_could_not_be_pushed_before_a_pause_waits_in_the_stream,
    a_changed_password_and_changed_groups_are_told,
    a_poll_that_waits_ends_with_its_token_and_with_the_server,
);

async fn broken_requests_about_streams_are_refused(server: TestServer) {
    let caller = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let id = caller.open(json!({})).await;
    let poll = format!("/ssf/poll/{id}");
    let send = async |token: &str, (method, path): (&str, &str), body: &str| {
        let request = http_client()
            .request(method.parse().unwrap(), server.url(path))
            .bearer_auth(token)
            .body(body.to_owned());
        Reply::read(request.send().await.unwrap()).await
    };
    for route in [
        ("POST", "/ssf/streams"),
        ("PATCH", "/ssf/streams"),
        ("PUT", "/ssf/streams"),
        ("POST", "/ssf/status"),
        ("POST", "/ssf/verify"),
        ("POST", poll.as_str()),
    ] {
        for body in ["", ";{ broken", "[]", "{\"stream_id\":7,\"ack\":7}"] {
            let reply = send(&caller.token, route, body).await;
            assert_eq!(
                (reply.status, reply.text("error")),
                (400, "invalid_request"),
                "{route:?} {body}"
            );
        }
    }
    let one = format!("/ssf/streams?stream_id={id}");
    let status = format!("/ssf/status?stream_id={id}");
    for route in [
        ("POST", "/ssf/streams"),
        ("GET", one.as_str()),
        ("PATCH", "/ssf/streams"),
        ("PUT", "/ssf/streams"),
        ("DELETE", one.as_str()),
        ("GET", status.as_str()),
        ("POST", "/ssf/status"),
        ("POST", "/ssf/verify"),
        ("POST", poll.as_str()),
    ] {
        let reply = send("vst_wrong", route, "{}").await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (401, r#"Bearer error="invalid_token""#),
            "{route:?}"
        );
    }
    let wanted = json!({ "events_requested": ["https://e.example/\u{0}"] });
    let reply = caller.call("POST", "/ssf/streams", wanted).await;
    assert_eq!(reply.status, 400, "PostgreSQL stores no NUL");
}

async fn what_is_not_acknowledged_comes_again(server: TestServer) {
    let caller = Caller::of(&server, Relying::register(&server, json!({})).await).await;
    let id = caller.open(json!({})).await;
    let other = caller.open(json!({})).await;
    let verify = async |state: &str| {
        let body = json!({ "stream_id": id, "state": state });
        let reply = caller.call("POST", "/ssf/verify", body).await;
        assert_eq!(reply.status, 204);
        server.pass(Duration::from_secs(11));
    };
    let poll = async |stream: &str, body: Value| {
        let path = format!("/ssf/poll/{stream}");
        let mut body = body;
        body["returnImmediately"] = true.into();
        let reply = caller.call("POST", &path, body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    };
    let ids = |answer: &Value| {
        let sets = answer["sets"].as_object().unwrap();
        sets.keys().cloned().collect::<Vec<String>>()
    };
    verify("one").await;
    let first = poll(&id, json!({ "maxEvents": 10 })).await;
    let one = ids(&first).remove(0);
    let token = claims(first["sets"][&one].as_str().unwrap());
    assert_eq!(token["events"], json!({ VERIFICATION: { "state": "one" } }));
    assert_eq!(ids(&poll(&id, json!({})).await), [one.as_str()], "again");
    poll(&other, json!({ "ack": [one], "maxEvents": 0 })).await;
    assert_eq!(
        ids(&poll(&id, json!({})).await),
        [one.as_str()],
        "another stream's"
    );
    verify("two").await;
    let both = poll(&id, json!({ "maxEvents": 1 })).await;
    assert_eq!(
        (ids(&both), &both["moreAvailable"]),
        (vec![one.clone()], &json!(true))
    );
    let second = poll(&id, json!({ "ack": [one] })).await;
    let two = ids(&second).remove(0);
    let token = claims(second["sets"][&two].as_str().unwrap());
    assert_eq!(token["events"], json!({ VERIFICATION: { "state": "two" } }));
    let refused = json!({ two: { "err": "invalid_request", "description": "no" } });
    let last = poll(&id, json!({ "setErrs": refused })).await;
    assert_eq!(last["sets"], json!({}), "what is refused is taken, too");
}

async fn a_paused_push_stream_keeps_what_happens_and_sends_it_later(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let receiver = Receiver::start().await;
    let delivery = json!({ "method": PUSH, "endpoint_url": receiver.url, "authorization_header": "Bearer s3cret" });
    let id = caller
        .open(json!({ "events_requested": [SESSION_REVOKED, DISABLED], "delivery": delivery }))
        .await;
    caller.set(&id, "paused").await;
    let deactivate = format!("/users/{}/deactivate", ada.user_id);
    server.admin.post(&deactivate, json!({})).await;
    server.settled().await;
    assert_eq!(receiver.count(), 0);
    caller.set(&id, "enabled").await;
    eventually("both are pushed", || receiver.count() == 2).await;
    let told: Vec<Value> = (0..2)
        .map(|index| {
            assert_eq!(receiver.header(index, "authorization"), "Bearer s3cret");
            let content_type = receiver.header(index, "content-type");
            assert_eq!(content_type, "application/secevent+jwt");
            claims(&receiver.body(index))
        })
        .collect();
    assert_eq!(kinds(&told), [SESSION_REVOKED, DISABLED]);
    assert_ne!(told[0]["jti"], told[1]["jti"]);
    server.settled().await;
    assert_eq!(receiver.count(), 2, "each once");
}

async fn what_could_not_be_pushed_before_a_pause_waits_in_the_stream(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let receiver = Receiver::start().await;
    let delivery = json!({ "method": PUSH, "endpoint_url": receiver.url });
    let id = caller
        .open(json!({ "events_requested": [DISABLED], "delivery": delivery }))
        .await;
    receiver.answers(StatusCode::SERVICE_UNAVAILABLE);
    let deactivate = format!("/users/{}/deactivate", ada.user_id);
    server.admin.post(&deactivate, json!({})).await;
    eventually("it is tried", || receiver.count() == 1).await;
    caller.set(&id, "paused").await;
    server.pass(Duration::from_secs(10));
    server.settled().await;
    let waiting = "SELECT COUNT(*) FROM stream_events";
    assert_eq!(server.database.number(waiting).await, 1);
    assert_eq!(receiver.count(), 1);
    receiver.answers(StatusCode::ACCEPTED);
    caller.set(&id, "enabled").await;
    eventually("it is pushed", || receiver.count() == 2).await;
    let jti = |index| claims(&receiver.body(index))["jti"].clone();
    assert_eq!(jti(0), jti(1), "the same news");
    assert!(
        !receiver.has_header(1, "authorization"),
        "none was asked for"
    );
    server.settled().await;
}

async fn a_changed_password_and_changed_groups_are_told(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let caller = Caller::of(&server, Relying::of(&server, &company)).await;
    let id = caller
        .open(json!({ "events_requested": [CREDENTIAL_CHANGE, CLAIMS_CHANGE] }))
        .await;
    let path = format!("/organizations/{}/users", company.organization_id);
    let local = json!({ "user_name": "root@acme.test", "password": "a long first password" });
    let local = server.admin.post(&path, local).await;
    let local = local["id"].as_str().unwrap();
    let password = json!({ "password": "another long password" });
    server
        .admin
        .patch(&format!("/users/{local}"), password)
        .await;
    let subject = |id: &str| json!({ "format": "iss_sub", "iss": server.issuer(), "sub": id });
    let told = caller.drain(&id).await;
    let last = told.last().unwrap();
    assert_eq!(last["sub_id"], subject(local), "{told:?}");
    let event = &last["events"][CREDENTIAL_CHANGE];
    assert_eq!(
        (&event["credential_type"], &event["change_type"]),
        (&json!("password"), &json!("update"))
    );
    assert_eq!(event["initiating_entity"], "admin");
    let group = company.scim.push_group("Engineers", "g-1").await.unwrap();
    let group = group.id.unwrap();
    for joins in [true, false] {
        let members = [ada.user_id.as_str()];
        let call = match joins {
            true => company.scim.add_members(&group, &members).await,
            false => company.scim.remove_members(&group, &members).await,
        };
        assert!(call.unwrap().is_success());
        let told = caller.drain(&id).await;
        assert_eq!(kinds(&told), [CLAIMS_CHANGE]);
        assert_eq!(told[0]["sub_id"], subject(&ada.user_id));
        let event = &told[0]["events"][CLAIMS_CHANGE];
        assert!(event["claims"].as_object().unwrap().contains_key("groups"));
        assert_eq!(event["initiating_entity"], "policy");
    }
    server.settled().await;
}

async fn a_poll_that_waits_ends_with_its_token_and_with_the_server(server: TestServer) {
    let app = Relying::register(&server, json!({})).await;
    let caller = Caller::of(&server, app.clone()).await;
    let id = caller.open(json!({})).await;
    let path = format!("/ssf/poll/{id}");
    let place = format!("/applications/{}", app.client_id);
    let begun = std::time::Instant::now();
    let (waited, ()) = tokio::join!(caller.call("POST", &path, json!({})), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.admin.patch(&place, json!({ "active": false })).await;
    });
    assert_eq!(waited.status, 401, "{}", waited.body);
    server.admin.patch(&place, json!({ "active": true })).await;
    let caller = Caller::of(&server, app).await;
    let (waited, ()) = tokio::join!(caller.call("POST", &path, json!({})), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.engine.end_streams();
    });
    assert_eq!((waited.status, &waited.body["sets"]), (200, &json!({})));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "nobody waits for long"
    );
}
