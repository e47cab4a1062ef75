//! Who a login means: one test for each line of the rule (a login names a user by a link or by the one configured pair),
//! and one for each way in which other products let the wrong person in.
//!
//! Two stories have their tests elsewhere: that people of a directory are never asked for a password is
//! `password::people_of_a_directory_never_sign_in_by_password`, and what a directory may adopt is in the tests of adoption.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page, Person, ScimClient};
use vestibule_support::{
    on_every_server,
    server::{Employee, TestServer},
};

use crate::{
    hostile::{CLIENT_ID, SECRET, Stage, changed},
    relying::{Relying, Tokens, answer},
};

on_every_server!(
    // The rule.
    a_link_is_of_one_connection_and_issuer,
    an_address_counts_only_where_somebody_vouches_for_it,
    a_link_outlives_every_change_of_address_and_name,
    a_name_that_can_be_renamed_is_looked_up_at_every_first_login,
    an_account_is_made_only_where_the_connection_says_so,
    taking_a_link_away_ends_what_came_by_it,
    the_domain_chooses_a_way_and_grants_nothing,
    // The stories.
    an_address_alone_links_nobody,
    two_directories_with_the_same_people_are_two_worlds,
    a_directory_gets_no_hold_of_an_operators_account,
    a_new_address_from_a_directory_opens_no_other_account,
    a_login_changes_nothing_of_its_user,
    a_deactivated_member_comes_back_by_the_directory_alone,
    groups_in_a_token_change_no_membership,
    a_recreated_name_is_another_person,
);

/// Lets the provider say these claims, and a fresh browser in.
async fn enter(stage: &Stage, name: &str, connection: &str, claims: Value) -> Page {
    stage.hostile.at(name, |tenant| tenant.claims = claims);
    stage
        .enter(&mut Browser::new().unwrap(), connection, &[])
        .await
}

/// The user who is in; none is a failure.
async fn user(stage: &Stage, page: &Page) -> String {
    let answer = answer(page);
    let code = answer
        .get("code")
        .unwrap_or_else(|| panic!("{} {} {}", page.status, page.url, page.body));
    let tokens = Tokens::of(&stage.app.exchange(code).await);
    tokens.claims()["sub"].as_str().unwrap().to_owned()
}

async fn rule(server: &TestServer, stage: &Stage, page: &Page) -> String {
    assert_eq!(page.status, 403, "{} {}", page.url, page.body);
    let login = stage.company.last_login(server).await;
    login["rule"].as_str().unwrap().to_owned()
}

async fn join(server: &TestServer, connection: &str, directory: &str, claim: &str) {
    let join = json!({"join": {"directory": directory, "claim": claim}});
    let place = format!("/connections/{connection}");
    server.admin.patch(&place, join).await;
}

async fn links(server: &TestServer) -> i64 {
    server
        .database
        .number("SELECT COUNT(*) FROM identities")
        .await
}

/// Key = connection, issuer, subject; nothing else logs in a known user.
async fn a_link_is_of_one_connection_and_issuer(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let first = stage.connect(&server, "first", json!({})).await;
    assert_eq!(
        user(&stage, &enter(&stage, "first", &first, json!({})).await).await,
        stage.ada.user_id
    );
    // The same subject, name and address by another connection of the organization.
    let second = stage.connect(&server, "second", json!({})).await;
    let known = json!({"oid": "nobody", "preferred_username": stage.ada.person.user_name});
    let page = enter(&stage, "second", &second, known.clone()).await;
    assert_eq!(rule(&server, &stage, &page).await, "not_provisioned");
    // The first connection knows the link, whatever else the token says.
    assert_eq!(
        user(&stage, &enter(&stage, "first", &first, known.clone()).await).await,
        stage.ada.user_id
    );
    // And it knows no link of the provider that it had before.
    let issuer = stage.hostile.add("moved", &stage.ada.person);
    let place = format!("/connections/{first}");
    server
        .admin
        .patch(&place, json!({"oidc": {"issuer": issuer}}))
        .await;
    let page = enter(&stage, "moved", &first, known).await;
    assert_eq!(rule(&server, &stage, &page).await, "not_provisioned");
    server.settled().await;
}

/// An address joins within the organization's verified domains, and where the provider or the connection vouches for it.
async fn an_address_counts_only_where_somebody_vouches_for_it(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "mail", json!({})).await;
    join(&server, &id, "emails.value", "email").await;
    let before = links(&server).await;
    for said in [
        json!(false),
        json!("false"),
        json!("TRUE"),
        json!("yes"),
        json!("1"),
        json!(1),
        json!([true]),
        json!({}),
        Value::Null,
    ] {
        let page = enter(&stage, "mail", &id, json!({"email_verified": said})).await;
        assert_eq!(
            rule(&server, &stage, &page).await,
            "email_unverified",
            "{said}"
        );
    }
    // Of another claim nothing is known, also where the token has a verified address.
    join(&server, &id, "emails.value", "preferred_username").await;
    let other = json!({"preferred_username": stage.ada.person.email, "email": "eve@acme.test"});
    let page = enter(&stage, "mail", &id, other).await;
    assert_eq!(rule(&server, &stage, &page).await, "email_unverified");
    join(&server, &id, "emails.value", "email").await;
    let page = enter(
        &stage,
        "mail",
        &id,
        json!({"email": "ada.lovelace@evil.test"}),
    )
    .await;
    assert_eq!(rule(&server, &stage, &page).await, "domain_unverified");
    assert_eq!(links(&server).await, before);
    // A connection that vouches in the provider's place never outweighs its no.
    let place = format!("/connections/{id}");
    server
        .admin
        .patch(&place, json!({"oidc": {"trust_email": true}}))
        .await;
    let page = enter(&stage, "mail", &id, json!({"email_verified": false})).await;
    assert_eq!(rule(&server, &stage, &page).await, "email_unverified");
    for said in [Value::Null, json!(true), json!("true")] {
        let place = format!("/users/{}/identities", stage.ada.user_id);
        server.admin.delete(&place).await;
        let page = enter(&stage, "mail", &id, json!({"email_verified": said})).await;
        assert_eq!(user(&stage, &page).await, stage.ada.user_id, "{said}");
    }
    server.settled().await;
}

async fn a_link_outlives_every_change_of_address_and_name(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let bob = stage.company.hire("Bob", "Noyce").await;
    let id = stage.connect(&server, "one", json!({})).await;
    assert_eq!(
        user(&stage, &enter(&stage, "one", &id, json!({})).await).await,
        stage.ada.user_id
    );
    // Whatever the provider says of the person from now on, the subject is who it was.
    for claims in [
        json!({"email": bob.person.email}),
        json!({"oid": bob.person.oid, "preferred_username": bob.person.user_name}),
        json!({"oid": null, "email": null}),
    ] {
        let page = enter(&stage, "one", &id, claims.clone()).await;
        assert_eq!(user(&stage, &page).await, stage.ada.user_id, "{claims}");
    }
    // Nor does the directory move a link by renaming.
    let renamed = [
        ("userName", json!("ada.king@acme.test")),
        ("externalId", json!("another")),
    ];
    let updated = stage
        .company
        .scim
        .update(&stage.ada.user_id, &renamed)
        .await;
    updated.unwrap().success().unwrap();
    assert_eq!(
        user(&stage, &enter(&stage, "one", &id, json!({})).await).await,
        stage.ada.user_id
    );
    server.settled().await;
}

async fn a_name_that_can_be_renamed_is_looked_up_at_every_first_login(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "names", json!({})).await;
    join(&server, &id, "userName", "preferred_username").await;
    let updated = stage
        .company
        .scim
        .update(
            &stage.ada.user_id,
            &[("userName", json!("ada.king@acme.test"))],
        )
        .await;
    updated.unwrap().success().unwrap();
    let old = json!({"preferred_username": stage.ada.person.user_name});
    let page = enter(&stage, "names", &id, old).await;
    assert_eq!(
        rule(&server, &stage, &page).await,
        "not_provisioned",
        "the name before"
    );
    // SCIM's userName knows no case (RFC 7643 §4.1.1).
    for (name, known) in [
        ("ada.king@acme.test.evil.test", false),
        ("ada.king", false),
        ("ADA.King@acme.test", true),
    ] {
        let page = enter(&stage, "names", &id, json!({"preferred_username": name})).await;
        match known {
            true => assert_eq!(user(&stage, &page).await, stage.ada.user_id),
            false => assert_eq!(
                rule(&server, &stage, &page).await,
                "not_provisioned",
                "{name:?}"
            ),
        }
    }
    server.settled().await;
}

/// An organization without a directory, with a connection; its id and the connection's.
async fn without_directory(
    server: &TestServer,
    stage: &Stage,
    name: &str,
    jit: bool,
) -> (String, String) {
    let body = json!({"name": name, "domains": [format!("{name}.test")]});
    let organization = server.admin.post("/organizations", body).await;
    let organization = organization["id"].as_str().unwrap().to_owned();
    let eve = Person::new("Eve", "Moneypenny", &format!("{name}.test")).unwrap();
    let issuer = stage.hostile.add(name, &eve);
    let connection = json!({
        "protocol": "oidc", "jit": jit,
        "oidc": {"issuer": issuer, "client_id": CLIENT_ID, "client_secret": SECRET},
        "join": {"directory": "userName", "claim": "email"},
    });
    let place = format!("/organizations/{organization}/connections");
    let made = server.admin.post(&place, connection).await;
    (organization, made["id"].as_str().unwrap().to_owned())
}

async fn an_account_is_made_only_where_the_connection_says_so(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    for (name, jit) in [("without", false), ("within", true)] {
        let (organization, connection) = without_directory(&server, &stage, name, jit).await;
        let mut browser = Browser::new().unwrap();
        let asked = [
            ("organization", organization.as_str()),
            ("connection", connection.as_str()),
        ];
        let page = stage.app.ask(&mut browser, &asked).await;
        let users = server
            .admin
            .get(&format!("/organizations/{organization}/users"))
            .await;
        let made = users["data"].as_array().unwrap().len();
        assert_eq!(
            (page.status == 303, made),
            (jit, usize::from(jit)),
            "{name}: {}",
            page.body
        );
    }
    // With a directory attached nobody can ask for it.
    let place = format!(
        "/organizations/{}/connections",
        stage.company.organization_id
    );
    let body = json!({"protocol": "oidc", "jit": true, "oidc": {"issuer": "https://idp.example", "client_id": "x"}});
    let refused = server.admin.call(Method::POST, &place, Some(&body)).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    server.settled().await;
}

/// Unlinking bumps the user's epoch.
async fn taking_a_link_away_ends_what_came_by_it(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let mut browser = Browser::new().unwrap();
    let page = stage.enter(&mut browser, &id, &[]).await;
    let tokens = Tokens::of(&stage.app.exchange(&answer(&page)["code"]).await);
    let place = format!("/users/{}/identities", stage.ada.user_id);
    server.admin.delete(&place).await;
    assert_eq!(stage.app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(stage.app.refresh(&tokens.refresh).await.status, 400);
    let silent = stage.app.ask(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(crate::provider::error(&silent), "login_required");
    // Another subject may be the person now; the one before is not any more.
    let page = enter(&stage, "one", &id, json!({"sub": "replaced"})).await;
    assert_eq!(user(&stage, &page).await, stage.ada.user_id);
    let page = enter(&stage, "one", &id, json!({})).await;
    assert_eq!(rule(&server, &stage, &page).await, "linked_to_another");
    server.settled().await;
}

/// Who types somebody's address is still who the provider says.
async fn the_domain_chooses_a_way_and_grants_nothing(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let bob = stage.company.hire("Bob", "Noyce").await;
    let mut browser = Browser::new().unwrap();
    let redirect_uri = stage.app.redirect_uri.parse().unwrap();
    let page = stage
        .app
        .ask(&mut browser, &[("login_hint", &stage.ada.person.email)])
        .await;
    browser.stop_before(&redirect_uri);
    let page = stage
        .company
        .at_provider(&mut browser, page, &bob.person)
        .await;
    assert_eq!(
        user(&stage, &page).await,
        bob.user_id,
        "whose address it was does not matter"
    );
    server.settled().await;
}

/// better-auth#6480, zitadel#8140: an account was linked by its bare address.
async fn an_address_alone_links_nobody(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let before = links(&server).await;
    let eve = json!({"sub": "eve", "oid": "eve", "email": stage.ada.person.email, "email_verified": true,
                     "preferred_username": stage.ada.person.user_name, "upn": stage.ada.person.user_name});
    let page = enter(&stage, "one", &id, eve).await;
    assert_eq!(rule(&server, &stage, &page).await, "not_provisioned");
    assert_eq!(links(&server).await, before);
    assert_eq!(stage.company.count_users(&server).await, 1);
}

/// Another directory beside the first one, with its client.
async fn second_directory(server: &TestServer, stage: &Stage) -> (String, ScimClient) {
    let place = format!(
        "/organizations/{}/directories",
        stage.company.organization_id
    );
    let made = server
        .admin
        .post(&place, json!({"name": "Contractors"}))
        .await;
    let id = made["id"].as_str().unwrap().to_owned();
    let token = server
        .admin
        .post(&format!("/directories/{id}/tokens"), json!({}))
        .await;
    let scim = ScimClient::new(
        made["scim_url"].as_str().unwrap(),
        token["token"].as_str().unwrap(),
    );
    (id, scim.unwrap())
}

/// authentik#9860 (one address from two sources), GHSA-9m7q-6qg6-888h (a source correlates with everybody of the tenant).
async fn two_directories_with_the_same_people_are_two_worlds(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let first = stage.connect(&server, "staff", json!({})).await;
    let second = stage.connect(&server, "contractors", json!({})).await;
    for connection in [&first, &second] {
        join(&server, connection, "emails.value", "email").await;
    }
    // Both directories have to be named before there are two.
    let place = format!("/connections/{first}");
    server
        .admin
        .patch(&place, json!({"directory_id": stage.company.directory_id}))
        .await;
    let (directory, scim) = second_directory(&server, &stage).await;
    let place = format!("/connections/{second}");
    server
        .admin
        .patch(&place, json!({"directory_id": directory}))
        .await;
    // Only the first directory has Ada: the second one's provider cannot be her, whatever it says.
    let page = enter(&stage, "contractors", &second, json!({})).await;
    assert_eq!(rule(&server, &stage, &page).await, "not_provisioned");
    // Now both have somebody of that address, and each way leads to its own.
    let twin = Person {
        user_name: "ada.contractor@acme.test".to_owned(),
        oid: "contractor".to_owned(),
        ..stage.ada.person.clone()
    };
    let twin = scim.hire(&twin).await.unwrap().id.unwrap();
    assert_eq!(
        user(
            &stage,
            &enter(&stage, "contractors", &second, json!({})).await
        )
        .await,
        twin
    );
    assert_eq!(
        user(&stage, &enter(&stage, "staff", &first, json!({})).await).await,
        stage.ada.user_id
    );
    server.settled().await;
}

/// GHSA-9m7q-6qg6-888h again: a directory claims the administrators by their names.
async fn a_directory_gets_no_hold_of_an_operators_account(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let (organization, connection) = without_directory(&server, &stage, "solo", false).await;
    let users = format!("/organizations/{organization}/users");
    let root = json!({"user_name": "root@solo.test", "email": "root@solo.test"});
    let root = server.admin.post(&users, root).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = server
        .admin
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({"name": "People"}),
        )
        .await;
    let directory = made["id"].as_str().unwrap().to_owned();
    // Attached and settled: whom the directory has not claimed by then, no login through it reaches.
    server
        .admin
        .patch(
            &format!("/directories/{directory}"),
            json!({"state": "active"}),
        )
        .await;
    stage.hostile.at("solo", |tenant| {
        tenant.claims = json!({"email": "root@solo.test", "email_verified": true, "sub": "root", "groups": ["admins"]});
    });
    let asked = [
        ("organization", organization.as_str()),
        ("connection", connection.as_str()),
    ];
    let page = stage.app.ask(&mut Browser::new().unwrap(), &asked).await;
    assert_eq!(page.status, 403, "{}", page.body);
    let logins = server
        .admin
        .get(&format!("/organizations/{organization}/logins?limit=1"))
        .await;
    assert_eq!(logins["data"][0]["rule"], "not_provisioned", "{logins}");
    let kept = server.admin.get(&format!("/users/{root}")).await;
    assert_eq!(
        (&kept["user_name"], &kept["active"]),
        (&json!("root@solo.test"), &json!(true))
    );
    server.settled().await;
}

/// ciso-assistant#4658: a directory took an account by its address, rewrote the address, and had the rest sent there.
async fn a_new_address_from_a_directory_opens_no_other_account(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let bob = stage.company.hire("Bob", "Noyce").await;
    let id = stage.connect(&server, "mail", json!({})).await;
    join(&server, &id, "emails.value", "email").await;
    // Bob's entry gets Ada's address: now it means two, and nobody is chosen.
    let address = json!([{"value": stage.ada.person.email, "primary": true}]);
    let updated = stage
        .company
        .scim
        .update(&bob.user_id, &[("emails", address)])
        .await;
    updated.unwrap().success().unwrap();
    let page = enter(&stage, "mail", &id, json!({"sub": "new"})).await;
    assert_eq!(rule(&server, &stage, &page).await, "ambiguous");
    // Nor is there anything that would be sent to an address.
    let jobs = "SELECT COUNT(*) FROM outbox WHERE kind LIKE '%mail%'";
    assert_eq!(server.database.number(jobs).await, 0);
    server.settled().await;
}

/// eneo#443 (a login rewrote the external id), docker/docs#19334 (a login overwrote what the directory says).
async fn a_login_changes_nothing_of_its_user(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let read = async || {
        let scim = stage.company.scim.read(&stage.ada.user_id).await.unwrap();
        let user = server
            .admin
            .get(&format!("/users/{}", stage.ada.user_id))
            .await;
        (scim.body, user)
    };
    let before = read().await;
    let said = json!({"name": "Eve", "given_name": "Eve", "family_name": "Moneypenny", "email": "eve@acme.test",
                      "preferred_username": "eve", "externalId": "eve", "active": false, "groups": ["admins"]});
    for claims in [said.clone(), changed(said, &json!({"oid": "eve"}))] {
        let page = enter(&stage, "one", &id, claims).await;
        assert_eq!(user(&stage, &page).await, stage.ada.user_id);
    }
    assert_eq!(read().await, before);
    server.settled().await;
}

/// openwork#4775: a deactivated member clicked and became a ghost, which then blocked the directory with 409.
async fn a_deactivated_member_comes_back_by_the_directory_alone(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let scim = &stage.company.scim;
    user(&stage, &enter(&stage, "one", &id, json!({})).await).await;
    scim.deactivate(&stage.ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    for _ in 0..3 {
        let page = enter(&stage, "one", &id, json!({})).await;
        assert_eq!(rule(&server, &stage, &page).await, "deactivated");
    }
    assert_eq!(stage.company.count_users(&server).await, 1);
    scim.reactivate(&stage.ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    let page = enter(&stage, "one", &id, json!({})).await;
    assert_eq!(user(&stage, &page).await, stage.ada.user_id);
    server.settled().await;
}

/// suna#7298: a stale claim reversed what the directory had changed, and the next request recreated the access.
async fn groups_in_a_token_change_no_membership(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let scim = &stage.company.scim;
    let group = scim.push_group("Editors", "g-1").await.unwrap().id.unwrap();
    scim.add_members(&group, &[&stage.ada.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    let told = async || {
        let page = enter(
            &stage,
            "one",
            &id,
            json!({"groups": ["Editors", "Admins"], "roles": ["owner"]}),
        )
        .await;
        let scope = Tokens::of(&stage.app.exchange(&answer(&page)["code"]).await);
        scope.claims()["groups"].clone()
    };
    assert_eq!(told().await, json!(["Editors"]));
    scim.remove_members(&group, &[&stage.ada.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    assert_eq!(told().await, json!([]), "what the directory took is gone");
    server.settled().await;
}

/// I12: a name that comes back is a new person, and nothing of the one before is theirs.
async fn a_recreated_name_is_another_person(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "one", json!({})).await;
    let mut browser = Browser::new().unwrap();
    let page = stage.enter(&mut browser, &id, &[]).await;
    let tokens = Tokens::of(&stage.app.exchange(&answer(&page)["code"]).await);
    stage
        .company
        .scim
        .delete(&stage.ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    let page = enter(&stage, "one", &id, json!({})).await;
    assert_eq!(rule(&server, &stage, &page).await, "not_provisioned");
    let again: Employee = stage.company.push(stage.ada.person.clone()).await;
    assert_ne!(again.user_id, stage.ada.user_id);
    let page = enter(&stage, "one", &id, json!({})).await;
    assert_eq!(user(&stage, &page).await, again.user_id);
    let app: &Relying = &stage.app;
    assert_eq!(
        app.refresh(&tokens.refresh).await.status,
        400,
        "the old grants are nobody's"
    );
    server.settled().await;
}
