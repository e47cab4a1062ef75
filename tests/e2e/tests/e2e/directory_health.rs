//! How a directory does, as its admin sees it.

use serde_json::Value;
use vestibule_simulate::{Browser, Person};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

on_every_server!(
    health_tells_what_was_sent_and_who_is_left_out,
    a_directory_that_is_quieter_than_it_uses_to_be_is_told_of_once,
);

async fn health(server: &TestServer, company: &Company) -> Value {
    server.engine.flush_records().await;
    let path = format!("/directories/{}/health", company.directory_id);
    server.admin.get(&path).await
}

async fn health_tells_what_was_sent_and_who_is_left_out(server: TestServer) {
    let company = Company::set_up(&server).await;
    let fresh = health(&server, &company).await;
    assert_eq!(
        (&fresh["requests"], &fresh["silent"]),
        (&0.into(), &false.into())
    );
    let ada = company.hire("Ada", "Lovelace").await;
    company.hire("Bob", "Babbage").await;
    let nobody = company.scim.read("usr_01h455vb4pex5vsknk084sn02q").await;
    assert_eq!(nobody.unwrap().status, 404);
    let again = company.scim.hire(&ada.person).await;
    assert!(again.is_ok(), "a hire looks first and finds her: {again:?}");
    let perhaps = [("active", "perhaps".into())];
    let wrong = company.scim.update(&ada.user_id, &perhaps);
    assert_eq!(wrong.await.unwrap().status, 400);
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let stranger = Person::new("Mallory", "Stranger", &company.domain).unwrap();
    company.idp.add_person(stranger.clone());
    let mut elsewhere = Browser::new().unwrap();
    company.sign_in(&mut elsewhere, &stranger).await;

    let told = health(&server, &company).await;
    assert!(told["requests"].as_i64().unwrap() >= 5, "{told}");
    assert_eq!(
        told["failures"], 1,
        "who is not found is no failure: {told}"
    );
    assert!(told["last_seen_at"].is_string(), "{told}");
    assert_eq!(told["usual_pause_seconds"], Value::Null);
    assert_eq!(told["never_linked"], 1, "Bob: {told}");
    assert_eq!(told["refused_logins"], 1, "{told}");
    assert_eq!(told["unowned"], 0, "{told}");
}

async fn a_directory_that_is_quieter_than_it_uses_to_be_is_told_of_once(server: TestServer) {
    let company = Company::set_up(&server).await;
    company.hire("Ada", "Lovelace").await;
    server.engine.flush_records().await;
    // Ten hours in a row, the last of them four hours ago.
    let hour = server
        .database
        .number("SELECT MAX(hour) FROM directory_activity")
        .await;
    let id = &company.directory_id;
    for ago in 4..14 {
        let at = hour - ago;
        let sql = format!(
            "INSERT INTO directory_activity (directory_id, hour, requests, failures) VALUES ('{id}', {at}, 1, 0) RETURNING directory_id"
        );
        server.database.texts(&sql).await;
    }
    let four_hours = 4 * 3_600_000_000_i64;
    for sql in [
        format!("DELETE FROM directory_activity WHERE hour = {hour} RETURNING directory_id"),
        format!("UPDATE directories SET last_seen_at = last_seen_at - {four_hours} RETURNING id"),
    ] {
        assert_eq!(server.database.texts(&sql).await.len(), 1);
    }
    let told = health(&server, &company).await;
    assert_eq!(
        (&told["usual_pause_seconds"], &told["silent"]),
        (&3600.into(), &true.into())
    );
    let watch = async || server.engine.watch_directories(server.now()).await;
    // As two nodes do, and once more later.
    let (one, other) = tokio::join!(watch(), watch());
    for looked in [one, other, watch().await] {
        looked.unwrap();
    }
    let events = server.admin.get("/events?type=directory.silent").await;
    let events = events["data"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["data"]["directory_id"], company.directory_id);
    assert_eq!(events[0]["data"]["usual_pause_seconds"], 3600);
}
