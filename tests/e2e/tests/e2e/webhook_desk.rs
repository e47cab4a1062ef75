//! What operators do about webhooks: change secrets, try them, look why they failed, send again what was lost.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer, eventually},
};

use crate::webhooks::{Receiver, hook};

on_every_server!(
    both_secrets_sign_until_the_overlap_is_over,
    a_test_says_what_became_of_it,
    the_history_shows_what_was_sent_and_what_came_back,
    a_range_is_sent_again,
    dead_letters_are_listed_and_tried_again,
);

async fn both_secrets_sign_until_the_overlap_is_over(server: TestServer) {
    let company = Company::set_up(&server).await;
    let receiver = Receiver::start().await;
    let (webhook, old) = hook(&server, &receiver, &["user.*"]).await;
    let path = format!("/webhooks/{webhook}/rotate-secret");
    let rotated = server
        .admin
        .post(&path, json!({ "overlap_seconds": 600 }))
        .await;
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_ne!(rotated["previous_secret_until"], Value::Null);
    company.hire("Ada", "Lovelace").await;
    eventually("it comes", || receiver.count() == 1).await;
    assert_eq!(receiver.verified(0, &old), receiver.verified(0, &new));
    server.pass(Duration::from_secs(601));
    company.hire("Bob", "Kahn").await;
    eventually("it comes", || receiver.count() == 2).await;
    receiver.verified(1, &new);
    let signatures = |index| {
        receiver
            .header(index, "webhook-signature")
            .split(' ')
            .count()
    };
    assert_eq!((signatures(0), signatures(1)), (2, 1));
    // Without an overlap the one before signs no more at once.
    server
        .admin
        .post(&path, json!({ "overlap_seconds": 0 }))
        .await;
    company.hire("Eve", "Young").await;
    eventually("it comes", || receiver.count() == 3).await;
    assert_eq!(signatures(2), 1);
    assert_eq!(
        server.admin.get(&format!("/webhooks/{webhook}")).await["secret"],
        Value::Null
    );
}

async fn a_test_says_what_became_of_it(server: TestServer) {
    let receiver = Receiver::start().await;
    let (webhook, secret) = hook(&server, &receiver, &["user.deleted"]).await;
    let other = Receiver::start().await;
    hook(&server, &other, &[]).await;
    let path = format!("/webhooks/{webhook}/test");
    let tested = server.admin.post(&path, json!({})).await;
    assert_eq!(
        (tested["state"].as_str(), tested["last_status"].as_i64()),
        (Some("delivered"), Some(204)),
        "{tested}"
    );
    assert_eq!(
        receiver.verified(0, &secret).1["type"],
        json!("webhook.test")
    );
    receiver.answers(StatusCode::IM_A_TEAPOT);
    let failed = server.admin.post(&path, json!({})).await;
    assert_eq!(
        (failed["state"].as_str(), failed["last_status"].as_i64()),
        (Some("failed"), Some(418)),
        "{failed}"
    );
    // It is tried once, is no dead letter, and nobody else hears of it.
    server.pass(Duration::from_hours(1));
    server.settled().await;
    assert_eq!((receiver.count(), other.count()), (2, 0));
    assert_eq!(server.admin.get("/dead-letters").await["data"], json!([]));
}

async fn the_history_shows_what_was_sent_and_what_came_back(server: TestServer) {
    let receiver = Receiver::start().await;
    receiver.answers(StatusCode::OK);
    let (webhook, _) = hook(&server, &receiver, &[]).await;
    let tested = server
        .admin
        .post(&format!("/webhooks/{webhook}/test"), json!({}))
        .await;
    let path = format!("/deliveries/{}", tested["id"].as_str().unwrap());
    let delivery = server.admin.get(&path).await;
    let attempt = &delivery["history"][0];
    assert_eq!(
        attempt["request_headers"]["webhook-id"],
        delivery["event_id"]
    );
    assert_eq!(attempt["request_headers"]["webhook-signature"], Value::Null);
    assert_eq!(delivery["request_body"]["type"], json!("webhook.test"));
    assert_eq!(attempt["response_body"], json!(Receiver::BODY));
    assert_eq!(attempt["response_headers"]["x-request-id"], json!("r1"));
    assert_eq!(attempt["response_headers"]["set-cookie"], Value::Null);
}

async fn a_range_is_sent_again(server: TestServer) {
    let company = Company::set_up(&server).await;
    let first = company.hire("Ada", "Lovelace").await;
    server.pass(Duration::from_secs(5));
    for number in 0..4 {
        company.hire("Bob", &format!("Number{number}")).await;
    }
    let receiver = Receiver::start().await;
    let (webhook, secret) = hook(&server, &receiver, &["user.created"]).await;
    let path = format!("/webhooks/{webhook}/replay");
    let all = server.admin.post(&path, json!({})).await;
    assert_eq!(
        (&all["queued"], &all["next_after"]),
        (&json!(5), &Value::Null)
    );
    eventually("all come", || receiver.count() == 5).await;
    let events = server.admin.get("/events?type=user.created").await;
    let one = events["data"][0].clone();
    assert_eq!(one["data"]["user_id"], json!(first.user_id));
    let mut ids: Vec<String> = (0..5)
        .map(|index| receiver.verified(index, &secret).0)
        .collect();
    ids.sort();
    assert!(
        ids.contains(&one["id"].as_str().unwrap().to_owned()),
        "the same ids"
    );
    for (after, queued) in [
        (&one["id"], 4),
        (&one["created_at"], 5),
        (&events["data"][4]["id"], 0),
    ] {
        let again = server.admin.post(&path, json!({ "after": after })).await;
        assert_eq!(again["queued"], json!(queued), "after {after}");
    }
    let none = json!({ "until": "2020-01-01T00:00:00Z" });
    assert_eq!(server.admin.post(&path, none).await["queued"], json!(0));
    let other = json!({ "types": ["user.deleted"] });
    assert_eq!(server.admin.post(&path, other).await["queued"], json!(0));
    server.settled().await;
}

async fn dead_letters_are_listed_and_tried_again(server: TestServer) {
    server.may_leave_deliveries();
    let company = Company::set_up(&server).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = hook(&server, &receiver, &["user.created"]).await;
    company.hire("Ada", "Lovelace").await;
    company.hire("Bob", "Kahn").await;
    eventually("both come", || receiver.count() == 2).await;
    server.settled().await;
    let dead = format!(
        "UPDATE outbox SET done_at = NULL, dead_at = created_at WHERE destination = '{webhook}'"
    );
    server.database.execute(&dead).await;
    let listed = server
        .admin
        .get(&format!(
            "/dead-letters?webhook_id={webhook}&kind=webhook&limit=1"
        ))
        .await;
    let newest = listed["data"][0].clone();
    assert_eq!(newest["destination"], json!(webhook));
    let next = listed["next_cursor"].as_str().unwrap();
    let older = server
        .admin
        .get(&format!("/dead-letters?after={next}"))
        .await;
    assert_eq!(older["data"].as_array().unwrap().len(), 1);
    let elsewhere = server.admin.get("/dead-letters?kind=logout").await;
    assert_eq!(elsewhere["data"], json!([]));
    let id = newest["id"].as_str().unwrap();
    server
        .admin
        .post(&format!("/dead-letters/{id}/retry"), json!({}))
        .await;
    eventually("that one comes", || receiver.count() == 3).await;
    let all = json!({ "destination": webhook });
    let retried = server.admin.post("/dead-letters/retry", all).await;
    assert_eq!(retried["retried"], json!(1));
    eventually("the other one comes", || receiver.count() == 4).await;
    server.settled().await;
}
