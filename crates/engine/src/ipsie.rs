//! The IPSIE profile of an organization: what its sign-ins, its connections and the apps that they lead to have to keep to.

mod report;

use vestibule_core::{IpsieLevel, Protocol};
use vestibule_issuer::authorize::{Authorization, AuthorizeError, AuthorizeErrorCode};
use vestibule_store::{Application, Connection, UserSession};

use crate::{
    LoginRefusal, SamlSettings, authorize::is_strong_enough, refusal::Actor, saml::Encryption,
};

pub(crate) use report::Seen;
pub use report::{IpsieFinding, Verdict};

/// Authentication methods (RFC 8176) by what they prove: something that one knows, has, or is.
const KNOWN: &[&str] = &["pwd", "pin", "kba"];
const OWNED: &[&str] = &["otp", "sms", "tel", "hwk", "swk", "sc", "pop"];
const INHERENT: &[&str] = &["face", "fpt", "iris", "retina", "vbm"];

/// Classes that stand for several factors: OpenID EAP ACR Values 1.0, the REFEDS MFA profile, and those of SAML and Entra.
const CLASSES: &[&str] = &[
    "phr",
    "phrh",
    "https://refeds.org/profile/mfa",
    "http://schemas.microsoft.com/claims/multipleauthn",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
];

/// Whether several factors proved the person, as far as the identity provider says so.
pub(crate) fn is_multi_factor(acr: &str, amr: &[String]) -> bool {
    let has = |methods: &[&str]| amr.iter().any(|method| methods.contains(&method.as_str()));
    let kinds = [KNOWN, OWNED, INHERENT]
        .into_iter()
        .filter(|kind| has(kind));
    has(&["mfa", "mca"]) || CLASSES.contains(&acr) || kinds.count() > 1
}

/// Why nobody may come in through a connection under the profile.
pub(crate) fn unfit(connection: &Connection) -> Option<LoginRefusal> {
    match connection.protocol {
        // A break-glass sign-in has two factors, an operator's word for each, and an hour.
        Protocol::Oidc | Protocol::BreakGlass => None,
        Protocol::Password => Some(LoginRefusal::new(
            "ipsie_password",
            "your organization does not allow passwords here",
            Actor::Administrator,
            "sign in through the company's identity provider; the IPSIE profile of the organization allows no other way",
        )),
        Protocol::Saml => (!is_encrypted(connection)).then(|| {
            LoginRefusal::new(
                "ipsie_encryption",
                "your organization demands encrypted answers of its identity provider",
                Actor::Administrator,
                "require encryption for the connection, and let the identity provider encrypt with the certificate in our metadata",
            )
        }),
    }
}

fn is_encrypted(connection: &Connection) -> bool {
    serde_json::from_value(connection.settings.clone())
        .is_ok_and(|settings: SamlSettings| settings.encryption == Encryption::Required)
}

/// Why a sign-in does not do under the profile.
pub(crate) fn weak(acr: &str, amr: &[String]) -> Option<LoginRefusal> {
    (!is_multi_factor(acr, amr)).then(|| {
        let mut refusal = LoginRefusal::new(
            "mfa_missing",
            "your identity provider does not say that you signed in with a second factor",
            Actor::IdentityProvider,
            "require multi-factor authentication for this application, and let `amr`, or the authentication context class, say so",
        );
        "amr with mfa or two kinds of methods, or an acr for several factors"
            .clone_into(&mut refusal.wanted);
        refusal.got = format!("acr {acr}, amr {}", amr.join(" "));
        refusal
    })
}

/// Why an application gets no answer for somebody whose organization keeps to the profile.
pub(crate) fn refusal_of(
    level: IpsieLevel,
    application: &Application,
    authorization: &Authorization,
    session: &UserSession,
) -> Option<AuthorizeError> {
    if application.id_token_signed_response_alg == "RS256" {
        return Some(AuthorizeError::new(
            AuthorizeErrorCode::UnauthorizedClient,
            "the organization's IPSIE profile allows no ID token signed by RS256",
        ));
    }
    let honours = level >= IpsieLevel::Sl2;
    (honours && !is_strong_enough(authorization, session)).then(|| {
        AuthorizeError::new(
            AuthorizeErrorCode::UnmetAuthenticationRequirements,
            "the identity provider did not reach any of the acr_values",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_factors_are_of_different_kinds() {
        let several = |acr, amr: &[&str]| {
            let amr: Vec<String> = amr.iter().map(|&method| method.to_owned()).collect();
            is_multi_factor(acr, &amr)
        };
        for (acr, amr) in [
            ("0", &["pwd", "mfa"][..]),
            ("0", &["pwd", "otp"]),
            ("0", &["hwk", "fpt"]),
            ("phr", &[]),
            ("https://refeds.org/profile/mfa", &["pwd"]),
        ] {
            assert!(several(acr, amr), "{acr} {amr:?}");
        }
        for (acr, amr) in [
            ("0", &[][..]),
            ("0", &["pwd"]),
            ("0", &["pwd", "pin"]),
            ("0", &["sms", "otp"]),
            ("0", &["rba", "geo", "wia", "user"]),
            ("MFA", &["MFA"]),
        ] {
            assert!(!several(acr, amr), "{acr} {amr:?}");
        }
    }
}
