//! Where pages are written on their way out: in the language of the person, in the frame of the installation.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use vestibule_issuer::Issuer;

use crate::{
    cookies::Cookies,
    failure::Panicked,
    headers::Policy,
    language::Language,
    pages::{self, Unwritten},
    texts::Trouble,
};

/// What pages need to know of the installation.
#[derive(Debug)]
pub(crate) struct Door {
    base: String,
    /// The name on pages of no organization.
    pub(crate) name: String,
    cookies: Cookies,
    policy: Policy,
}

impl Door {
    pub(crate) fn of(issuer: &Issuer, name: String) -> Self {
        Self {
            base: issuer.path().trim_end_matches('/').to_owned(),
            name,
            cookies: Cookies::of(issuer),
            policy: Policy::of(issuer),
        }
    }

    /// The address of something of ours, from our own host.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// The language that an application wishes for the sign-in that has just begun; it holds until that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish(pub(crate) Option<Language>);

/// Writes the page of a response.
///
/// What failed without a page, and was asked for by a browser, gets one.
pub(crate) async fn write(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let remembered = door.cookies.language(request.headers());
    let liked = Language::negotiated(request.headers());
    let reads_pages = reads_pages(request.headers());
    let mut response = next.run(request).await;
    if reads_pages && let Some(trouble) = pageless(&response) {
        let status = response.status();
        response = (status, pages::trouble(trouble)).into_response();
    }
    if let Some(Wish(wish)) = response.extensions_mut().remove()
        && wish != remembered
        && let Some(cookie) = door.cookies.set_language(wish)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    let Some(Unwritten(page)) = response.extensions_mut().remove() else {
        return response;
    };
    let language = page.wish().or(remembered).unwrap_or(liked);
    let html = match page.write(&door, language) {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "A page could not be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    *response.body_mut() = Body::from(html);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "accept-language"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        door.policy.leading_to(page.returns_to()),
    );
    response
}

/// Browsers say so when somebody goes to a page.
fn reads_pages(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).into_iter();
    accepted.any(|value| {
        value
            .to_str()
            .is_ok_and(|accepted| accepted.contains("text/html"))
    })
}

/// What went wrong where nobody said it to a person.
fn pageless(response: &Response) -> Option<Trouble> {
    if response.extensions().get::<Panicked>().is_some() {
        return Some(Trouble::Failed);
    }
    let silent = response.extensions().get::<Unwritten>().is_none()
        && !response.headers().contains_key(header::CONTENT_TYPE);
    let lost = matches!(
        response.status(),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
    );
    (silent && lost).then_some(Trouble::NotFound)
}
