//! A response explained: what came, redacted, and the verdict rule by rule.

use crate::{
    Error, Expected, Response, Rule, Trust, Verified,
    names::{DS, SAML, SAMLP, XENC},
    response::Trail,
    xml::{Document, Element},
};

/// What a response said, and how it was judged.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// What the response says, as it came: not believed, and redacted. Escape the values, they are a peer's.
    ///
    /// Names and times are shown; of a person only the form of the identifier and the names of attributes.
    pub facts: Vec<Fact>,
    /// The rules that held, in the order in which they were judged, and what they found.
    pub held: Vec<(Rule, String)>,
    /// The rule that did not hold; none when the response was accepted.
    pub refusal: Option<Error>,
}

/// Something that a response says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// Where it stands, such as `Assertion/Conditions/Audience`.
    pub place: &'static str,
    /// What stands there.
    pub value: String,
}

impl Trust {
    /// Verifies like [`Trust::verify`], and keeps what each rule found.
    pub fn explain(
        &self,
        response: &Response,
        expected: &Expected,
        now: i64,
    ) -> (Result<Verified, Error>, Report) {
        let mut trail = Trail::kept();
        let verdict = self.judge(response.xml(), expected, now, &mut trail);
        let mut report = trail.into_report();
        report.refusal = verdict.as_ref().err().cloned();
        (verdict, report)
    }
}

impl Response {
    /// What it says of itself, redacted; nothing of it is believed.
    pub fn facts(&self) -> Vec<Fact> {
        Document::parse(self.xml()).map_or_else(|_| Vec::new(), |document| facts_of(&document))
    }
}

pub(crate) fn facts_of(document: &Document<'_>) -> Vec<Fact> {
    let root = document.root();
    let mut facts = Facts(Vec::new());
    facts.add("root", Some(root.local()));
    for (place, name) in [
        ("Response/@Destination", "Destination"),
        ("Response/@InResponseTo", "InResponseTo"),
        ("Response/@IssueInstant", "IssueInstant"),
    ] {
        facts.add(place, root.attribute(name));
    }
    facts.text("Response/Issuer", root.child(SAML, "Issuer"));
    if let Some(status) = root.child(SAMLP, "Status") {
        for code in status.descendants() {
            if code.is(SAMLP, "StatusCode") {
                facts.add("Response/Status/StatusCode", code.attribute("Value"));
            }
        }
        facts.text(
            "Response/Status/StatusMessage",
            status.child(SAMLP, "StatusMessage"),
        );
    }
    facts.signature("Response/Signature", root);
    for assertion in root.children_named(SAML, "Assertion").take(2) {
        facts.assertion(assertion);
    }
    for holder in root.children_named(SAML, "EncryptedAssertion").take(2) {
        for method in holder
            .descendants()
            .filter(|element| element.is(XENC, "EncryptionMethod"))
            .take(4)
        {
            facts.add(
                "EncryptedAssertion/EncryptionMethod",
                method.attribute("Algorithm"),
            );
        }
    }
    facts.0
}

struct Facts(Vec<Fact>);

impl Facts {
    /// A fact is short and there are not many: a record of a login is no place for a megabyte.
    fn add(&mut self, place: &'static str, value: Option<&str>) {
        const MOST: usize = 64;
        const LONGEST: usize = 200;
        if let Some(value) = value.filter(|_| self.0.len() < MOST) {
            let mut value = value.trim().to_owned();
            if let Some((at, _)) = value.char_indices().nth(LONGEST) {
                value.truncate(at);
                value.push('…');
            }
            self.0.push(Fact { place, value });
        }
    }

    fn text(&mut self, place: &'static str, element: Option<Element<'_, '_>>) {
        self.add(place, element.and_then(Element::leaf_text));
    }

    fn signature(&mut self, place: &'static str, signed: Element<'_, '_>) {
        let algorithm = signed
            .child(DS, "Signature")
            .and_then(|signature| signature.child(DS, "SignedInfo"))
            .and_then(|info| info.child(DS, "SignatureMethod"))
            .and_then(|method| method.attribute("Algorithm"));
        self.add(place, Some(algorithm.unwrap_or("none")));
    }

    fn assertion(&mut self, assertion: Element<'_, '_>) {
        self.text("Assertion/Issuer", assertion.child(SAML, "Issuer"));
        self.signature("Assertion/Signature", assertion);
        if let Some(subject) = assertion.child(SAML, "Subject") {
            for name in subject.children_named(SAML, "NameID").take(2) {
                self.add(
                    "Assertion/Subject/NameID/@Format",
                    Some(name.attribute("Format").unwrap_or("unspecified")),
                );
                self.add(
                    "Assertion/Subject/NameID",
                    Some(&shape(name.leaf_text().unwrap_or_default())),
                );
            }
            for data in subject
                .descendants()
                .filter(|element| element.is(SAML, "SubjectConfirmationData"))
                .take(3)
            {
                for (place, name) in [
                    ("Assertion/SubjectConfirmationData/@Recipient", "Recipient"),
                    (
                        "Assertion/SubjectConfirmationData/@InResponseTo",
                        "InResponseTo",
                    ),
                    (
                        "Assertion/SubjectConfirmationData/@NotOnOrAfter",
                        "NotOnOrAfter",
                    ),
                ] {
                    self.add(place, data.attribute(name));
                }
            }
        }
        if let Some(conditions) = assertion.child(SAML, "Conditions") {
            self.add(
                "Assertion/Conditions/@NotBefore",
                conditions.attribute("NotBefore"),
            );
            self.add(
                "Assertion/Conditions/@NotOnOrAfter",
                conditions.attribute("NotOnOrAfter"),
            );
            for audience in conditions
                .descendants()
                .filter(|element| element.is(SAML, "Audience"))
                .take(8)
            {
                self.text("Assertion/Conditions/Audience", Some(audience));
            }
        }
        for statement in assertion.children_named(SAML, "AuthnStatement").take(2) {
            self.add(
                "Assertion/AuthnStatement/@AuthnInstant",
                statement.attribute("AuthnInstant"),
            );
            self.add(
                "Assertion/AuthnStatement/@SessionNotOnOrAfter",
                statement.attribute("SessionNotOnOrAfter"),
            );
            let class = statement
                .descendants()
                .find(|element| element.is(SAML, "AuthnContextClassRef"));
            self.text("Assertion/AuthnStatement/AuthnContextClassRef", class);
        }
        for attribute in assertion
            .descendants()
            .filter(|element| element.is(SAML, "Attribute"))
            .take(40)
        {
            let values = attribute.children_named(SAML, "AttributeValue").count();
            let name = attribute.attribute("Name").unwrap_or_default();
            self.add(
                "Assertion/Attribute",
                Some(&match values {
                    1 => format!("{name} (1 value)"),
                    many => format!("{name} ({many} values)"),
                }),
            );
        }
    }
}

/// The form of an identifier without the identifier: enough to see whether it is an address or an opaque value.
fn shape(value: &str) -> String {
    let value = value.trim();
    let length = value.chars().count();
    match value.rsplit_once('@') {
        Some((_, domain)) => format!("an address at {domain}"),
        None if value.is_empty() => "empty".to_owned(),
        None => format!("{length} characters"),
    }
}
