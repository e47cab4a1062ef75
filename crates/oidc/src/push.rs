//! Requests that are handed in beforehand (RFC 9126).

use serde::Deserialize;
use url::Url;

use crate::client_post::Posted;
use crate::{Begun, Connection, Error, HttpClient, PushedRequests};

pub(crate) const ENDPOINT: &str = "pushed authorization request endpoint";
/// The longest reference to a request, in bytes.
const LONGEST_REFERENCE: usize = 2048;

#[derive(Deserialize)]
struct Receipt {
    request_uri: String,
}

impl Connection {
    /// Whether logins hand their request in beforehand.
    ///
    /// A provider that demands it gets it whatever the setting says, since it refuses everything else.
    pub fn pushes_requests(&self) -> bool {
        let metadata = self.metadata();
        metadata.require_pushed_authorization_requests
            || match self.settings().pushed_requests {
                PushedRequests::Always => true,
                PushedRequests::Auto => metadata.pushed_authorization_request_endpoint.is_some(),
                PushedRequests::Never => false,
            }
    }

    /// Hands the request in beforehand where [`Connection::pushes_requests`] says so, so that the browser carries only a
    /// reference; otherwise the login stays as it is.
    ///
    /// A refusal is final. The request is not sent through the browser instead, because whoever can make the endpoint
    /// fail would then decide how it travels.
    pub async fn push(
        &self,
        mut begun: Begun,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Begun, Error> {
        if !self.pushes_requests() {
            return Ok(begun);
        }
        let metadata = self.metadata();
        let endpoint = metadata
            .pushed_authorization_request_endpoint
            .as_ref()
            .ok_or(Error::EndpointMissing {
                endpoint: "pushed_authorization_request_endpoint",
            })?;
        // What the authorization endpoint's own address asks for stays with it.
        let own = metadata.authorization_endpoint.query_pairs().count();
        let fields = begun
            .authorize_url
            .query_pairs()
            .skip(own)
            // The client names itself once, in its way of authentication.
            .filter(|(name, _)| name != "client_id")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let fields = self.with_client_id(fields);
        match self
            .post::<Receipt>((ENDPOINT, endpoint), fields, &begun.pending, client, now)
            .await?
        {
            Posted::Granted(receipt) => {
                begun.authorize_url = self.referring_to(&receipt.request_uri)?;
                Ok(begun)
            }
            Posted::Refused { code, description } => Err(Error::PushRefused { code, description }),
        }
    }

    /// RFC 9126 §2: the request has its `client_id` also where a header authenticates the client.
    fn with_client_id(&self, mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
        if self.settings().client_auth == crate::ClientAuth::ClientSecretBasic {
            fields.push(("client_id".to_owned(), self.settings().client_id.clone()));
        }
        fields
    }

    fn referring_to(&self, request_uri: &str) -> Result<Url, Error> {
        if request_uri.is_empty() || request_uri.len() > LONGEST_REFERENCE {
            return Err(Error::Malformed {
                document: ENDPOINT,
                detail: "its request_uri is empty or too long".to_owned(),
            });
        }
        let mut url = self.metadata().authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings().client_id)
            .append_pair("request_uri", request_uri);
        Ok(url)
    }
}
