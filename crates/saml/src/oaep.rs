//! EME-OAEP (RFC 8017 §7.1) with a label, where the hash and the hash of the mask may differ.
//!
//! The library offers only equal ones, and XML Encryption allows any pair:
//! `rsa-oaep-mgf1p` with `DigestMethod` SHA-256 keeps SHA-1 in its mask, which is what Shibboleth sends.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::algorithm::DigestAlgorithm;

/// The parameters of an `xenc:EncryptedKey`'s `EncryptionMethod` (XML Encryption 1.1 §5.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oaep {
    pub(crate) digest: DigestAlgorithm,
    pub(crate) mgf: DigestAlgorithm,
    /// The decoded `OAEPparams`; usually empty.
    pub(crate) label: Vec<u8>,
}

impl Oaep {
    /// Takes the padding off an encoded message of the modulus' length.
    ///
    /// Nothing branches on a secret before the one final answer, so that which rule failed cannot be told from
    /// the time it took (Manger's attack).
    pub(crate) fn decode(&self, encoded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let hash_len = self.digest.output_len();
        let (first, masked) = encoded.split_first()?;
        let (masked_seed, masked_block) = masked.split_at_checked(hash_len)?;
        if masked_block.len() <= hash_len {
            return None;
        }
        let seed = self.unmask(masked_seed, masked_block);
        let block = self.unmask(masked_block, &seed);
        let (label_hash, padded) = block.split_at_checked(hash_len)?;

        let mut valid = first.ct_eq(&0) & label_hash.ct_eq(&self.digest.digest(&self.label));
        let mut searching = Choice::from(1);
        let mut separator = 0_u32;
        for (position, byte) in (0_u32..).zip(padded) {
            let is_separator = byte.ct_eq(&1);
            let is_zero = byte.ct_eq(&0);
            separator.conditional_assign(&position, searching & is_separator);
            valid &= !searching | is_separator | is_zero;
            searching &= is_zero;
        }
        valid &= !searching;

        if !bool::from(valid) {
            return None;
        }
        let start = usize::try_from(separator).ok()? + 1;
        padded
            .get(start..)
            .map(|message| Zeroizing::new(message.to_vec()))
    }

    /// Masks or unmasks octets with MGF1 of the seed (RFC 8017 §B.2.1).
    pub(crate) fn unmask(&self, octets: &[u8], seed: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(octets.to_vec());
        for (counter, chunk) in (0_u32..).zip(out.chunks_mut(self.mgf.output_len())) {
            let mut context = aws_lc_rs::digest::Context::new(self.mgf.algorithm());
            context.update(seed);
            context.update(&counter.to_be_bytes());
            for (byte, mask) in chunk.iter_mut().zip(context.finish().as_ref()) {
                *byte ^= mask;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MGF1P_SHA256: Oaep = Oaep {
        digest: DigestAlgorithm::Sha256,
        mgf: DigestAlgorithm::Sha1,
        label: Vec::new(),
    };

    /// Encodes a data block that may break any rule.
    fn encode(oaep: &Oaep, first: u8, block: &[u8]) -> Vec<u8> {
        let seed = vec![0x5a; oaep.digest.output_len()];
        let masked_block = oaep.unmask(block, &seed);
        let masked_seed = oaep.unmask(&seed, &masked_block);
        [&[first], &masked_seed[..], &masked_block[..]].concat()
    }

    fn block(oaep: &Oaep, padding: &[u8]) -> Vec<u8> {
        [&oaep.digest.digest(&oaep.label), padding].concat()
    }

    #[test]
    fn a_message_of_any_length_is_found() {
        let oaep = MGF1P_SHA256;
        for padding in [&[0, 0, 1, 7, 8][..], &[1, 7, 8], &[0, 1, 1, 0]] {
            let encoded = encode(&oaep, 0, &block(&oaep, padding));
            let start = padding.iter().position(|&byte| byte == 1).unwrap() + 1;
            assert_eq!(*oaep.decode(&encoded).unwrap(), padding[start..]);
        }
        let empty = encode(&oaep, 0, &block(&oaep, &[0, 0, 0, 1]));
        assert!(oaep.decode(&empty).unwrap().is_empty());
    }

    #[test]
    fn whatever_breaks_a_rule_of_the_padding_is_refused() {
        let oaep = MGF1P_SHA256;
        let good = block(&oaep, &[0, 0, 1, 7]);
        assert!(oaep.decode(&encode(&oaep, 0, &good)).is_some());

        assert_eq!(oaep.decode(&encode(&oaep, 1, &good)), None, "first octet");
        for padding in [&[0, 0, 0, 0][..], &[0, 2, 1, 7], &[3, 0, 1, 7], &[]] {
            let encoded = encode(&oaep, 0, &block(&oaep, padding));
            assert_eq!(oaep.decode(&encoded), None, "{padding:?}");
        }
        let mut other_hash = good.clone();
        other_hash[31] ^= 1;
        assert_eq!(oaep.decode(&encode(&oaep, 0, &other_hash)), None);
        for length in 0..=65 {
            assert_eq!(oaep.decode(&vec![0; length]), None, "{length}");
        }
    }

    #[test]
    fn another_label_or_hash_is_refused() {
        let oaep = MGF1P_SHA256;
        let encoded = encode(&oaep, 0, &block(&oaep, &[0, 0, 1, 7]));
        for other in [
            Oaep {
                label: b"x".to_vec(),
                ..oaep.clone()
            },
            Oaep {
                mgf: DigestAlgorithm::Sha256,
                ..oaep.clone()
            },
            Oaep {
                digest: DigestAlgorithm::Sha1,
                ..oaep.clone()
            },
        ] {
            assert_eq!(other.decode(&encoded), None, "{other:?}");
        }
    }
}
