//! Users, their sessions, and what is told about them.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_support::{World, on_every_database};

use crate::setup::{Api, id};

on_every_database!(
    a_user_is_made_found_changed_and_deleted,
    deactivation_ends_everything_and_reactivation_revives_nothing,
    a_directory_owns_its_users,
    sessions_are_listed_and_ended,
    a_deactivated_organization_lets_nobody_in,
    a_deactivated_application_loses_its_shares,
    events_come_in_one_order,
);

async fn a_user_is_made_found_changed_and_deleted(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let users = format!("/organizations/{organization}/users");
    let body = json!({ "user_name": "Ada", "email": "ada@acme.test", "given_name": "Ada", "password": "correct horse" });
    let made = api.post(&users, body.clone()).await.expect(201);
    assert_eq!(made["attributes"]["emails"][0]["value"], "ada@acme.test");
    assert!(!made.to_string().contains("correct horse"));
    api.post(&users, body).await.refused(409);
    let found = api.get(&format!("{users}?user_name=ADA")).await.expect(200);
    assert_eq!(found["data"][0]["id"], made["id"]);
    for (body, field) in [
        (json!({}), "user_name"),
        (json!({ "user_name": "b", "password": "short" }), "password"),
        (json!({ "user_name": "b", "email": "nobody" }), "email"),
        (json!({ "user_name": "b\u{0}" }), "user_name"),
    ] {
        let reply = api.post(&users, body).await;
        assert_eq!(reply.field(), field);
        reply.refused(422);
    }
    let path = format!("/users/{}", id(&made));
    let changed = api
        .patch(&path, json!({ "display_name": "Ada L.", "email": null }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["display_name"], &changed["email"]),
        (&json!("Ada L."), &Value::Null)
    );
    assert_eq!(changed["attributes"]["name"]["givenName"], "Ada");
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404);
    assert_eq!(
        api.world
            .database
            .texts("SELECT user_name FROM users")
            .await,
        [""]
    );
    let hashes = api.world.database.texts("SELECT phc FROM passwords").await;
    assert!(hashes.is_empty());
}

async fn deactivation_ends_everything_and_reactivation_revives_nothing(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let share = api.world.sign_in_to_app(&company).await;
    let path = format!("/users/{}", company.user.id);
    assert_eq!(
        api.post(&format!("{path}/deactivate"), json!({}))
            .await
            .expect(200)["active"],
        false
    );
    assert!(!api.world.is_share_live(share.id).await);
    let version = api.get(&path).await.expect(200)["version"].clone();
    api.post(&format!("{path}/deactivate"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        api.get(&path).await.expect(200)["version"],
        version,
        "a second deactivation changes nothing"
    );
    api.post(&format!("{path}/activate"), json!({}))
        .await
        .expect(200);
    assert!(!api.world.is_share_live(share.id).await);

    let receipts = api
        .get(&format!(
            "/organizations/{}/offboardings",
            company.organization.id
        ))
        .await
        .expect(200);
    let receipt = receipts["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|receipt| receipt["cause"] == "deactivated")
        .unwrap();
    assert_eq!(receipt["actor"], "api_key:bootstrap");
    let receipt = api
        .get(&format!("/offboardings/{}", id(receipt)))
        .await
        .expect(200);
    let notices = receipt["notices"].as_array().unwrap();
    assert!(
        notices
            .iter()
            .all(|notice| notice["sid"] == share.id.to_string() && notice["state"] == "waiting")
    );
    assert_eq!(notices.len(), 2, "a young share is told twice");
    assert_eq!(notices[0]["again"], false);
    assert_eq!(notices[1]["again"], true);
    let lines = receipt["applications"].as_array().unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0]["application_id"],
        company.application.id.to_string()
    );
    assert_eq!(
        (&lines[0]["app_sessions"], &lines[0]["notices"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(receipt["state"], "pending");
    api.world.clock.advance(Duration::from_mins(6));
    let path = format!("/offboardings/{}", id(&receipt));
    let late = api.get(&path).await.expect(200);
    assert_eq!(late["state"], "overdue");

    let signed = api.get(&format!("{path}/signed")).await.expect(200);
    let keys = api.engine.keys();
    let claims: Value = keys
        .verify(signed.as_str().unwrap(), "offboarding-receipt+jwt")
        .unwrap();
    assert_eq!(claims["receipt"], late);
    assert!(claims.get("aud").is_none() && claims.get("sub").is_none());
    let page = api.get(&format!("{path}/page")).await.expect(200);
    let page = page.as_str().unwrap();
    for shown in [
        id(&receipt),
        company.user.id.to_string(),
        "0 of 2 notices accepted".to_owned(),
        "overdue".to_owned(),
    ] {
        assert!(page.contains(&shown), "{shown}: {page}");
    }
    assert!(!page.contains("<script"));
}

async fn a_directory_owns_its_users(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let directory = api.world.directory(&company.organization).await;
    let user = api
        .world
        .user(&company.organization, Some(directory.id), "bob")
        .await;
    let path = format!("/users/{}", user.id);
    assert!(
        api.patch(&path, json!({ "display_name": "Bob" }))
            .await
            .refused(409)
            .contains("directory")
    );
    assert!(
        api.patch(&path, json!({ "password": "correct horse" }))
            .await
            .refused(409)
            .contains("password")
    );
    let sign_in = api.world.login(&user, &company.connection).await;
    assert_eq!(
        api.patch(&path, json!({ "active": false }))
            .await
            .expect(200)["active"],
        false
    );
    assert!(!api.world.is_signed_in(sign_in).await);
    api.post(&format!("{path}/activate"), json!({}))
        .await
        .expect(200);
}

async fn sessions_are_listed_and_ended(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let one = api.world.login(&company.user, &company.connection).await;
    let two = api.world.login(&company.user, &company.connection).await;
    let path = format!("/users/{}/sessions", company.user.id);
    assert_eq!(
        api.get(&path).await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    api.delete(&format!("/sessions/{}", one.id))
        .await
        .expect(204);
    assert!(!api.world.is_signed_in(one).await && api.world.is_signed_in(two).await);
    assert_eq!(api.delete(&path).await.expect(200)["user_sessions"], 1);
    assert!(!api.world.is_signed_in(two).await);
    assert_eq!(api.get(&path).await.expect(200)["data"], json!([]));
    let again = api.world.login(&company.user, &company.connection).await;
    api.delete(&format!("/users/{}/identities", company.user.id))
        .await
        .expect(204);
    assert!(
        api.world.is_signed_in(again).await,
        "there was no link to remove"
    );
}

async fn a_deactivated_organization_lets_nobody_in(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let sign_in = api.world.login(&company.user, &company.connection).await;
    let path = format!("/organizations/{}", company.organization.id);
    api.patch(&path, json!({ "active": false }))
        .await
        .expect(200);
    assert!(!api.world.is_signed_in(sign_in).await);
    assert!(
        api.world
            .try_login(&company.user, &company.connection)
            .await
            .is_none()
    );
    api.patch(&path, json!({ "active": true }))
        .await
        .expect(200);
    assert!(!api.world.is_signed_in(sign_in).await);
    let sign_in = api.world.login(&company.user, &company.connection).await;
    api.delete(&path).await.expect(204);
    assert!(!api.world.is_signed_in(sign_in).await);
    api.get(&format!("/users/{}", company.user.id))
        .await
        .refused(404);
    api.get(&format!("/connections/{}", company.connection.id))
        .await
        .refused(404);
}

async fn a_deactivated_application_loses_its_shares(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let share = api.world.sign_in_to_app(&company).await;
    let path = format!("/applications/{}", company.application.id);
    api.patch(&path, json!({ "name": "Renamed" }))
        .await
        .expect(200);
    assert!(api.world.is_share_live(share.id).await);
    api.patch(&path, json!({ "active": false }))
        .await
        .expect(200);
    api.patch(&path, json!({ "active": true }))
        .await
        .expect(200);
    assert!(!api.world.is_share_live(share.id).await);
}

async fn events_come_in_one_order(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let users = format!("/organizations/{organization}/users");
    for name in ["a", "b", "c"] {
        api.world.clock.advance(Duration::from_millis(1));
        api.post(&users, json!({ "user_name": name }))
            .await
            .expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/events?type=user.created&limit=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        names.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["data"]["user_name"].clone()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/events?type=user.created&limit=2&after={cursor}");
    }
    assert_eq!(names, ["a", "b", "c"]);
    let all = api.get("/events").await.expect(200);
    let second = api
        .get(&format!("/events?after={}", id(&all["data"][0])))
        .await
        .expect(200);
    assert_eq!(
        second["data"][0], all["data"][1],
        "an event's id is a cursor too"
    );
    assert_eq!(
        api.get(&format!("/events?organization_id={organization}&limit=1"))
            .await
            .expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for query in [
        "type=user.exploded",
        "after=nonsense",
        "limit=0",
        "limit=x",
        "tpye=user.created",
    ] {
        api.get(&format!("/events?{query}")).await.refused(400);
    }
    let page = api.get(&format!("{users}?limit=2")).await.expect(200);
    let rest = api
        .get(&format!(
            "{users}?limit=2&after={}",
            page["next_cursor"].as_str().unwrap()
        ))
        .await
        .expect(200);
    assert_eq!(
        (rest["data"].as_array().unwrap().len(), &rest["next_cursor"]),
        (1, &Value::Null)
    );
}
