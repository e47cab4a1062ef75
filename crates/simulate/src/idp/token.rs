//! The token endpoint, the ID token and userinfo.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use axum::extract::{Form, State as Shared};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::pages::{internal_error, json as answer};
use super::state::{ACCESS_TOKEN_TTL, Grant, State};
use super::{Client, Fault, Faults, IdpEventKind};
use crate::jose::{SigningKey, signing_input};
use crate::{Person, chance};

/// A refusal of the token endpoint (RFC 6749 §5.2).
struct Refusal(StatusCode, &'static str, &'static str);

const HOUR: i64 = 3600;

pub(super) async fn exchange(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(fields): Form<HashMap<String, String>>,
) -> Response {
    if state.lock().faults.has(Fault::TokenEndpointDown) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let granted = authenticate(&state, &headers, &fields)
        .and_then(|client| take_grant(&state, &client, &fields));
    match granted {
        Ok(grant) => match tokens(&state, &grant) {
            Ok(body) => answer(StatusCode::OK, &body),
            Err(error) => internal_error(&error),
        },
        Err(Refusal(status, error, description)) => answer(
            status,
            &json!({"error": error, "error_description": description}),
        ),
    }
}

/// Userinfo for a bearer token (OIDC Core §5.3).
pub(super) async fn userinfo(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let inner = state.lock();
    let found = bearer(&headers)
        .and_then(|token| inner.access_token(&token))
        .and_then(|grant| {
            let person = inner.person(&grant.session.user_name)?;
            Some(person_claims(person, &grant.request.scope))
        });
    let Some(mut claims) = found else {
        let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    if inner.faults.has(Fault::UserinfoOfAnother) {
        claims.insert("sub".to_owned(), json!("somebody-else"));
    }
    answer(StatusCode::OK, &Value::Object(claims))
}

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn authenticate(
    state: &State,
    headers: &HeaderMap,
    fields: &HashMap<String, String>,
) -> Result<Client, Refusal> {
    let unknown = || {
        Refusal(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "the client is not known",
        )
    };
    let (id, secret) = match basic(headers) {
        Some((id, secret)) => (id, Some(secret)),
        None => (
            fields.get("client_id").cloned().ok_or_else(unknown)?,
            fields.get("client_secret").cloned(),
        ),
    };
    let client = state.lock().client(&id).cloned().ok_or_else(unknown)?;
    let right = match (&client.client_secret, &secret) {
        (Some(wanted), Some(got)) => chance::equal(wanted, got),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if right { Ok(client) } else { Err(unknown()) }
}

/// HTTP Basic with form-encoded parts (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| -> Option<String> {
        form_urlencoded::parse(part.as_bytes())
            .next()
            .map(|(name, _)| name.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}

fn take_grant(
    state: &State,
    client: &Client,
    fields: &HashMap<String, String>,
) -> Result<Grant, Refusal> {
    let refuse = |error, text| Refusal(StatusCode::BAD_REQUEST, error, text);
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match field("grant_type") {
        "authorization_code" => {
            let grant = state
                .lock()
                .take_code(field("code"))
                .ok_or_else(|| refuse("invalid_grant", "the code is not good, or was used"))?;
            let request = &grant.request;
            if request.client_id != client.client_id {
                return Err(refuse("invalid_grant", "the code is another client's"));
            }
            if request.redirect_uri != field("redirect_uri") {
                return Err(refuse(
                    "invalid_grant",
                    "redirect_uri is not the one of the request",
                ));
            }
            if !proves(
                request.code_challenge.as_deref(),
                fields.get("code_verifier"),
            ) {
                return Err(refuse("invalid_grant", "code_verifier does not fit"));
            }
            let user_name = grant.session.user_name.clone();
            state.tell(
                IdpEventKind::CodeExchanged,
                Some(&user_name),
                Some(&client.client_id),
            );
            Ok(grant)
        }
        "refresh_token" => state
            .lock()
            .take_refresh_token(field("refresh_token"))
            .filter(|grant| grant.request.client_id == client.client_id)
            .ok_or_else(|| refuse("invalid_grant", "the refresh token is not good")),
        _ => Err(refuse(
            "unsupported_grant_type",
            "only codes and refresh tokens",
        )),
    }
}

/// PKCE with S256 (RFC 7636 §4.6); a verifier without a challenge is a downgrade (RFC 9700 §2.1.1).
fn proves(challenge: Option<&str>, verifier: Option<&String>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
            chance::equal(challenge, &URL_SAFE_NO_PAD.encode(hash))
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn tokens(state: &State, grant: &Grant) -> anyhow::Result<Value> {
    let mut inner = state.lock();
    let offline = grant
        .request
        .scope
        .split(' ')
        .any(|scope| scope == "offline_access");
    let access_token = inner.add_access_token(grant.clone())?;
    let refresh_token = offline
        .then(|| inner.add_refresh_token(grant.clone()))
        .transpose()?;
    let person = inner.person(&grant.session.user_name).cloned();
    let key = inner.signing_key()?;
    let faults = inner.faults.clone();
    let methods = inner.methods.clone();
    drop(inner);
    let person = person.ok_or_else(|| anyhow::anyhow!("the person left meanwhile"))?;
    let claims = id_token_claims(state, grant, &person, &access_token, (&faults, &methods));
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_TTL,
        "scope": grant.request.scope,
        "id_token": sign_id_token(&key, &claims, &faults)?,
    });
    if let (Some(token), Some(members)) = (refresh_token, body.as_object_mut()) {
        members.insert("refresh_token".to_owned(), json!(token));
    }
    Ok(body)
}

fn id_token_claims(
    state: &State,
    grant: &Grant,
    person: &Person,
    access_token: &str,
    (faults, methods): (&Faults, &[String]),
) -> Value {
    let (request, session) = (&grant.request, &grant.session);
    let mut iat = state.lock().now();
    if faults.has(Fault::Expired) {
        iat -= HOUR + state.id_token_ttl;
    }
    if faults.has(Fault::IssuedInFuture) {
        iat += HOUR;
    }
    let auth_time = if faults.has(Fault::OldAuthentication) {
        session.auth_time - 24 * HOUR
    } else {
        session.auth_time
    };
    let hashed = if faults.has(Fault::WrongAccessTokenHash) {
        "another"
    } else {
        access_token
    };
    let mut claims = person_claims(person, &request.scope);
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("iss", json!(state.issuer));
    set("aud", json!(request.client_id));
    set("iat", json!(iat));
    set("exp", json!(iat + state.id_token_ttl));
    set("auth_time", json!(auth_time));
    set("amr", json!(methods));
    set("acr", json!("urn:vestibule:simulate:password"));
    set("sid", json!(session.sid));
    set("at_hash", json!(half_hash(hashed)));
    if let Some(nonce) = &request.nonce {
        set("nonce", json!(nonce));
    }
    if faults.has(Fault::WrongNonce) {
        set("nonce", json!("of-another-login"));
    }
    if faults.has(Fault::WrongIssuer) {
        set("iss", json!("https://other.example"));
    }
    if faults.has(Fault::WrongAudience) {
        set("aud", json!("another-client"));
    }
    if faults.has(Fault::ExtraAudience) {
        set("aud", json!([request.client_id, "another-client"]));
    }
    if faults.has(Fault::NoNonce) {
        claims.remove("nonce");
    }
    if faults.has(Fault::NoSubject) {
        claims.remove("sub");
    }
    Value::Object(claims)
}

fn person_claims(person: &Person, scope: &str) -> Map<String, Value> {
    let has = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("sub", json!(person.sub));
    set("oid", json!(person.oid));
    if has("profile") {
        set("name", json!(person.name()));
        set("given_name", json!(person.given_name));
        set("family_name", json!(person.family_name));
        set("preferred_username", json!(person.user_name));
    }
    if has("email") {
        set("email", json!(person.email));
        set("email_verified", json!(true));
    }
    claims
}

/// The left half of the token's SHA-256 (OIDC Core §3.1.3.6).
fn half_hash(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
}

fn sign_id_token(key: &SigningKey, claims: &Value, faults: &Faults) -> anyhow::Result<String> {
    if faults.has(Fault::Unsigned) {
        return Ok(format!(
            "{}.",
            signing_input(&json!({"alg": "none", "typ": "JWT"}), claims)
        ));
    }
    if faults.has(Fault::KeyConfusion) {
        let input = signing_input(
            &json!({"alg": "HS256", "kid": key.kid(), "typ": "JWT"}),
            claims,
        );
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_jwk()?.to_string().as_bytes());
        let tag = hmac::sign(&secret, input.as_bytes());
        return Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag)));
    }
    if faults.has(Fault::UnknownKey) {
        return SigningKey::generate(key.algorithm())?.sign("JWT", claims);
    }
    let token = key.sign("JWT", claims)?;
    if faults.has(Fault::BadSignature) {
        flip(&token)
    } else {
        Ok(token)
    }
}

/// The token with one bit of its signature turned.
fn flip(token: &str) -> anyhow::Result<String> {
    let (input, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let mut signature = URL_SAFE_NO_PAD.decode(signature)?;
    if let Some(byte) = signature.get_mut(10) {
        *byte ^= 1;
    }
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
