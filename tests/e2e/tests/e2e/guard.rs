//! A directory that takes too many people away at once is held until somebody has looked at it.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, app::AppSession};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer, http_client},
};

on_every_server!(
    beyond_its_limit_a_directory_takes_nobody_away,
    departures_older_than_an_hour_do_not_count,
    people_who_leave_at_the_same_time_are_counted_one_by_one,
);

async fn staff(company: &Company, count: usize) -> Vec<Employee> {
    let mut staff = Vec::new();
    for number in 0..count {
        staff.push(company.hire("Ada", &format!("Number{number}")).await);
    }
    staff
}

async fn leave(company: &Company, who: &Employee) -> u16 {
    let call = company.scim.deactivate(&who.user_id).await;
    call.unwrap().status
}

async fn delete(company: &Company, who: &Employee) -> u16 {
    company.scim.delete(&who.user_id).await.unwrap().status
}

async fn is_live(company: &Company, session: &AppSession) -> bool {
    let probe = company.app.probe(&session.id).await.unwrap();
    probe.is_any_accepted()
}

async fn kinds(server: &TestServer, kind: &str) -> usize {
    let events = server.admin.get(&format!("/events?type={kind}")).await;
    events["data"].as_array().unwrap().len()
}

async fn beyond_its_limit_a_directory_takes_nobody_away(server: TestServer) {
    let company = Company::set_up(&server).await;
    let staff = staff(&company, 6).await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &staff[3]).await;
    let guard = format!("/directories/{}/guard", company.directory_id);
    let missing = server.admin.call(Method::GET, &guard, None).await;
    assert_eq!(missing.status, 404, "a directory has no guard of itself");
    for (wrong, field) in [
        (json!({}), "users"),
        (json!({ "users": 0 }), "users"),
        (json!({ "percent": 101 }), "percent"),
    ] {
        let refused = server.admin.call(Method::PUT, &guard, Some(&wrong)).await;
        assert_eq!(refused.status, 422, "{wrong}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field);
    }
    let limits = json!({ "users": 3, "percent": 40 });
    let set = server.admin.call(Method::PUT, &guard, Some(&limits)).await;
    assert_eq!((set.status, &set.body["limit"]), (200, &json!(2)));

    assert_eq!(leave(&company, &staff[0]).await, 200);
    assert_eq!(delete(&company, &staff[1]).await, 204, "it counts, too");
    let url = format!("{}/Users/{}", company.scim_url, staff[3].user_id);
    for _ in 0..2 {
        let refused = http_client()
            .delete(&url)
            .bearer_auth(&company.scim_token)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "900");
    }
    assert_eq!(leave(&company, &staff[3]).await, 429);
    assert!(is_live(&company, &session).await, "nothing was changed");
    let held = server.admin.get(&guard).await;
    assert!(held["held_at"].is_string(), "{held}");
    assert_eq!(held["departures"], 2);
    assert_eq!(kinds(&server, "directory.held").await, 1, "told once");
    let other = company
        .scim
        .update(&staff[3].user_id, &[("title", json!("Countess"))])
        .await;
    assert!(other.unwrap().is_success(), "everything else goes on");

    let release = format!("{guard}/release");
    let anew = server.admin.post(&release, json!({})).await;
    assert_eq!(
        (&anew["held_at"], &anew["departures"]),
        (&Value::Null, &json!(0))
    );
    assert_eq!(leave(&company, &staff[3]).await, 200);
    assert!(!is_live(&company, &session).await);
    assert_eq!(leave(&company, &staff[4]).await, 200);
    assert_eq!(leave(&company, &staff[5]).await, 429);
    server
        .admin
        .post(&release, json!({ "confirm": true, "minutes": 5 }))
        .await;
    assert_eq!(leave(&company, &staff[5]).await, 200);
    assert_eq!(kinds(&server, "directory.held").await, 2);
    assert_eq!(kinds(&server, "directory.released").await, 2);
}

/// As the guard sees it: everybody who left did so an hour earlier.
async fn an_hour_passes(server: &TestServer) {
    let earlier = "UPDATE directory_departures SET created_at = created_at - 3660000000 RETURNING directory_id";
    assert!(!server.database.texts(earlier).await.is_empty());
}

async fn departures_older_than_an_hour_do_not_count(server: TestServer) {
    let company = Company::set_up(&server).await;
    let staff = staff(&company, 3).await;
    let guard = format!("/directories/{}/guard", company.directory_id);
    let limits = json!({ "users": 1 });
    server.admin.call(Method::PUT, &guard, Some(&limits)).await;
    assert_eq!(leave(&company, &staff[0]).await, 200);
    assert_eq!(
        leave(&company, &staff[0]).await,
        200,
        "who is gone is no departure"
    );
    an_hour_passes(&server).await;
    assert_eq!(leave(&company, &staff[1]).await, 200);
    assert_eq!(leave(&company, &staff[2]).await, 429);
    an_hour_passes(&server).await;
    assert_eq!(
        leave(&company, &staff[2]).await,
        429,
        "time alone does not release it"
    );
    let gone = server.admin.call(Method::DELETE, &guard, None).await;
    assert_eq!(gone.status, 204);
    assert_eq!(leave(&company, &staff[2]).await, 200);
}

async fn people_who_leave_at_the_same_time_are_counted_one_by_one(server: TestServer) {
    let company = Company::set_up(&server).await;
    let staff = staff(&company, 8).await;
    let guard = format!("/directories/{}/guard", company.directory_id);
    let limits = json!({ "users": 3 });
    server.admin.call(Method::PUT, &guard, Some(&limits)).await;
    let mut leaving = tokio::task::JoinSet::new();
    for who in staff {
        let scim = company.scim.clone();
        leaving.spawn(async move { scim.deactivate(&who.user_id).await.unwrap().status });
    }
    let answers = leaving.join_all().await;
    let went = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(went, 3, "{answers:?}");
    assert_eq!(kinds(&server, "directory.held").await, 1);
}
