//! What the targets share: how bytes become a message, and a trust that nothing is accepted by.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_saml::{Expected, Trust, fuzzing};

/// The moment at which everything is judged, in Unix seconds.
pub const NOW: i64 = 1_800_000_000;

/// A trust in certificates whose private keys were thrown away, with a decryption key that is known.
pub static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    fuzzing::trust(
        include_str!("../trust/nobody.crt"),
        include_str!("../trust/sp.pem"),
    )
    .expect("the files of `trust` can be read")
});

/// What a message may answer.
pub static EXPECTED: LazyLock<Expected> =
    LazyLock::new(|| Expected::answer_to("_request-1").or_unsolicited());

/// The text of an input: what is base64 is decoded, so that recorded messages are seeds as they lie.
pub fn text(bytes: &[u8]) -> Option<String> {
    let packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    match STANDARD.decode(&packed) {
        Ok(decoded) if decoded.starts_with(b"<") => String::from_utf8(decoded).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// Stops at a finding.
#[track_caller]
pub fn stop_at(finding: fuzzing::Finding) {
    if let Err(found) = finding {
        panic!("{found}");
    }
}
