//! No logout message is believed without a signature of a trusted key, in either binding.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use vestibule_fuzz::{NOW, TRUST, text};
use vestibule_saml::LogoutTrust;

static LOGOUT: LazyLock<LogoutTrust> =
    LazyLock::new(|| LogoutTrust::of(&TRUST, "https://sp.example/slo"));

fuzz_target!(|bytes: &[u8]| {
    let query = String::from_utf8_lossy(bytes);
    assert!(LOGOUT.request_by_redirect(&query, NOW).is_err());
    assert!(
        LOGOUT
            .response_by_redirect(&query, "_request-1", NOW)
            .is_err()
    );
    let _ = LogoutTrust::answered_by_redirect(&query);
    let Some(text) = text(bytes) else { return };
    let parameter = STANDARD.encode(text);
    assert!(LOGOUT.request_by_post(&parameter, NOW).is_err());
    assert!(
        LOGOUT
            .response_by_post(&parameter, "_request-1", NOW)
            .is_err()
    );
    let _ = LogoutTrust::answered_by_post(&parameter);
});
