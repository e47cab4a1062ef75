//! Break-glass accounts belong to no directory and to no identity provider, whatever those say.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Person, ScimClient};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::{
    break_glass::{PASSWORD, account, signed_in},
    relying::Relying,
    signals::{REVOCATION, email, last_signal, revocation, revoke},
};

on_every_server!(
    no_request_of_a_directory_claims_it,
    a_directory_neither_sees_nor_touches_it,
    an_adoption_leaves_it_out_and_says_so,
    an_account_of_a_directory_never_becomes_one,
    a_guard_and_the_health_of_a_directory_do_not_count_it,
    signals_of_an_identity_provider_do_not_reach_it,
);

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

async fn scim(scim: &ScimClient, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    let call = scim.call(method, path, body).await.unwrap();
    (call.status, call.body)
}

fn patch(operation: &Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": [operation] })
}

fn matches(body: &Value) -> u64 {
    body["totalResults"].as_u64().unwrap()
}

async fn user(server: &TestServer, id: &str) -> Value {
    server.admin.get(&format!("/users/{id}")).await
}

fn is_taken((status, body): (u16, Value)) {
    assert_eq!(status, 409, "{body}");
    assert_eq!(body["scimType"], "uniqueness", "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("break-glass"), "it says why: {detail}");
}

async fn no_request_of_a_directory_claims_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let before = user(&server, &id).await;
    let bob = company.hire("Bob", "Noyce").await;
    let bobs = format!("/Users/{}", bob.user_id);
    let mut whole = company.scim.user_body(&bob.person);
    whole["userName"] = json!("Glass");
    let renamed = patch(&json!({ "op": "replace", "path": "userName", "value": "glass" }));
    let unnamed = patch(&json!({ "op": "replace", "value": { "userName": "GLASS" } }));
    for (method, path, body) in [
        (Method::POST, "/Users", json!({ "userName": "glass" })),
        (
            Method::POST,
            "/Users",
            json!({ "userName": "GLASS", "emails": [{ "value": "x@acme.test" }] }),
        ),
        (Method::PUT, bobs.as_str(), whole),
        (Method::PATCH, bobs.as_str(), renamed.clone()),
        (Method::PATCH, bobs.as_str(), unnamed),
    ] {
        is_taken(scim(&company.scim, method, path, &body).await);
    }
    let bulk = json!({ "schemas": [BULK], "Operations": [
        { "method": "POST", "path": "/Users", "bulkId": "a", "data": { "userName": "glass" } },
        { "method": "PATCH", "path": bobs, "data": renamed },
    ]});
    let (status, done) = scim(&company.scim, Method::POST, "/Bulk", &bulk).await;
    assert_eq!(status, 200, "{done}");
    for operation in done["Operations"].as_array().unwrap() {
        assert_eq!(operation["status"], "409", "{done}");
    }
    server.engine.flush_records().await;
    let log = format!(
        "/organizations/{}/provisioning-log?limit=20",
        company.organization_id
    );
    let recorded = server.admin.get(&log).await;
    let told = recorded["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| {
            let detail = record["detail"].as_str().unwrap_or_default();
            detail.contains("break-glass")
        });
    assert!(told.count() >= 5, "{recorded}");

    // An address or an id of its own may be anybody's: the person has an ordinary account, too, and nothing is linked.
    let address = before["email"].clone();
    for operation in [
        json!({ "op": "replace", "path": "externalId", "value": "hr-1" }),
        json!({ "op": "replace", "path": "emails", "value": [{ "value": address, "primary": true }] }),
    ] {
        let (status, body) = scim(&company.scim, Method::PATCH, &bobs, &patch(&operation)).await;
        assert_eq!((status, &body["id"]), (200, &json!(bob.user_id)), "{body}");
    }
    let ordinary =
        json!({ "userName": "ada", "externalId": "hr-2", "emails": [{ "value": address }] });
    let (status, made) = scim(&company.scim, Method::POST, "/Users", &ordinary).await;
    assert_eq!(status, 201, "{made}");
    assert_ne!(made["id"], json!(id));
    assert_eq!(
        user(&server, &id).await,
        before,
        "as nobody had said anything"
    );
    signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    // The name is free again with the account.
    server.admin.delete(&format!("/users/{id}")).await;
    let (status, body) = scim(
        &company.scim,
        Method::POST,
        "/Users",
        &json!({ "userName": "glass" }),
    )
    .await;
    assert_eq!(status, 201, "{body}");
    server.settled().await;
}

async fn a_directory_neither_sees_nor_touches_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let (_, group) = scim(
        &company.scim,
        Method::POST,
        "/Groups",
        &json!({ "displayName": "Staff" }),
    )
    .await;
    let group = format!("/Groups/{}", group["id"].as_str().unwrap());
    let before = user(&server, &id).await;
    let own = format!("/Users/{id}");
    for adopts in [false, true] {
        if adopts {
            // As where people without a directory were there before it.
            let adopting = "UPDATE directories SET state = 'adopting', updated_at = updated_at + 1 RETURNING id";
            assert_eq!(server.database.texts(adopting).await.len(), 1);
        }
        let off = patch(&json!({ "op": "replace", "path": "active", "value": false }));
        for (method, path, body) in [
            (Method::GET, &own, Value::Null),
            (
                Method::PUT,
                &own,
                json!({ "userName": "glass", "active": false }),
            ),
            (Method::PATCH, &own, off),
            (Method::DELETE, &own, Value::Null),
        ] {
            let (status, body) = scim(&company.scim, method, path, &body).await;
            assert_eq!(status, 404, "{adopts} {body}");
        }
        for filter in [
            "userName%20eq%20%22glass%22",
            "externalId%20eq%20%22hr-1%22",
            "emails.value%20eq%20%22ada.lovelace@acme.test%22",
            "userName%20sw%20%22g%22",
            "active%20eq%20true",
            "name.givenName%20eq%20%22x%22%20or%20userName%20pr",
        ] {
            let path = format!("/Users?filter={filter}");
            let (status, body) = scim(&company.scim, Method::GET, &path, &Value::Null).await;
            assert_eq!(
                (status, matches(&body)),
                (200, 0),
                "{adopts} {filter} {body}"
            );
        }
        let (_, all) = scim(&company.scim, Method::GET, "/Users", &Value::Null).await;
        assert_eq!(matches(&all), 0, "{adopts} {all}");
        is_taken(
            scim(
                &company.scim,
                Method::POST,
                "/Users",
                &json!({ "userName": "glass" }),
            )
            .await,
        );
        let member = patch(&json!({ "op": "add", "path": "members", "value": [{ "value": id }] }));
        scim(&company.scim, Method::PATCH, &group, &member).await;
        let members = "SELECT COUNT(*) FROM group_members";
        assert_eq!(server.database.number(members).await, 0, "{adopts}");
    }
    assert_eq!(user(&server, &id).await, before);
    signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    server.settled().await;
}

/// Another directory of the company that claims who has none: its id and its client.
async fn attach(server: &TestServer, company: &Company) -> (Value, ScimClient) {
    let place = format!("/organizations/{}/directories", company.organization_id);
    let made = server.admin.post(&place, json!({ "name": "Second" })).await;
    let id = made["id"].as_str().unwrap();
    let token = server
        .admin
        .post(&format!("/directories/{id}/tokens"), json!({}))
        .await;
    let url = made["scim_url"].as_str().unwrap();
    let scim = ScimClient::new(url, token["token"].as_str().unwrap()).unwrap();
    (made, scim)
}

async fn an_adoption_leaves_it_out_and_says_so(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let (directory, _) = attach(&server, &company).await;
    assert_eq!(directory["state"], "active", "there is nobody to claim");
    let users = format!("/organizations/{}/users", company.organization_id);
    let grace = json!({ "user_name": "grace@acme.test" });
    let grace = server.admin.post(&users, grace).await;
    let (directory, client) = attach(&server, &company).await;
    assert_eq!(directory["state"], "adopting");
    let adoption = format!(
        "/directories/{}/adoption",
        directory["id"].as_str().unwrap()
    );
    let preview = server.admin.get(&adoption).await;
    let counted = [
        &preview["claimed"],
        &preview["unclaimed"],
        &preview["break_glass"],
    ];
    assert_eq!(counted, [&json!(0), &json!(1), &json!(1)], "{preview}");
    let unclaimed = server
        .admin
        .get(&format!("{adoption}/users?state=unclaimed"))
        .await;
    let ids: Vec<_> = unclaimed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["id"])
        .collect();
    assert_eq!(ids, [&grace["id"]]);

    is_taken(
        scim(
            &client,
            Method::POST,
            "/Users",
            &json!({ "userName": "GLASS" }),
        )
        .await,
    );
    let person = Person::new("Ada", "Lovelace", "acme.test").unwrap();
    let ada = client.hire(&person).await.unwrap().id.unwrap();
    assert_ne!(ada, id);
    let conflicts = server.admin.get(&format!("{adoption}/conflicts")).await;
    let conflict = &conflicts["data"][0];
    assert_eq!(
        conflicts["data"].as_array().unwrap().len(),
        1,
        "{conflicts}"
    );
    assert_eq!(
        (
            &conflict["kind"],
            &conflict["user_id"],
            &conflict["other_user_id"]
        ),
        (&json!("break_glass"), &json!(id), &json!(ada)),
        "an address of it in the directory"
    );
    let place = format!("/directories/{}", directory["id"].as_str().unwrap());
    server
        .admin
        .patch(&place, json!({ "state": "active" }))
        .await;
    assert!(user(&server, &id).await["directory_id"].is_null());
    signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    server.settled().await;
}

async fn an_account_of_a_directory_never_becomes_one(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mark = json!({ "break_glass": true });
    let place = format!("/users/{}", ada.user_id);
    let refused = server.admin.call(Method::PATCH, &place, Some(&mark)).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(
        refused.text("detail").contains("directory"),
        "{}",
        refused.body
    );
    assert_eq!(user(&server, &ada.user_id).await["break_glass"], false);
    // Nor does one take the name of an account of the directory.
    let users = format!("/organizations/{}/users", company.organization_id);
    let same = json!({ "user_name": ada.person.user_name.to_uppercase(), "break_glass": true });
    let refused = server.admin.call(Method::POST, &users, Some(&same)).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    let id = account(&server, &company, "glass").await;
    let name = json!({ "user_name": ada.person.user_name });
    let place = format!("/users/{id}");
    let refused = server.admin.call(Method::PATCH, &place, Some(&name)).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // Who was in a group while nobody owned them is in none afterwards.
    let plain = server
        .admin
        .post(&users, json!({ "user_name": "plain" }))
        .await;
    let plain = plain["id"].as_str().unwrap();
    let (directory, client) = attach(&server, &company).await;
    assert_eq!(directory["state"], "adopting");
    let group = client.push_group("Staff", "g-1").await.unwrap().id.unwrap();
    client
        .add_members(&group, &[plain])
        .await
        .unwrap()
        .success()
        .unwrap();
    server.admin.patch(&format!("/users/{plain}"), mark).await;
    let (_, group) = scim(
        &client,
        Method::GET,
        &format!("/Groups/{group}"),
        &Value::Null,
    )
    .await;
    assert!(
        group["members"].as_array().is_none_or(Vec::is_empty),
        "{group}"
    );
    server.settled().await;
}

async fn a_guard_and_the_health_of_a_directory_do_not_count_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.hire("Bob", "Noyce").await;
    let directory = format!("/directories/{}", company.directory_id);
    let guard = format!("{directory}/guard");
    let half = json!({ "percent": 50 });
    let set = server.admin.call(Method::PUT, &guard, Some(&half)).await;
    assert_eq!((set.status, &set.body["limit"]), (200, &json!(1)), "of two");
    let off = json!({ "active": false });
    server.admin.patch(&format!("/users/{id}"), off).await;
    let counted = server.admin.get(&guard).await;
    assert_eq!(counted["departures"], 0, "{counted}");
    let left = company.scim.deactivate(&ada.user_id).await.unwrap();
    assert_eq!(left.status, 200);
    let health = server.admin.get(&format!("{directory}/health")).await;
    assert_eq!(health["unowned"], 0, "{health}");
    server.settled().await;
}

async fn signals_of_an_identity_provider_do_not_reach_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let app = Relying::of(&server, &company);
    let ada = company.hire("Ada", "Lovelace").await;
    // She came in through the provider once, before the directory was taken away and the account became what it is.
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let directory = format!("/directories/{}?users=release", company.directory_id);
    server.admin.delete(&directory).await;
    let mark = json!({ "break_glass": true, "password": PASSWORD });
    server
        .admin
        .patch(&format!("/users/{}", ada.user_id), mark)
        .await;
    let mut browser = Browser::new().unwrap();
    let tokens = signed_in(&server, &company, &ada.user_id, &mut browser).await;
    let scim =
        json!({ "format": "scim", "uri": format!("{}/Users/{}", company.scim_url, ada.user_id) });
    let iss_sub =
        json!({ "format": "iss_sub", "iss": company.idp.issuer(), "sub": ada.person.sub });
    for name in [email(&ada), iss_sub, scim] {
        let claims = revocation(&server, &company, &json!({ "jti": name.to_string() }));
        let token = company.idp.signed(REVOCATION, &claims).unwrap();
        let reply = revoke(&server, &company.connection_id, &token, &name).await;
        assert_ne!(reply.status, 204, "{name}");
        assert_eq!(app.userinfo(&tokens.access).await.status, 200, "{name}");
    }
    let signal = last_signal(&server, &company).await;
    assert!(signal["user_id"].is_null(), "{signal}");
    company
        .idp
        .end_sessions(&ada.person.user_name)
        .await
        .unwrap();
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    let connection = format!("/connections/{}", company.connection_id);
    server
        .admin
        .patch(&connection, json!({ "state": "inactive" }))
        .await;
    assert_eq!(
        app.userinfo(&tokens.access).await.status,
        200,
        "it does not rest on it"
    );
    server.settled().await;
}
