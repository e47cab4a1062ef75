//! Each requirement of the profile, whether it is met, and why.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use vestibule_core::{IpsieLevel, Protocol};
use vestibule_issuer::redirect;
use vestibule_store::{Application, Connection, Organization};

use super::is_encrypted;
use crate::{OidcSettings, authorize::CODE_TTL};

/// Offenders that are named in one finding.
const NAMED: usize = 5;

/// How a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Met.
    Met,
    /// Not met.
    NotMet,
    /// There is nothing that it applies to.
    NotApplicable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::NotMet => "NOT MET",
            Self::NotApplicable => "-",
        })
    }
}

/// One requirement of the profile.
#[derive(Debug, Clone, Serialize)]
pub struct IpsieFinding {
    /// `sl1` or `sl2`.
    pub level: &'static str,
    /// `apps`: toward the applications that we sign people in to; `providers`: toward the organization's identity provider.
    pub toward: &'static str,
    /// What is required.
    pub requirement: &'static str,
    /// Whether the profile says MUST; otherwise it says SHOULD.
    pub must: bool,
    /// How it stands.
    pub verdict: Verdict,
    /// Why, and what to do.
    pub why: String,
}

/// What is looked at.
pub(crate) struct Seen {
    pub(crate) organization: Organization,
    /// Its active ones.
    pub(crate) connections: Vec<Connection>,
    /// The active ones of the installation.
    pub(crate) applications: Vec<Application>,
    /// Our discovery document.
    pub(crate) metadata: Value,
    /// Whether the public URL is.
    pub(crate) is_https: bool,
}

/// A requirement before it is judged.
struct Rule {
    level: IpsieLevel,
    toward: &'static str,
    must: bool,
    requirement: &'static str,
}

const fn must(level: IpsieLevel, toward: &'static str, requirement: &'static str) -> Rule {
    Rule {
        level,
        toward,
        must: true,
        requirement,
    }
}

impl Rule {
    const fn only_should(mut self) -> Self {
        self.must = false;
        self
    }

    fn is(self, verdict: Verdict, why: impl Into<String>) -> IpsieFinding {
        IpsieFinding {
            level: self.level.as_str(),
            toward: self.toward,
            requirement: self.requirement,
            must: self.must,
            verdict,
            why: why.into(),
        }
    }

    fn met_if(self, met: bool, good: &str, bad: &str) -> IpsieFinding {
        match met {
            true => self.is(Verdict::Met, good),
            false => self.is(Verdict::NotMet, bad),
        }
    }

    /// What the program cannot be set up to break.
    fn always(self, why: &str) -> IpsieFinding {
        self.is(Verdict::Met, format!("always: {why}"))
    }

    /// Met when nothing offends.
    fn without(self, offenders: &[&str], good: &str, bad: &str) -> IpsieFinding {
        if offenders.is_empty() {
            return self.is(Verdict::Met, good);
        }
        let shown = offenders.iter().take(NAMED).copied();
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = match offenders.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.is(Verdict::NotMet, format!("{shown}{more}: {bad}"))
    }
}

use IpsieLevel::{Sl1, Sl2};

const APPS: &str = "apps";
const PROVIDERS: &str = "providers";

impl Seen {
    pub(crate) fn findings(&self) -> Vec<IpsieFinding> {
        let mut findings = self.toward_apps();
        findings.extend(self.toward_providers());
        findings.extend(self.second_level());
        findings
    }

    fn says(&self, member: &str, wanted: &Value) -> bool {
        self.metadata.get(member) == Some(wanted)
    }

    fn lists(&self, member: &str, value: &str) -> bool {
        let list = self.metadata.get(member).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|each| each == value))
    }

    fn applications(&self, offends: impl Fn(&Application) -> bool) -> Vec<&str> {
        let offending = self.applications.iter().filter(|each| offends(each));
        offending.map(|each| each.name.as_str()).collect()
    }

    fn connections(&self, offends: impl Fn(&Connection) -> bool) -> Vec<&str> {
        let offending = self.connections.iter().filter(|each| offends(each));
        offending.map(|each| each.name.as_str()).collect()
    }

    fn toward_apps(&self) -> Vec<IpsieFinding> {
        let rule = |requirement| must(Sl1, APPS, requirement);
        let claims = ["acr", "amr", "auth_time", "session_expiry"];
        let registered = ["https://app.example/callback".to_owned()];
        let variants = [
            "https://app.example/callback/",
            "https://app.example:444/callback",
            "https://app.example/callback?x=1",
            "http://app.example/callback",
        ];
        let exact = redirect::is_registered(&registered, &registered[0])
            && !variants
                .iter()
                .any(|other| redirect::is_registered(&registered, other));
        vec![
            rule("sign-ins have several factors, and the ID token says how").met_if(
                self.organization.policy.ipsie.is_some(),
                "policy.ipsie is set: a sign-in without them is refused",
                "set policy.ipsie of the organization to sl1 or sl2",
            ),
            rule("the ID token has acr, amr, auth_time and session_expiry").met_if(
                claims.iter().all(|claim| self.lists("claims_supported", claim)),
                "they are in every ID token",
                "the discovery document does not list them",
            ),
            rule("ID tokens are signed by PS256, ES256 or EdDSA").without(
                &self.applications(|each| each.id_token_signed_response_alg == "RS256"),
                "every application has ES256 or EdDSA",
                "set id_token_signed_response_alg to ES256; with policy.ipsie they get no answer",
            ),
            rule("the OpenID Provider publishes its metadata").met_if(
                self.metadata.get("issuer").is_some() && self.metadata.get("jwks_uri").is_some(),
                "/.well-known/openid-configuration",
                "the discovery document is incomplete",
            ),
            rule("only the code flow, and no password grant").met_if(
                self.says("response_types_supported", &serde_json::json!(["code"]))
                    && !self.lists("grant_types_supported", "password"),
                "nothing else is offered",
                "the discovery document offers more",
            ),
            rule("PKCE by S256 for every client").met_if(
                self.says("code_challenge_methods_supported", &serde_json::json!(["S256"])),
                "a request without is refused",
                "the discovery document offers other methods",
            ),
            rule("iss in every authorization response").met_if(
                self.says("authorization_response_iss_parameter_supported", &Value::Bool(true)),
                "errors included (RFC 9207)",
                "the discovery document does not say so",
            ),
            rule("codes are good once and for 60 seconds at most").met_if(
                CODE_TTL.as_secs() <= 60,
                "a second use ends what the first one gave",
                "codes live longer",
            ),
            rule("redirect URIs are registered, and compared exactly").met_if(
                exact,
                "byte for byte, save for the port of a loopback address",
                "another address than the registered one is accepted",
            ),
            rule("no redirect URI over http").met_if(
                redirect::validate("http://app.example/callback").is_err(),
                "only loopback addresses, where native applications listen, may be registered with http",
                "an http address can be registered",
            ),
            rule("public clients are supported").met_if(
                self.lists("token_endpoint_auth_methods_supported", "none"),
                "token_endpoint_auth_method none",
                "the discovery document does not offer it",
            ),
            rule("no registration of clients by anybody").met_if(
                self.metadata.get("registration_endpoint").is_none(),
                "applications are registered through the admin API",
                "the discovery document has a registration_endpoint",
            ),
            rule("TLS, and browsers are told to stay with it").met_if(
                self.is_https,
                "the public URL is https, and every answer has Strict-Transport-Security",
                "the public URL is http",
            ),
            rule("client assertions are for the issuer alone").always("aud is one string and the issuer's, or the client is refused"),
            rule("an older sign-in than max_age authenticates anew").always("no sign-in of the browser answers then, and the new auth_time is checked"),
            rule("redirects after a form are 303, and the authorization endpoint has no CORS").always("neither 307 nor Access-Control-Allow-Origin leaves it"),
            rule("access tokens are bound to their client (DPoP)")
                .only_should()
                .is(Verdict::NotMet, "access tokens are bearer tokens, looked up at each use; DPoP is not built yet"),
            rule("pairwise subjects are offered").only_should().met_if(
                self.lists("subject_types_supported", "pairwise"),
                "subject_types_supported has pairwise",
                "sub is the same for all of your applications; pairwise subjects are not built yet",
            ),
        ]
    }

    fn toward_providers(&self) -> Vec<IpsieFinding> {
        let rule = |requirement| must(Sl1, PROVIDERS, requirement);
        let by = |protocol: Protocol| move |each: &Connection| each.protocol == protocol;
        let has = |protocol| self.connections.iter().any(by(protocol));
        let federated = has(Protocol::Oidc) || has(Protocol::Saml);
        let enforced = self.organization.policy.ipsie.is_some();
        let to_address = |each: &Connection| {
            OidcSettings::of(each).is_ok_and(|settings| {
                settings.signs_assertions()
                    && settings.assertion_audience() != vestibule_oidc::AssertionAudience::Issuer
            })
        };
        let none = "the organization has no active connection of that kind";
        let mut findings = vec![
            rule("people sign in at the company's identity provider").met_if(
                federated,
                "an OpenID Connect or SAML connection is active",
                "activate a connection by OpenID Connect or SAML",
            ),
            rule("no sign-in by password here").met_if(
                enforced || !has(Protocol::Password),
                "policy.ipsie refuses them, or there is no password connection",
                "set policy.password_login to false",
            ),
            rule("every sign-in begins here; no assertion is accepted that nobody asked for").always("an answer without a request of this browser is dropped, and at most becomes a request"),
            rule("third-party initiated login").always("/sso/oidc/{connection}/login and /sso/saml/{connection}/login"),
            rule("issuer, nonce, code challenge and iss are checked, and bound to the browser").always("each has its rule in the login record"),
            rule("sign-ins here end with those at the provider").always("session_expiry and SessionNotOnOrAfter bound them, and a logout there ends them"),
            rule("accounts are never linked by address or name across connections").always("the key is connection, issuer and subject"),
        ];
        let oidc = rule("ID tokens are signed by PS256, ES256 or EdDSA");
        findings.push(match has(Protocol::Oidc) {
            false => oidc.is(Verdict::NotApplicable, none),
            true => oidc.met_if(
                enforced,
                "policy.ipsie is set: RS256 is refused",
                "RS256 is accepted; set policy.ipsie, and let the provider sign by ES256 or PS256 first",
            ),
        });
        let audience = rule("our client assertions are for the issuer alone");
        let signing = self.connections(|each| {
            OidcSettings::of(each).is_ok_and(|settings| settings.signs_assertions())
        });
        findings.push(match signing.is_empty() {
            true => audience.is(Verdict::NotApplicable, "no connection has client_auth private_key_jwt"),
            false => audience.without(
                &self.connections(to_address),
                "aud is the issuer",
                "the provider wants the endpoint's address; set assertion_audience to issuer where it accepts that",
            ),
        });
        let dpop = rule("calls to the provider are bound to us (DPoP)");
        findings.push(match has(Protocol::Oidc) {
            false => dpop.is(Verdict::NotApplicable, none),
            true => dpop.is(Verdict::NotMet, "DPoP is not built yet"),
        });
        let encrypted = rule("assertions that come through the browser are encrypted");
        findings.push(match has(Protocol::Saml) {
            false => encrypted.is(Verdict::NotApplicable, none),
            true => encrypted.without(
                &self.connections(|each| each.protocol == Protocol::Saml && !is_encrypted(each)),
                "every SAML connection requires encryption",
                "set saml.encryption to required; with policy.ipsie nobody comes in otherwise",
            ),
        });
        findings
    }

    fn second_level(&self) -> Vec<IpsieFinding> {
        vec![
            must(Sl2, APPS, "wanted classes of sign-in are reached or refused").met_if(
                self.organization.policy.ipsie >= Some(Sl2),
                "policy.ipsie is sl2: acr_values bind, for every application",
                "set policy.ipsie to sl2, or require_acr of single applications",
            ),
            must(Sl2, APPS, "a new sign-in on request, before anything else").always("prompt=login and max_age ask the identity provider again"),
            must(Sl2, APPS, "sessions and tokens are revoked on request").always("SCIM, the admin API, logout and revocation end them at once, and back-channel logout tells the applications"),
            must(Sl2, PROVIDERS, "the provider's logout ends sign-ins here").always("back-channel logout of OpenID Connect, and SAML single logout"),
        ]
    }
}
