//! What is read as the path of a SCIM operation is printed and read as the same, whatever the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_scim::fuzzing;

fuzz_target!(|text: &str| {
    if let Err(found) = fuzzing::path(text) {
        panic!("{found}");
    }
});
