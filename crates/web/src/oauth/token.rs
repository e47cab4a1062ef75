use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use vestibule_core::ApplicationId;
use vestibule_engine::admin::Application;
use vestibule_issuer::{
    client_assertion::{ClientAssertion, ScimRequest},
    client_auth::{self, ClientCredentials},
    introspect::IntrospectRequest,
    params::Params,
    revoke::RevokeRequest,
    token::{TokenError, TokenErrorCode, TokenRequest},
};

use super::{NoStore, bearer, refused, single};
use crate::{Web, client_address::ClientAddress, failure::OAuthFailure, now::Now};

/// What the endpoints for clients have in common: a form, and who sent it.
struct ClientRequest {
    params: Params,
    credentials: ClientCredentials,
}

impl ClientRequest {
    fn read(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Result<Self, TokenError> {
        let (authorization, params) = form(headers, body)?;
        let credentials = ClientCredentials::parse(authorization, query, &params)?;
        Ok(Self {
            params,
            credentials,
        })
    }
}

/// What the token endpoint is asked, and by whom.
enum TokenCall {
    /// An application, for a person.
    Application(ClientCredentials, TokenRequest),
    /// A directory's client, for itself.
    Directory(ClientAssertion, ScimRequest),
}

impl TokenCall {
    fn read(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Result<Self, TokenError> {
        let (authorization, params) = form(headers, body)?;
        let directory = ClientAssertion::parse(authorization, &params)?
            .filter(|assertion| assertion.client_id.parse::<ApplicationId>().is_err());
        if let Some(assertion) = directory {
            client_auth::refuse_query(query)?;
            return Ok(Self::Directory(assertion, ScimRequest::parse(&params)?));
        }
        let credentials = ClientCredentials::parse(authorization, query, &params)?;
        let request = TokenRequest::parse(&params)?;
        Ok(Self::Application(credentials, request))
    }
}

/// The `Authorization` header and the parameters of a request's body.
fn form<'h>(headers: &'h HeaderMap, body: &[u8]) -> Result<(Option<&'h str>, Params), TokenError> {
    let invalid = |description| TokenError::new(TokenErrorCode::InvalidRequest, description);
    let content_type = single(headers, &header::CONTENT_TYPE)
        .map_err(|()| invalid("several Content-Type headers"))?;
    let form = content_type.is_some_and(|value| {
        value.split(';').next().is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
    });
    if !form {
        return Err(invalid(
            "the body has to be application/x-www-form-urlencoded",
        ));
    }
    let text = std::str::from_utf8(body).map_err(|_| invalid("the body is not UTF-8"))?;
    let params = Params::from_urlencoded(text).map_err(|_| invalid("the body is malformed"))?;
    let authorization = single(headers, &header::AUTHORIZATION)
        .map_err(|()| invalid("several Authorization headers"))?;
    Ok((authorization, params))
}

/// `POST /oauth/token` (RFC 6749 §4.1.3, §6, and §4.4 for the clients of directories).
pub(crate) async fn token(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let call = match TokenCall::read(&headers, query.as_deref(), &body) {
        Ok(call) => call,
        Err(error) => return Ok(refused(&error)),
    };
    let engine = &web.engine;
    Ok(match call {
        TokenCall::Application(credentials, request) => {
            granted(engine.token(credentials, request, address, now).await?)
        }
        TokenCall::Directory(assertion, request) => granted(
            engine
                .directory_token(assertion, request, address, now)
                .await?,
        ),
    })
}

fn granted<T: Serialize>(answer: Result<T, TokenError>) -> Response {
    match answer {
        Ok(response) => NoStore(Json(response)).into_response(),
        Err(error) => refused(&error),
    }
}

/// `POST /oauth/introspect` (RFC 7662).
pub(crate) async fn introspect(
    State(web): State<Web>,
    Now(now): Now,
    address: ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let (application, params) =
        match client(&web, now, address, &headers, query.as_deref(), &body).await? {
            Ok(client) => client,
            Err(error) => return Ok(refused(&error)),
        };
    Ok(match IntrospectRequest::parse(&params) {
        Ok(request) => NoStore(Json(
            web.engine.introspect(&application, request, now).await?,
        ))
        .into_response(),
        Err(error) => refused(&error),
    })
}

/// `POST /oauth/revoke` (RFC 7009): an unknown token is revoked already.
pub(crate) async fn revoke(
    State(web): State<Web>,
    Now(now): Now,
    address: ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let (application, params) =
        match client(&web, now, address, &headers, query.as_deref(), &body).await? {
            Ok(client) => client,
            Err(error) => return Ok(refused(&error)),
        };
    Ok(match RevokeRequest::parse(&params) {
        Ok(request) => {
            web.engine.revoke(&application, request, now).await?;
            NoStore(StatusCode::OK).into_response()
        }
        Err(error) => refused(&error),
    })
}

/// `POST /oauth/par` (RFC 9126).
pub(crate) async fn push(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let client = match ClientRequest::read(&headers, query.as_deref(), &body) {
        Ok(client) => client,
        Err(error) => return Ok(refused(&error)),
    };
    let pushed = web
        .engine
        .push_request(&client.credentials, &client.params, address, now)
        .await?;
    Ok(match pushed {
        Ok(answer) => NoStore((StatusCode::CREATED, Json(answer))).into_response(),
        Err(error) => refused(&error),
    })
}

async fn client(
    web: &Web,
    now: vestibule_core::Timestamp,
    ClientAddress(address): ClientAddress,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Result<Result<(Application, Params), TokenError>, OAuthFailure> {
    let client = match ClientRequest::read(headers, query, body) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    let authenticated = web
        .engine
        .authenticate_client(&client.credentials, address, now)
        .await?;
    Ok(authenticated.map(|application| (application, client.params)))
}

/// `GET` and `POST /oauth/userinfo` (OpenID Connect Core §5.3, RFC 6750).
pub(crate) async fn userinfo(
    State(web): State<Web>,
    Now(now): Now,
    headers: HeaderMap,
) -> Result<Response, OAuthFailure> {
    let Some(token) = bearer(&headers) else {
        return Ok(NoStore((
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
        ))
        .into_response());
    };
    if let Some(claims) = web.engine.userinfo(token.expose(), now).await? {
        return Ok(NoStore(Json(claims)).into_response());
    }
    let challenge = r#"Bearer error="invalid_token", error_description="the access token is unknown, expired or revoked""#;
    Ok(NoStore((
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, challenge)],
    ))
    .into_response())
}
