//! Whom to trust and what to expect, from a file in JSON.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Deserializer};
use vestibule_core::Timestamp;
use vestibule_saml::{Certificate, DecryptionKey, Error, Expected, Trust};

/// The form of the file, for the help.
pub(super) const FORM: &str = "\
CTX.json: {\"sp_entity_id\", \"acs_url\", \"idp_entity_id\", \"idp_certificates\": [PEM or base64], \
\"sp_private_keys\": [PEM], \"in_response_to\": ID or null, \"allow_unsolicited\": false, \
\"now\": RFC 3339 or null for the clock, \"allow_sha1\": false, \"allow_inclusive_c14n\": false}";

/// The file as it is written. What is left out or null is nothing and allows nothing.
#[derive(Deserialize)]
struct Written {
    sp_entity_id: String,
    acs_url: String,
    idp_entity_id: String,
    #[serde(default, deserialize_with = "or_default")]
    idp_certificates: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    sp_private_keys: Vec<String>,
    in_response_to: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    allow_unsolicited: bool,
    now: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    allow_sha1: bool,
    #[serde(default, deserialize_with = "or_default")]
    allow_inclusive_c14n: bool,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whom to trust and what to expect.
pub(super) struct Context {
    /// An error when no certificate can be used: then nothing is accepted.
    pub(super) trust: Result<Trust, Error>,
    pub(super) expected: Expected,
    pub(super) now: Timestamp,
}

impl Context {
    /// Reads the file; certificates and keys that cannot be used are told on stderr and count as absent.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = super::read_needed(path)?;
        let written: Written = serde_json::from_str(&text)
            .with_context(|| format!("the context {} cannot be used", path.display()))?;
        Ok(written.understood())
    }
}

impl Written {
    fn understood(self) -> Context {
        let certificates = usable(
            "certificate",
            self.idp_certificates
                .iter()
                .map(|text| Certificate::list_from_pem(text)),
        );
        let keys = usable(
            "private key",
            self.sp_private_keys
                .iter()
                .map(|text| DecryptionKey::from_pem(text).map(|key| vec![key])),
        );
        let trust = Trust::new(
            self.sp_entity_id,
            self.acs_url,
            self.idp_entity_id,
            certificates,
        )
        .map(|trust| {
            let mut trust = trust.decryption_keys(keys);
            if self.allow_sha1 {
                trust = trust.dangerously_allow_sha1();
            }
            if self.allow_inclusive_c14n {
                trust = trust.allow_inclusive_c14n();
            }
            trust
        });
        let expected = match (self.in_response_to, self.allow_unsolicited) {
            (Some(id), false) => Expected::answer_to(id),
            (Some(id), true) => Expected::answer_to(id).or_unsolicited(),
            (None, true) => Expected::unsolicited(),
            (None, false) => Expected::default(),
        };
        Context {
            trust,
            expected,
            now: self.now.unwrap_or_else(|| vestibule::system_clock().now()),
        }
    }
}

/// What can be used of a list; a file that is judged in many places should not fail for one old entry.
fn usable<T, E: std::fmt::Display>(
    what: &str,
    items: impl Iterator<Item = Result<Vec<T>, E>>,
) -> Vec<T> {
    let mut usable = Vec::new();
    for (index, item) in items.enumerate() {
        match item {
            Ok(found) => usable.extend(found),
            Err(error) => eprintln!(
                "warning: {what} {} of the context counts as absent: {error}",
                index + 1
            ),
        }
    }
    usable
}
