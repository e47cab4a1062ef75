//! The cockpit, driven as a person drives it, against a fake of Vestibule's few endpoints.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod fake;

use fake::{Fake, KEY, PASSWORD};
use vestibule_simulate::demo::{self, Demo};
use vestibule_simulate::{Browser, DemoConfig, DemoProtocol, Page};

async fn demo(fake: &Fake) -> Demo {
    demo_by(fake, DemoProtocol::Oidc).await
}

async fn demo_by(fake: &Fake, protocol: DemoProtocol) -> Demo {
    let mut config = DemoConfig::new(fake.url.clone(), KEY);
    config.protocol = protocol;
    demo::run(config).await.unwrap()
}

/// What the fake was told of a thing.
fn told(fake: &Fake, what: &str) -> serde_json::Value {
    let seen = fake.seen.lock().unwrap();
    let (_, body) = seen.iter().find(|(seen, _)| seen == what).unwrap();
    body.clone()
}

async fn press(browser: &mut Browser, page: &Page, action: &str) -> Page {
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action == action)
        .unwrap();
    browser.submit_form(page, &form, &[]).await.unwrap()
}

#[tokio::test]
async fn hire_sign_in_and_fire_are_seen_and_measured() {
    let fake = Fake::start().await;
    let demo = demo(&fake).await;
    let mut browser = Browser::new().unwrap();

    let start = browser.get(demo.url()).await.unwrap();
    assert!(
        start.body.contains("Nobody works here yet"),
        "{}",
        start.body
    );
    let hired = press(&mut browser, &start, "/hire").await;
    assert!(hired.body.contains("Ada Lovelace") && hired.body.contains("Works here"));
    assert!(
        hired.body.contains("Hired Ada Lovelace"),
        "the timeline tells it: {}",
        hired.body
    );

    let link = hired
        .links()
        .into_iter()
        .find(|link| link.text.starts_with("Sign in as"))
        .unwrap();
    let form = browser.follow(&hired, &link.href).await.unwrap();
    assert_eq!(
        form.forms()[0].value("username"),
        Some("ada.lovelace@acme.test")
    );
    let home = browser
        .submit(&form, &[("password", PASSWORD)])
        .await
        .unwrap();
    assert!(home.body.contains("Hello, Ada Lovelace"), "{}", home.body);

    let page = browser.get(demo.url()).await.unwrap();
    let fired = press(&mut browser, &page, "/fire").await;
    assert!(
        fired
            .body
            .contains("from the SCIM call to the app’s logout"),
        "{}",
        fired.body
    );
    assert!(fired.body.contains("all refused"), "{}", fired.body);
    assert_eq!(demo.world().app.state().live_sessions().count(), 0);
    assert_eq!(demo.world().app.state().logout_tokens.len(), 1);

    let back = press(&mut browser, &fired, "/rehire").await;
    assert!(back.body.contains("Works here"), "{}", back.body);
    assert_eq!(
        demo.world().app.state().live_sessions().count(),
        0,
        "nothing old came back"
    );
    demo.shutdown().await;
}

#[tokio::test]
async fn vestibule_is_set_up_as_its_admin_api_says() {
    let fake = Fake::start().await;
    let demo = demo(&fake).await;
    assert_eq!(told(&fake, "organization")["domains"][0], "acme.test");
    let connection = told(&fake, "connection");
    assert_eq!(connection["protocol"], "oidc");
    assert_eq!(connection["directory_id"], "dir_1");
    assert_eq!(connection["default_application_id"], "app_1");
    assert_eq!(connection["join"]["claim"], "oid");
    assert_eq!(connection["oidc"]["issuer"], demo.world().idp.issuer());
    let application = told(&fake, "application");
    let notices = application["backchannel_logout_uri"].as_str().unwrap();
    assert!(
        notices.starts_with("http://127.0.0.1:"),
        "a server has to resolve it: {notices}"
    );
    assert_eq!(
        application["redirect_uris"][0],
        demo.world().app.urls().redirect_uri
    );
}

#[tokio::test]
async fn by_saml_each_side_reads_the_others_metadata() {
    let fake = Fake::start().await;
    let demo = demo_by(&fake, DemoProtocol::Saml).await;
    let connection = told(&fake, "connection");
    assert_eq!(connection["protocol"], "saml");
    assert_eq!(connection["directory_id"], "dir_1");
    assert_eq!(connection["default_application_id"], "app_1");
    assert_eq!(connection["join"]["directory"], "externalId");
    assert_eq!(connection["join"]["claim"], "name_id");
    assert_eq!(connection["allow_idp_initiated"], true);
    assert!(connection.get("oidc").is_none(), "{connection}");
    let mut browser = Browser::new().unwrap();
    let metadata_url = connection["saml"]["metadata_url"].as_str().unwrap();
    let metadata = browser.get(&metadata_url.parse().unwrap()).await.unwrap();
    assert!(metadata.body.contains("IDPSSODescriptor"));

    let page = browser.get(demo.url()).await.unwrap();
    assert!(page.body.contains("by SAML 2.0"), "{}", page.body);
    assert!(!page.body.contains("OpenID Connect"), "{}", page.body);
}

#[tokio::test]
async fn by_saml_the_tile_of_the_home_page_begins_a_login() {
    let fake = Fake::start().await;
    let demo = demo_by(&fake, DemoProtocol::Saml).await;
    let mut browser = Browser::new().unwrap();
    let start = browser.get(demo.url()).await.unwrap();
    press(&mut browser, &start, "/hire").await;
    let ada = demo.world().idp.people().remove(0);
    let links = start.links();
    let home = links
        .iter()
        .find(|link| link.text.contains("home page"))
        .unwrap();
    let home = browser.follow(&start, &home.href).await.unwrap();
    assert_eq!(home.url.host_str(), Some("idp.localhost"));
    let tiles = home.links();
    let tile = tiles
        .iter()
        .find(|link| link.text.contains("Fieldnotes"))
        .unwrap();
    let form = browser.follow(&home, &tile.href).await.unwrap();
    let fields = [("username", &*ada.user_name), ("password", &*ada.password)];
    let page = browser.submit(&form, &fields).await.unwrap();
    let page = browser.press_on(page).await.unwrap();
    assert_eq!(page.body, "received");
    let response = told(&fake, "response");
    let response = response.as_str().unwrap();
    assert!(
        response.contains(&ada.oid) && !response.contains("InResponseTo"),
        "nobody asked for it, and it names the directory's object: {response}"
    );
}

#[tokio::test]
async fn by_saml_a_colleagues_session_at_the_provider_does_not_answer_for_another() {
    let fake = Fake::start().await;
    let demo = demo_by(&fake, DemoProtocol::Saml).await;
    let mut browser = Browser::new().unwrap();
    let sign_in = |page: &Page| {
        let links = page.links();
        let mut found = links.iter().filter(|link| link.text.contains("in as"));
        found.next().unwrap().href.clone()
    };
    let page = browser.get(demo.url()).await.unwrap();
    let page = press(&mut browser, &page, "/hire").await;
    assert!(!sign_in(&page).contains("prompt=login"));
    let page = press(&mut browser, &page, "/hire").await;
    assert!(sign_in(&page).contains("prompt=login"), "{}", page.body);
}

#[tokio::test]
async fn the_page_follows_what_happens() {
    let fake = Fake::start().await;
    let demo = demo(&fake).await;
    let mut browser = Browser::new().unwrap();
    let start = browser.get(demo.url()).await.unwrap();
    let poll = demo
        .url()
        .join(&format!("live?after={}", version(&start.body)))
        .unwrap();
    let mut other = browser.clone();
    let waiting = tokio::spawn(async move { other.get(&poll).await.unwrap() });
    press(&mut browser, &start, "/hire").await;
    let news = waiting.await.unwrap();
    assert_ne!(version(&news.body), version(&start.body));
    assert!(news.body.contains("Ada Lovelace"), "{}", news.body);
}

#[tokio::test]
async fn another_site_cannot_hire_and_names_are_escaped() {
    let fake = Fake::start().await;
    let demo = demo(&fake).await;
    let mut browser = Browser::new().unwrap();
    let fields = [("given_name", "<b>Eve</b>"), ("family_name", "O'Neil & Co")];
    let hire = demo.url().join("hire").unwrap();
    let elsewhere = browser.get(demo.world().app.url()).await.unwrap();
    let refused = browser
        .post_from(Some(&elsewhere), &hire, &fields)
        .await
        .unwrap();
    assert_eq!(refused.status, 403);
    assert_eq!(
        browser
            .post_from(None, &hire, &fields)
            .await
            .unwrap()
            .status,
        403
    );

    let page = browser.get(demo.url()).await.unwrap();
    let hired = browser.submit(&page, &fields).await.unwrap();
    assert!(!hired.body.contains("<b>Eve"), "{}", hired.body);
    assert!(hired.body.contains("Eve"), "{}", hired.body);
    let twice = browser.submit(&page, &fields).await.unwrap();
    assert_eq!(twice.status, 409);
    assert!(twice.body.contains("was hired before"), "{}", twice.body);
}

fn version(html: &str) -> &str {
    html.split("data-version=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
}
