use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, hkdf,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_core::Generator;

use crate::Fault;

const NONCE_LENGTH: usize = 12;
/// What a sealed value begins with: the layout's number and the first bytes of the key's digest.
const LAYOUT: u8 = 1;
const KEY_ID_LENGTH: usize = 8;

/// The master key: every secret at rest is sealed under it, and the keys of our tokens are derived from it.
pub struct MasterKey([u8; 32]);

/// The text is not 32 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the master key has to be 32 random bytes in base64 (for example from `openssl rand -base64 32`)"
)]
pub struct InvalidMasterKey;

impl MasterKey {
    /// Reads the base64 form.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidMasterKey)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidMasterKey)?))
    }

    /// Draws a new key.
    pub fn generate(generator: &Generator) -> Self {
        Self(generator.bytes())
    }

    /// The base64 form, for the key file.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    fn derive(&self, purpose: &[u8]) -> Result<[u8; 32], Fault> {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"vestibule")
            .extract(&self.0)
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut key))
            .map_err(|_| Fault::internal("a key could not be derived"))?;
        Ok(key)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Seals what has to be kept and read again, bound to its place, so that no sealed value can be moved to another row.
pub(crate) struct Vault {
    key: LessSafeKey,
    key_id: [u8; KEY_ID_LENGTH],
    generator: Generator,
    master: MasterKey,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    pub(crate) fn new(master: MasterKey, generator: Generator) -> Result<Self, Fault> {
        let key = master.derive(b"seal")?;
        let mut key_id = [0; KEY_ID_LENGTH];
        let id = digest::digest(&digest::SHA256, &master.derive(b"key id")?);
        key_id
            .iter_mut()
            .zip(id.as_ref())
            .for_each(|(to, from)| *to = *from);
        let key = UnboundKey::new(&AES_256_GCM, &key)
            .map_err(|_| Fault::internal("the sealing key is unusable"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
            key_id,
            generator,
            master,
        })
    }

    /// A key for a purpose of its own, such as the MAC of access tokens.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Result<[u8; 32], Fault> {
        self.master.derive(purpose)
    }

    /// Seals a value for one row: `place` is `table.column`, `row` its key.
    pub(crate) fn seal(&self, place: &str, row: &str, clear: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LENGTH] = self.generator.bytes();
        let mut sealed = clear.to_vec();
        let aad = Self::aad(place, row, &self.key_id);
        // Sealing fails only for values of many gigabytes; such a value would open as nothing.
        if self
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .is_err()
        {
            sealed.clear();
        }
        [&[LAYOUT], self.key_id.as_slice(), &nonce, &sealed].concat()
    }

    /// Opens what [`seal`](Self::seal) made for the same place and row under the same master key.
    pub(crate) fn unseal(&self, place: &str, row: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed
            .strip_prefix(&[LAYOUT])?
            .strip_prefix(self.key_id.as_slice())?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut clear = sealed.to_vec();
        let length = self
            .key
            .open_in_place(nonce, Self::aad(place, row, &self.key_id), &mut clear)
            .ok()?
            .len();
        clear.truncate(length);
        Some(clear)
    }

    fn aad(place: &str, row: &str, key_id: &[u8]) -> Aad<Vec<u8>> {
        Aad::from([place.as_bytes(), b"\0", row.as_bytes(), b"\0", key_id].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(seed: u64) -> Vault {
        let generator = Generator::seeded_for_tests(seed);
        Vault::new(MasterKey::generate(&generator), generator).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_at_its_own_place_under_its_own_key() {
        let vault_one = vault(1);
        let sealed = vault_one.seal("webhooks.secret", "whk_1", b"hello");
        assert_eq!(
            vault_one
                .unseal("webhooks.secret", "whk_1", &sealed)
                .as_deref(),
            Some(b"hello".as_slice())
        );
        assert_eq!(vault_one.unseal("webhooks.secret", "whk_2", &sealed), None);
        assert_eq!(
            vault_one.unseal("connections.secret", "whk_1", &sealed),
            None
        );
        assert_eq!(vault(2).unseal("webhooks.secret", "whk_1", &sealed), None);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let vault = vault(3);
        let sealed = vault.seal("a.b", "c", b"secret");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(vault.unseal("a.b", "c", &changed), None, "byte {place}");
        }
    }

    #[test]
    fn a_master_key_is_32_bytes_of_base64() {
        let key = MasterKey::generate(&Generator::seeded_for_tests(1));
        assert_eq!(
            MasterKey::parse(&format!(" {}\n", key.to_base64()))
                .unwrap()
                .0,
            key.0
        );
        for text in ["", "AAAA", "not base64!"] {
            assert_eq!(MasterKey::parse(text).map(|_| ()), Err(InvalidMasterKey));
        }
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
