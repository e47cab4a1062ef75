//! The pages that people see at the provider.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use url::Url;
use url::form_urlencoded::byte_serialize;

use super::saml::SamlClient;
use super::state::{COOKIE, State};
use crate::place::cookie_of;

/// No scripts, no foreign parts. `form-action` is absent on purpose: browsers apply it to the
/// redirect back to the application too.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "idp/login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) company: &'a str,
    pub(super) client: &'a str,
    pub(super) request: &'a str,
    pub(super) user_name: &'a str,
    pub(super) error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "idp/message.html")]
pub(super) struct MessagePage<'a> {
    pub(super) company: &'a str,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
}

#[derive(Template)]
#[template(path = "idp/home.html")]
struct HomePage<'a> {
    company: &'a str,
    title: &'a str,
    text: &'a str,
    apps: Vec<App>,
}

/// An application that can be started from here.
struct App {
    name: String,
    href: String,
}

impl App {
    /// The letter on its tile.
    fn initial(&self) -> String {
        let first = self.name.chars().next().unwrap_or('·');
        first.to_uppercase().collect()
    }
}

pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    page_under(POLICY, status, template)
}

/// A page with the provider's own script on it.
pub(super) fn scripted_page(status: StatusCode, template: &impl Template) -> Response {
    page_under(&format!("{POLICY}; script-src 'self'"), status, template)
}

fn page_under(policy: &str, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            status,
            [
                (CONTENT_SECURITY_POLICY, policy),
                (CACHE_CONTROL, "no-store"),
            ],
            Html(html),
        )
            .into_response(),
        Err(error) => internal_error(&anyhow::Error::new(error)),
    }
}

pub(super) fn message(state: &State, status: StatusCode, title: &str, text: &str) -> Response {
    page(
        status,
        &MessagePage {
            company: &state.company,
            title,
            text,
        },
    )
}

pub(super) fn internal_error(error: &anyhow::Error) -> Response {
    tracing::error!(error = %error, "The simulated identity provider failed");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Who is signed in at the provider.
pub(super) async fn home(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let cookie = cookie_of(&headers, COOKIE);
    let name = cookie.and_then(|cookie| {
        let inner = state.lock();
        let session = inner.session(&cookie)?;
        Some(inner.person(&session.user_name)?.name())
    });
    let apps: Vec<App> = state.lock().saml.clients.iter().map(app).collect();
    let (title, text) = match &name {
        Some(name) => (name.as_str(), "You are signed in at your company."),
        None if apps.is_empty() => ("Not signed in", "Start from the app you want to use."),
        None => (
            "Your apps",
            "Choose one, and sign in with your work account.",
        ),
    };
    page(
        StatusCode::OK,
        &HomePage {
            company: &state.company,
            title,
            text,
            apps,
        },
    )
}

fn app(client: &SamlClient) -> App {
    let host = || {
        let url = Url::parse(&client.acs_url).ok()?;
        url.host_str().map(str::to_owned)
    };
    let name = client.name.clone().or_else(host);
    let sp: String = byte_serialize(client.entity_id.as_bytes()).collect();
    App {
        name: name.unwrap_or_else(|| client.entity_id.clone()),
        href: format!("/saml/start?sp={sp}"),
    }
}

pub(super) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css")],
        include_str!("../../assets/idp.css"),
    )
}

pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}
