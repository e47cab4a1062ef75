//! Once more with a public URL that has a path: routes, cookies, the issuer and the tokens follow it.

use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::{journey, provider, walk};

on_every_server!(below "/id": the_journey, discovery, the_walk, nothing_answers_beside_the_path);

async fn the_journey(server: TestServer) {
    journey::a_hired_person_signs_in_and_no_user_is_made(server).await;
}

async fn discovery(server: TestServer) {
    provider::discovery_names_everything_below_the_issuer(server).await;
}

async fn the_walk(server: TestServer) {
    walk::no_route_answers_without_credentials(server).await;
}

async fn nothing_answers_beside_the_path(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    assert!(session.claims["iss"].as_str().unwrap().ends_with("/id"));
    let origin = server.issuer().strip_suffix("/id").unwrap();
    for path in [
        "/login",
        "/oauth/token",
        "/api/v1/organizations",
        "/scim/v2/x/Users",
        "/readyz",
        "/",
    ] {
        let page = browser
            .get_once(&format!("{origin}{path}").parse().unwrap())
            .await
            .unwrap();
        assert_eq!(page.status, 404, "{path}");
    }
    company
        .scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    assert!(
        !company
            .app
            .probe(&session.id)
            .await
            .unwrap()
            .is_any_accepted()
    );
    server.settled().await;
    assert!(
        company.live_session(&ada.user_id).is_none(),
        "the app is told, from below the path"
    );
}
