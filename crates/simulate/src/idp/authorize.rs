//! The authorization endpoint and the login form.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Query, State as Shared};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::pages::{LoginPage, internal_error, message, page};
use super::saml::{SamlLogin, answer as answer_saml};
use super::state::{AuthorizeRequest, COOKIE, State};
use super::{Fault, IdpEventKind};
use crate::chance;
use crate::place::cookie_of;

type Parameters = HashMap<String, String>;

pub(super) async fn by_query(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    authorize(&state, &headers, parameters)
}

pub(super) async fn by_form(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(parameters): Form<Parameters>,
) -> Response {
    authorize(&state, &headers, parameters)
}

fn authorize(state: &State, headers: &HeaderMap, parameters: Parameters) -> Response {
    let request = match parse(state, parameters) {
        Ok(request) => request,
        Err(Refusal::ToPerson(text)) => {
            return message(
                state,
                StatusCode::BAD_REQUEST,
                "This link does not work",
                text,
            );
        }
        Err(Refusal::ToClient {
            request,
            error,
            description,
        }) => {
            return refuse(state, &request, error, description);
        }
    };
    let cookie = cookie_of(headers, COOKIE).filter(|cookie| fresh(state, cookie, &request));
    match (cookie, request.prompt.as_deref()) {
        (Some(cookie), _) => issue(state, &request, &cookie),
        (None, Some("none")) => refuse(
            state,
            &request,
            "login_required",
            "nobody is signed in, or not recently enough",
        ),
        (None, _) => ask(state, &Pending::Oidc(request)),
    }
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    request: String,
    username: String,
    password: String,
}

/// Judges the login form.
pub(super) async fn login(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    let (request, known) = {
        let inner = state.lock();
        let request = inner.pending(&credentials.request).cloned();
        let known = inner
            .person(credentials.username.trim())
            .filter(|person| chance::equal(&person.password, &credentials.password))
            .map(|person| person.user_name.clone());
        (request, known)
    };
    let Some(request) = request else {
        let text = "Go back to the app and sign in from there.";
        return message(
            &state,
            StatusCode::BAD_REQUEST,
            "This form is too old",
            text,
        );
    };
    let Some(user_name) = known else {
        state.tell(
            IdpEventKind::PasswordRefused,
            None,
            Some(request.client_id()),
        );
        return form(&state, &request, &credentials, StatusCode::UNAUTHORIZED);
    };
    let former = cookie_of(&headers, COOKIE);
    let opened = {
        let mut inner = state.lock();
        inner.take_pending(&credentials.request);
        inner.open_session(&user_name, former.as_deref())
    };
    match opened {
        Ok(cookie) => {
            state.tell(
                IdpEventKind::SignedIn,
                Some(&user_name),
                Some(request.client_id()),
            );
            let set = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Lax");
            let answer = match &request {
                Pending::Oidc(request) => issue(&state, request, &cookie),
                Pending::Saml(login) => answer_saml(&state, login, &cookie),
            };
            (AppendHeaders([(SET_COOKIE, set)]), answer).into_response()
        }
        Err(error) => internal_error(&error),
    }
}

enum Refusal {
    /// The client or its address is not known: nothing may go back there.
    ToPerson(&'static str),
    ToClient {
        request: Box<AuthorizeRequest>,
        error: &'static str,
        description: &'static str,
    },
}

fn parse(state: &State, mut parameters: Parameters) -> Result<AuthorizeRequest, Refusal> {
    let client_id = parameters.remove("client_id").unwrap_or_default();
    let redirect_uri = parameters.remove("redirect_uri").unwrap_or_default();
    {
        let inner = state.lock();
        let client = inner
            .client(&client_id)
            .ok_or(Refusal::ToPerson("The application is not registered here."))?;
        if !client.redirect_uris.contains(&redirect_uri) {
            return Err(Refusal::ToPerson(
                "The application's return address is not registered here.",
            ));
        }
    }
    let max_age = parameters.remove("max_age");
    let method = parameters.remove("code_challenge_method");
    let response_type = parameters.remove("response_type");
    let request = AuthorizeRequest {
        client_id,
        redirect_uri,
        scope: parameters.remove("scope").unwrap_or_default(),
        state: parameters.remove("state"),
        nonce: parameters.remove("nonce"),
        code_challenge: parameters.remove("code_challenge"),
        prompt: parameters.remove("prompt"),
        max_age: max_age.as_deref().and_then(|seconds| seconds.parse().ok()),
        login_hint: parameters.remove("login_hint"),
    };
    let fault = if response_type.as_deref() != Some("code") {
        Some(("unsupported_response_type", "only `code` is supported"))
    } else if !request.scope.split(' ').any(|scope| scope == "openid") {
        Some(("invalid_scope", "the scope `openid` is missing"))
    } else if request.code_challenge.is_some() && method.as_deref() != Some("S256") {
        Some(("invalid_request", "code_challenge_method has to be S256"))
    } else if max_age.is_some() && request.max_age.is_none() {
        Some(("invalid_request", "max_age is not a number of seconds"))
    } else {
        None
    };
    match fault {
        None => Ok(request),
        Some((error, description)) => Err(Refusal::ToClient {
            request: Box::new(request),
            error,
            description,
        }),
    }
}

/// Whether the browser's session answers the request without asking the person.
fn fresh(state: &State, cookie: &str, request: &AuthorizeRequest) -> bool {
    let inner = state.lock();
    let Some(session) = inner.session(cookie) else {
        return false;
    };
    let age = inner.now() - session.auth_time;
    let asked_for_login = request.prompt.as_deref().is_some_and(|prompt| {
        prompt
            .split(' ')
            .any(|p| p == "login" || p == "select_account")
    });
    // Somebody else's hint: the person at the browser may be another one.
    let hinted_other = request
        .login_hint
        .as_deref()
        .and_then(|hint| inner.person(hint))
        .is_some_and(|person| person.user_name != session.user_name);
    !asked_for_login && !hinted_other && request.max_age.is_none_or(|most| age <= most)
}

/// A login that waits for the person, whichever protocol asked for it.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    Oidc(AuthorizeRequest),
    Saml(SamlLogin),
}

impl Pending {
    fn client_id(&self) -> &str {
        match self {
            Self::Oidc(request) => &request.client_id,
            Self::Saml(login) => &login.entity_id,
        }
    }

    fn login_hint(&self) -> Option<&str> {
        match self {
            Self::Oidc(request) => request.login_hint.as_deref(),
            Self::Saml(login) => login.login_hint.as_deref(),
        }
    }

    fn return_address(&self) -> &str {
        match self {
            Self::Oidc(request) => &request.redirect_uri,
            Self::Saml(login) => &login.acs_url,
        }
    }
}

/// Shows the login form.
pub(super) fn ask(state: &State, request: &Pending) -> Response {
    let pending = state.lock().add_pending(request.clone());
    match pending {
        Ok(id) => {
            state.tell(
                IdpEventKind::LoginShown,
                request.login_hint(),
                Some(request.client_id()),
            );
            let credentials = Credentials {
                request: id,
                username: request.login_hint().unwrap_or_default().to_owned(),
                password: String::new(),
            };
            form(state, request, &credentials, StatusCode::OK)
        }
        Err(error) => internal_error(&error),
    }
}

fn form(
    state: &State,
    request: &Pending,
    credentials: &Credentials,
    status: StatusCode,
) -> Response {
    let host = Url::parse(request.return_address())
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    let error = (status == StatusCode::UNAUTHORIZED)
        .then_some("The user name or the password is not right.");
    page(
        status,
        &LoginPage {
            company: &state.company,
            client: &host,
            request: &credentials.request,
            user_name: &credentials.username,
            error,
        },
    )
}

fn issue(state: &State, request: &AuthorizeRequest, cookie: &str) -> Response {
    let code = {
        let mut inner = state.lock();
        let code = inner.add_code(request.clone(), cookie);
        code.map(|code| {
            (
                code,
                inner
                    .session(cookie)
                    .map(|session| session.user_name.clone()),
            )
        })
    };
    match code {
        Ok((code, user_name)) => {
            state.tell(
                IdpEventKind::CodeIssued,
                user_name.as_deref(),
                Some(&request.client_id),
            );
            send_back(state, request, &[("code", &code)])
        }
        Err(error) => internal_error(&error),
    }
}

fn refuse(state: &State, request: &AuthorizeRequest, error: &str, description: &str) -> Response {
    send_back(
        state,
        request,
        &[("error", error), ("error_description", description)],
    )
}

/// The authorization response, with `iss` (RFC 9207) on success and error alike.
fn send_back(state: &State, request: &AuthorizeRequest, fields: &[(&str, &str)]) -> Response {
    let faults = state.lock().faults.clone();
    let Ok(mut url) = Url::parse(&request.redirect_uri) else {
        let text = "The application's return address is not a URL.";
        return message(
            state,
            StatusCode::BAD_REQUEST,
            "This link does not work",
            text,
        );
    };
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(fields);
        if faults.has(Fault::WrongState) {
            query.append_pair("state", "of-another-login");
        } else if let Some(state) = &request.state {
            query.append_pair("state", state);
        }
        if faults.has(Fault::WrongIssParameter) {
            query.append_pair("iss", "https://other.example");
        } else if !faults.has(Fault::NoIssParameter) {
            query.append_pair("iss", &state.issuer);
        }
    }
    Redirect::to(url.as_str()).into_response()
}
