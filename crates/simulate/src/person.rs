//! Somebody who works at the simulated company.

use serde::{Deserialize, Serialize};

use crate::chance;

/// Somebody who works at the simulated company, as its directory and its identity provider know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The identity provider's lasting subject; per provider, never reused.
    pub sub: String,
    /// The directory's lasting object id: SCIM `externalId`, and the claim `oid` at login.
    pub oid: String,
    /// What the person types into the login form, and SCIM `userName`.
    pub user_name: String,
    /// The work address.
    pub email: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// What the person types into the login form; SCIM never sends it.
    pub password: String,
}

impl Person {
    /// A person with the address `given.family@domain` and random ids and password.
    pub fn new(given_name: &str, family_name: &str, domain: &str) -> anyhow::Result<Self> {
        let email = format!("{}.{}@{domain}", mailbox(given_name), mailbox(family_name));
        Ok(Self {
            sub: chance::token()?.chars().take(22).collect(),
            oid: chance::guid()?,
            user_name: email.clone(),
            email,
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            password: chance::password()?,
        })
    }

    /// The name as people say it.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }
}

/// The part of a mail address that a name becomes; other letters than ASCII are dropped.
fn mailbox(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    if kept.is_empty() {
        "person".to_owned()
    } else {
        kept
    }
}
