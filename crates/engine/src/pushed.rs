//! Authorization requests that applications hand in before they send the browser (RFC 9126).

use std::{net::IpAddr, time::Duration};

use vestibule_core::{ApplicationId, Timestamp};
use vestibule_issuer::{
    authorize::{AuthorizeErrorCode, AuthorizeRequest, PageError, Refusal},
    client_auth::ClientCredentials,
    params::Params,
    pushed::{self, PushedResponse},
    secret::Secret,
    token::{TokenError, TokenErrorCode},
};
use vestibule_store::Application;

use crate::{Engine, Fault, authorize::registration_of};

impl Engine {
    /// Takes a request in from an authenticated application, and checks it as the authorization endpoint would.
    pub async fn push_request(
        &self,
        credentials: &ClientCredentials,
        params: &Params,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Result<PushedResponse, TokenError>, Fault> {
        let application = match self.authenticate_client(credentials, address, now).await? {
            Ok(application) => application,
            Err(error) => return Ok(Err(error)),
        };
        let request = match accepted(&application, params) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let mut tx = self.store().write(now).await?;
        let reference = tx.generator().token("");
        let until = now.after(Duration::from_secs(pushed::TTL.unsigned_abs()));
        tx.add_pushed_request(reference.hash(), application.id, &request, until)
            .await?;
        tx.commit().await?;
        let reference = Secret::new(reference.expose());
        Ok(Ok(PushedResponse::new(&reference)))
    }

    /// The request that the browser brings, or the pushed one that it refers to, which is used up.
    ///
    /// What stands beside the reference is left aside (RFC 9126 §4): anybody could have written it there.
    pub(crate) async fn request_of(
        &self,
        params: Params,
        now: Timestamp,
    ) -> Result<Result<AuthorizeRequest, PageError>, Fault> {
        let reference = match pushed::reference(&params) {
            Ok(Some(reference)) => reference,
            Ok(None) => return Ok(AuthorizeRequest::parse(params)),
            Err(_) => return Ok(Err(PageError::RequestUri)),
        };
        let Ok(Some(client_id)) = params.get("client_id") else {
            return Ok(Err(PageError::ClientId));
        };
        let Ok(application_id) = client_id.parse::<ApplicationId>() else {
            return Ok(Err(PageError::UnknownClient));
        };
        let reference = vestibule_core::Secret::new(reference.expose());
        if !self
            .store()
            .read(now)
            .await?
            .has_pushed_request(reference.hash())
            .await?
        {
            return Ok(Err(PageError::RequestUri));
        }
        let mut tx = self.store().write(now).await?;
        let request = tx
            .take_pushed_request(reference.hash(), application_id)
            .await?;
        tx.commit().await?;
        let Some(request) = request else {
            return Ok(Err(PageError::RequestUri));
        };
        let params = Params::from_pairs(request)
            .map_err(|_| Fault::internal("a pushed request cannot be read"))?;
        Ok(AuthorizeRequest::parse(params).map(AuthorizeRequest::pushed))
    }
}

/// The request as it is kept, when the authorization endpoint would accept it from this application.
fn accepted(
    application: &Application,
    params: &Params,
) -> Result<Vec<(String, String)>, TokenError> {
    let mut request = pushed::to_keep(params)?;
    if !params.has("client_id") {
        // Said by the client's authentication already.
        request.push(("client_id".to_owned(), application.id.to_string()));
    }
    let unreadable =
        |_| TokenError::new(TokenErrorCode::InvalidRequest, "the request is malformed");
    let parsed = Params::from_pairs(request.clone()).map_err(unreadable)?;
    let parsed = AuthorizeRequest::parse(parsed).map_err(of_page)?.pushed();
    match parsed.check(&registration_of(application)) {
        Ok(_) => Ok(request),
        Err(Refusal::Page(page)) => Err(of_page(page)),
        Err(Refusal::Redirect { error, .. }) => {
            let code = match error.code {
                AuthorizeErrorCode::InvalidScope => TokenErrorCode::InvalidScope,
                _ => TokenErrorCode::InvalidRequest,
            };
            Err(TokenError::new(code, error.description))
        }
    }
}

fn of_page(page: PageError) -> TokenError {
    let description = match page {
        PageError::ClientId => "the client_id is missing or invalid",
        PageError::RedirectUri => "the redirect_uri is missing or invalid",
        PageError::UnregisteredRedirectUri => "the redirect_uri is not registered for this client",
        _ => "the client_id is another client's",
    };
    TokenError::new(TokenErrorCode::InvalidRequest, description)
}
