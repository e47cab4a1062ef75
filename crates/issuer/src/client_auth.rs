//! Client authentication at the token, introspection and revocation endpoints (RFC 6749 §2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::client_assertion::ClientAssertion;
use crate::params::Params;
use crate::secret::Secret;
use crate::token::{TokenError, TokenErrorCode};

const MAX_CLIENT_ID: usize = 255;
const MAX_SECRET: usize = 1024;
/// What a client must never put into a URL, where logs and histories keep it.
const NOT_IN_QUERY: [&str; 9] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "token",
];

/// How a client authenticates; an application is registered with one of them.
///
/// Give clients ids and secrets of letters, digits, `-` and `_`: many libraries forget the form
/// encoding of RFC 6749 §2.3.1, which then makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMethod {
    /// Secret in the `Authorization` header.
    ClientSecretBasic,
    /// Secret in the body.
    ClientSecretPost,
    /// An assertion that the client signed (RFC 7523).
    PrivateKeyJwt,
    /// A public client: PKCE protects it.
    None,
}

impl ClientAuthMethod {
    /// All methods.
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// The name in metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Inverse of [`ClientAuthMethod::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// Who a client says it is, and its proof, not yet compared with anything.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientCredentials {
    /// The client's id.
    pub client_id: String,
    /// The method that the request used; exactly one.
    pub method: ClientAuthMethod,
    /// The secret; there for the methods that have one.
    pub secret: Option<Secret>,
    /// The assertion; there for `private_key_jwt`.
    pub assertion: Option<ClientAssertion>,
}

impl ClientCredentials {
    /// Reads the credentials of a request.
    ///
    /// `authorization` is the value of the `Authorization` header, `query` the URL's query.
    /// More than one method, or anything secret in the query, is refused. A request with several
    /// `Authorization` headers is for the host to refuse.
    pub fn parse(
        authorization: Option<&str>,
        query: Option<&str>,
        body: &Params,
    ) -> Result<Self, TokenError> {
        refuse_query(query)?;
        if let Some(assertion) = ClientAssertion::parse(authorization, body)? {
            return Ok(Self {
                client_id: assertion.client_id.clone(),
                method: ClientAuthMethod::PrivateKeyJwt,
                secret: None,
                assertion: Some(assertion),
            });
        }
        let body_id = body.get("client_id")?;
        let body_secret = body.get("client_secret")?;
        if let Some(header) = authorization {
            if body_secret.is_some() {
                return Err(invalid_request("the client authenticates in two ways"));
            }
            let credentials = basic(header)?;
            // Many clients repeat their id in the body; that is no second method.
            if body_id.is_some_and(|id| id != credentials.client_id) {
                return Err(invalid_request("the body names another client"));
            }
            return Ok(credentials);
        }
        let client_id = body_id.ok_or(invalid_client("the client is not named"))?;
        if client_id.len() > MAX_CLIENT_ID {
            return Err(invalid_client("the client_id is too long"));
        }
        if body_secret.is_some_and(|secret| secret.len() > MAX_SECRET) {
            return Err(invalid_client("the client secret is too long"));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            method: match body_secret {
                Some(_) => ClientAuthMethod::ClientSecretPost,
                None => ClientAuthMethod::None,
            },
            secret: body_secret.map(Secret::new),
            assertion: None,
        })
    }

    /// Compares with the registration: the method must be the registered one, and the secret must
    /// have one of the stored hashes ([`Secret::hash`]; two while a secret is being replaced).
    ///
    /// All failures look alike from outside. An assertion is for [`ClientAssertion::verify_for_issuer`] to judge; here
    /// it proves nothing.
    pub fn authenticate(
        &self,
        registered: ClientAuthMethod,
        hashes: &[[u8; 32]],
    ) -> Result<(), TokenError> {
        let proven = match &self.secret {
            None => registered == ClientAuthMethod::None && self.assertion.is_none(),
            // Compares with all, so that time does not tell which one matched.
            Some(secret) => hashes
                .iter()
                .fold(false, |found, hash| found | secret.matches_hash(hash)),
        };
        if proven && self.method == registered {
            Ok(())
        } else {
            Err(TokenError::invalid_client())
        }
    }
}

/// Refuses credentials in the URL's query, where logs and histories keep them.
pub fn refuse_query(query: Option<&str>) -> Result<(), TokenError> {
    let query = query.unwrap_or_default();
    let forbidden = |name: &str| NOT_IN_QUERY.contains(&name);
    if url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| forbidden(&name)) {
        return Err(invalid_request(
            "parameters belong in the body, not in the URL",
        ));
    }
    Ok(())
}

/// RFC 6749 §2.3.1: id and secret are form-encoded first, then joined by a colon as in RFC 7617.
fn basic(header: &str) -> Result<ClientCredentials, TokenError> {
    let malformed = invalid_client("the Authorization header is malformed");
    let (scheme, encoded) = header.split_once(' ').ok_or(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(invalid_client("the Authorization header must be Basic"));
    }
    let decoded = STANDARD
        .decode(encoded.trim_matches(' '))
        .map_err(|_| malformed)?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed)?;
    let (id, secret) = decoded.split_once(':').ok_or(malformed)?;
    let client_id = form_decode(id).ok_or(malformed)?;
    let secret = form_decode(secret).ok_or(malformed)?;
    let too_long = client_id.len() > MAX_CLIENT_ID || secret.len() > MAX_SECRET;
    if client_id.is_empty() || secret.is_empty() || too_long {
        return Err(malformed);
    }
    Ok(ClientCredentials {
        client_id,
        method: ClientAuthMethod::ClientSecretBasic,
        secret: Some(Secret::new(secret)),
        assertion: None,
    })
}

/// Strict `application/x-www-form-urlencoded` decoding of one value; `None` on a broken escape.
fn form_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn invalid_client(description: &'static str) -> TokenError {
    TokenError::new(TokenErrorCode::InvalidClient, description)
}

fn invalid_request(description: &'static str) -> TokenError {
    TokenError::new(TokenErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        header: Option<&str>,
        query: Option<&str>,
        body: &str,
    ) -> Result<ClientCredentials, TokenErrorCode> {
        let body = Params::from_urlencoded(body).unwrap();
        ClientCredentials::parse(header, query, &body).map_err(|error| error.code)
    }

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn rfc_6749_example_is_read() {
        // RFC 6749 §2.3.1.
        let credentials = parse(
            Some("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"),
            None,
            "",
        )
        .unwrap();
        assert_eq!(credentials.client_id, "s6BhdRkqt3");
        assert_eq!(credentials.method, ClientAuthMethod::ClientSecretBasic);
        assert_eq!(
            credentials.secret.unwrap().expose(),
            "7Fjfp0ZBr1KtDRbnfVdmIw"
        );
    }

    #[test]
    fn basic_is_form_decoded() {
        let credentials = parse(Some(&header("a%3Ab+c:p%25%2B%c3%a9:x")), None, "").unwrap();
        assert_eq!(credentials.client_id, "a:b c");
        assert_eq!(credentials.secret.unwrap().expose(), "p%+é:x");
    }

    #[test]
    fn body_is_post_and_nothing_is_public() {
        let post = parse(None, None, "client_id=a&client_secret=s").unwrap();
        assert_eq!(post.method, ClientAuthMethod::ClientSecretPost);
        let public = parse(None, None, "client_id=a").unwrap();
        assert_eq!(public.method, ClientAuthMethod::None);
        assert!(public.secret.is_none());
        let empty = parse(None, None, "client_id=a&client_secret=").unwrap();
        assert_eq!(empty.method, ClientAuthMethod::None);
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for bad in [
            "Basic",
            "Basic !",
            "Bearer abc",
            &header("no-colon"),
            &header(":secret"),
            &header("id:"),
            &header("id:%4"),
            &header("id:%zz"),
            &header("id:%ff"),
        ] {
            assert_eq!(
                parse(Some(bad), None, "").unwrap_err(),
                TokenErrorCode::InvalidClient,
                "{bad}"
            );
        }
        for (body, error) in [
            ("", TokenErrorCode::InvalidClient),
            ("client_secret=s", TokenErrorCode::InvalidClient),
            (
                "client_id=a&client_assertion=x",
                TokenErrorCode::InvalidRequest,
            ),
            (
                "client_id=a&client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                TokenErrorCode::InvalidClient,
            ),
            (
                "client_id=a&client_secret=s&client_assertion=x&client_assertion_type=y",
                TokenErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(parse(None, None, body).unwrap_err(), error, "{body}");
        }
    }

    #[test]
    fn one_method_per_request() {
        let basic = header("a:s");
        assert!(parse(Some(&basic), None, "client_id=a").is_ok());
        for body in [
            "client_secret=s",
            "client_id=a&client_secret=s",
            "client_id=b",
            "client_id=a&client_id=a",
        ] {
            assert_eq!(
                parse(Some(&basic), None, body).unwrap_err(),
                TokenErrorCode::InvalidRequest,
                "{body}"
            );
        }
    }

    #[test]
    fn query_carries_no_credentials() {
        for query in ["client_id=a", "x=1&client_secret=s", "code=c", "%63ode=c"] {
            let error = parse(None, Some(query), "client_id=a").unwrap_err();
            assert_eq!(error, TokenErrorCode::InvalidRequest, "{query}");
        }
        assert!(parse(None, Some("trace=1"), "client_id=a").is_ok());
    }

    #[test]
    fn method_and_secret_must_be_the_registered_ones() {
        let hashes = [Secret::new("old").hash(), Secret::new("s").hash()];
        let post = parse(None, None, "client_id=a&client_secret=s").unwrap();
        assert!(
            post.authenticate(ClientAuthMethod::ClientSecretPost, &hashes)
                .is_ok()
        );
        assert!(
            post.authenticate(ClientAuthMethod::ClientSecretBasic, &hashes)
                .is_err()
        );
        assert!(post.authenticate(ClientAuthMethod::None, &hashes).is_err());
        assert!(
            post.authenticate(ClientAuthMethod::ClientSecretPost, &[])
                .is_err()
        );
        let wrong = parse(None, None, "client_id=a&client_secret=t").unwrap();
        let error = wrong
            .authenticate(ClientAuthMethod::ClientSecretPost, &hashes)
            .unwrap_err();
        assert_eq!(error.status(), 401);
        let public = parse(None, None, "client_id=a").unwrap();
        assert!(public.authenticate(ClientAuthMethod::None, &[]).is_ok());
        assert!(
            public
                .authenticate(ClientAuthMethod::ClientSecretPost, &hashes)
                .is_err()
        );
    }

    #[test]
    fn secret_stays_out_of_debug() {
        let post = parse(None, None, "client_id=a&client_secret=hunter2").unwrap();
        assert!(!format!("{post:?}").contains("hunter2"));
    }
}
