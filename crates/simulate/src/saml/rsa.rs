//! The RSA operations that the cryptographic library does not offer: signatures with SHA-1, and
//! OAEP whose mask is made with another hash than its label.

use anyhow::{Context as _, ensure};
use crypto_bigint::{BoxedUint, Odd};

use super::DigestAlgorithm;
use super::der;
use crate::chance;

/// `DigestInfo` of SHA-1 before the digest (RFC 8017 §9.2, note 1).
const SHA1_INFO: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14,
];

/// RSASSA-PKCS1-v1_5 with SHA-1 (RFC 8017 §8.2.1).
pub(super) fn sign_sha1(pkcs8: &[u8], message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (modulus, exponent) = der::rsa_private(pkcs8)?;
    let digest = DigestAlgorithm::Sha1.digest(message);
    let padding = modulus
        .len()
        .checked_sub(3 + SHA1_INFO.len() + digest.len())
        .context("the RSA key is too short")?;
    let mut block = vec![0, 1];
    block.resize(2 + padding, 0xFF);
    block.push(0);
    block.extend(SHA1_INFO);
    block.extend(digest);
    power(&block, exponent, modulus)
}

/// RSAES-OAEP with an empty label (RFC 8017 §7.1.1).
pub(super) fn encrypt_oaep(
    (modulus, exponent): (&[u8], &[u8]),
    label_hash: DigestAlgorithm,
    mask_hash: DigestAlgorithm,
    message: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let label = label_hash.digest(&[]);
    let size = modulus.len();
    ensure!(
        message.len() + 2 * label.len() + 2 <= size,
        "the message is too long for the RSA key"
    );
    let mut data = label.clone();
    data.resize(size - label.len() - 2 - message.len(), 0);
    data.push(1);
    data.extend(message);
    let seed: Vec<u8> = chance::bytes::<64>()?
        .into_iter()
        .take(label.len())
        .collect();
    let data = xor(&data, &mask(mask_hash, &seed, data.len()));
    let seed = xor(&seed, &mask(mask_hash, &data, seed.len()));
    let mut block = vec![0];
    block.extend(seed);
    block.extend(data);
    power(&block, exponent, modulus)
}

/// MGF1 (RFC 8017 §B.2.1).
fn mask(hash: DigestAlgorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::new();
    let mut counter = 0_u32;
    while mask.len() < length {
        mask.extend(hash.digest(&[seed, &counter.to_be_bytes()].concat()));
        counter += 1;
    }
    mask.truncate(length);
    mask
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> anyhow::Result<Vec<u8>> {
    let bits = u32::try_from(modulus.len() * 8)?;
    let base = BoxedUint::from_be_slice(base, bits).context("the block is too long")?;
    let exponent = BoxedUint::from_be_slice_vartime(exponent);
    let modulus = BoxedUint::from_be_slice(modulus, bits).context("the modulus is too long")?;
    let modulus: Option<Odd<BoxedUint>> = Odd::new(modulus).into();
    let result = base.pow_mod(&exponent, &modulus.context("the modulus is even")?);
    let bytes = result.to_be_bytes();
    let surplus = bytes.len() - usize::try_from(bits / 8)?;
    Ok(bytes.iter().skip(surplus).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::{KeyKind, SamlKey};

    /// Undoes the padding with both hashes (RFC 8017 §7.1.2).
    #[test]
    fn oaep_with_two_hashes_can_be_undone() {
        let key = SamlKey::generate(KeyKind::Rsa2048).unwrap();
        let (label_hash, mask_hash) = (DigestAlgorithm::Sha256, DigestAlgorithm::Sha1);
        let public = key.certificate().rsa_public().unwrap();
        let sealed = encrypt_oaep(public, label_hash, mask_hash, b"the key").unwrap();
        assert_eq!(sealed.len(), 256);
        let (modulus, exponent) = der::rsa_private(key.private_key_der()).unwrap();
        let block = power(&sealed, exponent, modulus).unwrap();
        let (seed, data) = block[1..].split_at(32);
        let seed = xor(seed, &mask(mask_hash, data, 32));
        let data = xor(data, &mask(mask_hash, &seed, data.len()));
        assert_eq!(block[0], 0);
        assert_eq!(data[..32], label_hash.digest(&[]));
        let message: Vec<u8> = data[32..].iter().copied().skip_while(|b| *b == 0).collect();
        assert_eq!(message, b"\x01the key");
        encrypt_oaep(public, label_hash, mask_hash, &[0; 191]).unwrap_err();
    }
}
