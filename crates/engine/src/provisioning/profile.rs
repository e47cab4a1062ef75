//! What each directory speaks: its schemas, how much it forgives, whether it takes passwords.

use std::sync::Arc;

use vestibule_scim::{Dialect, Profile};

/// The profiles that there are, made once: they are the same for every directory with the same two choices.
pub(super) struct Profiles {
    lenient: Arc<Profile>,
    lenient_with_passwords: Arc<Profile>,
    strict: Arc<Profile>,
    strict_with_passwords: Arc<Profile>,
}

impl Profiles {
    pub(super) fn new() -> Self {
        let make = |dialect, accept_password| {
            let mut profile = Profile::new();
            profile.dialect = dialect;
            profile.accept_password = accept_password;
            Arc::new(profile)
        };
        Self {
            lenient: make(Dialect::Lenient, false),
            lenient_with_passwords: make(Dialect::Lenient, true),
            strict: make(Dialect::Strict, false),
            strict_with_passwords: make(Dialect::Strict, true),
        }
    }

    pub(super) fn of(&self, directory: &vestibule_store::Directory) -> &Arc<Profile> {
        match (
            directory.dialect.as_str() == "strict",
            directory.accept_password,
        ) {
            (false, false) => &self.lenient,
            (false, true) => &self.lenient_with_passwords,
            (true, false) => &self.strict,
            (true, true) => &self.strict_with_passwords,
        }
    }
}
