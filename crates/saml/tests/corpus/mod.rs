//! Genuine and hostile responses: what must be accepted with which identity, and what must be refused for which reason.
//!
//! Every hostile response is made from a genuine one, as somebody would who holds a valid response of their own, or
//! one that was overheard. Keys, times and IDs are fixed; only ECDSA and encryption take random numbers.

mod audience;
mod carriers;
mod ciphers;
mod encrypted;
pub(crate) mod forge;
mod genuine;
mod identifiers;
pub(crate) mod keys;
mod limits;
mod people;
mod profile;
mod references;
mod signatures;
mod syntax;
mod text;
mod wrapping;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_saml::{
    Certificate, DecryptionKey, Error, Expected, Response, Rule, Trust, Verified,
};

use forge::person;
pub(crate) use keys::Keys;

/// When every message is judged: 2027-01-15, in Unix seconds.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const SP: &str = "https://sp.example/saml/metadata";
pub(crate) const ACS: &str = "https://sp.example/saml/acs";
pub(crate) const IDP: &str = "https://idp.example/metadata";
pub(crate) const REQUEST: &str = "_request-1";

/// One message and what has to come of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) context: Context,
    pub(crate) expect: Expect,
    /// The form parameter.
    pub(crate) message: String,
}

/// What has to come of a message.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    Accept(Box<Identity>),
    /// One of these rules refuses; several only where the order of two checks is nobody's business.
    Reject(Vec<Rule>),
}

/// What a response must say of the person, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name_id: String,
    pub(crate) format: Option<String>,
    pub(crate) qualifiers: (Option<String>, Option<String>),
    pub(crate) attributes: Vec<(String, Vec<String>)>,
}

impl Identity {
    pub(crate) fn of(verified: &Verified) -> Self {
        let name_id = verified.name_id.clone();
        Self {
            name_id: name_id.value,
            format: name_id.format,
            qualifiers: (name_id.name_qualifier, name_id.sp_name_qualifier),
            attributes: verified
                .attributes
                .iter()
                .map(|attribute| (attribute.name.clone(), attribute.values.clone()))
                .collect(),
        }
    }
}

/// What a connection is set to, and which login waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of the same name"
)]
pub(crate) struct Context {
    pub(crate) sp: String,
    pub(crate) acs: String,
    pub(crate) idp: String,
    /// In PEM.
    pub(crate) certificates: Vec<String>,
    /// In PEM.
    pub(crate) decryption_keys: Vec<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) allow_unsolicited: bool,
    pub(crate) allow_sha1: bool,
    pub(crate) allow_inclusive_c14n: bool,
    pub(crate) require_encryption: bool,
    pub(crate) now: i64,
}

impl Context {
    /// The usual connection: one RSA certificate, one key for decryption, an answer to one request.
    pub(crate) fn usual(keys: &Keys) -> Self {
        Self {
            sp: SP.to_owned(),
            acs: ACS.to_owned(),
            idp: IDP.to_owned(),
            certificates: vec![keys.rsa.certificate_pem()],
            decryption_keys: vec![keys.sp.private_key_pem()],
            in_response_to: Some(REQUEST.to_owned()),
            allow_unsolicited: false,
            allow_sha1: false,
            allow_inclusive_c14n: false,
            require_encryption: false,
            now: NOW,
        }
    }

    /// The same with a change.
    pub(crate) fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut context = self.clone();
        change(&mut context);
        context
    }

    fn trust(&self) -> anyhow::Result<Result<Trust, Error>> {
        let mut certificates = Vec::new();
        for pem in &self.certificates {
            certificates.push(Certificate::from_pem(pem)?);
        }
        let mut keys = Vec::new();
        for pem in &self.decryption_keys {
            keys.push(DecryptionKey::from_pem(pem)?);
        }
        let trust = Trust::new(&*self.sp, &*self.acs, &*self.idp, certificates).map(|trust| {
            let mut trust = trust.decryption_keys(keys);
            if self.allow_sha1 {
                trust = trust.dangerously_allow_sha1();
            }
            if self.allow_inclusive_c14n {
                trust = trust.allow_inclusive_c14n();
            }
            if self.require_encryption {
                trust = trust.require_encryption();
            }
            trust
        });
        Ok(trust)
    }

    fn expected(&self) -> Expected {
        match (&self.in_response_to, self.allow_unsolicited) {
            (Some(id), false) => Expected::answer_to(id),
            (Some(id), true) => Expected::answer_to(id).or_unsolicited(),
            (None, true) => Expected::unsolicited(),
            (None, false) => Expected::default(),
        }
    }

    /// The verifier's word on a message; an error of ours if the context itself cannot be read.
    pub(crate) fn judge(&self, message: &str) -> anyhow::Result<Result<Verified, Error>> {
        let trust = match self.trust()? {
            Ok(trust) => trust,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Response::decode(message)
            .and_then(|response| trust.verify(&response, &self.expected(), self.now)))
    }
}

/// Cases of one kind while they are collected.
pub(crate) struct Group {
    name: &'static str,
    pub(crate) usual: Context,
    pub(crate) keys: &'static Keys,
    pub(crate) cases: Vec<Case>,
}

impl Group {
    fn new(name: &'static str) -> anyhow::Result<Self> {
        let keys = Keys::get()?;
        Ok(Self {
            name,
            usual: Context::usual(keys),
            keys,
            cases: Vec::new(),
        })
    }

    fn add(&mut self, name: &str, context: Context, expect: Expect, message: String) {
        self.cases.push(Case {
            group: self.name,
            name: name.to_owned(),
            context,
            expect,
            message,
        });
    }

    /// Must be accepted, as this person.
    pub(crate) fn accept_as(
        &mut self,
        name: &str,
        context: Context,
        identity: Identity,
        xml: &str,
    ) {
        let expect = Expect::Accept(Box::new(identity));
        self.add(name, context, expect, STANDARD.encode(xml));
    }

    /// Must be accepted as the usual person.
    pub(crate) fn accept_in(&mut self, name: &str, context: Context, xml: &str) {
        self.accept_as(name, context, person(), xml);
    }

    /// Must be accepted as the usual person by the usual connection.
    pub(crate) fn accept(&mut self, name: &str, xml: &str) {
        self.accept_in(name, self.usual.clone(), xml);
    }

    /// Must be refused by one of these rules.
    pub(crate) fn refuse_in(&mut self, name: &str, context: Context, rules: &[Rule], xml: &str) {
        self.refuse_parameter(name, context, rules, STANDARD.encode(xml));
    }

    /// Must be refused by the usual connection.
    pub(crate) fn refuse(&mut self, name: &str, rules: &[Rule], xml: &str) {
        self.refuse_in(name, self.usual.clone(), rules, xml);
    }

    /// A form parameter that must be refused, base64 or not.
    pub(crate) fn refuse_parameter(
        &mut self,
        name: &str,
        context: Context,
        rules: &[Rule],
        parameter: String,
    ) {
        self.add(name, context, Expect::Reject(rules.to_vec()), parameter);
    }

    /// A form parameter that must be accepted as the usual person.
    pub(crate) fn accept_parameter(&mut self, name: &str, parameter: String) {
        let expect = Expect::Accept(Box::new(person()));
        self.add(name, self.usual.clone(), expect, parameter);
    }
}

/// The form parameter of a document.
pub(crate) fn encode(xml: &str) -> String {
    STANDARD.encode(xml)
}

type Fill = fn(&mut Group) -> anyhow::Result<()>;

/// The groups, and who fills them.
pub(crate) const GROUPS: &[(&str, Fill)] = &[
    ("genuine", genuine::fill),
    ("people", people::fill),
    ("encrypted", encrypted::fill),
    ("wrapping", wrapping::fill),
    ("identifiers", identifiers::fill),
    ("syntax", syntax::fill),
    ("text", text::fill),
    ("signatures", signatures::fill),
    ("references", references::fill),
    ("carriers", carriers::fill),
    ("limits", limits::fill),
    ("encryption", ciphers::fill),
    ("audience", audience::fill),
    ("profile", profile::fill),
];

/// The cases of one group.
pub(crate) fn cases(group: &str) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, fill) in GROUPS {
        if *name == group {
            let mut group = Group::new(name)?;
            fill(&mut group)?;
            cases.append(&mut group.cases);
        }
    }
    Ok(cases)
}
