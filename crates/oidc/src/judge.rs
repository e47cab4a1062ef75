//! The ID token on trial (OpenID Connect Core §3.1.3.7, RFC 8725).

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{
    JsonWebKey as _, JsonWebKeyAlgorithm, JsonWebKeyUse, JwsSigningAlgorithm as _,
};
use url::Url;

use crate::keys::KeySet;
use crate::raw_token::RawToken;
use crate::{
    Algorithm, Authentication, Connection, Error, HttpClient, Keys, Pending, Prompt, Secret,
};

/// How far two clocks may be apart, in seconds.
pub(crate) const SKEW: i64 = 60;

impl Connection {
    /// Judges an ID token that came with an access token in answer to a login.
    pub(crate) async fn judge(
        &self,
        id_token: &str,
        access_token: &str,
        pending: &Pending,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Authentication, Error> {
        let raw = RawToken::parse(id_token)?;
        let algorithm = raw.check_header(&self.settings().algorithms, &["jwt", "jose"])?;
        // Cheap refusals first, so that a token for somebody else costs no key fetch.
        self.check_issuer(&raw)?;
        self.check_audience(&raw)?;
        self.check_signature(&raw, algorithm, client, now).await?;
        if raw.optional_text("nonce")? != Some(pending.nonce.expose()) {
            return Err(Error::Nonce);
        }
        check_times(&raw, pending, now)?;
        check_access_token_hash(&raw, access_token, algorithm)?;
        self.check_required_claims(&raw)?;
        authentication(raw, &self.settings().issuer, id_token)
    }

    pub(crate) async fn check_signature(
        &self,
        raw: &RawToken,
        algorithm: Algorithm,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<(), Error> {
        let keys = (self.keys(), &self.metadata().jwks_uri);
        check_signature(raw, algorithm, keys, client, now).await
    }

    pub(crate) fn check_issuer(&self, raw: &RawToken) -> Result<(), Error> {
        let issuer = raw.text("iss")?;
        if !self.is_own_issuer(issuer) {
            return Err(Error::Issuer {
                wanted: self.settings().issuer.clone(),
                got: issuer.to_owned(),
            });
        }
        Ok(())
    }

    pub(crate) fn is_own_issuer(&self, issuer: &str) -> bool {
        let settings = self.settings();
        settings.provider.is_issuer(&settings.issuer, issuer)
    }

    /// Core §3.1.3.7, 3 to 5: we are meant, nobody else is whom we do not trust, and `azp` is us.
    pub(crate) fn check_audience(&self, raw: &RawToken) -> Result<(), Error> {
        let client_id = &self.settings().client_id;
        let audiences = raw.audiences()?;
        let trusted = |audience: &String| {
            audience == client_id || self.settings().trusted_audiences.contains(audience)
        };
        if !audiences.contains(client_id) || !audiences.iter().all(trusted) {
            return Err(Error::Audience {
                wanted: client_id.clone(),
                got: audiences,
            });
        }
        let authorized_party = raw.optional_text("azp")?;
        let acceptable = match authorized_party {
            Some(authorized_party) => authorized_party == client_id,
            None => audiences.len() == 1,
        };
        if acceptable {
            return Ok(());
        }
        Err(Error::AuthorizedParty {
            wanted: client_id.clone(),
            got: authorized_party.map(str::to_owned),
        })
    }

    fn check_required_claims(&self, raw: &RawToken) -> Result<(), Error> {
        for (claim, wanted) in &self.settings().required_claims {
            let got = raw.claims.get(claim).and_then(serde_json::Value::as_str);
            if !got.is_some_and(|got| wanted.iter().any(|wanted| wanted == got)) {
                return Err(Error::RequiredClaim {
                    claim: claim.clone(),
                    wanted: wanted.join(" or "),
                    got: got.map(str::to_owned),
                });
            }
        }
        Ok(())
    }
}

/// Checks the signature by the keys that are published at an address.
pub(crate) async fn check_signature(
    raw: &RawToken,
    algorithm: Algorithm,
    (keys, jwks_uri): (&Keys, &Url),
    client: &dyn HttpClient,
    now: i64,
) -> Result<(), Error> {
    let found = keys.for_kid(raw.kid(), jwks_uri, client, now).await?;
    match verify(raw, &found, algorithm) {
        // Without a key id the first sign of a rotation is a key that does not fit.
        Err(Error::UnknownKey { .. } | Error::Signature) if raw.kid().is_none() => {
            let found = keys.refetch(raw.kid(), jwks_uri, client, now).await?;
            verify(raw, &found, algorithm)
        }
        verdict => verdict,
    }
}

/// The one key that fits, and its signature.
///
/// The key types and the cryptography are openidconnect's; the claims are not parsed by it, because it refuses the
/// whole token over a claim that no login needs, such as an address written as one string.
fn verify(raw: &RawToken, keys: &KeySet, algorithm: Algorithm) -> Result<(), Error> {
    let algorithm = core_algorithm(algorithm);
    let mut fitting = keys.keys().iter().filter(|key| {
        let named = raw
            .kid()
            .is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid));
        named && may_verify(key, &algorithm)
    });
    let key = fitting.next().ok_or_else(|| Error::UnknownKey {
        kid: raw.kid().map(str::to_owned),
    })?;
    if fitting.next().is_some() {
        return Err(Error::AmbiguousKey);
    }
    key.verify_signature(&algorithm, raw.signed(), raw.signature())
        .map_err(|_| Error::Signature)
}

/// Whether a key is of the algorithm's type and meant for it (RFC 7517 §4.2, §4.4).
fn may_verify(key: &CoreJsonWebKey, algorithm: &CoreJwsSigningAlgorithm) -> bool {
    let meant = match key.signing_alg() {
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Algorithm(named) => named == algorithm,
        JsonWebKeyAlgorithm::Unsupported => false,
    };
    let for_signatures = key.key_use().is_none_or(JsonWebKeyUse::allows_signature);
    meant && for_signatures && algorithm.key_type().as_ref() == Some(key.key_type())
}

/// `exp`, `iat`, `nbf`, `auth_time`, each with the skew to the token's favor.
fn check_times(raw: &RawToken, pending: &Pending, now: i64) -> Result<(), Error> {
    let latest = now.saturating_add(SKEW);
    let expires_at = raw.time("exp")?;
    if expires_at <= now.saturating_sub(SKEW) {
        return Err(Error::Expired { now, expires_at });
    }
    let issued_at = raw.time("iat")?;
    for valid_from in [Some(issued_at), raw.optional_time("nbf")?]
        .into_iter()
        .flatten()
    {
        if valid_from > latest {
            return Err(Error::NotYetValid { now, valid_from });
        }
    }
    // The nonce was born with the login, so no honest token for it is older.
    if issued_at < pending.begun_at.saturating_sub(SKEW) {
        return Err(Error::IssuedTooEarly {
            begun_at: pending.begun_at,
            issued_at,
        });
    }
    let auth_time = raw.optional_time("auth_time")?;
    if let Some(auth_time) = auth_time
        && auth_time > latest
    {
        return Err(Error::NotYetValid {
            now,
            valid_from: auth_time,
        });
    }
    check_freshness(auth_time, pending, now)
}

fn check_freshness(auth_time: Option<i64>, pending: &Pending, now: i64) -> Result<(), Error> {
    // Core §2: with max_age in the request, auth_time is required.
    if let Some(max_age) = pending.max_age {
        let wanted = now.saturating_sub(i64::from(max_age)).saturating_sub(SKEW);
        if auth_time.is_none_or(|auth_time| auth_time < wanted) {
            return Err(Error::AuthenticationTooOld {
                wanted,
                got: auth_time,
            });
        }
    }
    if pending.prompt == Some(Prompt::Login) {
        let wanted = pending.begun_at.saturating_sub(SKEW);
        if auth_time.is_some_and(|auth_time| auth_time < wanted) {
            return Err(Error::AuthenticationTooOld {
                wanted,
                got: auth_time,
            });
        }
    }
    Ok(())
}

/// Core §3.1.3.8: optional in the code flow, compared whenever it is there.
fn check_access_token_hash(
    raw: &RawToken,
    access_token: &str,
    algorithm: Algorithm,
) -> Result<(), Error> {
    let Some(wanted) = raw.optional_text("at_hash")? else {
        return Ok(());
    };
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        // Core takes the hash from the algorithm's name, and EdDSA names none; Ed25519 itself uses SHA-512.
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &SHA512,
    };
    let whole = digest(hash, access_token.as_bytes());
    let (left_half, _) = whole.as_ref().split_at(whole.as_ref().len() / 2);
    if URL_SAFE_NO_PAD.encode(left_half) == wanted {
        Ok(())
    } else {
        Err(Error::AccessTokenHash)
    }
}

fn authentication(raw: RawToken, issuer: &str, id_token: &str) -> Result<Authentication, Error> {
    let subject = raw.text("sub")?;
    // Core §2: at most 255 ASCII characters; an empty one would make everybody the same person.
    if subject.is_empty() || subject.len() > 255 {
        return Err(Error::ClaimMissing { claim: "sub" });
    }
    Ok(Authentication {
        // One spelling, whichever the token has, so that a link is found again.
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        auth_time: raw.optional_time("auth_time")?,
        acr: raw.optional_text("acr")?.map(str::to_owned),
        amr: raw.amr()?,
        sid: raw.optional_text("sid")?.map(str::to_owned),
        session_expiry: raw.optional_time("session_expiry")?,
        issued_at: raw.time("iat")?,
        id_token: Secret::new(id_token),
        claims: raw.claims,
    })
}

fn core_algorithm(algorithm: Algorithm) -> CoreJwsSigningAlgorithm {
    match algorithm {
        Algorithm::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        Algorithm::Rs384 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
        Algorithm::Rs512 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
        Algorithm::Ps256 => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        Algorithm::Ps384 => CoreJwsSigningAlgorithm::RsaSsaPssSha384,
        Algorithm::Ps512 => CoreJwsSigningAlgorithm::RsaSsaPssSha512,
        Algorithm::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        Algorithm::Es384 => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        Algorithm::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
    }
}
