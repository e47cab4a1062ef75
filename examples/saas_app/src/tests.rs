use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use vestibule::{Config, Vestibule};
use vestibule_simulate::{Browser, http::Http};

use super::*;

const KEY: &str = "a-bootstrap-key-for-this-test-only";
const PASSWORD: &str = "correct horse battery staple";

struct World {
    vestibule: Vestibule,
    url: String,
    app: Url,
    user: String,
    _folder: tempfile::TempDir,
}

/// A Vestibule with one person, and this app registered there.
async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::new(&url)
        .and_then(|config| {
            config.database_url(&format!(
                "sqlite://{}",
                folder.path().join("a.db").display()
            ))
        })
        .and_then(|config| config.bootstrap_api_key(KEY))
        .unwrap();
    let vestibule = Vestibule::open(config.dangerously_allow_private_network())
        .await
        .unwrap();
    vestibule.spawn_workers();
    let service = vestibule
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let organization =
        json!({"name": "Acme", "domains": ["acme.test"], "policy": {"password_login": true}});
    let organization = call(&url, "/organizations", &organization).await;
    let user =
        json!({"user_name": "ada@acme.test", "email": "ada@acme.test", "password": PASSWORD});
    let users = format!("/organizations/{}/users", text(&organization["id"]));
    let user = call(&url, &users, &user).await;
    let application = json!({
        "name": "Fieldnotes",
        "redirect_uris": [format!("{own}/callback")],
        "backchannel_logout_uri": format!("{own}/backchannel-logout"),
    });
    let application = call(&url, "/applications", &application).await;
    let (id, secret) = (
        text(&application["client_id"]),
        text(&application["client_secret"]),
    );
    let provider = Provider::discover(&own, &url, id, secret).await.unwrap();
    tokio::spawn(axum::serve(listener, app(provider)).into_future());
    World {
        vestibule,
        url,
        app: Url::parse(&own).unwrap(),
        user: text(&user["id"]).to_owned(),
        _folder: folder,
    }
}

async fn call(url: &str, path: &str, body: &Value) -> Value {
    let http = Http::new(&[]).unwrap();
    let answer = http
        .post_json(&format!("{url}/api/v1{path}"), Some(KEY), body)
        .await
        .unwrap();
    assert!(answer.is_success(), "{path}: {answer:?}");
    answer.body
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn person_signs_in_and_is_out_when_deactivated() {
    let world = world().await;
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&world.app).await.unwrap();
    assert_eq!(page.url.path(), "/login", "{}", page.url);
    let page = browser
        .submit(&page, &[("email", "ada@acme.test")])
        .await
        .unwrap();
    let page = browser
        .submit(&page, &[("password", PASSWORD)])
        .await
        .unwrap();
    let home = browser.get(&world.app).await.unwrap();
    assert!(
        home.body.starts_with("Hello, "),
        "{} then {}",
        page.url,
        home.body
    );

    call(
        &world.url,
        &format!("/users/{}/deactivate", world.user),
        &json!({}),
    )
    .await;
    let signed_out = async {
        while browser
            .get(&world.app)
            .await
            .unwrap()
            .body
            .starts_with("Hello, ")
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), signed_out)
        .await
        .expect("the logout notice arrives");
    world.vestibule.shutdown().await.unwrap();
}

#[tokio::test]
async fn answers_that_nobody_waits_for_and_forged_notices_are_refused() {
    let world = world().await;
    let mut browser = Browser::new().unwrap();
    let stray = world.app.join("/callback?state=x&code=y").unwrap();
    assert_eq!(browser.get(&stray).await.unwrap().status, 400);
    let notice = world.app.join("/backchannel-logout").unwrap();
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    let page = browser
        .post_from(None, &notice, &[("logout_token", forged)])
        .await
        .unwrap();
    assert_eq!(page.status, 400);
}
