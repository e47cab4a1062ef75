//! What operators' own systems are told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer, eventually},
};

on_every_server!(
    events_are_signed_and_tried_again,
    a_receiver_that_stays_away_ends_on_the_dead_letter_list,
    a_receiver_that_is_down_is_left_alone_and_then_gets_everything,
    a_webhook_hears_only_what_it_asked_for,
    the_events_api_is_totally_ordered,
);

/// A server of the operator that keeps what it is sent.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    /// What it answers, beside the status.
    pub(crate) const BODY: &str = "thank you";

    pub(crate) fn header(&self, index: usize, name: &str) -> String {
        let got = self.got.lock().unwrap();
        got[index].0[name].to_str().unwrap().to_owned()
    }

    pub(crate) fn has_header(&self, index: usize, name: &str) -> bool {
        self.got.lock().unwrap()[index].0.contains_key(name)
    }

    pub(crate) fn body(&self, index: usize) -> String {
        let got = self.got.lock().unwrap();
        String::from_utf8(got[index].1.to_vec()).unwrap()
    }

    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self {
            url,
            got: Arc::default(),
            answers: Arc::new(Mutex::new(StatusCode::NO_CONTENT)),
        };
        let own = receiver.clone();
        let router = Router::new().route(
            "/hook",
            post(async move |headers: HeaderMap, body: Bytes| {
                own.got.lock().unwrap().push((headers, body));
                let fields = [("x-request-id", "r1"), ("set-cookie", "session=secret")];
                (*own.answers.lock().unwrap(), fields, Self::BODY)
            }),
        );
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub(crate) fn answers(&self, status: StatusCode) {
        *self.answers.lock().unwrap() = status;
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// One request, verified as the Standard Webhooks specification says.
    pub(crate) fn verified(&self, index: usize, secret: &str) -> (String, Value) {
        let (headers, body) = self.got.lock().unwrap()[index].clone();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let key = STANDARD
            .decode(
                secret
                    .strip_prefix("whsec_")
                    .expect("a secret of Standard Webhooks"),
            )
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body[..]].concat();
        let wanted = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)));
        assert!(
            header("webhook-signature")
                .split(' ')
                .any(|signature| signature == wanted)
        );
        (id, serde_json::from_slice(&body).unwrap())
    }
}

pub(crate) async fn hook(
    server: &TestServer,
    receiver: &Receiver,
    events: &[&str],
) -> (String, String) {
    let made = server
        .admin
        .post(
            "/webhooks",
            json!({ "url": receiver.url, "events": events }),
        )
        .await;
    (
        made["id"].as_str().unwrap().to_owned(),
        made["secret"].as_str().unwrap().to_owned(),
    )
}

async fn events_are_signed_and_tried_again(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let receiver = Receiver::start().await;
    let (webhook, secret) = hook(&server, &receiver, &["user.deactivated"]).await;
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    company
        .scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    eventually("the first try comes", || receiver.count() == 1).await;
    let (id, event) = receiver.verified(0, &secret);
    assert_eq!(
        (event["type"].as_str(), event["id"].as_str()),
        (Some("user.deactivated"), Some(id.as_str()))
    );
    assert_eq!(event["organization_id"], json!(company.organization_id));
    assert_eq!(event["data"]["user_id"], json!(ada.user_id), "{event}");
    assert_eq!(
        event["data"]["actor"],
        json!(format!("directory:{}", company.directory_id)),
        "{event}"
    );
    receiver.answers(StatusCode::OK);
    // The first try may still be on its way into the store when it has come here.
    let deliveries = format!("/webhooks/{webhook}/deliveries");
    while server.admin.get(&deliveries).await["data"][0]["last_status"] != json!(500) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.pass(Duration::from_secs(6));
    eventually("the second try comes", || receiver.count() == 2).await;
    let (again, same) = receiver.verified(1, &secret);
    assert_eq!(
        (again, same),
        (id, event),
        "a receiver can tell that it is the same event"
    );
    server.settled().await;
    let delivery = server.admin.get(&deliveries).await["data"][0].clone();
    assert_eq!(
        (delivery["state"].as_str(), delivery["attempts"].as_i64()),
        (Some("delivered"), Some(2)),
        "{delivery}"
    );
}

async fn a_receiver_that_stays_away_ends_on_the_dead_letter_list(server: TestServer) {
    server.may_leave_deliveries();
    let company = Company::set_up(&server).await;
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::SERVICE_UNAVAILABLE);
    let (webhook, secret) = hook(&server, &receiver, &["user.created"]).await;
    company.hire("Ada", "Lovelace").await;
    let deliveries = format!("/webhooks/{webhook}/deliveries");
    let begun = std::time::Instant::now();
    let dead = loop {
        let delivery = server.admin.get(&deliveries).await["data"][0].clone();
        if delivery["state"] == json!("dead") {
            break delivery;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{delivery}");
        // Time stands still while an attempt is under way.
        let due = "SELECT COALESCE(MIN(not_before), 0) FROM outbox WHERE attempts > 0 AND claimed_until IS NULL AND dead_at IS NULL";
        let wait = server.database.number(due).await - server.now().micros();
        server.pass(Duration::from_micros(wait.try_into().unwrap_or(0)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        (dead["attempts"].as_i64(), dead["last_status"].as_i64()),
        (Some(10), Some(503)),
        "{dead}"
    );
    let tried = receiver.count();
    server.pass(Duration::from_hours(48));
    receiver.answers(StatusCode::OK);
    let retried = server
        .admin
        .post(
            &format!("/deliveries/{}/retry", dead["id"].as_str().unwrap()),
            json!({}),
        )
        .await;
    assert_ne!(retried["state"], json!("dead"), "{retried}");
    eventually("it is tried once more", || receiver.count() == tried + 1).await;
    assert_eq!(
        receiver.verified(tried, &secret).1["type"],
        json!("user.created")
    );
    server.settled().await;
    assert_eq!(
        server.admin.get(&deliveries).await["data"][0]["state"],
        json!("delivered")
    );
}

async fn a_receiver_that_is_down_is_left_alone_and_then_gets_everything(server: TestServer) {
    let company = Company::set_up(&server).await;
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::SERVICE_UNAVAILABLE);
    let healthy = Receiver::start().await;
    let (webhook, _) = hook(&server, &receiver, &["user.created"]).await;
    hook(&server, &healthy, &["user.created"]).await;
    for number in 0..40 {
        company.hire("Ada", &format!("Number{number}")).await;
    }
    eventually("the other receiver has all", || healthy.count() == 40).await;
    let attempts = async || {
        let sql = format!("SELECT SUM(attempts) FROM outbox WHERE destination = '{webhook}'");
        server.database.number(&sql).await
    };
    let waiting = async || {
        let sql = format!(
            "SELECT COUNT(*) FROM outbox WHERE destination = '{webhook}' AND claimed_until IS NULL AND done_at IS NULL"
        );
        server.database.number(&sql).await
    };
    while waiting().await < 40 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Five failures in a row, and what was under way meanwhile; nobody else was tried.
    let tried = receiver.count();
    assert!((5..20).contains(&tried), "{tried}");
    assert_eq!(attempts().await, i64::try_from(tried).unwrap());
    // After the rest one of them finds out that nothing has changed.
    server.pass(Duration::from_secs(31));
    eventually("one is tried", || receiver.count() > tried).await;
    while waiting().await < 40 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(receiver.count(), tried + 1);
    // And then it is back: the next one closes the breaker, and all go, also those that had failed.
    receiver.answers(StatusCode::NO_CONTENT);
    server.pass(Duration::from_secs(61));
    eventually("all have come", || receiver.count() >= tried + 1 + 40).await;
    server.settled().await;
    assert_eq!(receiver.count(), tried + 1 + 40);
}

async fn a_webhook_hears_only_what_it_asked_for(server: TestServer) {
    let company = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let (all, some, bound) = (
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let (_, all_secret) = hook(&server, &all, &[]).await;
    let (some_id, _) = hook(&server, &some, &["user.deleted"]).await;
    let wanted = json!({ "url": bound.url, "organization_id": globex.organization_id });
    server.admin.post("/webhooks", wanted).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    company.scim.delete(&ada.user_id).await.unwrap();
    server.settled().await;
    assert_eq!(
        (some.count(), bound.count()),
        (1, 0),
        "one hears of deletions, one of another organization"
    );
    let mut kinds: Vec<String> = (0..all.count())
        .map(|index| {
            all.verified(index, &all_secret).1["type"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    kinds.sort();
    for kind in [
        "login.succeeded",
        "session.ended",
        "session.started",
        "user.created",
        "user.deleted",
    ] {
        assert!(kinds.iter().any(|got| got == kind), "{kind} in {kinds:?}");
    }
    // One that is switched off hears nothing.
    server
        .admin
        .patch(&format!("/webhooks/{some_id}"), json!({ "active": false }))
        .await;
    let bob = company.hire("Bob", "Kahn").await;
    company.scim.delete(&bob.user_id).await.unwrap();
    server.settled().await;
    assert_eq!(some.count(), 1);
    // The second notices of the app are not due yet, and the webhooks are done.
    assert!(all.count() > kinds.len());
}

async fn the_events_api_is_totally_ordered(server: TestServer) {
    let company = Company::set_up(&server).await;
    let mut hired = Vec::new();
    for number in 0..5 {
        hired.push(
            company
                .hire("Ada", &format!("Number{number}"))
                .await
                .user_id,
        );
    }
    for id in &hired {
        company
            .scim
            .deactivate(id)
            .await
            .unwrap()
            .success()
            .unwrap();
    }
    let mut seen: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server
            .admin
            .get(&format!("/events?limit=3&after={cursor}"))
            .await;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        seen.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let of = |kind: &str| -> Vec<String> {
        let events = seen.iter().filter(|event| event["type"] == kind);
        events
            .map(|event| event["data"]["user_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (of("user.created"), of("user.deactivated")),
        (hired.clone(), hired.clone())
    );
    let only = server
        .admin
        .get("/events?type=user.deactivated&limit=500")
        .await;
    assert_eq!(only["data"].as_array().unwrap().len(), 5);
    // The id of the last event seen is a cursor too, and nothing is missed after it.
    let last = seen.last().unwrap()["id"].as_str().unwrap().to_owned();
    company
        .scim
        .reactivate(&hired[0])
        .await
        .unwrap()
        .success()
        .unwrap();
    let next = server.admin.get(&format!("/events?after={last}")).await;
    assert_eq!(next["data"][0]["type"], json!("user.activated"), "{next}");
}
