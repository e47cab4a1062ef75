//! The keys of everybody who takes part.

use std::sync::OnceLock;

use vestibule_simulate::saml::{SamlKey, Validity};

/// The keys of the identity provider, the service provider and an attacker.
pub(crate) struct Keys {
    pub(crate) rsa: SamlKey,
    pub(crate) rsa_next: SamlKey,
    /// `rsa` in a certificate that expired in 2010.
    pub(crate) rsa_expired: SamlKey,
    pub(crate) p256: SamlKey,
    pub(crate) p384: SamlKey,
    /// Its certificate has the subject of the identity provider's.
    pub(crate) attacker: SamlKey,
    pub(crate) attacker_p256: SamlKey,
    pub(crate) sp: SamlKey,
    pub(crate) sp_old: SamlKey,
    pub(crate) other_sp: SamlKey,
}

/// A certificate with a key that is too short.
pub(crate) const WEAK: &str = include_str!("keys/idp-rsa1024.pem");

macro_rules! key {
    ($file:literal) => {{
        let pem = include_str!(concat!("keys/", $file, ".pem"));
        SamlKey::from_pem(pem, pem)?
    }};
}

impl Keys {
    /// The one set of keys.
    pub(crate) fn get() -> anyhow::Result<&'static Self> {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        if let Some(keys) = KEYS.get() {
            return Ok(keys);
        }
        let rsa = key!("idp-rsa");
        let keys = Self {
            rsa_expired: rsa.reissued(Validity {
                not_before: 1_200_000_000,
                not_after: 1_270_000_000,
            })?,
            rsa,
            rsa_next: key!("idp-rsa-next"),
            p256: key!("idp-p256"),
            p384: key!("idp-p384"),
            attacker: key!("attacker"),
            attacker_p256: key!("attacker-p256"),
            sp: key!("sp"),
            sp_old: key!("sp-old"),
            other_sp: key!("other-sp"),
        };
        Ok(KEYS.get_or_init(|| keys))
    }
}
