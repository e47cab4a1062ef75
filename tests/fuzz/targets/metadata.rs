//! Metadata is refused or read; what is read has what a connection needs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_fuzz::{NOW, text};
use vestibule_saml::{IdpMetadata, check_endpoint};

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = text(bytes) else { return };
    let _ = IdpMetadata::parse(&text, Some("https://idp.example.org/"), NOW);
    let Ok(read) = IdpMetadata::parse(&text, None, NOW) else {
        return;
    };
    assert!(!read.entity_id.is_empty() && !read.certificates.is_empty());
    let sign_on = [&read.sso_redirect, &read.sso_post];
    assert!(sign_on.iter().any(|address| address.is_some()));
    for address in sign_on.into_iter().flatten() {
        assert!(check_endpoint(address).is_ok());
    }
    assert!(read.valid_until.is_none_or(|end| end > NOW));
});
