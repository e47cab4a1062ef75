//! Who leaves may come back: a deactivation can be undone, a deletion cannot, and both stay on record.

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer},
};

use crate::relying::{Relying, Tokens, answer};

on_every_server!(
    a_deactivation_is_reversible_and_revives_nothing,
    a_deletion_is_a_tombstone,
);

async fn tokens(
    server: &TestServer,
    company: &Company,
    employee: &Employee,
    browser: &mut Browser,
) -> Tokens {
    let app = Relying::of(server, company);
    let code = app.sign_in(company, browser, &employee.person, &[]).await;
    Tokens::of(&app.exchange(&code).await)
}

async fn receipts(server: &TestServer, company: &Company) -> Vec<Value> {
    let place = format!("/organizations/{}/offboardings", company.organization_id);
    server.admin.get(&place).await["data"]
        .as_array()
        .unwrap()
        .clone()
}

async fn a_deactivation_is_reversible_and_revives_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let old = tokens(&server, &company, &ada, &mut browser).await;
    let off = company.scim.deactivate(&ada.user_id).await.unwrap();
    assert_eq!(off.status, 200, "{:?}", off.body);
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    let on = company.scim.reactivate(&ada.user_id).await.unwrap();
    assert_eq!((on.status, &on.body["id"]), (200, &json!(ada.user_id)));

    // What was issued before stays over, in the same browser too.
    assert_eq!(app.userinfo(&old.access).await.status, 401);
    assert_eq!(app.refresh(&old.refresh).await.status, 400);
    let silent = answer(&app.ask(&mut browser, &[("prompt", "none")]).await);
    assert_eq!(silent["error"], "login_required");
    let new = tokens(&server, &company, &ada, &mut browser).await;
    assert_eq!(new.claims()["sub"], old.claims()["sub"], "the same person");
    assert_ne!(new.claims()["sid"], old.claims()["sid"]);
    assert_eq!(app.userinfo(&new.access).await.status, 200);
    assert_eq!(app.userinfo(&old.access).await.status, 401);
    let user = company.scim.read(&ada.user_id).await.unwrap();
    assert_eq!(user.body["userName"], json!(ada.person.user_name));
    server.settled().await;
}

async fn a_deletion_is_a_tombstone(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let old = tokens(&server, &company, &ada, &mut Browser::new().unwrap()).await;
    let gone = company.scim.delete(&ada.user_id).await.unwrap();
    assert_eq!(gone.status, 204);
    for call in [
        company.scim.read(&ada.user_id).await,
        company.scim.reactivate(&ada.user_id).await,
        company
            .scim
            .replace(&ada.user_id, &ada.person, json!(true))
            .await,
        company.scim.delete(&ada.user_id).await,
    ] {
        let call = call.unwrap();
        assert_eq!(call.status, 404, "{call:?}");
    }
    let place = format!("/users/{}/activate", ada.user_id);
    let refused = server
        .admin
        .call(reqwest::Method::POST, &place, Some(&json!({})))
        .await;
    assert_eq!(refused.status, 404, "nobody brings it back");
    server.settled().await;

    // Whoever has the same names and ids at the company is a new user.
    let again = company.push(ada.person.clone()).await;
    assert_ne!(again.user_id, ada.user_id);
    let new = tokens(&server, &company, &again, &mut Browser::new().unwrap()).await;
    assert_eq!(new.claims()["sub"], json!(again.user_id));
    assert_eq!(app.userinfo(&old.access).await.status, 401);
    assert_eq!(app.refresh(&old.refresh).await.status, 400);

    // The record of who left stays, and names the new user nowhere.
    let receipts = receipts(&server, &company).await;
    let receipt = receipts
        .iter()
        .find(|receipt| receipt["user_id"] == json!(ada.user_id));
    let receipt = receipt.expect("the receipt of the deletion");
    let id = receipt["id"].as_str().unwrap();
    let receipt = server.admin.get(&format!("/offboardings/{id}")).await;
    assert_eq!(receipt["cause"], "deleted", "{receipt}");
    assert!(!receipt.to_string().contains(&again.user_id));
    let events = server.admin.get("/events?limit=500").await;
    let of = |id: &str| {
        let all = events["data"].as_array().unwrap().iter();
        let own = all.filter(|event| event["data"]["user_id"] == json!(id));
        own.map(|event| event["type"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    let told = of(&ada.user_id);
    assert_eq!(told.first(), Some(&"user.created"), "{told:?}");
    assert!(told.contains(&"user.deleted"), "{told:?}");
    assert!(!of(&again.user_id).contains(&"user.deleted"));
}
