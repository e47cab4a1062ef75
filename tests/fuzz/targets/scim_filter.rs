//! What is read as a SCIM filter is printed and read as the same, within the budget, whatever the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_scim::fuzzing;

fuzz_target!(|text: &str| {
    if let Err(found) = fuzzing::filter(text) {
        panic!("{found}");
    }
});
