//! Directories as a product: strict, replaced, and what their groups and attributes become in tokens.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, ScimClient};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer},
};

use crate::relying::{Relying, Tokens};

on_every_server!(
    a_strict_directory_says_what_it_does_not_forgive,
    people_stay_signed_in_while_their_directory_is_replaced,
    who_was_not_claimed_is_refused_once_the_adoption_ends,
    groups_give_roles_in_tokens,
    roles_are_read_where_the_directory_says,
    the_login_name_is_what_the_directory_says,
);

async fn a_strict_directory_says_what_it_does_not_forgive(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let path = format!("/Users/{}", ada.user_id);
    let shouted = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "Replace", "path": "active", "value": "True" }],
    });
    let patch = async || {
        company
            .scim
            .call(Method::PATCH, &path, Some(&shouted))
            .await
    };
    assert_eq!(patch().await.unwrap().status, 200);
    let directory = format!("/directories/{}", company.directory_id);
    server
        .admin
        .patch(&directory, json!({ "mode": "strict" }))
        .await;
    let refused = patch().await.unwrap();
    assert_eq!(
        (refused.status, refused.body["scimType"].as_str()),
        (400, Some("invalidSyntax")),
        "{:?}",
        refused.body
    );
    let exact = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "title", "value": "Countess" }],
    });
    let taken = company.scim.call(Method::PATCH, &path, Some(&exact)).await;
    assert_eq!(taken.unwrap().status, 200);
    server
        .admin
        .patch(&directory, json!({ "mode": "lenient" }))
        .await;
    assert_eq!(patch().await.unwrap().status, 200);
}

/// Another directory of the company that replaces the first one: its id and its client.
async fn replace(server: &TestServer, company: &Company) -> (String, ScimClient) {
    let made = server
        .admin
        .post(
            &format!("/organizations/{}/directories", company.organization_id),
            json!({ "name": "New", "replaces": company.directory_id }),
        )
        .await;
    let id = made["id"].as_str().unwrap().to_owned();
    let token = server
        .admin
        .post(&format!("/directories/{id}/tokens"), json!({}))
        .await;
    let url = made["scim_url"].as_str().unwrap();
    let scim = ScimClient::new(url, token["token"].as_str().unwrap()).unwrap();
    (id, scim)
}

async fn end_adoption(server: &TestServer, id: &str) {
    let change = json!({ "state": "active" });
    server
        .admin
        .patch(&format!("/directories/{id}"), change)
        .await;
}

async fn people_stay_signed_in_while_their_directory_is_replaced(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Roe").await;
    let before = company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let (id, scim) = replace(&server, &company).await;
    // Whom nobody has claimed yet still gets in, and so does who was claimed, as the same user.
    company.signed_in(&mut Browser::new().unwrap(), &bob).await;
    let claimed = scim.hire(&ada.person).await.unwrap();
    assert_eq!(claimed.id.as_deref(), Some(ada.user_id.as_str()));
    let after = company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    assert_eq!(after.sub, before.sub);
    let late = company.scim.deactivate(&bob.user_id).await.unwrap();
    assert_eq!(late.status, 403, "the old directory takes no more changes");
    end_adoption(&server, &id).await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    scim.deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    assert!(
        company.live_session(&ada.user_id).is_none() || {
            server.settled().await;
            company.live_session(&ada.user_id).is_none()
        }
    );
}

async fn who_was_not_claimed_is_refused_once_the_adoption_ends(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Roe").await;
    let (id, scim) = replace(&server, &company).await;
    scim.hire(&ada.person).await.unwrap();
    let unclaimed = format!("/directories/{id}/adoption/users?state=unclaimed");
    let listed = server.admin.get(&unclaimed).await;
    assert_eq!(listed["data"][0]["id"], json!(bob.user_id));
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    company.signed_in(&mut Browser::new().unwrap(), &bob).await;
    end_adoption(&server, &id).await;
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &bob.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(
        (login["outcome"].as_str(), login["rule"].as_str()),
        (Some("refused"), Some("not_provisioned"))
    );
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    // They are the new directory's as soon as it pushes them, but not the same user: that chance has passed.
    let anew = scim.hire(&bob.person).await.unwrap();
    assert_ne!(anew.id.as_deref(), Some(bob.user_id.as_str()));
}

const SCOPE: (&str, &str) = ("scope", "openid profile email groups roles");

/// The claims of a new ID token and of userinfo, which have to agree.
async fn claims(company: &Company, app: &Relying, employee: &Employee) -> Value {
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(company, &mut browser, &employee.person, &[SCOPE])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let (id, userinfo) = (tokens.claims(), app.userinfo(&tokens.access).await.body);
    for name in ["roles", "groups", "preferred_username"] {
        assert_eq!(id[name], userinfo[name], "{name}");
    }
    id
}

async fn groups_give_roles_in_tokens(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let group = async |name: &str, external_id: &str, member: &str| {
        let made = company.scim.push_group(name, external_id).await.unwrap();
        let id = made.id.unwrap();
        let added = company.scim.add_members(&id, &[member]).await.unwrap();
        added.success().unwrap();
        id
    };
    let inner = group("Inner", "g-1", &ada.user_id).await;
    let outer = group("Outer", "g-2", &inner).await;
    let path = format!("/directories/{}/role-mappings", company.directory_id);
    let other = server
        .admin
        .post(
            "/applications",
            json!({ "name": "Other", "redirect_uris": ["https://other.test/"] }),
        )
        .await;
    for mapping in [
        json!({ "group_id": outer, "role": "auditor" }),
        json!({ "group_id": inner, "role": "editor", "application_id": company.client_id }),
        json!({ "group_id": inner, "role": "owner", "application_id": other["client_id"] }),
        json!({ "group_id": inner, "role": "viewer" }),
    ] {
        server.admin.post(&path, mapping).await;
    }
    let own = json!([{ "value": "viewer" }, { "value": "own" }]);
    let updated = company.scim.update(&ada.user_id, &[("roles", own)]).await;
    updated.unwrap().success().unwrap();
    let told = claims(&company, &app, &ada).await;
    assert_eq!(told["groups"], json!(["Inner", "Outer"]));
    assert_eq!(told["roles"], json!(["viewer", "own", "auditor", "editor"]));
    let removed = company
        .scim
        .remove_members(&outer, &[&inner])
        .await
        .unwrap();
    removed.success().unwrap();
    let told = claims(&company, &app, &ada).await;
    assert_eq!(told["groups"], json!(["Inner"]));
    assert_eq!(told["roles"], json!(["viewer", "own", "editor"]));
}

async fn roles_are_read_where_the_directory_says(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let text = r#"{"id":"18d14569","value":"admin","displayName":"Admin"}"#;
    let sent = [
        ("roles", json!([{ "value": text }])),
        ("entitlements", json!([{ "value": "seat" }])),
    ];
    let updated = company.scim.update(&ada.user_id, &sent).await;
    updated.unwrap().success().unwrap();
    assert_eq!(claims(&company, &app, &ada).await["roles"], json!([text]));
    let path = format!("/directories/{}/settings", company.directory_id);
    server
        .admin
        .patch(&path, json!({ "mapping": { "json_roles": true } }))
        .await;
    assert_eq!(
        claims(&company, &app, &ada).await["roles"],
        json!(["admin"])
    );
    let mapping = json!({ "mapping": { "roles": "entitlements" } });
    server.admin.patch(&path, mapping).await;
    assert_eq!(claims(&company, &app, &ada).await["roles"], json!(["seat"]));
}

async fn the_login_name_is_what_the_directory_says(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let join = json!({ "join": { "directory": "userName", "claim": "email" } });
    let connection = format!("/connections/{}", company.connection_id);
    server.admin.patch(&connection, join).await;
    let user_name = claims(&company, &app, &ada).await["preferred_username"].clone();
    assert_eq!(user_name, json!(ada.person.user_name));
    let path = format!("/directories/{}/settings", company.directory_id);
    let mapping = json!({ "mapping": { "login_name": "nickName" } });
    server.admin.patch(&path, mapping).await;
    // Nobody has one yet, and no other attribute stands in for it.
    let other = company.hire("Bob", "Roe").await;
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &other.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    let email = json!(other.person.user_name.to_uppercase());
    let updated = company
        .scim
        .update(&other.user_id, &[("nickName", email.clone())])
        .await;
    updated.unwrap().success().unwrap();
    let told = claims(&company, &app, &other).await;
    assert_eq!(
        (&told["sub"], &told["preferred_username"]),
        (&json!(other.user_id), &email)
    );
}
