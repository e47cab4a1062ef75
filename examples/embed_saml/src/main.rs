//! SAML sign-in in an axum app, with vestibule-saml alone: `cargo run -p embed_saml -- metadata.xml`.
//!
//! Give it your identity provider's metadata, tell the provider the entity ID `http://127.0.0.1:3001/saml` and the ACS
//! `http://127.0.0.1:3001/acs`, then open <http://127.0.0.1:3001/>. All of the sign-in is in `sign_in.rs`, in less than sixty lines.

mod host;
mod sign_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, http::HeaderMap, response::Redirect, routing::get, routing::post};
use host::AtSite;
use sign_in::{Site, acs, finish, login};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1);
    let path = path.context("say where the identity provider's metadata is: embed_saml FILE")?;
    let site = Site::new("http://127.0.0.1:3001", &std::fs::read_to_string(path)?)?;
    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://{}/", listener.local_addr()?);
    Ok(axum::serve(listener, app(site)).await?)
}

fn app(site: Site) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/acs", post(acs))
        .route("/finish", get(finish))
        .with_state(Arc::new(site))
}

/// For people who are signed in; others are sent to their identity provider.
async fn home(site: AtSite, headers: HeaderMap) -> Result<String, Redirect> {
    let known = |browser| site.2.lock().ok()?.get(browser).cloned();
    let person = host::cookie(&headers).and_then(known);
    person
        .map(|(_, name)| format!("Hello, {name}!\n"))
        .ok_or(Redirect::to("/login"))
}
