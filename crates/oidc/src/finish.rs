//! The second leg: from the browser's answer to a person.

use std::pin::Pin;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use openidconnect::core::CoreErrorResponseType;
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, HttpRequest, HttpResponse, OAuth2TokenResponse as _,
    PkceCodeVerifier, RequestTokenError, StandardErrorResponse,
};
use serde_json::{Map, Value};

use crate::callback::Answer;
use crate::document;
use crate::token_response::TokenAnswer;
use crate::{
    Authentication, Callback, Connection, Error, HttpClient, HttpError, Pending, Secret, UserInfo,
};

const TOKEN_RESPONSE: &str = "token response";
const USERINFO: &str = "userinfo";

/// Claims that only the ID token may say: they name the person, the tenant or the sign-in.
const NOT_FROM_USERINFO: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "session_expiry",
    "oid",
    "tid",
];

impl Connection {
    /// Finishes a login: checks who answered, exchanges the code, judges the ID token.
    ///
    /// The host must have used `pending` up before it calls, so that no answer counts twice.
    /// Nothing is sent to the identity provider before the answer has been matched with the login and the issuer.
    pub async fn finish(
        &self,
        pending: &Pending,
        callback: &Callback,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Authentication, Error> {
        self.check_pending(pending, callback)?;
        self.check_answering_issuer(callback)?;
        let code = match &callback.answer {
            Answer::Code(code) => code,
            Answer::Refusal { code, description } => {
                return Err(Error::Refused {
                    code: code.clone(),
                    description: description.clone(),
                });
            }
        };
        let answer = self.exchange(code, &pending.pkce_verifier, client).await?;
        let id_token = answer.raw_id_token().ok_or(Error::IdTokenMissing)?;
        let access_token = answer.access_token().secret();
        let mut authentication = self
            .judge(id_token, access_token, pending, client, now)
            .await?;
        if self.settings().userinfo == UserInfo::Fetch {
            let found = self
                .userinfo(access_token, &authentication.subject, client)
                .await?;
            for (name, value) in found {
                if !NOT_FROM_USERINFO.contains(&name.as_str()) {
                    authentication.claims.entry(name).or_insert(value);
                }
            }
        }
        Ok(authentication)
    }

    fn check_pending(&self, pending: &Pending, callback: &Callback) -> Result<(), Error> {
        if callback.state() != pending.state {
            return Err(Error::StateMismatch);
        }
        if pending.issuer != self.settings().issuer
            || pending.client_id != self.settings().client_id
        {
            return Err(Error::PendingMismatch);
        }
        Ok(())
    }

    /// RFC 9207 §2.4: compare if present, insist if promised, on errors too.
    fn check_answering_issuer(&self, callback: &Callback) -> Result<(), Error> {
        match &callback.issuer {
            Some(issuer) if *issuer == self.settings().issuer => Ok(()),
            Some(issuer) => Err(Error::MixUp {
                wanted: self.settings().issuer.clone(),
                got: issuer.clone(),
            }),
            None if self
                .metadata()
                .authorization_response_iss_parameter_supported =>
            {
                Err(Error::IssuerMissing)
            }
            None => Ok(()),
        }
    }

    async fn exchange(
        &self,
        code: &Secret,
        pkce_verifier: &Secret,
        client: &dyn HttpClient,
    ) -> Result<TokenAnswer, Error> {
        let oidc_client = self.client()?;
        let carrier = Carrier(client);
        oidc_client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier.expose().to_owned()))
            .request_async(&carrier)
            .await
            .map_err(token_error)
    }

    /// Core §5.3: bearer token in the header, JSON back, the same subject.
    async fn userinfo(
        &self,
        access_token: &str,
        subject: &str,
        client: &dyn HttpClient,
    ) -> Result<Map<String, Value>, Error> {
        let endpoint =
            self.metadata()
                .userinfo_endpoint
                .as_ref()
                .ok_or(Error::EndpointMissing {
                    endpoint: "userinfo_endpoint",
                })?;
        let request = http::Request::get(endpoint.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {access_token}"))
            .body(Vec::new())
            .map_err(|_| Error::Malformed {
                document: TOKEN_RESPONSE,
                detail: "the access token cannot stand in a header".to_owned(),
            })?;
        let response = document::send(client, request, USERINFO).await?;
        let is_jwt = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|content_type| {
                content_type.to_str().is_ok_and(|text| {
                    text.trim_start()
                        .to_ascii_lowercase()
                        .starts_with("application/jwt")
                })
            });
        if is_jwt {
            return Err(Error::Malformed {
                document: USERINFO,
                detail: "signed userinfo is not supported".to_owned(),
            });
        }
        let found: Map<String, Value> = document::parse(response.body(), USERINFO)?;
        if found.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Error::UserInfoSubject);
        }
        Ok(found)
    }
}

/// The host's client in the shape that openidconnect wants.
struct Carrier<'a>(&'a dyn HttpClient);

impl<'c> AsyncHttpClient<'c> for Carrier<'_> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.0.send(request)
    }
}

/// Keeps the codes, drops the bodies: a token response that cannot be parsed may still hold tokens.
fn token_error(
    error: RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>,
) -> Error {
    match error {
        RequestTokenError::ServerResponse(answer) => Error::TokenRefused {
            code: answer.error().as_ref().to_owned(),
            description: answer.error_description().cloned(),
        },
        RequestTokenError::Request(source) => Error::Http {
            document: "token response",
            source,
        },
        RequestTokenError::Parse(error, _) => Error::Malformed {
            document: TOKEN_RESPONSE,
            detail: format!("at `{}`", error.path()),
        },
        RequestTokenError::Other(_) => Error::Malformed {
            document: TOKEN_RESPONSE,
            detail: "an unexpected status or content type".to_owned(),
        },
    }
}
