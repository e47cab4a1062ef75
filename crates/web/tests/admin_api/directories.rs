//! Directories as a product: their mode, adoption, settings, schemas, roles and look-up values.

use serde_json::{Value, json};
use vestibule_support::{World, on_every_database, person};

use crate::setup::{Api, id};

on_every_database!(
    a_directory_is_lenient_or_strict,
    a_directory_takes_over_another_one,
    attributes_are_mapped,
    schemas_are_added_and_removed,
    groups_give_roles,
    look_up_values_are_kept,
    an_external_id_that_cannot_join_is_told,
);

async fn directory(api: &Api) -> (String, String) {
    let organization = api.organization("Acme").await;
    let made = api
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({}),
        )
        .await
        .expect(201);
    (organization, format!("/directories/{}", id(&made)))
}

async fn a_directory_is_lenient_or_strict(world: World) {
    let api = Api::on(world).await;
    let (organization, path) = directory(&api).await;
    let read = api.get(&path).await.expect(200);
    assert_eq!(
        (
            &read["mode"],
            &read["detected_dialect"],
            &read["external_id_finding"]
        ),
        (&json!("lenient"), &Value::Null, &Value::Null)
    );
    let strict = api.patch(&path, json!({ "mode": "strict" })).await;
    assert_eq!(strict.expect(200)["mode"], "strict");
    assert_eq!(api.get(&path).await.expect(200)["mode"], "strict");
    assert!(api.patch(&path, json!({ "mode": "harsh" })).await.status >= 400);
    let made = api
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({ "mode": "strict", "dialect": "okta" }),
        )
        .await
        .expect(201);
    assert_eq!(
        (&made["mode"], &made["dialect"]),
        (&json!("strict"), &json!("okta"))
    );
}

async fn a_directory_takes_over_another_one(world: World) {
    let api = Api::on(world).await;
    let (organization, old) = directory(&api).await;
    let old_id = old.trim_start_matches("/directories/").to_owned();
    let company = api.world.company("globex").await;
    let foreign = api.world.directory(&company.organization).await;
    let attach = format!("/organizations/{organization}/directories");
    for other in [
        foreign.id.to_string(),
        "dir_01h455vb4pex5vsknk084sn02q".to_owned(),
    ] {
        let refused = api.post(&attach, json!({ "replaces": other })).await;
        assert_eq!((refused.status, refused.field()), (422, "replaces"));
    }
    let connection = api.connection(&organization, json!({})).await.expect(201);
    let organization_id = organization.parse().unwrap();
    let found = api
        .world
        .read()
        .await
        .find_organization(organization_id)
        .await;
    let owner = found.unwrap().unwrap();
    let ada = api
        .world
        .user(&owner, Some(old_id.parse().unwrap()), "ada")
        .await;
    let new = api
        .post(&attach, json!({ "replaces": old_id }))
        .await
        .expect(201);
    assert_eq!(
        (&new["state"], &new["replaces"]),
        (&json!("adopting"), &json!(old_id))
    );
    assert_eq!(api.get(&old).await.expect(200)["replaced_by"], new["id"]);
    let moved = api.get(&format!("/connections/{}", id(&connection))).await;
    assert_eq!(moved.expect(200)["directory_id"], new["id"]);
    api.patch(&old, json!({ "replaces": id(&new) }))
        .await
        .refused(422);
    api.post(&attach, json!({ "replaces": old_id }))
        .await
        .refused(409);

    an_adoption_is_previewed(
        &api,
        &organization,
        (&id(&new), &old_id),
        &ada.id.to_string(),
    )
    .await;
}

/// `ada` belongs to the old directory, and nobody is claimed yet.
async fn an_adoption_is_previewed(
    api: &Api,
    organization: &str,
    (new, old): (&str, &str),
    ada: &str,
) {
    let path = format!("/directories/{new}/adoption");
    assert_eq!(
        api.get(&path).await.expect(200),
        json!({ "claimed": 0, "unclaimed": 1, "unclaimed_of_replaced": 1, "break_glass": 0 })
    );
    let listed = api
        .get(&format!("{path}/users?state=unclaimed&limit=1"))
        .await
        .expect(200);
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["directory_id"]),
        (&json!(ada), &json!(old))
    );
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("{path}/users?cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["data"], json!([]));
    let none = api
        .get(&format!("{path}/users?state=claimed"))
        .await
        .expect(200);
    assert_eq!(none["data"], json!([]));
    let shadow = api
        .post(
            &format!("/organizations/{organization}/users"),
            json!({ "user_name": "ADA" }),
        )
        .await
        .expect(201);
    let conflicts = api
        .get(&format!("{path}/conflicts?limit=1"))
        .await
        .expect(200);
    let conflict = &conflicts["data"][0];
    assert_eq!(
        (
            &conflict["kind"],
            &conflict["user_id"],
            &conflict["other_user_id"]
        ),
        (&json!("same_name"), &shadow["id"], &json!(ada))
    );
    assert!(conflict["remedy"].as_str().unwrap().len() > 10);
    let cursor = conflicts["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("{path}/conflicts?cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["data"], json!([]));
    for bad in [
        "users?cursor=x",
        "conflicts?cursor=x.y.z",
        "users?state=lost",
    ] {
        assert!(
            api.get(&format!("{path}/{bad}")).await.status >= 400,
            "{bad}"
        );
    }
}

async fn attributes_are_mapped(world: World) {
    let api = Api::on(world).await;
    let (_, path) = directory(&api).await;
    let path = format!("{path}/settings");
    let standard = json!({
        "mapping": { "login_name": "userName", "email": "emails.value", "roles": "roles.value", "json_roles": false },
        "indexed_attributes": [],
    });
    assert_eq!(api.get(&path).await.expect(200), standard);
    let change = json!({
        "mapping": { "login_name": "employeenumber", "roles": "ENTITLEMENTS", "json_roles": true },
        "indexed_attributes": ["department", "title"],
    });
    let changed = api.patch(&path, change).await.expect(200);
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(
        changed,
        json!({
            "mapping": {
                "login_name": format!("{enterprise}:employeeNumber"), "email": "emails.value",
                "roles": "entitlements.value", "json_roles": true,
            },
            "indexed_attributes": [format!("{enterprise}:department"), "title"],
        })
    );
    assert_eq!(api.get(&path).await.expect(200), changed);
    let refused = api
        .patch(&path, json!({ "mapping": { "email": "nowhere" } }))
        .await;
    assert_eq!((refused.status, refused.field()), (422, "mapping.email"));
    let back = json!({
        "mapping": { "login_name": null, "roles": null, "json_roles": false }, "indexed_attributes": [],
    });
    assert_eq!(api.patch(&path, back).await.expect(200), standard);
}

async fn schemas_are_added_and_removed(world: World) {
    let api = Api::on(world).await;
    let (_, directory) = directory(&api).await;
    let path = format!("{directory}/schemas");
    let schema = json!({ "id": "urn:example:badge:1.0", "name": "Badge", "attributes": [{ "name": "number", "type": "string" }] });
    let body = json!({ "extends": "User", "required": true, "schema": schema });
    let made = api.post(&path, body.clone()).await.expect(201);
    assert_eq!(
        (&made["id"], &made["extends"], &made["required"]),
        (
            &json!("urn:example:badge:1.0"),
            &json!("User"),
            &json!(true)
        )
    );
    assert_eq!(made["schema"]["attributes"][0]["returned"], "default");
    api.post(&path, body).await.refused(409);
    let listed = api.get(&path).await.expect(200);
    assert_eq!(listed["data"], json!([made]));
    let one = format!("{path}/urn:example:badge:1.0");
    assert_eq!(api.get(&one).await.expect(200), made);
    let broken = api
        .post(&path, json!({ "extends": "User", "schema": {} }))
        .await;
    assert_eq!((broken.status, broken.field()), (422, "schema"));
    api.delete(&one).await.expect(204);
    api.delete(&one).await.refused(404);
    api.get(&one).await.refused(404);
}

async fn groups_give_roles(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let directory = api.world.directory(&company.organization).await;
    let other = api.world.directory(&company.organization).await;
    let group = api.world.group(&directory, "Staff").await;
    let path = format!("/directories/{}/role-mappings", directory.id);
    let body = json!({ "group_id": group.id, "role": "editor" });
    let made = api.post(&path, body.clone()).await.expect(201);
    assert_eq!(
        (&made["group_name"], &made["application_id"]),
        (&json!("Staff"), &Value::Null)
    );
    api.post(&path, body).await.refused(409);
    let application = company.application.id.to_string();
    let body = json!({ "group_id": group.id, "role": "editor", "application_id": application });
    let bound = api.post(&path, body).await.expect(201);
    let listed = api.get(&format!("{path}?limit=1")).await.expect(200);
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("{path}?cursor={cursor}"))
        .await
        .expect(200);
    let mut both = vec![id(&listed["data"][0]), id(&rest["data"][0])];
    both.sort();
    let mut expected = vec![id(&made), id(&bound)];
    expected.sort();
    assert_eq!(both, expected);
    let one = format!("{path}/{}", id(&bound));
    api.patch(&one, json!({ "application_id": null }))
        .await
        .refused(409);
    let changed = api
        .patch(&one, json!({ "role": "owner", "application_id": null }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["role"], &changed["application_id"]),
        (&json!("owner"), &Value::Null)
    );
    assert_eq!(api.get(&one).await.expect(200), changed);
    for (body, field) in [
        (
            json!({ "group_id": "grp_01h455vb4pex5vsknk084sn02q", "role": "x" }),
            "group_id",
        ),
        (json!({ "group_id": group.id, "role": " " }), "role"),
        (
            json!({ "group_id": group.id, "role": "x", "application_id": "app_01h455vb4pex5vsknk084sn02q" }),
            "application_id",
        ),
    ] {
        let refused = api.post(&path, body).await;
        assert_eq!((refused.status, refused.field()), (422, field));
    }
    // A mapping is found only below its own directory.
    let elsewhere = format!("/directories/{}/role-mappings/{}", other.id, id(&bound));
    api.get(&elsewhere).await.refused(404);
    api.delete(&elsewhere).await.refused(404);
    api.delete(&one).await.expect(204);
    api.delete(&one).await.refused(404);
}

async fn look_up_values_are_kept(world: World) {
    let api = Api::on(world).await;
    let (_, directory) = directory(&api).await;
    let path = format!("{directory}/lookups/entitlements");
    let body = json!({ "value": "E1/a b", "display": "Licence", "type": "licence" });
    let made = api.post(&path, body.clone()).await.expect(201);
    assert_eq!(
        (&made["value"], &made["type"]),
        (&json!("E1/a b"), &json!("licence"))
    );
    api.post(&path, body).await.refused(409);
    let one = format!("{path}/E1%2Fa%20b");
    let changed = api
        .patch(&one, json!({ "display": null }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["display"], &changed["type"]),
        (&Value::Null, &json!("licence"))
    );
    assert_eq!(api.get(&path).await.expect(200)["data"], json!([changed]));
    let roles = api
        .get(&format!("{directory}/lookups/roles"))
        .await
        .expect(200);
    assert_eq!(roles["data"], json!([]));
    api.get(&format!("{directory}/lookups/members"))
        .await
        .refused(404);
    api.delete(&one).await.expect(204);
    api.delete(&one).await.refused(404);
}

async fn an_external_id_that_cannot_join_is_told(world: World) {
    let api = Api::on(world).await;
    let (organization, path) = directory(&api).await;
    let directory_id = path.trim_start_matches("/directories/").parse().unwrap();
    let organization_id = organization.parse().unwrap();
    let found = api
        .world
        .read()
        .await
        .find_organization(organization_id)
        .await;
    let owner = found.unwrap().unwrap();
    api.world.user(&owner, Some(directory_id), "ada").await;
    let push = async |count: usize, external_id: Option<&str>| {
        let mut tx = api.world.write().await;
        for number in 0..count {
            let mut record = person(&format!("{external_id:?}-{number}@acme.test"));
            record.external_id = external_id.map(|_| record.user_name.clone());
            let added = tx.add_user(organization_id, Some(directory_id), &record);
            added.await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    let finding = async |path: &str| {
        let read = api.get(path).await.expect(200);
        read["external_id_finding"].clone()
    };
    let before = finding(&path).await;
    assert_eq!(before, Value::Null, "nothing is joined by it yet");
    let join = json!({ "join": { "directory": "externalId", "claim": "oid" } });
    api.connection(&organization, join).await.expect(201);
    assert_eq!(
        finding(&path).await,
        Value::Null,
        "nothing speaks against it"
    );
    push(2, None).await;
    let absent = finding(&path).await;
    assert_eq!(absent["code"], "absent");
    assert!(absent["detail"].as_str().unwrap().contains("`oid`"));
    let listed = api
        .get(&format!("/organizations/{organization}/directories"))
        .await;
    assert_eq!(listed.expect(200)["data"][0]["external_id_finding"], absent);
    push(10, Some("name")).await;
    assert_eq!(finding(&path).await["code"], "equals_user_name");
}
