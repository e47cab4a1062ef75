//! Signed statements of a provider that are neither ID tokens nor logout tokens, such as security event tokens.

use serde_json::{Map, Value};
use url::Url;

use crate::judge::check_signature;
use crate::raw_token::RawToken;
use crate::{Algorithm, Error, HttpClient, Keys};

/// Who may have signed a statement, and of which kind it is.
#[derive(Clone, Copy, Debug)]
pub struct StatementTrust<'a> {
    /// The `typ` of its header, in lower case and without `application/`. A statement without it is refused, so that no
    /// other token of the same provider passes for one (RFC 8725 §3.11).
    pub typ: &'a str,
    /// The algorithms that are accepted.
    pub algorithms: &'a [Algorithm],
    /// Its `iss`, byte for byte.
    pub issuer: &'a str,
    /// Where the issuer's keys are.
    pub jwks_uri: &'a Url,
}

impl Keys {
    /// The claims of a statement whose type, issuer and signature are good; who is meant is the caller's to judge.
    ///
    /// Errors: it is malformed or names a member twice, its algorithm or type is another one, somebody else issued it,
    /// no key of the issuer fits, or the keys cannot be read.
    pub async fn statement(
        &self,
        token: &str,
        trust: StatementTrust<'_>,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Map<String, Value>, Error> {
        let raw = RawToken::parse(token)?;
        let algorithm = raw.check_header(trust.algorithms, &[trust.typ])?;
        raw.require_type()?;
        // Before any key is fetched for it.
        let issuer = raw.text("iss")?;
        if issuer != trust.issuer {
            return Err(Error::Issuer {
                wanted: trust.issuer.to_owned(),
                got: issuer.to_owned(),
            });
        }
        check_signature(&raw, algorithm, (self, trust.jwks_uri), client, now).await?;
        Ok(raw.claims)
    }
}
