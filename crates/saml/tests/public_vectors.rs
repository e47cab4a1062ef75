//! Responses that other projects publish, each judged as its manifest says.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs, path::Path};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vestibule_saml::{Certificate, DecryptionKey, Error, Expected, Response, Trust, Verified};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/saml/public");

fn text<'v>(context: &'v Value, name: &str) -> &'v str {
    context[name].as_str().unwrap_or_default()
}

fn list<'v>(context: &'v Value, name: &str) -> Vec<&'v str> {
    let values = context[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    values.iter().map(|value| value.as_str().unwrap()).collect()
}

/// The verdict, in the context that `vestibule saml verify --context` takes.
///
/// Certificates and keys that are too weak to be used are left out: some samples are that old.
fn judge(context: &Value, message: &str) -> Result<Verified, Error> {
    let certificates = list(context, "idp_certificates")
        .into_iter()
        .filter_map(|pem| Certificate::from_pem(pem).ok())
        .collect();
    let keys = list(context, "sp_private_keys")
        .into_iter()
        .filter_map(|pem| DecryptionKey::from_pem(pem).ok())
        .collect();
    let mut trust = Trust::new(
        text(context, "sp_entity_id"),
        text(context, "acs_url"),
        text(context, "idp_entity_id"),
        certificates,
    )?
    .decryption_keys(keys);
    if context["allow_sha1"] == true {
        trust = trust.dangerously_allow_sha1();
    }
    if context["allow_inclusive_c14n"] == true {
        trust = trust.allow_inclusive_c14n();
    }
    let unsolicited = context["allow_unsolicited"] == true;
    let expected = match (context["in_response_to"].as_str(), unsolicited) {
        (Some(id), false) => Expected::answer_to(id),
        (Some(id), true) => Expected::answer_to(id).or_unsolicited(),
        (None, true) => Expected::unsolicited(),
        (None, false) => Expected::default(),
    };
    let now = OffsetDateTime::parse(text(context, "now"), &Rfc3339).unwrap();
    let response = Response::decode(message)?;
    trust.verify(&response, &expected, now.unix_timestamp())
}

/// What is wrong with the verdict on a vector.
fn complaint(folder: &Path, vector: &Value) -> Option<String> {
    let file = text(vector, "file");
    let message = fs::read_to_string(folder.join(file)).unwrap();
    let verdict = judge(&vector["context"], &message);
    let why = text(vector, "why");
    let name = format!("{}/{file} ({why})", folder.file_name().unwrap().display());
    match (text(vector, "expect"), verdict) {
        ("accept", Ok(verified)) => verified
            .name_id
            .value
            .is_empty()
            .then(|| format!("{name}: accepted without a name")),
        ("accept", Err(error)) => Some(format!(
            "{name}: refused by {}, wanted {:?}, got {:?}",
            error.rule().as_str(),
            error.wanted(),
            error.got()
        )),
        ("reject", Ok(_)) => Some(format!("{name}: accepted")),
        ("reject", Err(error)) => {
            println!("{name}: {}", error.rule().as_str());
            None
        }
        (other, _) => Some(format!("{name}: expects {other:?}")),
    }
}

#[test]
fn public_vectors_are_judged_as_their_manifests_say() {
    let mut complaints = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(FOLDER).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("manifest.json")) else {
            continue;
        };
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let vectors = manifest["vectors"].as_array().unwrap();
        count += vectors.len();
        complaints.extend(
            vectors
                .iter()
                .filter_map(|vector| complaint(&folder, vector)),
        );
    }
    assert!(count >= 90, "{count} vectors only");
    assert!(
        complaints.is_empty(),
        "{} of {count} vectors:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
