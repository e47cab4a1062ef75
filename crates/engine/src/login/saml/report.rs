//! What came and how it was judged, for the record of the login.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use vestibule_core::Timestamp;
use vestibule_saml::{Report, Verified, Warning};

use crate::Fault;

#[derive(Serialize)]
struct Document<'r> {
    facts: Vec<Fact<'r>>,
    held: Vec<Held<'r>>,
    broken: Option<Broken<'r>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Fact<'r> {
    place: &'r str,
    value: &'r str,
}

#[derive(Serialize)]
struct Held<'r> {
    rule: &'static str,
    found: &'r str,
}

#[derive(Serialize)]
struct Broken<'r> {
    rule: &'static str,
    wanted: &'r str,
    got: &'r str,
    remedy: &'r str,
}

/// What came and how it was judged, redacted by the crate that read it; written out once, however often it is kept.
pub(super) fn document(
    report: &Report,
    verdict: &Result<Verified, vestibule_saml::Error>,
) -> Result<Box<RawValue>, Fault> {
    let document = Document {
        facts: report
            .facts
            .iter()
            .map(|fact| Fact {
                place: fact.place,
                value: &fact.value,
            })
            .collect(),
        held: report
            .held
            .iter()
            .map(|(rule, found)| Held {
                rule: rule.as_str(),
                found,
            })
            .collect(),
        broken: report.refusal.as_ref().map(|error| Broken {
            rule: error.rule().as_str(),
            wanted: error.wanted(),
            got: error.got(),
            remedy: error.remedy(),
        }),
        warnings: verdict
            .as_ref()
            .map(|verified| verified.warnings.iter().map(warning).collect())
            .unwrap_or_default(),
    };
    to_raw_value(&document).map_err(|_| Fault::internal("a report cannot be written"))
}

fn warning(warning: &Warning) -> String {
    match warning {
        Warning::ExpiredCertificate { not_after } => format!(
            "the certificate that signed expired at {}; its key is still trusted",
            Timestamp::from_unix_seconds(*not_after)
        ),
        _ => "a signature uses SHA-1, which the connection allows".to_owned(),
    }
}
