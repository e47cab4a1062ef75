//! The rules of the web browser single sign-on profile (SAML profiles §4.1), on octets that a signature covers.

use crate::{
    Attribute, Error, NameId, Rule, Verified, encrypted,
    instant::parse_instant,
    names::{BEARER, ENTITY_FORMAT, SAML, SAMLP, STATUS_SUCCESS, XSI},
    response::{Expected, Trail, Trust},
    structure::{at_most_one, check_lone_attribute, check_lone_name_id},
    xml::{Document, Element},
};

/// What the rules are judged against.
pub(crate) struct Bench<'t> {
    pub(crate) trust: &'t Trust,
    pub(crate) expected: &'t Expected,
    pub(crate) now: i64,
}

impl Bench<'_> {
    /// What a response says of itself; unsigned it can only refuse.
    pub(crate) fn check_response(
        &self,
        response: Element<'_, '_>,
        signed: bool,
        trail: &mut Trail,
    ) -> Result<(), Error> {
        if response.child(SAML, "Issuer").is_some() {
            check_issuer(response, self.trust)?;
        }
        let acs = self.trust.acs_url.as_str();
        match response.attribute("Destination") {
            Some(destination) if destination == acs => {}
            // A signed message without a destination could be carried from one address to another (bindings §3.5.5.2).
            None if !signed => {}
            other => {
                return Err(Error::compared(
                    Rule::Destination,
                    acs,
                    other.unwrap_or("no Destination in a signed response"),
                ));
            }
        }
        trail.passed(Rule::Destination, || acs.to_owned());
        if let Some(answered) = response.attribute("InResponseTo") {
            self.check_answered(answered)?;
        }
        Ok(())
    }

    fn check_answered(&self, answered: &str) -> Result<(), Error> {
        match &self.expected.in_response_to {
            Some(wanted) if wanted == answered => Ok(()),
            Some(wanted) => Err(Error::compared(Rule::InResponseTo, wanted, answered)),
            None => Err(Error::compared(
                Rule::InResponseTo,
                "an answer to a login that waits",
                answered,
            )),
        }
    }

    /// The assertion, rule by rule.
    pub(crate) fn check_assertion(
        &self,
        assertion: Element<'_, '_>,
        response_answers: bool,
        trail: &mut Trail,
    ) -> Result<Verified, Error> {
        check_issuer(assertion, self.trust)?;
        trail.passed(Rule::Issuer, || self.trust.idp_entity_id.clone());
        let subject = only(assertion, "Subject", Rule::NameId)?;
        let names = subject
            .children()
            .filter(|child| !child.is(SAML, "SubjectConfirmation"));
        let name_id = only_name_id(names, self.trust, Rule::NameId)?;
        trail.passed(Rule::NameId, || {
            format!(
                "one, format {}",
                name_id.format.as_deref().unwrap_or("unspecified")
            )
        });
        let confirmed = self.confirmation(subject, response_answers)?;
        trail.passed(Rule::Confirmation, || "bearer".to_owned());
        trail.passed(Rule::Recipient, || self.trust.acs_url.clone());
        trail.passed(Rule::InResponseTo, || {
            confirmed
                .in_response_to
                .clone()
                .unwrap_or_else(|| "unsolicited, which is allowed".to_owned())
        });
        let conditions = only(assertion, "Conditions", Rule::Conditions)?;
        let conditions_end = self.check_conditions(conditions)?;
        trail.passed(Rule::Conditions, || {
            "the time is inside the window".to_owned()
        });
        trail.passed(Rule::Audience, || self.trust.sp_entity_id.clone());
        let authn = self.authn(assertion)?;
        trail.passed(Rule::AuthnStatement, || {
            authn
                .context
                .clone()
                .unwrap_or_else(|| "no class".to_owned())
        });
        let end = conditions_end.map_or(confirmed.not_on_or_after, |end| {
            end.max(confirmed.not_on_or_after)
        });
        Ok(Verified {
            issuer: self.trust.idp_entity_id.clone(),
            assertion_id: assertion.attribute("ID").unwrap_or_default().to_owned(),
            remember_until: end.saturating_add(self.trust.clock_skew).saturating_add(1),
            in_response_to: confirmed.in_response_to,
            name_id,
            attributes: self.attributes(assertion)?,
            authn_instant: authn.instant,
            session_not_on_or_after: authn.session_end,
            session_index: authn.session_index,
            authn_context: authn.context,
            encrypted: false,
            warnings: Vec::new(),
        })
    }

    /// The bearer confirmation that holds; of several the first, else what is wrong with the first.
    fn confirmation(
        &self,
        subject: Element<'_, '_>,
        response_answers: bool,
    ) -> Result<Confirmed, Error> {
        let mut first = None;
        for confirmation in subject.children_named(SAML, "SubjectConfirmation") {
            if confirmation.attribute("Method") != Some(BEARER) {
                continue;
            }
            match self.check_confirmation(confirmation, response_answers) {
                Ok(confirmed) => {
                    return Ok(Confirmed {
                        not_on_or_after: last_end(subject).max(confirmed.not_on_or_after),
                        ..confirmed
                    });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| Rule::Confirmation.into()))
    }

    fn check_confirmation(
        &self,
        confirmation: Element<'_, '_>,
        response_answers: bool,
    ) -> Result<Confirmed, Error> {
        at_most_one(confirmation, SAML, "SubjectConfirmationData")?;
        let data = confirmation
            .child(SAML, "SubjectConfirmationData")
            .ok_or(Rule::Confirmation)?;
        let acs = self.trust.acs_url.as_str();
        match data.attribute("Recipient") {
            Some(recipient) if recipient == acs => {}
            other => {
                return Err(Error::compared(
                    Rule::Recipient,
                    acs,
                    other.unwrap_or("no Recipient"),
                ));
            }
        }
        let Some(end) = instant(data, "NotOnOrAfter")? else {
            return Err(Error::compared(
                Rule::ConfirmationExpired,
                "NotOnOrAfter",
                "no such time",
            ));
        };
        self.check_end(end, Rule::ConfirmationExpired)?;
        if let Some(start) = instant(data, "NotBefore")? {
            self.check_start(start, Rule::ConfirmationNotYetValid)?;
        }
        let in_response_to = match data.attribute("InResponseTo") {
            Some(answered) => {
                self.check_answered(answered)?;
                Some(answered.to_owned())
            }
            // Who steals an unsolicited assertion must not dress it as an answer (the response may be unsigned).
            None if response_answers => {
                return Err(Error::compared(
                    Rule::InResponseTo,
                    "InResponseTo in the confirmation as in the response",
                    "in the response only",
                ));
            }
            None if !self.expected.allow_unsolicited => return Err(Rule::Unsolicited.into()),
            None => None,
        };
        Ok(Confirmed {
            not_on_or_after: end,
            in_response_to,
        })
    }

    /// The window and every audience restriction; the end of the window.
    fn check_conditions(&self, conditions: Element<'_, '_>) -> Result<Option<i64>, Error> {
        if let Some(start) = instant(conditions, "NotBefore")? {
            self.check_start(start, Rule::NotYetValid)?;
        }
        let end = instant(conditions, "NotOnOrAfter")?;
        if let Some(end) = end {
            self.check_end(end, Rule::Expired)?;
        }
        let entity_id = self.trust.sp_entity_id.as_str();
        let mut restricted = false;
        for condition in conditions.children() {
            if condition.is(SAML, "AudienceRestriction") {
                let audiences: Vec<&str> = condition
                    .children_named(SAML, "Audience")
                    .filter_map(Element::leaf_text)
                    .collect();
                // Several restrictions hold together (SAML core §2.5.1.4): each must name us.
                if !audiences.contains(&entity_id) {
                    return Err(Error::compared(
                        Rule::Audience,
                        entity_id,
                        audiences.join(", "),
                    ));
                }
                restricted = true;
            } else if !condition.is(SAML, "OneTimeUse") && !condition.is(SAML, "ProxyRestriction") {
                // Each assertion is used once anyway, and none is passed on.
                return Err(Error::compared(
                    Rule::UnknownCondition,
                    "AudienceRestriction, OneTimeUse and ProxyRestriction",
                    condition.local(),
                ));
            }
        }
        match restricted {
            true => Ok(end),
            false => Err(Error::compared(Rule::Audience, entity_id, "no audience")),
        }
    }

    fn authn(&self, assertion: Element<'_, '_>) -> Result<Authn, Error> {
        let mut found: Option<Authn> = None;
        for statement in assertion.children_named(SAML, "AuthnStatement") {
            let instant_of = instant(statement, "AuthnInstant")?
                .ok_or_else(|| Error::compared(Rule::Instant, "AuthnInstant", "no such time"))?;
            let context = authn_context(statement)?;
            let session_end = instant(statement, "SessionNotOnOrAfter")?;
            if let Some(end) = session_end {
                self.check_end(end, Rule::SessionOver)?;
            }
            if let Some(known) = &mut found {
                known.session_end = match (known.session_end, session_end) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                continue;
            }
            found = Some(Authn {
                instant: instant_of,
                session_end,
                session_index: statement.attribute("SessionIndex").map(str::to_owned),
                context: context
                    .child(SAML, "AuthnContextClassRef")
                    .and_then(Element::leaf_text)
                    .map(|class| class.trim().to_owned())
                    .filter(|class| !class.is_empty()),
            });
        }
        found.ok_or_else(|| Rule::AuthnStatement.into())
    }

    fn attributes(&self, assertion: Element<'_, '_>) -> Result<Vec<Attribute>, Error> {
        let mut attributes = Attributes::default();
        for statement in assertion.children_named(SAML, "AttributeStatement") {
            for child in statement.children() {
                if child.is(SAML, "Attribute") {
                    attributes.add(child);
                } else if child.is(SAML, "EncryptedAttribute") {
                    let plain = encrypted::decrypt(child, &self.trust.decryption_keys)?;
                    let scope = child.scope();
                    let document =
                        Document::parse_within(&plain, &scope).map_err(|_| Rule::Decryption)?;
                    check_lone_attribute(&document)?;
                    attributes.add(document.root());
                }
            }
        }
        Ok(attributes.list)
    }

    fn check_start(&self, start: i64, rule: Rule) -> Result<(), Error> {
        match self.now.saturating_add(self.trust.clock_skew) >= start {
            true => Ok(()),
            false => Err(apart(rule, "valid now", "begins", start, self.now)),
        }
    }

    fn check_end(&self, end: i64, rule: Rule) -> Result<(), Error> {
        match self.now.saturating_sub(self.trust.clock_skew) < end {
            true => Ok(()),
            false => Err(apart(rule, "still valid", "ended", end, self.now)),
        }
    }
}

/// How somebody signed in: one `AuthnContext` that names a class or a declaration (SAML core §2.7.2, §2.7.2.2).
fn authn_context<'d, 'a>(statement: Element<'d, 'a>) -> Result<Element<'d, 'a>, Error> {
    let context = only(statement, "AuthnContext", Rule::AuthnStatement)?;
    let says = [
        "AuthnContextClassRef",
        "AuthnContextDecl",
        "AuthnContextDeclRef",
    ];
    match says
        .into_iter()
        .any(|local| context.child(SAML, local).is_some())
    {
        true => Ok(context),
        false => Err(Error::compared(
            Rule::AuthnStatement,
            "an AuthnContext with a class or a declaration",
            "one with neither",
        )),
    }
}

struct Confirmed {
    /// When the last of the confirmations ends: until then the assertion might be accepted again.
    not_on_or_after: i64,
    in_response_to: Option<String>,
}

struct Authn {
    instant: i64,
    session_end: Option<i64>,
    session_index: Option<String>,
    context: Option<String>,
}

/// Attributes by name, in the order in which they came; an index keeps many of them cheap.
#[derive(Default)]
struct Attributes {
    list: Vec<Attribute>,
    places: std::collections::HashMap<String, usize>,
}

impl Attributes {
    fn add(&mut self, element: Element<'_, '_>) {
        let Some(name) = element.attribute("Name") else {
            return;
        };
        let values = element
            .children_named(SAML, "AttributeValue")
            .filter_map(text_of_value)
            .map(str::to_owned);
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.list.push(Attribute {
                name: name.to_owned(),
                friendly_name: element.attribute("FriendlyName").map(str::to_owned),
                values: Vec::new(),
            });
            self.list.len() - 1
        });
        if let Some(attribute) = self.list.get_mut(place) {
            attribute.values.extend(values);
        }
    }
}

/// The text of a value; also of a `NameID` inside, as `eduPersonTargetedID` has it.
fn text_of_value<'d>(value: Element<'d, '_>) -> Option<&'d str> {
    if matches!(value.attribute_in(XSI, "nil"), Some("true" | "1")) {
        return None;
    }
    value.leaf_text().or_else(|| {
        let mut children = value.children();
        match (children.next(), children.next()) {
            (Some(name), None) if name.is(SAML, "NameID") => name.leaf_text(),
            _ => None,
        }
    })
}

/// The issuer of a message or an assertion is the connection's identity provider (SAML core §2.2.5).
pub(crate) fn check_issuer(issued: Element<'_, '_>, trust: &Trust) -> Result<(), Error> {
    let wanted = trust.idp_entity_id.as_str();
    let issuer = issued
        .child(SAML, "Issuer")
        .ok_or_else(|| Error::compared(Rule::Issuer, wanted, "no Issuer"))?;
    let text = issuer.leaf_text().unwrap_or_default();
    if text != wanted {
        return Err(Error::compared(Rule::Issuer, wanted, text));
    }
    match issuer.attribute("Format") {
        None | Some(ENTITY_FORMAT) => Ok(()),
        Some(format) => Err(Error::compared(Rule::Issuer, ENTITY_FORMAT, format)),
    }
}

/// The one name identifier among these, plain or encrypted; anything else breaks `rule`.
pub(crate) fn only_name_id<'d, 'a: 'd>(
    mut names: impl Iterator<Item = Element<'d, 'a>>,
    trust: &Trust,
    rule: Rule,
) -> Result<NameId, Error> {
    let one = |got: &str| Error::compared(rule, "one NameID with text", got);
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(one("none, or several"));
    };
    if name.is(SAML, "EncryptedID") {
        let plain = encrypted::decrypt(name, &trust.decryption_keys)?;
        let scope = name.scope();
        let document = Document::parse_within(&plain, &scope).map_err(|_| Rule::Decryption)?;
        check_lone_name_id(&document)?;
        return read_name_id(document.root()).ok_or_else(|| one("an empty one"));
    }
    match name.is(SAML, "NameID") {
        true => read_name_id(name).ok_or_else(|| one("an empty one, or elements inside")),
        false => Err(one("another kind of identifier")),
    }
}

/// A name identifier; none when it is empty or holds elements.
fn read_name_id(name: Element<'_, '_>) -> Option<NameId> {
    // Only what XML calls white space is layout; another space may tell two people apart.
    let value = name.leaf_text()?.trim_matches([' ', '\t', '\n', '\r']);
    let own = |local: &str| {
        name.attribute(local)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    (!value.trim().is_empty()).then(|| NameId {
        value: value.to_owned(),
        format: own("Format"),
        name_qualifier: own("NameQualifier"),
        sp_name_qualifier: own("SPNameQualifier"),
    })
}

/// When the last confirmation of a subject ends, whether it holds now or not.
fn last_end(subject: Element<'_, '_>) -> i64 {
    subject
        .children_named(SAML, "SubjectConfirmation")
        .flat_map(|confirmation| confirmation.children_named(SAML, "SubjectConfirmationData"))
        .filter_map(|data| instant(data, "NotOnOrAfter").ok().flatten())
        .max()
        .unwrap_or(i64::MIN)
}

/// The only child of this name.
fn only<'d, 'a>(
    parent: Element<'d, 'a>,
    local: &'static str,
    rule: Rule,
) -> Result<Element<'d, 'a>, Error> {
    let mut children = parent.children_named(SAML, local);
    match (children.next(), children.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::compared(rule, format!("one {local}"), "none")),
        _ => Err(Error::compared(rule, format!("one {local}"), "several")),
    }
}

/// A time in an attribute, if the attribute is there.
pub(crate) fn instant(element: Element<'_, '_>, name: &str) -> Result<Option<i64>, Error> {
    element
        .attribute(name)
        .map(|text| {
            parse_instant(text)
                .ok_or_else(|| Error::compared(Rule::Instant, format!("a time in {name}"), text))
        })
        .transpose()
}

fn apart(rule: Rule, wanted: &str, verb: &str, at: i64, now: i64) -> Error {
    let (seconds, side) = match at > now {
        true => (at.saturating_sub(now), "in the future"),
        false => (now.saturating_sub(at), "ago"),
    };
    Error::compared(
        rule,
        wanted,
        format!("{verb} {seconds} seconds {side} by our clock"),
    )
}

/// Who refused, in the words of the standard and of the identity provider.
pub(crate) fn check_status(response: Element<'_, '_>) -> Result<(), Error> {
    let code = |parent: Element<'_, '_>| {
        parent
            .child(SAMLP, "StatusCode")
            .and_then(|code| code.attribute("Value"))
            .map(str::to_owned)
    };
    let status = response
        .child(SAMLP, "Status")
        .ok_or_else(|| Error::compared(Rule::Status, STATUS_SUCCESS, "no status"))?;
    at_most_one(status, SAMLP, "StatusCode")?;
    let top = code(status).unwrap_or_default();
    if top == STATUS_SUCCESS {
        return Ok(());
    }
    let mut got = short(&top).to_owned();
    if let Some(second) = status.child(SAMLP, "StatusCode").and_then(code) {
        got = format!("{got}, {}", short(&second));
    }
    if let Some(message) = status
        .child(SAMLP, "StatusMessage")
        .and_then(Element::leaf_text)
    {
        got = format!("{got}: {}", message.trim());
    }
    Err(Error::compared(Rule::Status, "Success", got))
}

fn short(code: &str) -> &str {
    code.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:")
        .unwrap_or(code)
}
