//! Vestibule inside an axum app: everything of ours is below `/id`, and the host's page knows who is signed in
//! without an OAuth round trip.
//!
//! `cargo run -p embed_all`, then open <http://127.0.0.1:3000/>. Organizations, connections and users are made through
//! the admin API at `/id/api/v1`, with the key that is in `VESTIBULE_BOOTSTRAP_API_KEY` (at least 32 characters).

use std::net::SocketAddr;

use axum::{Router, extract::FromRef, response::IntoResponse, routing::get};
use tokio::net::TcpListener;
use vestibule::{Config, CurrentUser, Vestibule};

/// The host's own state; it holds a handle to Vestibule beside whatever else it needs.
#[derive(Clone, FromRef)]
struct Host {
    vestibule: Vestibule,
    product: &'static str,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut config =
        Config::new("http://127.0.0.1:3000/id")?.database_url("sqlite://embed_all.db")?;
    if let Ok(key) = std::env::var("VESTIBULE_BOOTSTRAP_API_KEY") {
        config = config.bootstrap_api_key(&key)?;
    }
    let vestibule = Vestibule::open(config).await?;
    vestibule.spawn_workers();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/", listener.local_addr()?);
    let app = app(&vestibule).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    vestibule.shutdown().await?;
    Ok(())
}

/// The host's routes, and ours below the path of the public URL.
fn app(vestibule: &Vestibule) -> Router {
    let host = Host {
        vestibule: vestibule.clone(),
        product: "Fieldnotes",
    };
    Router::new()
        .route("/", get(home))
        .route("/visitors", get(visitors))
        .with_state(host)
        .merge(vestibule.router())
}

/// For people who are signed in; others are sent to the login page.
async fn home(
    axum::extract::State(host): axum::extract::State<Host>,
    user: CurrentUser,
) -> impl IntoResponse {
    let name = user.display_name.as_deref().unwrap_or(&user.user_name);
    format!(
        "Hello, {name}!\nYou are {} of {} in {}.\n",
        user.id, user.organization_id, host.product
    )
}

/// For everybody.
async fn visitors(user: Option<CurrentUser>) -> &'static str {
    match user {
        Some(_) => "You are signed in.\n",
        None => "You are a visitor.\n",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};
    use url::Url;
    use vestibule_simulate::{Browser, http::Http};

    use super::*;

    const KEY: &str = "a-bootstrap-key-for-this-test-only";
    const PASSWORD: &str = "correct horse battery staple";

    async fn serve(folder: &Path) -> (Url, Vestibule) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config::new(&format!("{url}/id"))
            .and_then(|config| {
                config.database_url(&format!("sqlite://{}", folder.join("a.db").display()))
            })
            .and_then(|config| config.bootstrap_api_key(KEY))
            .unwrap();
        let vestibule = Vestibule::open(config).await.unwrap();
        vestibule.spawn_workers();
        let app = app(&vestibule).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(axum::serve(listener, app).into_future());
        (Url::parse(&url).unwrap(), vestibule)
    }

    async fn post(url: &Url, path: &str, body: &Value) -> Value {
        let url = url.join(&format!("/id/api/v1{path}")).unwrap();
        let answer = Http::new(&[])
            .unwrap()
            .post_json(url.as_str(), Some(KEY), body)
            .await
            .unwrap();
        assert!(answer.is_success(), "{path}: {answer:?}");
        answer.body
    }

    #[tokio::test]
    async fn host_knows_who_is_signed_in_until_they_are_deactivated() {
        let folder = tempfile::tempdir().unwrap();
        let (url, vestibule) = serve(folder.path()).await;
        let organization =
            json!({"name": "Acme", "domains": ["acme.test"], "policy": {"password_login": true}});
        let organization = post(&url, "/organizations", &organization).await;
        let users = format!(
            "/organizations/{}/users",
            organization["id"].as_str().unwrap()
        );
        let user =
            json!({"user_name": "ada@acme.test", "email": "ada@acme.test", "password": PASSWORD});
        let user = post(&url, &users, &user).await;
        let id = user["id"].as_str().unwrap();

        let mut browser = Browser::new().unwrap();
        let visitors = url.join("/visitors").unwrap();
        assert_eq!(
            browser.get(&visitors).await.unwrap().body,
            "You are a visitor.\n"
        );
        let page = browser.get(&url).await.unwrap();
        assert_eq!(
            page.url.path(),
            "/id/login",
            "the host's page sends to the login"
        );
        let page = browser
            .submit(&page, &[("email", "ada@acme.test")])
            .await
            .unwrap();
        browser
            .submit(&page, &[("password", PASSWORD)])
            .await
            .unwrap();

        let page = browser.get(&url).await.unwrap();
        assert!(
            page.body.contains("Hello, ") && page.body.contains(id),
            "{}",
            page.body
        );
        assert_eq!(
            browser.get(&visitors).await.unwrap().body,
            "You are signed in.\n"
        );

        post(&url, &format!("/users/{id}/deactivate"), &json!({})).await;
        assert_eq!(
            browser.get(&visitors).await.unwrap().body,
            "You are a visitor.\n"
        );
        assert_eq!(browser.get(&url).await.unwrap().url.path(), "/id/login");
        vestibule.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn programs_without_a_sign_in_get_401_instead_of_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let (url, _vestibule) = serve(folder.path()).await;
        let answer = Http::new(&[])
            .unwrap()
            .get_json(url.as_str(), None)
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
    }
}
