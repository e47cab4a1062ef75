//! No response is accepted without a signature of a trusted key, and none makes the verifier panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_fuzz::{EXPECTED, NOW, TRUST, stop_at, text};
use vestibule_saml::{Response, fuzzing};

fuzz_target!(|bytes: &[u8]| {
    // The form parameter as it came, which is seldom base64 …
    let parameter = String::from_utf8_lossy(bytes);
    if let Ok(response) = Response::decode(&parameter) {
        assert!(TRUST.verify(&response, &EXPECTED, NOW).is_err());
    }
    // … and the message behind it.
    if let Some(text) = text(bytes) {
        stop_at(fuzzing::response(&text, &TRUST, &EXPECTED, NOW));
    }
});
