//! Everything that can refuse a message: one rule each, and who has to act.

use std::fmt;

/// Who has to act for the next attempt to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The identity provider sent something that it must not send, or refused.
    IdentityProvider,
    /// The settings of the connection, here or there, do not fit.
    Configuration,
    /// A clock is wrong, or the person took too long.
    Time,
    /// The request that reached us: an old bookmark, a second tab, or an attack.
    Request,
}

/// Why a message was refused.
///
/// The text of [`Display`](fmt::Display) contains nothing that a peer chose; such text is in [`Error::got`], redacted,
/// for a log or an admin page that escapes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    rule: Rule,
    wanted: String,
    got: String,
    concealed: bool,
}

impl Error {
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            wanted: String::new(),
            got: String::new(),
            concealed: false,
        }
    }

    pub(crate) fn conceal(mut self) -> Self {
        self.concealed = true;
        self
    }

    /// Whether it tells something of a plaintext that no signature has vouched for yet.
    ///
    /// Show it to administrators only; whoever posted the message must not learn more than from
    /// [`Rule::Decryption`], or the key can be asked about ciphertexts (XML Encryption 1.1 §6.1.2).
    pub fn is_concealed(&self) -> bool {
        self.concealed
    }

    pub(crate) fn compared(rule: Rule, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        let mut error = Self {
            rule,
            wanted: wanted.into(),
            got: got.into(),
            concealed: false,
        };
        cut(&mut error.got);
        error
    }

    /// The rule that was broken.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Who has to act.
    pub fn fault(&self) -> Fault {
        self.rule.fault()
    }

    /// What the rule wanted; empty where the rule says it all.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// What came instead, text of a peer: escape it. Never a person's attribute or an assertion.
    pub fn got(&self) -> &str {
        &self.got
    }

    /// The next step for whoever has to act.
    pub fn remedy(&self) -> &'static str {
        self.rule.text().2
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.rule.message())
    }
}

impl std::error::Error for Error {}

impl From<Rule> for Error {
    fn from(rule: Rule) -> Self {
        Self::new(rule)
    }
}

/// Keeps what a peer wrote short enough for a record.
fn cut(text: &mut String) {
    const LONGEST: usize = 300;
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $fault:ident, $message:literal, $remedy:literal;)+) => {
        /// The rules of verification, in the order in which they are judged.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            fn text(self) -> (&'static str, &'static str, &'static str, Fault) {
                match self {
                    $(Self::$variant => ($name, $message, $remedy, Fault::$fault),)+
                }
            }
        }
    };
}

impl Rule {
    /// A stable name, as records and `vestibule saml verify` show it.
    pub fn as_str(self) -> &'static str {
        self.text().0
    }

    /// What is wrong when the rule is broken.
    pub fn message(self) -> &'static str {
        self.text().1
    }

    /// Who has to act when the rule is broken.
    pub fn fault(self) -> Fault {
        self.text().3
    }
}

rules! {
    /// The connection has no certificate of the identity provider: nothing could be verified.
    NoCertificate = "no_certificate", Configuration,
        "no certificate of the identity provider is configured",
        "import the identity provider's metadata, or paste its signing certificate";
    /// The message is longer than the limit.
    TooLarge = "too_large", IdentityProvider,
        "the message is too large",
        "send fewer group or role values: a filter on the group claim at the identity provider";
    /// The parameter is not base64 of UTF-8 text.
    Encoding = "encoding", Request,
        "the message is not base64 of UTF-8 text",
        "start again at the application; if it repeats, something between the identity provider and here changes the form";
    /// The text is not XML, or uses a part of XML that messages must not have.
    Xml = "xml", IdentityProvider,
        "the message is not acceptable XML",
        "no identity provider sends this by itself; look at proxies and custom templates, and report it as a possible attack";
    /// The root is another element, such as a logout message or metadata.
    Root = "root", IdentityProvider,
        "the message is not a SAML response",
        "point the identity provider's assertion consumer service at this address, and nothing else";
    /// `Version` is not 2.0.
    Version = "version", IdentityProvider,
        "the message is not SAML 2.0",
        "configure the application at the identity provider for SAML 2.0";
    /// An ID is missing, malformed or used twice, or another attribute poses as an ID.
    Id = "id", IdentityProvider,
        "the IDs of the message are not usable",
        "no identity provider sends this by itself; report it as a possible attack";
    /// An assertion, response or signature stands where none may stand.
    Misplaced = "misplaced", IdentityProvider,
        "an element stands where it must not stand",
        "no identity provider sends this by itself; report it as a possible attack";
    /// The identity provider refused (`Status`).
    Status = "status", IdentityProvider,
        "the identity provider refused the login",
        "look at the status and the identity provider's log; often the person is not assigned to the application";
    /// There is no assertion, or more than one.
    AssertionCount = "assertion_count", IdentityProvider,
        "the response has no single assertion",
        "configure the identity provider to send exactly one assertion";
    /// A signature has a form that is not the fixed one.
    SignatureForm = "signature_form", IdentityProvider,
        "a signature has an unusual form",
        "sign with an enveloped signature over the element's own ID, as every standard product does";
    /// The canonicalization is not allowed.
    Canonicalization = "canonicalization", IdentityProvider,
        "the canonicalization of a signature is not allowed",
        "sign with exclusive canonicalization; inclusive can be allowed on the connection";
    /// The signature or digest algorithm is not allowed.
    Algorithm = "algorithm", IdentityProvider,
        "the algorithm of a signature is not allowed",
        "sign with RSA-SHA256 or ECDSA-SHA256; SHA-1 can be allowed on the connection for a while";
    /// No pinned certificate has a key of the signature's kind.
    KeyKind = "key_kind", Configuration,
        "no configured certificate fits the kind of the signature",
        "import the identity provider's current metadata: its signing key has changed";
    /// No pinned certificate made the signature.
    Signature = "signature", Configuration,
        "the signature was not made with a configured certificate",
        "import the identity provider's current metadata: its signing certificate has probably been renewed";
    /// The signed element was changed after signing.
    Digest = "digest", IdentityProvider,
        "the signed element was changed after signing",
        "look for a proxy or a form handler that rewrites the message; report it as a possible attack if there is none";
    /// Neither the response nor the assertion is signed.
    Unsigned = "unsigned", IdentityProvider,
        "the assertion is not signed",
        "switch on signing of the response or of the assertion at the identity provider";
    /// The connection demands an encrypted assertion.
    NotEncrypted = "not_encrypted", IdentityProvider,
        "the assertion is not encrypted, and this connection demands it",
        "upload this connection's metadata at the identity provider and switch on encryption, or stop demanding it";
    /// Something is encrypted and the connection has no key.
    NoDecryptionKey = "no_decryption_key", Configuration,
        "the assertion is encrypted, and this connection has no key for it",
        "switch on encryption on the connection, or switch it off at the identity provider";
    /// The encryption has an unusual form or algorithm.
    Encryption = "encryption", IdentityProvider,
        "the form or algorithm of the encryption is not allowed",
        "encrypt with AES-GCM or AES-CBC (128 or 256) and RSA-OAEP";
    /// The message cannot be decrypted; one answer for every cause.
    Decryption = "decryption", Configuration,
        "the message cannot be decrypted",
        "import this connection's current metadata at the identity provider: it encrypts for another key";
    /// An issuer is missing or another one.
    Issuer = "issuer", Configuration,
        "the message was issued by another identity provider",
        "compare the entity ID of the identity provider on both sides, character by character";
    /// The response was sent to another address.
    Destination = "destination", Configuration,
        "the response was sent to another address",
        "set the assertion consumer service (ACS, reply or single sign-on URL) at the identity provider to the one wanted";
    /// The subject has no usable name identifier.
    NameId = "name_id", IdentityProvider,
        "the assertion has no single name identifier",
        "configure exactly one NameID for the application at the identity provider";
    /// No bearer confirmation is in the assertion.
    Confirmation = "confirmation", IdentityProvider,
        "the assertion has no bearer confirmation",
        "configure the web browser single sign-on profile at the identity provider";
    /// The confirmation is for another address.
    Recipient = "recipient", Configuration,
        "the assertion is meant for another address",
        "set the assertion consumer service (ACS, reply or single sign-on URL) at the identity provider to the one wanted";
    /// The confirmation is over, or says no end.
    ConfirmationExpired = "confirmation_expired", Time,
        "the assertion came too late",
        "synchronize the clocks; else sign in again";
    /// The confirmation begins in the future.
    ConfirmationNotYetValid = "confirmation_not_yet_valid", Time,
        "the assertion is not valid yet",
        "synchronize the clocks: the identity provider's is ahead";
    /// The response answers another request, or none.
    InResponseTo = "in_response_to", Request,
        "the response does not answer the login that was begun",
        "start again at the application, in one browser window";
    /// Nobody asked, and the connection does not allow that.
    Unsolicited = "unsolicited", Configuration,
        "the identity provider began this login, which the connection does not allow",
        "start at the application, or allow logins that begin at the identity provider on the connection";
    /// There are no `Conditions`, or several.
    Conditions = "conditions", IdentityProvider,
        "the assertion has no single set of conditions",
        "configure the web browser single sign-on profile at the identity provider";
    /// The window of validity is over.
    Expired = "expired", Time,
        "the assertion has expired",
        "synchronize the clocks; else sign in again";
    /// The window of validity has not begun.
    NotYetValid = "not_yet_valid", Time,
        "the assertion is not valid yet",
        "synchronize the clocks: the identity provider's is ahead";
    /// The assertion is for another audience, or for any.
    Audience = "audience", Configuration,
        "the assertion is meant for another application",
        "set the audience (entity ID, SP entity ID or identifier) at the identity provider to the one wanted";
    /// A condition that nobody here understands (SAML core §2.5.1.1: the validity cannot be determined).
    UnknownCondition = "unknown_condition", IdentityProvider,
        "the assertion has a condition that is not understood",
        "remove the condition at the identity provider";
    /// There is no `AuthnStatement`, or one that does not say how the person signed in.
    AuthnStatement = "authn_statement", IdentityProvider,
        "the assertion says nothing about a sign-in",
        "configure the web browser single sign-on profile at the identity provider";
    /// The identity provider's session is over (`SessionNotOnOrAfter`).
    SessionOver = "session_over", Time,
        "the session at the identity provider is over",
        "sign in again; if it repeats, synchronize the clocks";
    /// A time is not an `xs:dateTime` in UTC.
    Instant = "instant", IdentityProvider,
        "a time in the message cannot be understood",
        "no identity provider sends this by itself; look at custom templates";
    /// An element that must be there is missing, or has content that it must not have.
    Form = "form", IdentityProvider,
        "the message does not follow the SAML schema",
        "no identity provider sends this by itself; look at custom templates";
    /// A second verifier, which the host asks too, does not agree (feature `samael`).
    SecondOpinion = "second_opinion", IdentityProvider,
        "a second verifier does not accept the response",
        "compare what was got with the identity provider's settings; whoever runs this server can leave the decision to one verifier";
    /// The query string carries no message that can be used: something is missing, doubled or not decodable.
    Redirect = "redirect", Request,
        "the query string carries no usable message",
        "start again; if it repeats, something between the identity provider and here changes the address";
    /// The logout message was sent to another address.
    LogoutDestination = "logout_destination", Configuration,
        "the logout message was sent to another address",
        "set the single logout service (SLO or logout URL) at the identity provider to the one wanted";
    /// The logout message is too old, or its `NotOnOrAfter` is over.
    LogoutExpired = "logout_expired", Time,
        "the logout message came too late",
        "synchronize the clocks; else sign out again";
    /// The logout message was issued in the future.
    LogoutNotYetValid = "logout_not_yet_valid", Time,
        "the logout message comes from the future",
        "synchronize the clocks: the identity provider's is ahead";
    /// The logout request names nobody, or not exactly one.
    LogoutNameId = "logout_name_id", IdentityProvider,
        "the logout request has no single name identifier",
        "configure logout at the identity provider to name the person as the login did";
    /// The logout answer is for another request, or for none.
    LogoutInResponseTo = "logout_in_response_to", Request,
        "the answer does not belong to the logout that was begun",
        "sign out again, in one browser window";
    /// The identity provider refused the logout (`Status`).
    LogoutStatus = "logout_status", IdentityProvider,
        "the identity provider refused the logout",
        "look at the status and the identity provider's log; the session there may have ended before";
    /// The metadata is longer than the limit.
    MetadataTooLarge = "metadata_too_large", Configuration,
        "the metadata is too large",
        "give the metadata of the one identity provider instead of a whole federation's";
    /// The metadata is not XML, or has a document type or another part of XML that is not read.
    MetadataXml = "metadata_xml", Configuration,
        "the metadata is not acceptable XML",
        "download the file again and upload it unchanged; a page that a browser shows is not the file";
    /// The metadata is not an identity provider's, or an entity ID is missing or there twice.
    MetadataForm = "metadata_form", Configuration,
        "the file is not the metadata of one identity provider",
        "take the identity provider's own metadata, not this service provider's";
    /// The wanted entity is not in the metadata.
    MetadataEntity = "metadata_entity", Configuration,
        "the metadata is of another identity provider",
        "compare the entity ID with the one in the metadata, character by character";
    /// There are several identity providers in the metadata, and none was chosen.
    MetadataChoice = "metadata_choice", Configuration,
        "the metadata holds several identity providers",
        "choose one by its entity ID";
    /// The identity provider does not speak SAML 2.0.
    MetadataProtocol = "metadata_protocol", Configuration,
        "the metadata is not for SAML 2.0",
        "switch on SAML 2.0 at the identity provider";
    /// `validUntil` is over.
    MetadataExpired = "metadata_expired", Time,
        "the metadata has expired",
        "download the metadata again";
    /// An address is missing, is not absolute, or is not `https`.
    MetadataEndpoint = "metadata_endpoint", Configuration,
        "an address of the identity provider cannot be used",
        "use absolute https addresses at the identity provider";
    /// There is no usable certificate to sign with.
    MetadataCertificate = "metadata_certificate", Configuration,
        "the metadata has no usable signing certificate",
        "sign at the identity provider with an RSA key of 2048 bits or more, or with P-256 or P-384";
}
