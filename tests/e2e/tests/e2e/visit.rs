//! What a proxy is told about a browser.

use serde_json::json;
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

on_every_server!(
    a_proxy_learns_who_comes_until_they_are_deactivated,
    a_proxy_admits_by_organization_and_group,
    a_login_leads_back_to_our_own_host_only,
);

async fn ask(server: &TestServer, browser: &mut Browser, query: &str) -> Page {
    let url = server.url(&format!("/auth/verify{query}"));
    browser.get_once(&url).await.unwrap()
}

async fn signed_in(server: &TestServer, name: (&str, &str)) -> (Company, String, Browser) {
    let company = Company::set_up(server).await;
    let employee = company.hire(name.0, name.1).await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &employee).await;
    (company, employee.user_id, browser)
}

async fn a_proxy_learns_who_comes_until_they_are_deactivated(server: TestServer) {
    let (company, user_id, mut browser) = signed_in(&server, ("Ada", "Lovelace")).await;
    assert_eq!(
        ask(&server, &mut Browser::new().unwrap(), "").await.status,
        401
    );
    let page = ask(&server, &mut browser, "").await;
    assert_eq!(page.status, 200);
    for (header, wanted) in [
        ("x-vestibule-user-id", user_id.as_str()),
        ("x-vestibule-organization-id", &company.organization_id),
        ("x-vestibule-email-verified", "true"),
        ("remote-groups", ""),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(header), Some(wanted), "{header}");
    }
    assert!(page.header("remote-user").unwrap().ends_with("@acme.test"));
    assert!(page.header("remote-email").unwrap().ends_with("@acme.test"));
    let place = format!("/users/{user_id}/deactivate");
    server.admin.post(&place, json!({})).await;
    assert_eq!(ask(&server, &mut browser, "").await.status, 401);
    let place = format!("/users/{user_id}/activate");
    server.admin.post(&place, json!({})).await;
    assert_eq!(
        ask(&server, &mut browser, "").await.status,
        401,
        "nothing old comes back"
    );
    server.settled().await;
}

async fn a_proxy_admits_by_organization_and_group(server: TestServer) {
    let (company, user_id, mut browser) = signed_in(&server, ("Ada", "Lovelace")).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let own = format!("?organization={}", company.organization_id);
    let other = format!("?organization={}", globex.organization_id);
    assert_eq!(ask(&server, &mut browser, &own).await.status, 200);
    assert_eq!(ask(&server, &mut browser, &other).await.status, 401);
    assert_eq!(
        ask(&server, &mut browser, "?group=Engineers%2C+all")
            .await
            .status,
        403
    );
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Engineers, all",
        "members": [{ "value": user_id }],
    });
    let pushed = vestibule_support::server::http_client()
        .post(format!("{}/Groups", company.scim_url))
        .bearer_auth(&company.scim_token)
        .header("content-type", "application/scim+json")
        .body(group.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(pushed.status().as_u16(), 201);
    let page = ask(
        &server,
        &mut browser,
        "?group=Nobody&group=Engineers%2C+all",
    )
    .await;
    assert_eq!(
        (page.status, page.header("remote-groups")),
        (200, Some("Engineers%2C all"))
    );
    server.settled().await;
}

async fn a_login_leads_back_to_our_own_host_only(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let organization = format!("&organization={}", company.organization_id);
    let page = ask(
        &server,
        &mut Browser::new().unwrap(),
        &format!("?redirect=true{organization}"),
    )
    .await;
    assert_eq!(page.status, 303);
    let login = page.location().unwrap();
    assert!(
        login.as_str().starts_with(server.url("/login").as_str()),
        "{login}"
    );
    for (path, back) in [
        ("/reports?year=2026", "/reports?year=2026"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let mut url = login.clone();
        url.query_pairs_mut().append_pair("return_to", path);
        let mut browser = Browser::new().unwrap();
        let page = browser.get(&url).await.unwrap();
        let page = company.at_provider(&mut browser, page, &ada.person).await;
        assert_eq!(page.url.host_str(), server.url("/").host_str(), "{path}");
        let at = &page.url[url::Position::BeforePath..];
        assert_eq!(at, back, "{path}");
        assert_eq!(ask(&server, &mut browser, "").await.status, 200);
    }
    server.settled().await;
}
