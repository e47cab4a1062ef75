//! What errors say to logs, admins and people.

use super::Error;

impl Error {
    /// A stable name of the rule that refused, for logs and metrics.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "provider_refused",
            Self::TokenRefused { .. } => "token_refused",
            Self::PushRefused { .. } => "par_refused",
            Self::EndpointFailed { endpoint, .. } => match *endpoint {
                crate::push::ENDPOINT => "par_endpoint",
                _ => "token_endpoint",
            },
            Self::Malformed { .. } => "malformed",
            Self::Status { .. } => "status",
            Self::IdTokenMissing => "id_token_missing",
            Self::IdTokenEncrypted => "id_token_encrypted",
            Self::TokenType { .. } => "typ",
            Self::CriticalHeader => "crit",
            Self::UnknownKey { .. } => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::Signature => "signature",
            Self::ClaimMissing { .. } => "claim_missing",
            Self::Nonce => "nonce",
            Self::AuthorizedParty { .. } => "azp",
            Self::AccessTokenHash => "at_hash",
            Self::UserInfoSubject => "userinfo_subject",
            Self::MixUp { .. } => "callback_iss",
            Self::IssuerMissing => "callback_iss_missing",
            Self::AuthenticationTooOld { .. } => "auth_time",
            Self::Url { .. } => "url",
            Self::Issuer { .. } => "iss",
            Self::TemplateIssuer => "template_issuer",
            Self::ProviderIssuer { .. } => "provider_issuer",
            Self::AssertionAlgorithm { .. } => "assertion_alg",
            Self::AssertionAudience { .. } => "assertion_audience",
            Self::EndpointMissing { .. } => "endpoint_missing",
            Self::Settings { .. } => "settings",
            Self::Audience { .. } => "aud",
            Self::Algorithm { .. } => "alg",
            Self::RequiredClaim { .. } => "required_claim",
            Self::Expired { .. } => "exp",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::IssuedTooEarly { .. } => "iat",
            Self::CallbackDuplicate { .. } => "callback_duplicate",
            Self::CallbackTooLong { .. } => "callback_too_long",
            Self::CallbackAmbiguous => "callback_ambiguous",
            Self::CallbackIncomplete { .. } => "callback_incomplete",
            Self::StateMismatch => "state",
            Self::PendingMismatch => "pending_mismatch",
            Self::Http { .. } => "http",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// The next step, in one sentence for the customer's admin.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "assign the person to the application at the identity provider, then try again"
            }
            Self::EndpointFailed { .. } => {
                "look up in the identity provider's log why its endpoint failed, then try again"
            }
            Self::TokenRefused { .. } | Self::PushRefused { .. } => {
                "compare the client id, the client secret and the redirect URI on both sides"
            }
            Self::Malformed { .. } | Self::Status { .. } => {
                "open the issuer's discovery document from the server and check that the identity provider answers it"
            }
            Self::IdTokenMissing => {
                "create the application at the identity provider as an OpenID Connect application"
            }
            Self::IdTokenEncrypted => {
                "turn off ID-token encryption for this application at the identity provider"
            }
            Self::TokenType { .. } | Self::Signature | Self::AccessTokenHash => {
                "do not repeat the login; report it to the identity provider, because the token may be forged"
            }
            Self::CriticalHeader => "turn off the token extension at the identity provider",
            Self::UnknownKey { .. } => {
                "try again in a minute; if it repeats, compare the keys that the identity provider publishes"
            }
            Self::AmbiguousKey => {
                "let the identity provider write the key id (`kid`) into its tokens"
            }
            Self::ClaimMissing { .. } => "let the identity provider send the claim in the ID token",
            Self::Nonce | Self::StateMismatch | Self::PendingMismatch => {
                "start the login again at the app"
            }
            Self::CallbackDuplicate { .. }
            | Self::CallbackTooLong { .. }
            | Self::CallbackAmbiguous
            | Self::CallbackIncomplete { .. } => {
                "start the login again at the app, not from a bookmark"
            }
            Self::AuthorizedParty { .. } | Self::Audience { .. } => {
                "compare the client id in the connection with that of the application at the identity provider"
            }
            Self::UserInfoSubject => {
                "turn userinfo off for the connection, or repair it at the identity provider"
            }
            Self::MixUp { .. } | Self::Issuer { .. } => {
                "copy the issuer from the identity provider's discovery document, byte for byte"
            }
            Self::IssuerMissing => {
                "let the identity provider send `iss` in its answer, as its metadata promises"
            }
            Self::AuthenticationTooOld { .. } => {
                "let the identity provider honor `max_age` and `prompt=login`, then sign in again"
            }
            Self::Url { .. } => "use an https URL without user info and fragment",
            Self::TemplateIssuer => {
                "use the issuer of your tenant: https://login.microsoftonline.com/<tenant id>/v2.0"
            }
            Self::ProviderIssuer { reason } => reason,
            Self::AssertionAlgorithm { .. } => {
                "let the identity provider accept client assertions signed with PS256 or RS256, or use a client secret"
            }
            Self::AssertionAudience { .. } => {
                "set `assertion_audience` of the connection to issuer, or let the identity provider have its endpoints on the issuer's host"
            }
            Self::EndpointMissing { .. } => {
                "check that the issuer is that of an OpenID Connect provider"
            }
            Self::Settings { .. } => "complete the settings of the connection",
            Self::Algorithm { .. } => {
                "let the identity provider sign ID tokens with RS256 or ES256"
            }
            Self::RequiredClaim { .. } => "sign in with an account of the right tenant",
            Self::Expired { .. } | Self::NotYetValid { .. } | Self::IssuedTooEarly { .. } => {
                "synchronize the clocks of the identity provider and of this server"
            }
            Self::Http { .. } => {
                "check that the server can reach the identity provider and that its certificate is trusted"
            }
            Self::KeysUnavailable => {
                "make the identity provider's key endpoint (`jwks_uri`) reachable, then try again"
            }
        }
    }

    /// What the rule wanted and what it got, where the rule compares two things.
    ///
    /// The second half may be text that a peer chose: escape it where it is shown.
    pub fn wanted_got(&self) -> Option<(String, String)> {
        let none = || "nothing".to_owned();
        match self {
            Self::Refused { code, description }
            | Self::TokenRefused { code, description }
            | Self::PushRefused { code, description } => Some((
                "a successful answer".to_owned(),
                description.as_ref().map_or_else(
                    || code.clone(),
                    |description| format!("{code}: {description}"),
                ),
            )),
            Self::Malformed { document, detail } => {
                Some((format!("a well-formed {document}"), detail.clone()))
            }
            Self::AssertionAlgorithm { got } => Some(("PS256 or RS256".to_owned(), got.join(", "))),
            Self::AssertionAudience { wanted, got } => Some((wanted.clone(), got.clone())),
            Self::EndpointFailed { endpoint, status } => Some((
                format!("an answer of the {endpoint}"),
                format!("status {status}"),
            )),
            Self::Status { status, .. } => Some(("200".to_owned(), status.to_string())),
            Self::TokenType { got } => Some(("JWT".to_owned(), got.clone())),
            Self::UnknownKey { kid } => Some((
                "a published key".to_owned(),
                kid.clone().unwrap_or_else(|| "no key id".to_owned()),
            )),
            Self::AuthorizedParty { wanted, got } => {
                Some((wanted.clone(), got.clone().unwrap_or_else(none)))
            }
            Self::MixUp { wanted, got } | Self::Issuer { wanted, got } => {
                Some((wanted.clone(), got.clone()))
            }
            Self::AuthenticationTooOld { wanted, got } => Some((
                format!("auth_time at or after {wanted}"),
                got.map_or_else(none, |got| got.to_string()),
            )),
            Self::Audience { wanted, got } => Some((wanted.clone(), got.join(", "))),
            Self::Algorithm { wanted, got } => Some((wanted.join(", "), got.clone())),
            Self::RequiredClaim { claim, wanted, got } => Some((
                format!("{claim}={wanted}"),
                got.clone().unwrap_or_else(none),
            )),
            Self::Expired { now, expires_at } => {
                Some((format!("exp after {now}"), expires_at.to_string()))
            }
            Self::NotYetValid { now, valid_from } => Some((
                format!("valid at {now}"),
                format!("valid from {valid_from}"),
            )),
            Self::IssuedTooEarly {
                begun_at,
                issued_at,
            } => Some((format!("iat at or after {begun_at}"), issued_at.to_string())),
            _ => None,
        }
    }
}
