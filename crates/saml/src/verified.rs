//! What a response proves.

/// What a verified response proves; the host must remember the assertion before it acts on it.
///
/// Every value was read from octets whose signature holds.
#[derive(Debug, Clone)]
#[must_use = "remember `assertion_id` until `remember_until`, else the response can be used again"]
#[non_exhaustive]
pub struct Verified {
    /// The identity provider's entity ID.
    pub issuer: String,
    /// The assertion's ID; accepted once for each connection, until [`Verified::remember_until`].
    pub assertion_id: String,
    /// Until when the ID must be remembered, Unix seconds: the assertion is refused from then on anyway.
    pub remember_until: i64,
    /// The request that it answers; none when the identity provider began.
    pub in_response_to: Option<String>,
    /// Who it is about.
    pub name_id: NameId,
    /// What it says of the person; values of attributes with the same name are joined.
    pub attributes: Vec<Attribute>,
    /// When the person signed in at the identity provider (`AuthnInstant`), Unix seconds.
    pub authn_instant: i64,
    /// When the session at the identity provider ends (`SessionNotOnOrAfter`), Unix seconds.
    pub session_not_on_or_after: Option<i64>,
    /// The session at the identity provider (`SessionIndex`), which a logout names.
    pub session_index: Option<String>,
    /// How the person signed in (`AuthnContextClassRef`).
    pub authn_context: Option<String>,
    /// Whether the assertion was encrypted.
    pub encrypted: bool,
    /// What was accepted although somebody should look at it.
    pub warnings: Vec<Warning>,
}

/// A name identifier (SAML core §2.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NameId {
    /// The identifier, never empty.
    pub value: String,
    /// Its format, a URI; none means unspecified.
    pub format: Option<String>,
    /// The domain that qualifies it.
    pub name_qualifier: Option<String>,
    /// The service provider that qualifies it.
    pub sp_name_qualifier: Option<String>,
}

impl NameId {
    /// A name identifier without qualifiers.
    pub fn new(value: impl Into<String>, format: Option<&str>) -> Self {
        Self {
            value: value.into(),
            format: format.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Adds the qualifiers that came with it, so that a logout can name the same identifier.
    #[must_use]
    pub fn qualified(
        mut self,
        name_qualifier: Option<String>,
        sp_name_qualifier: Option<String>,
    ) -> Self {
        self.name_qualifier = name_qualifier;
        self.sp_name_qualifier = sp_name_qualifier;
        self
    }

    /// Whether it lasts: never reassigned, the same at every sign-in (SAML core §8.3.7).
    pub fn is_persistent(&self) -> bool {
        self.format.as_deref() == Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")
    }

    /// Whether it is new at every sign-in (SAML core §8.3.8).
    pub fn is_transient(&self) -> bool {
        self.format.as_deref() == Some("urn:oasis:names:tc:SAML:2.0:nameid-format:transient")
    }
}

/// An attribute of the person (SAML core §2.7.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// Its name, as the identity provider wrote it.
    pub name: String,
    /// A name for people.
    pub friendly_name: Option<String>,
    /// Its values that are text; values with elements inside are left out.
    pub values: Vec<String>,
}

/// Something that was accepted although somebody should look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The pinned certificate that made the signature has expired: its key is trusted, not its dates.
    ExpiredCertificate {
        /// When it expired, Unix seconds.
        not_after: i64,
    },
    /// SHA-1 took part, which the connection allows.
    Sha1,
}
