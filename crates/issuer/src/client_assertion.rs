//! Clients that prove who they are by a signed assertion: RFC 7521, RFC 7523 and the `private_key_jwt` of OpenID Connect.
//!
//! Such a client, a directory's or an application, has no secret that could leak from our side: we keep its public keys.
//! The host reads the client that an assertion names, verifies the assertion by that client's keys, and remembers its
//! `jti` until [`Proven::remember_until`], so that it counts once.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::encoding::from_base64url;
use crate::keys::Algorithm;
use crate::params::Params;
use crate::secret::Secret;
use crate::token::{TokenError, TokenErrorCode, required};

/// The only type of assertion (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_ASSERTION: usize = 8 * 1024;
const MAX_JTI: usize = 255;
/// Keys in one set: the current one, the next, and some for each algorithm.
const MAX_KEYS: usize = 10;
/// Keys in a set that a client publishes, some of which may be for other purposes.
const MAX_PUBLISHED: usize = 100;
/// How long an assertion may be good, in seconds.
const LONGEST_LIFE: i64 = 300;
/// How far two clocks may differ, in seconds.
const SKEW: i64 = 30;

/// Why a JWK Set is no set of public keys for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwksError {
    /// It is no object with a list `keys` of one to ten keys.
    #[error("has to be a JWK Set with one to ten keys")]
    Shape,
    /// A key holds its private half: whoever sent it has to make a new one.
    #[error("has a private key in it; make a new key and send the public half only")]
    Private,
    /// A key of another kind.
    #[error("has a key that is none of EC on P-256, RSA of 2048 bits or more, and OKP on Ed25519")]
    Kind,
    /// A key that is for something else.
    #[error("has a key whose use or alg does not fit signatures by ES256, RS256 or EdDSA")]
    Usage,
    /// Two keys with one `kid`, or several of which one has none.
    #[error("needs a kid for each of several keys, all different")]
    Ids,
}

/// The public keys of a client.
#[derive(Debug)]
pub struct ClientKeys(Vec<ClientKey>);

#[derive(Debug)]
struct ClientKey {
    kid: Option<String>,
    algorithm: Algorithm,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Parsed(ParsedPublicKey),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

/// What we read of a key (RFC 7517, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl ClientKeys {
    /// Reads a JWK Set (RFC 7517 §5).
    pub fn parse(jwks: &Value) -> Result<Self, JwksError> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(JwksError::Shape)?;
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(JwksError::Shape);
        }
        let parsed: Vec<ClientKey> = keys
            .iter()
            .map(ClientKey::parse)
            .collect::<Result<_, _>>()?;
        let ids: BTreeSet<_> = parsed.iter().map(|key| key.kid.as_deref()).collect();
        let named = parsed.len() == 1 || !ids.contains(&None);
        if ids.len() == parsed.len() && named {
            Ok(Self(parsed))
        } else {
            Err(JwksError::Ids)
        }
    }

    /// Reads a JWK Set that a client publishes, which may have keys for other purposes: those are left out.
    ///
    /// Without any key for signatures, with more than a hundred keys or with a private one it is refused.
    pub fn published(jwks: &Value) -> Result<Self, JwksError> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(JwksError::Shape)?;
        if keys.len() > MAX_PUBLISHED {
            return Err(JwksError::Shape);
        }
        let mut usable = Vec::new();
        for key in keys {
            match ClientKey::parse(key) {
                Ok(key) => usable.push(key),
                Err(JwksError::Private) => return Err(JwksError::Private),
                Err(_) => {}
            }
        }
        let ids: BTreeSet<_> = usable.iter().map(|key| key.kid.as_deref()).collect();
        match usable.len() {
            0 => Err(JwksError::Shape),
            1 => Ok(Self(usable)),
            count if ids.len() == count && !ids.contains(&None) => Ok(Self(usable)),
            _ => Err(JwksError::Ids),
        }
    }

    /// The key that an assertion names; without a name the only one there is.
    fn find(&self, kid: Option<&str>) -> Option<&ClientKey> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), [only]) if only.kid.is_none() => Some(only).filter(|_| !kid.is_empty()),
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }
}

impl ClientKey {
    fn parse(value: &Value) -> Result<Self, JwksError> {
        // RFC 7518 §6.2.2, §6.3.2 and §6.4: what only the owner may know.
        let is_secret = |name| value.get(name).is_some();
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .into_iter()
            .any(is_secret)
        {
            return Err(JwksError::Private);
        }
        let wire: WireKey = WireKey::deserialize(value).map_err(|_| JwksError::Shape)?;
        let (algorithm, public) = wire.public().ok_or(JwksError::Kind)?;
        let fits = wire.usage.as_deref().is_none_or(|usage| usage == "sig")
            && wire
                .alg
                .as_deref()
                .is_none_or(|alg| alg == algorithm.as_str());
        if !fits {
            return Err(JwksError::Usage);
        }
        Ok(Self {
            kid: wire.kid.filter(|kid| !kid.is_empty()),
            algorithm,
            public,
        })
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Parsed(key) => key.verify_sig(message, signature).is_ok(),
            Public::Rsa(key) => {
                let parameters = &signature::RSA_PKCS1_2048_8192_SHA256;
                key.verify(parameters, message, signature).is_ok()
            }
        }
    }
}

impl WireKey {
    fn public(&self) -> Option<(Algorithm, Public)> {
        let bytes = |part: &Option<String>| from_base64url(part.as_deref()?);
        let parsed = |algorithm, key: &[u8]| ParsedPublicKey::new(algorithm, key).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                // SEC 1 §2.3.3: 0x04, then x and y of 32 bytes each; RFC 7518 §6.2.1.2 wants them whole.
                let whole = x.len() == 32 && y.len() == 32;
                let point = [&[4][..], &x, &y].concat();
                let key = parsed(&signature::ECDSA_P256_SHA256_FIXED, &point);
                Some((Algorithm::Es256, Public::Parsed(key.filter(|_| whole)?)))
            }
            ("OKP", Some("Ed25519")) => {
                let key = parsed(&signature::ED25519, &bytes(&self.x)?);
                Some((Algorithm::EdDsa, Public::Parsed(key?)))
            }
            ("RSA", None) => {
                let (n, e) = (bytes(&self.n)?, bytes(&self.e)?);
                let bits = n.len() * 8;
                let key = RsaPublicKeyComponents { n, e };
                let fits = (2048..=8192).contains(&bits);
                fits.then_some((Algorithm::Rs256, Public::Rsa(key)))
            }
            _ => None,
        }
    }
}

/// A client's assertion about itself, not yet verified.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientAssertion {
    /// The client that it names.
    pub client_id: String,
    text: Secret,
}

/// A verified assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Proven {
    /// Its id, for remembering.
    pub jti: String,
    /// When nothing accepts it any more.
    pub remember_until: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl ClientAssertion {
    /// Reads the assertion of a request; none where the client authenticates otherwise.
    ///
    /// `authorization` says whether the request has that header: a second way to authenticate is refused
    /// (RFC 6749 §2.3).
    pub fn parse(authorization: Option<&str>, body: &Params) -> Result<Option<Self>, TokenError> {
        if !body.has("client_assertion") && !body.has("client_assertion_type") {
            return Ok(None);
        }
        if authorization.is_some() || body.has("client_secret") {
            return Err(TokenError::new(
                TokenErrorCode::InvalidRequest,
                "the client authenticates in two ways",
            ));
        }
        let kind = required(
            body,
            "client_assertion_type",
            "client_assertion_type is missing",
        )?;
        let text = required(body, "client_assertion", "client_assertion is missing")?;
        if kind != ASSERTION_TYPE || text.len() > MAX_ASSERTION {
            return Err(TokenError::invalid_client());
        }
        let (_, claims, _) = parts(text).ok_or_else(TokenError::invalid_client)?;
        // RFC 7523 §3: the client is issuer and subject; RFC 7521 §4.2: client_id, where present, names it too.
        let named = body.get("client_id")?;
        if claims.iss != claims.sub || named.is_some_and(|named| named != claims.sub) {
            return Err(TokenError::invalid_client());
        }
        Ok(Some(Self {
            client_id: claims.sub,
            text: Secret::new(text),
        }))
    }

    /// Verifies it by the client's keys (RFC 7523 §3): signature, audience, times.
    ///
    /// `audiences` are the issuer and the token endpoint. An assertion that also names somebody else is refused: they
    /// could use it here. All failures look alike from outside.
    pub fn verify(
        &self,
        keys: &ClientKeys,
        audiences: &[&str],
        now: i64,
    ) -> Result<Proven, TokenError> {
        self.check(keys, audiences, now)
            .ok_or_else(TokenError::invalid_client)
    }

    /// As [`ClientAssertion::verify`], for a client whose assertion may name the issuer alone, as one string.
    ///
    /// IPSIE SL1 and RFC 7523bis want it so: an assertion for one of several addresses can be talked out of a client
    /// that was told wrong ones.
    pub fn verify_for_issuer(
        &self,
        keys: &ClientKeys,
        issuer: &str,
        now: i64,
    ) -> Result<Proven, TokenError> {
        let names_it_alone = parts(self.text.expose())
            .is_some_and(|(_, claims, _)| matches!(claims.aud, Audience::One(_)));
        let proven = self.check(keys, &[issuer], now).filter(|_| names_it_alone);
        proven.ok_or_else(TokenError::invalid_client)
    }

    fn check(&self, keys: &ClientKeys, audiences: &[&str], now: i64) -> Option<Proven> {
        let text = self.text.expose();
        let (header, claims, signature) = parts(text)?;
        let (message, _) = text.rsplit_once('.')?;
        let key = keys.find(header.kid.as_deref())?;
        let signed = header.crit.is_none()
            && header.alg == key.algorithm.as_str()
            && key.verifies(message.as_bytes(), &signature);
        let ours = |audience: &String| audiences.contains(&audience.as_str());
        let audience = match &claims.aud {
            Audience::One(audience) => ours(audience),
            Audience::Many(many) => !many.is_empty() && many.iter().all(ours),
        };
        let ahead = now.checked_add(SKEW)?;
        let timely = claims.exp > now - SKEW
            && claims.exp <= ahead + LONGEST_LIFE
            && claims.nbf.is_none_or(|nbf| nbf <= ahead)
            && claims.iat.is_none_or(|iat| iat <= ahead);
        let identified =
            !claims.jti.is_empty() && claims.jti.len() <= MAX_JTI && !claims.jti.contains('\0');
        (signed && audience && timely && identified).then(|| Proven {
            jti: claims.jti,
            remember_until: claims.exp + SKEW,
        })
    }
}

fn parts(text: &str) -> Option<(Header, Claims, Vec<u8>)> {
    let mut pieces = text.split('.');
    let (header, claims, signature) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if pieces.next().is_some() {
        return None;
    }
    let header = serde_json::from_slice(&from_base64url(header)?).ok()?;
    let claims = serde_json::from_slice(&from_base64url(claims)?).ok()?;
    Some((header, claims, from_base64url(signature)?))
}

/// What a directory's client may ask for: `grant_type=client_credentials` (RFC 6749 §4.4).
#[derive(Debug, Clone)]
pub struct ScimRequest {
    scope: Option<ScimScope>,
    resource: Option<String>,
}

/// What an access token for SCIM allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimScope {
    /// `scim:read`: looking.
    Read,
    /// `scim`: everything.
    Write,
}

impl ScimScope {
    /// All values, as discovery lists them.
    pub const ALL: [Self; 2] = [Self::Write, Self::Read];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "scim:read",
            Self::Write => "scim",
        }
    }
}

impl ScimRequest {
    /// Reads the body of a token request that came with an assertion.
    pub fn parse(params: &Params) -> Result<Self, TokenError> {
        params.refuse_duplicates()?;
        if required(params, "grant_type", "grant_type is missing")? != "client_credentials" {
            return Err(TokenError::new(
                TokenErrorCode::UnauthorizedClient,
                "a client with an assertion may use the grant client_credentials only",
            ));
        }
        let scope = match params.get("scope")? {
            None => None,
            Some(text) => {
                let known = |value: &ScimScope| text.split(' ').any(|one| one == value.as_str());
                // `scim scim:read` is everything; a value that we do not know is not granted and not told of.
                let asked = ScimScope::ALL.into_iter().find(known);
                Some(asked.ok_or_else(invalid_scope)?)
            }
        };
        Ok(Self {
            scope,
            resource: params.get("resource")?.map(str::to_owned),
        })
    }

    /// The scope of the token for a client that may have so much; without a wish, all of it.
    pub fn scope(&self, most: ScimScope) -> Result<ScimScope, TokenError> {
        match (self.scope, most) {
            (Some(ScimScope::Write), ScimScope::Read) => Err(invalid_scope()),
            (asked, most) => Ok(asked.unwrap_or(most)),
        }
    }

    /// Checks that the request means this directory, where it names one (RFC 8707 §2).
    pub fn check_resource(&self, scim_url: &str) -> Result<(), TokenError> {
        let asked = self.resource.as_deref().unwrap_or(scim_url);
        if asked.trim_end_matches('/') == scim_url {
            return Ok(());
        }
        Err(TokenError::new(
            TokenErrorCode::InvalidTarget,
            "resource is not the directory of this client",
        ))
    }
}

fn invalid_scope() -> TokenError {
    TokenError::new(
        TokenErrorCode::InvalidScope,
        "scope has to be scim or scim:read, and no more than the client may have",
    )
}

/// A successful answer (RFC 6749 §4.4.3). Send it with `Cache-Control: no-store`.
#[derive(Debug, Clone, Serialize)]
pub struct ScimTokenResponse {
    #[serde(serialize_with = "crate::token::expose")]
    access_token: Secret,
    token_type: &'static str,
    /// Seconds until the token runs out.
    pub expires_in: i64,
    scope: &'static str,
}

impl ScimTokenResponse {
    /// The answer with a token.
    pub fn new(access_token: Secret, expires_in: i64, scope: ScimScope) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            scope: scope.as_str(),
        }
    }
}

#[cfg(test)]
mod tests;
