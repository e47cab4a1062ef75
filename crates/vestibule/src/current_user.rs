//! Who is signed in, for the host's own handlers.

use std::{convert::Infallible, ops::Deref};

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use vestibule_engine::Fault;

use crate::Vestibule;

/// The person whose live sign-in the request's browser holds.
///
/// An extractor for every axum state that gives a [`Vestibule`] (`Vestibule` itself, or `#[derive(FromRef)]`).
/// It asks the store each time, so a person who was deactivated is refused from the next request on.
/// Whoever is not signed in is sent to the login page, or answered 401 where no page was asked for;
/// `Option<CurrentUser>` and [`MaybeUser`] leave that to the handler.
///
/// A browser sends its cookie along with requests that other sites make it navigate to: handlers that change something
/// take POST, and our cookie is `SameSite=Lax`.
#[derive(Debug, Clone)]
pub struct CurrentUser(vestibule_engine::CurrentUser);

/// The person who is signed in, if anybody is.
#[derive(Debug, Clone)]
pub struct MaybeUser(pub Option<CurrentUser>);

/// Why there is no [`CurrentUser`].
#[derive(Debug)]
#[non_exhaustive]
pub enum NotSignedIn {
    /// Nobody is signed in, and the request asks for a page: here is the login page.
    SignIn {
        /// The login page's URL.
        login_url: String,
    },
    /// Nobody is signed in, and the request is a program's.
    Unauthorized,
    /// The store failed; nobody is let in.
    Unavailable,
}

impl Vestibule {
    /// The person whose live sign-in a request's cookies hold.
    pub async fn current_user(&self, headers: &HeaderMap) -> Result<Option<CurrentUser>, Fault> {
        let browser = self.0.cookies.browser(headers);
        let user = self
            .0
            .engine
            .current_user(&browser, self.0.clock.now())
            .await?;
        Ok(user.map(CurrentUser))
    }

    async fn user_of(&self, parts: &Parts) -> Result<Option<CurrentUser>, NotSignedIn> {
        self.current_user(&parts.headers).await.map_err(|fault| {
            tracing::error!(error = %fault, "The signed-in person could not be looked up");
            NotSignedIn::Unavailable
        })
    }
}

impl Deref for CurrentUser {
    type Target = vestibule_engine::CurrentUser;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser
where
    Vestibule: FromRef<S>,
{
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NotSignedIn> {
        let vestibule = Vestibule::from_ref(state);
        match vestibule.user_of(parts).await? {
            Some(user) => Ok(user),
            None if asks_for_a_page(parts) => Err(NotSignedIn::SignIn {
                login_url: vestibule.url("/login"),
            }),
            None => Err(NotSignedIn::Unauthorized),
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser
where
    Vestibule: FromRef<S>,
{
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, NotSignedIn> {
        Vestibule::from_ref(state).user_of(parts).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeUser
where
    Vestibule: FromRef<S>,
{
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NotSignedIn> {
        let user = Vestibule::from_ref(state).user_of(parts).await?;
        Ok(Self(user))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Vestibule
where
    Vestibule: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_ref(state))
    }
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        match self {
            Self::SignIn { login_url } => (no_store, Redirect::to(&login_url)).into_response(),
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, no_store, "sign in first\n").into_response()
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                no_store,
                "try again in a moment\n",
            )
                .into_response(),
        }
    }
}

fn asks_for_a_page(parts: &Parts) -> bool {
    let accept = parts
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    parts.method.is_safe() && accept.is_some_and(|accept| accept.contains("text/html"))
}
