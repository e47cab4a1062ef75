//! A SCIM PATCH that succeeds has an effect or a reason, and leaves a resource that a strict directory takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_scim::fuzzing;

fuzz_target!(|json: &[u8]| {
    if let Err(found) = fuzzing::patch(json) {
        panic!("{found}");
    }
});
