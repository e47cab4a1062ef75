//! The verifier: from the form parameter `SAMLResponse` to what it proves.

use zeroize::Zeroizing;

use crate::{
    Certificate, DecryptionKey, Error, Report, Rule, Verified, Warning,
    dsig::{self, Allowances, Proven, decode_base64},
    encrypted,
    explain::facts_of,
    names::{DS, SAML},
    profile::{Bench, check_status},
    structure,
    xml::{Document, Element},
};

/// The longest message, in bytes of XML: a person with 20,000 group values fits.
pub const MAX_MESSAGE_BYTES: usize = 1_572_864;
/// How far clocks may be apart, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 60;

/// Whom a connection trusts, and for whom it speaks.
///
/// There is none without a certificate: a response is never accepted because nothing was configured.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(crate) sp_entity_id: String,
    pub(crate) acs_url: String,
    pub(crate) idp_entity_id: String,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) decryption_keys: Vec<DecryptionKey>,
    pub(crate) require_encryption: bool,
    pub(crate) allowances: Allowances,
    pub(crate) clock_skew: i64,
    pub(crate) max_bytes: usize,
}

impl Trust {
    /// Trust in one identity provider's certificates, for one service provider at one assertion consumer service.
    ///
    /// Refuses when there is no certificate ([`Rule::NoCertificate`]).
    pub fn new(
        sp_entity_id: impl Into<String>,
        acs_url: impl Into<String>,
        idp_entity_id: impl Into<String>,
        certificates: Vec<Certificate>,
    ) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Rule::NoCertificate.into());
        }
        Ok(Self {
            sp_entity_id: sp_entity_id.into(),
            acs_url: acs_url.into(),
            idp_entity_id: idp_entity_id.into(),
            certificates,
            decryption_keys: Vec::new(),
            require_encryption: false,
            allowances: Allowances::default(),
            clock_skew: CLOCK_SKEW_SECONDS,
            max_bytes: MAX_MESSAGE_BYTES,
        })
    }

    /// Decrypts with these keys, tried in this order; plain assertions stay accepted.
    #[must_use]
    pub fn decryption_keys(mut self, keys: Vec<DecryptionKey>) -> Self {
        self.decryption_keys = keys;
        self
    }

    /// Refuses assertions that are not encrypted.
    #[must_use]
    pub fn require_encryption(mut self) -> Self {
        self.require_encryption = true;
        self
    }

    /// Accepts SHA-1 in signatures and digests: forgeable by whoever can make two documents with one digest.
    #[must_use]
    pub fn dangerously_allow_sha1(mut self) -> Self {
        self.allowances.sha1 = true;
        self
    }

    /// Accepts inclusive C14N 1.0, whose octets depend on namespaces around the signed element.
    #[must_use]
    pub fn allow_inclusive_c14n(mut self) -> Self {
        self.allowances.inclusive_c14n = true;
        self
    }

    /// How far clocks may be apart, in seconds; 60 unless set.
    #[must_use]
    pub fn clock_skew(mut self, seconds: i64) -> Self {
        self.clock_skew = seconds.max(0);
        self
    }

    /// The longest message in bytes of XML; [`MAX_MESSAGE_BYTES`] unless set.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Verifies a response against this trust.
    ///
    /// `now` is in Unix seconds. Replays are the host's matter: it takes the pending login and remembers
    /// [`Verified::assertion_id`] in one transaction.
    pub fn verify(
        &self,
        response: &Response,
        expected: &Expected,
        now: i64,
    ) -> Result<Verified, Error> {
        self.judge(&response.xml, expected, now, &mut Trail::silent())
    }

    pub(crate) fn judge(
        &self,
        xml: &str,
        expected: &Expected,
        now: i64,
        trail: &mut Trail,
    ) -> Result<Verified, Error> {
        if xml.len() > self.max_bytes {
            return Err(too_large(self.max_bytes));
        }
        let bench = Bench {
            trust: self,
            expected,
            now,
        };
        let document = parse(xml)?;
        trail.saw(&document);
        trail.passed(Rule::Xml, || format!("{} bytes", xml.len()));
        structure::check_response(&document)?;
        trail.passed(Rule::Misplaced, || "every element in its place".to_owned());
        let outer = document.root();
        check_status(outer)?;
        trail.passed(Rule::Status, || "Success".to_owned());
        let held = assertion_of(outer)?;
        if self.require_encryption && held.is(SAML, "Assertion") {
            return Err(Rule::NotEncrypted.into());
        }
        let mut proofs = Proofs {
            trust: self,
            now,
            warnings: Vec::new(),
        };

        // From here on the signed octets are the document; the one that came is used to refuse, and for nothing else.
        let response_octets = match outer.child(DS, "Signature") {
            Some(signature) => Some(proofs.verify(outer, signature, "the response", trail)?),
            None => None,
        };
        let reread = match &response_octets {
            Some(octets) => Some(parse(octets)?),
            None => None,
        };
        let response = reread.as_ref().map_or(outer, Document::root);
        bench.check_response(response, reread.is_some(), trail)?;
        let answers = response.attribute("InResponseTo").is_some();

        let mut verified = if held.is(SAML, "Assertion") {
            // Its signature was made in the document that came: an inclusive canonical form depends on what is around.
            let octets = match held.child(DS, "Signature") {
                Some(signature) => Some(proofs.verify(held, signature, "the assertion", trail)?),
                None => None,
            };
            match (&reread, octets) {
                (Some(signed), _) => {
                    bench.check_assertion(assertion_of(signed.root())?, answers, trail)?
                }
                (None, Some(octets)) => {
                    bench.check_assertion(parse(&octets)?.root(), answers, trail)?
                }
                (None, None) => return Err(Rule::Unsigned.into()),
            }
        } else {
            // Nothing is decrypted for a response that nobody waits for: whoever posts it would ask the key for free.
            if expected.in_response_to.is_none() && !expected.allow_unsolicited {
                return Err(Rule::Unsolicited.into());
            }
            let holder = assertion_of(response)?;
            let opened = self.open(holder, &mut proofs, reread.as_ref(), trail);
            // Until a signature vouches for the ciphertext, what is wrong with its plaintext is nobody's to know.
            let (text, scope) = opened.map_err(|error| match reread {
                Some(_) => error,
                None => error.conceal(),
            })?;
            let assertion = parse_decrypted(&text, &scope)?;
            let mut verified = bench.check_assertion(assertion.root(), answers, trail)?;
            verified.encrypted = true;
            verified
        };
        verified.warnings = proofs.warnings;
        Ok(verified)
    }
}

impl Trust {
    /// Decrypts an assertion: the text that a signature covers, its own or the response's around it, and the
    /// namespaces in force around that text.
    fn open(
        &self,
        holder: Element<'_, '_>,
        proofs: &mut Proofs<'_>,
        signed_around: Option<&Document<'_>>,
        trail: &mut Trail,
    ) -> Result<(Zeroizing<String>, Scope), Error> {
        let plain = encrypted::decrypt(holder, &self.decryption_keys)?;
        let scope = holder.scope();
        trail.passed(Rule::Decryption, || "decrypted".to_owned());
        let document = parse_decrypted(&plain, &scope)?;
        let assertion = document.root();
        match (assertion.child(DS, "Signature"), signed_around) {
            (Some(signature), _) => {
                let octets = proofs.verify(assertion, signature, "the assertion", trail)?;
                Ok((Zeroizing::new(octets), Scope::new()))
            }
            (None, Some(_)) => {
                drop(document);
                Ok((plain, scope))
            }
            (None, None) => Err(Rule::Unsigned.into()),
        }
    }
}

/// Prefixes and the namespaces that they stand for.
type Scope = Vec<(String, String)>;

/// A response as it came, decoded and not yet believed.
#[derive(Clone)]
pub struct Response {
    xml: Zeroizing<String>,
    in_response_to: Option<String>,
}

impl Response {
    /// Decodes the form parameter `SAMLResponse` of the HTTP-POST binding (SAML bindings §3.5).
    pub fn decode(parameter: &str) -> Result<Self, Error> {
        // Four characters carry three bytes; line breaks make it a little longer.
        if parameter.len() > MAX_MESSAGE_BYTES / 3 * 4 + MAX_MESSAGE_BYTES / 32 {
            return Err(too_large(MAX_MESSAGE_BYTES));
        }
        let xml = decode_text(parameter)?;
        let in_response_to = peek(&xml);
        Ok(Self {
            xml: Zeroizing::new(xml),
            in_response_to,
        })
    }

    /// Which request it says it answers, to find the login that waits; believed only after [`Trust::verify`].
    pub fn in_response_to(&self) -> Option<&str> {
        self.in_response_to.as_deref()
    }

    /// Its length in bytes of XML.
    #[expect(clippy::len_without_is_empty, reason = "an empty one does not decode")]
    pub fn len(&self) -> usize {
        self.xml.len()
    }

    /// Whether something in it may be encrypted, so that there is a use for a key.
    pub fn may_be_encrypted(&self) -> bool {
        self.xml.contains("EncryptedData")
    }

    pub(crate) fn xml(&self) -> &str {
        &self.xml
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Response").finish_non_exhaustive()
    }
}

/// Which login an answer must belong to.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub(crate) in_response_to: Option<String>,
    pub(crate) allow_unsolicited: bool,
}

impl Expected {
    /// The answer to the request with this ID, and to no other.
    pub fn answer_to(request_id: impl Into<String>) -> Self {
        Self {
            in_response_to: Some(request_id.into()),
            allow_unsolicited: false,
        }
    }

    /// A response that nobody asked for: it must not say that it answers anything.
    ///
    /// Whoever acts on one signs in a person who may have been led here; better begin a login of your own.
    pub fn unsolicited() -> Self {
        Self {
            in_response_to: None,
            allow_unsolicited: true,
        }
    }

    /// Also accepts a response that nobody asked for.
    #[must_use]
    pub fn or_unsolicited(mut self) -> Self {
        self.allow_unsolicited = true;
        self
    }
}

/// What was seen and which rules held, in order; silent unless somebody wants to read it.
pub(crate) struct Trail(Option<Report>);

impl Trail {
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    pub(crate) fn kept() -> Self {
        Self(Some(Report::default()))
    }

    fn saw(&mut self, document: &Document<'_>) {
        if let Some(report) = &mut self.0 {
            report.facts = facts_of(document);
        }
    }

    pub(crate) fn passed(&mut self, rule: Rule, found: impl FnOnce() -> String) {
        if let Some(report) = &mut self.0 {
            report.held.push((rule, found()));
        }
    }

    pub(crate) fn into_report(self) -> Report {
        self.0.unwrap_or_default()
    }
}

struct Proofs<'t> {
    trust: &'t Trust,
    now: i64,
    warnings: Vec<Warning>,
}

impl Proofs<'_> {
    /// Verifies a signature; the octets that it covers, as text.
    fn verify(
        &mut self,
        signed: Element<'_, '_>,
        signature: Element<'_, '_>,
        what: &str,
        trail: &mut Trail,
    ) -> Result<String, Error> {
        let Proven {
            octets,
            certificate,
            sha1,
        } = dsig::verify(
            signed,
            signature,
            &self.trust.certificates,
            self.trust.allowances,
        )?;
        let certificate = self.trust.certificates.get(certificate);
        trail.passed(Rule::Signature, || {
            format!(
                "{what}, by the certificate with SHA-256 fingerprint {}",
                certificate
                    .map(Certificate::fingerprint_sha256)
                    .unwrap_or_default()
            )
        });
        let mut warn = |warning| {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        };
        if sha1 {
            warn(Warning::Sha1);
        }
        // The key is pinned; its dates tell a person to renew and decide nothing.
        if let Some(certificate) = certificate.filter(|known| known.not_after() < self.now) {
            warn(Warning::ExpiredCertificate {
                not_after: certificate.not_after(),
            });
        }
        String::from_utf8(octets).map_err(|_| Rule::Digest.into())
    }
}

fn too_large(limit: usize) -> Error {
    Error::compared(
        Rule::TooLarge,
        format!("at most {limit} bytes"),
        "a longer message",
    )
}

/// The text of a form parameter; its length is the caller's matter.
pub(crate) fn decode_text(parameter: &str) -> Result<String, Error> {
    let octets = decode_base64(parameter)
        .filter(|octets| !octets.is_empty())
        .ok_or_else(|| Error::compared(Rule::Encoding, "base64", "something else"))?;
    String::from_utf8(octets).map_err(|_| Error::compared(Rule::Encoding, "UTF-8", "other bytes"))
}

pub(crate) fn parse(text: &str) -> Result<Document<'_>, Error> {
    Document::parse(text)
        .map_err(|error| Error::compared(Rule::Xml, "XML as SAML uses it", error.to_string()))
}

/// A plaintext that cannot be read is a ciphertext that cannot be decrypted: one answer for both.
fn parse_decrypted<'a>(
    plain: &'a str,
    scope: &'a [(String, String)],
) -> Result<Document<'a>, Error> {
    let document = Document::parse_within(plain, scope).map_err(|_| Rule::Decryption)?;
    structure::check_lone_assertion(&document)?;
    Ok(document)
}

/// The one assertion of a response, plain or encrypted.
fn assertion_of<'d, 'a>(response: Element<'d, 'a>) -> Result<Element<'d, 'a>, Error> {
    let mut held = response
        .children()
        .filter(|child| child.is(SAML, "Assertion") || child.is(SAML, "EncryptedAssertion"));
    match (held.next(), held.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::compared(Rule::AssertionCount, "one", "none")),
        _ => Err(Error::compared(Rule::AssertionCount, "one", "several")),
    }
}

/// The request that a message names, read without believing anything.
fn peek(xml: &str) -> Option<String> {
    let root = Document::parse_root(xml).ok()?;
    if let Some(answered) = root.root().attribute("InResponseTo") {
        return Some(answered.to_owned());
    }
    let document = Document::parse(xml).ok()?;
    document
        .elements()
        .filter(|element| element.is(SAML, "SubjectConfirmationData"))
        .find_map(|data| data.attribute("InResponseTo"))
        .map(str::to_owned)
}
