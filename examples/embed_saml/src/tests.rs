use tokio::net::TcpListener;
use url::Url;
use vestibule_simulate::{Browser, IdentityProvider, IdpConfig, Person, Place, idp::SamlClient};

use crate::{app, sign_in::Site};

async fn serve(idp: &IdentityProvider) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let site = Site::new(&base, &idp.saml_metadata().unwrap()).unwrap();
    idp.add_saml_client(SamlClient::new(
        &format!("{base}/saml"),
        &format!("{base}/acs"),
    ));
    tokio::spawn(axum::serve(listener, app(site)).into_future());
    base.parse().unwrap()
}

async fn provider(ada: &Person) -> IdentityProvider {
    let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
    config.browser_host = Some("idp.localhost".to_owned());
    config.people = vec![ada.clone()];
    IdentityProvider::start(config).await.unwrap()
}

#[tokio::test]
async fn the_browser_that_began_is_signed_in_and_no_other() {
    let ada = Person::new("Ada", "Lovelace", "acme.test").unwrap();
    let idp = provider(&ada).await;
    let url = serve(&idp).await;
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&url).await.unwrap();
    let fields = [
        ("username", ada.user_name.as_str()),
        ("password", ada.password.as_str()),
    ];
    let response = browser.submit(&page, &fields).await.unwrap();

    let mut other = Browser::new().unwrap();
    other.get_once(&url.join("/login").unwrap()).await.unwrap();
    let stolen = other.submit(&response, &[]).await.unwrap();
    assert_eq!(stolen.status, 403, "{}", stolen.body);
    assert!(stolen.body.contains("another browser"), "{}", stolen.body);
    let again = browser.submit(&response, &[]).await.unwrap();
    assert_eq!(again.status, 403, "a response counts once: {}", again.body);

    let page = browser.get(&url).await.unwrap();
    let page = browser.submit(&page, &[]).await.unwrap();
    assert!(
        page.body.starts_with("Hello, "),
        "{} {}",
        page.url,
        page.body
    );
}

#[test]
fn the_sign_in_has_less_than_sixty_lines() {
    assert!(include_str!("sign_in.rs").lines().count() < 60);
}
