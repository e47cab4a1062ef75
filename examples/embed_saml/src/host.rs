//! What any web app has already: state, a clock, chance, cookies and an error page.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::sign_in::Site;

/// The fields of a form or a query.
pub(crate) type Fields = HashMap<String, String>;

/// The app's state, in a handler.
pub(crate) type AtSite = State<Arc<Site>>;

/// Request → browser, ticket → browser and person, browser → person; an app with several nodes has a database for it.
pub(crate) type Known = Mutex<HashMap<String, (String, String)>>;

/// Why somebody is not signed in, for the page.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::FORBIDDEN, self.0).into_response()
    }
}

/// A name that nobody guesses: the ID of a request, a ticket, or a browser's cookie.
pub(crate) fn random() -> Result<String, Refused> {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let octets: [u8; 16] = aws_lc_rs::rand::generate(&random)?.expose();
    Ok(format!("_{:032x}", u128::from_be_bytes(octets)))
}

/// The browser's cookie; on https call it `__Host-browser` and add `Secure`.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|pair| pair.strip_prefix("browser="))
}

pub(crate) fn set_cookie(browser: &str) -> [(header::HeaderName, String); 1] {
    [(
        header::SET_COOKIE,
        format!("browser={browser}; Path=/; HttpOnly; SameSite=Lax"),
    )]
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    time::UtcDateTime::now().unix_timestamp()
}
