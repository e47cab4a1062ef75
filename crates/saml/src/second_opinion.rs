//! A second verifier, samael, that is asked after ours has accepted (feature `samael`).
//!
//! It can only refuse: nothing that it read is used, and what ours refused never comes here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::Duration;
use samael::{
    crypto::{AllowedSignatureAlgorithm, ReduceMode},
    key_info::{KeyInfo, X509Data},
    metadata::{EntityDescriptor, IdpSsoDescriptor, KeyDescriptor},
    schema::Assertion,
    service_provider::{Error as Refusal, ServiceProvider},
};

use crate::{
    Certificate, Error, Expected, Response, Rule, Trust, Verified,
    names::SAML,
    xml::{Document, Element},
};

/// The longest message, in bytes of XML, that samael is asked about: its time grows faster than the message.
pub const MAX_SECOND_OPINION_BYTES: usize = 262_144;

/// What our own verifier allows. samael has no word for SHA-1, so it refuses it on every connection.
const ALGORITHMS: [AllowedSignatureAlgorithm; 5] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
];

/// `IdpSsoDescriptor` has neither a default nor public parts only, so it is read from the smallest metadata there is.
const SMALLEST_METADATA: &str = r#"<EntityDescriptor entityID="_"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"></IDPSSODescriptor></EntityDescriptor>"#;

impl Trust {
    /// Asks samael about a response that [`Trust::verify`] has accepted: it has to accept it too, as the same
    /// assertion about the same person.
    ///
    /// Refuses with [`Rule::SecondOpinion`] when it does not, when the message is longer than
    /// [`MAX_SECOND_OPINION_BYTES`], and when samael panics.
    /// An encrypted assertion is not asked about, since samael decrypts AES-128 only; of an encrypted name identifier
    /// only the assertion around it is compared.
    ///
    /// samael reads the system's clock, not the `now` of [`Trust::verify`]: the two have to be the same time.
    /// It runs in C libraries and may take long, so call it on a thread that may block.
    ///
    /// What our verifier accepts and samael does not, so that it is refused here: SHA-1, however allowed; a response
    /// and an assertion signed with keys of two kinds; a signed response that names its request in the confirmation only.
    pub fn second_opinion(
        &self,
        response: &Response,
        verified: &Verified,
        expected: &Expected,
    ) -> Result<(), Error> {
        if verified.encrypted {
            return Ok(());
        }
        if response.len() > MAX_SECOND_OPINION_BYTES {
            return Err(Error::compared(
                Rule::SecondOpinion,
                format!("at most {MAX_SECOND_OPINION_BYTES} bytes"),
                "a longer message",
            ));
        }
        let accepted = self.ask(response.xml(), verified, expected)?;
        if accepted.id != verified.assertion_id {
            return Err(refused("another assertion"));
        }
        let name = accepted.subject.and_then(|subject| subject.name_id);
        match name {
            Some(name) if name.value.trim() == verified.name_id.value.trim() => Ok(()),
            None if has_encrypted_name(response, &verified.assertion_id) => Ok(()),
            Some(_) => Err(refused("another person")),
            None => Err(refused("nobody in the assertion")),
        }
    }

    /// One kind of key at a time: samael stops at the first certificate whose kind does not fit the signature.
    fn ask(&self, xml: &str, verified: &Verified, expected: &Expected) -> Result<Assertion, Error> {
        let mut kinds: Vec<Vec<&Certificate>> = Vec::new();
        for certificate in &self.certificates {
            let known = kinds.iter_mut().find(|kind| {
                kind.first()
                    .is_some_and(|first| first.key_kind() == certificate.key_kind())
            });
            match known {
                Some(kind) => kind.push(certificate),
                None => kinds.push(vec![certificate]),
            }
        }
        let requests: Vec<&str> = expected.in_response_to.as_deref().into_iter().collect();
        let mut verdict = Err(refused("no certificate"));
        for certificates in kinds {
            let unasked = verified.in_response_to.is_none() && expected.allow_unsolicited;
            let provider = ServiceProvider {
                // It switches off every comparison of InResponseTo, so an answer is never judged with it.
                allow_idp_initiated: unasked,
                ..self.samael_provider(&certificates)?
            };
            verdict = catch_unwind(AssertUnwindSafe(|| {
                provider.parse_xml_response_with_mode(xml, Some(&requests), ReduceMode::PreDigest)
            }))
            .map_err(|_| refused("samael panicked"))
            .and_then(|judged| judged.map_err(|refusal| refused(reason(&refusal))));
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }

    /// Without a certificate samael skips the signature, so there is no provider without one.
    fn samael_provider(&self, certificates: &[&Certificate]) -> Result<ServiceProvider, Error> {
        if certificates.is_empty() {
            return Err(Rule::NoCertificate.into());
        }
        let key_descriptors = certificates
            .iter()
            .map(|certificate| KeyDescriptor {
                key_use: Some("signing".to_owned()),
                key_info: KeyInfo {
                    id: None,
                    x509_data: Some(X509Data {
                        certificates: vec![certificate.to_base64()],
                    }),
                },
                encryption_methods: None,
            })
            .collect();
        let provider = ServiceProvider {
            entity_id: Some(self.sp_entity_id.clone()),
            acs_url: Some(self.acs_url.clone()),
            idp_metadata: EntityDescriptor {
                entity_id: Some(self.idp_entity_id.clone()),
                idp_sso_descriptors: Some(vec![IdpSsoDescriptor {
                    key_descriptors,
                    ..smallest_descriptor()?
                }]),
                ..EntityDescriptor::default()
            },
            // `IssueInstant` ends nothing in the standard; how long an assertion is good is said by `NotOnOrAfter`.
            max_issue_delay: Duration::days(1),
            max_clock_skew: Duration::seconds(self.clock_skew.min(86_400)),
            allowed_signature_algorithms: Some(ALGORITHMS.to_vec()),
            ..ServiceProvider::default()
        };
        // What would not be checked at all is refused, whatever samael makes of the descriptor.
        match provider.idp_signing_certs() {
            Ok(Some(known)) if known.len() == certificates.len() => Ok(provider),
            _ => Err(refused("a certificate that samael cannot read")),
        }
    }
}

fn smallest_descriptor() -> Result<IdpSsoDescriptor, Error> {
    SMALLEST_METADATA
        .parse::<EntityDescriptor>()
        .ok()
        .and_then(|entity| entity.idp_sso_descriptors)
        .and_then(|descriptors| descriptors.into_iter().next())
        .ok_or_else(|| refused("samael cannot be set up"))
}

/// Whether the assertion that was accepted names its person in an `EncryptedID`, which samael does not read.
fn has_encrypted_name(response: &Response, assertion_id: &str) -> bool {
    let Ok(document) = Document::parse(response.xml()) else {
        return false;
    };
    document
        .root()
        .children_named(SAML, "Assertion")
        .filter(|assertion| assertion.attribute("ID") == Some(assertion_id))
        .filter_map(|assertion| assertion.child(SAML, "Subject"))
        .any(|subject: Element<'_, '_>| subject.child(SAML, "EncryptedID").is_some())
}

fn refused(reason: &str) -> Error {
    Error::compared(Rule::SecondOpinion, "what our verifier found", reason)
}

/// samael's reason in our words: its own quote the message.
fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::FailedToValidateSignature
        | Refusal::CryptoProviderError(_)
        | Refusal::CryptoXmlError(_)
        | Refusal::FailedToParseCert { .. } => "a signature that does not hold",
        Refusal::FailedToParseSamlResponse(_)
        | Refusal::FailedToParseSamlAssertion(_)
        | Refusal::DeserializeResponseError => "a message that it cannot read",
        Refusal::DestinationValidationError { .. } => "another destination",
        Refusal::AssertionRecipientMismatch { .. } => "another recipient",
        Refusal::AssertionIssuerMismatch { .. } | Refusal::ResponseIssuerMismatch { .. } => {
            "another issuer"
        }
        Refusal::AssertionConditionAudienceRestrictionFailed { .. } => "another audience",
        Refusal::AssertionInResponseToInvalid { .. }
        | Refusal::ResponseInResponseToInvalid { .. } => "an answer to another request",
        Refusal::AssertionExpired { .. }
        | Refusal::AssertionConditionExpired { .. }
        | Refusal::AssertionSubjectConfirmationExpired { .. }
        | Refusal::ResponseExpired { .. } => "an assertion that is over",
        Refusal::AssertionConditionExpiredBefore { .. }
        | Refusal::AssertionSubjectConfirmationExpiredBefore { .. } => {
            "an assertion that is not valid yet"
        }
        Refusal::AssertionBearerSubjectConfirmationMissing
        | Refusal::AssertionSubjectConfirmationMissing => "no bearer confirmation",
        Refusal::ResponseBadStatusCode { .. } => "a status other than success",
        _ => "something else",
    }
}
