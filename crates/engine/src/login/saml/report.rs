//! What came and how it was judged, for the record of the login.

use serde_json::{Value, json};
use vestibule_core::Timestamp;
use vestibule_saml::{Report, Verified, Warning};

/// What came and how it was judged, for the record of the login; redacted by the crate that read it.
pub(super) fn report_value(
    report: &Report,
    verdict: &Result<Verified, vestibule_saml::Error>,
) -> Value {
    let facts: Vec<Value> = report
        .facts
        .iter()
        .map(|fact| json!({ "place": fact.place, "value": fact.value }))
        .collect();
    let held: Vec<Value> = report
        .held
        .iter()
        .map(|(rule, found)| json!({ "rule": rule.as_str(), "found": found }))
        .collect();
    let mut value = json!({ "facts": facts, "held": held });
    let broken = report.refusal.as_ref().map(|error| {
        json!({
            "rule": error.rule().as_str(), "wanted": error.wanted(), "got": error.got(), "remedy": error.remedy(),
        })
    });
    let warnings: Vec<String> = verdict
        .as_ref()
        .map(|verified| {
            let text = |warning: &Warning| match warning {
                Warning::ExpiredCertificate { not_after } => format!(
                    "the certificate that signed expired at {}; its key is still trusted",
                    Timestamp::from_unix_seconds(*not_after)
                ),
                _ => "a signature uses SHA-1, which the connection allows".to_owned(),
            };
            verified.warnings.iter().map(text).collect()
        })
        .unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("broken".to_owned(), json!(broken));
        object.insert("warnings".to_owned(), json!(warnings));
    }
    value
}
