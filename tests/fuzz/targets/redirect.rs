//! A query string is refused or read, its signature is nobody's, and what is read survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_fuzz::TRUST;
use vestibule_saml::{
    fuzzing,
    redirect::{RedirectMessage, encode},
};

fuzz_target!(|bytes: &[u8]| {
    // Half of the inputs are the message itself, so that the deflated form need not be found by chance.
    let query = match bytes.split_first() {
        Some((b'<', _)) => {
            let Ok(xml) = std::str::from_utf8(bytes) else {
                return;
            };
            let kind = vestibule_saml::redirect::RequestOrResponse::Request;
            encode(kind, xml, Some(xml), None).expect("every text can be written")
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let Ok(message) = RedirectMessage::parse(&query) else {
        return;
    };
    assert!(message.verify(fuzzing::certificates(&TRUST), true).is_err());
    let again = encode(message.kind(), message.xml(), message.relay_state(), None)
        .expect("what was read can be written");
    // Percent-encoding may make a message too long to be read; else it is the same.
    if let Ok(again) = RedirectMessage::parse(&again) {
        assert_eq!(again.xml(), message.xml());
        assert_eq!(again.relay_state(), message.relay_state());
        assert_eq!(again.kind(), message.kind());
    }
});
