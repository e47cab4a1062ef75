//! Whatever our parser accepts, roxmltree accepts, and reads the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_fuzz::{stop_at, text};
use vestibule_saml::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Some(text) = text(bytes) {
        stop_at(fuzzing::xml(&text));
    }
});
