//! Encrypted elements (XML Encryption 1.1), as far as SAML products send them.
//!
//! The form is judged before any key is touched. From then on there is one failure for every cause, so that a
//! ciphertext that somebody made up teaches nothing about a plaintext.

use zeroize::Zeroizing;

use crate::{
    DecryptionKey, Error, Rule,
    algorithm::DigestAlgorithm,
    cipher::{ContentAlgorithm, decrypt_content},
    decryption_key::Oaep,
    dsig::decode_base64,
    names::{DS, XENC, XENC11},
    xml::Element,
};

const RSA_OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const RSA_OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const TYPE_ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
/// Keys for several recipients may be there; more are nobody's genuine message.
const MOST_KEYS: usize = 8;

/// Decrypts what an `EncryptedAssertion`, `EncryptedID` or `EncryptedAttribute` holds.
pub(crate) fn decrypt(
    holder: Element<'_, '_>,
    keys: &[DecryptionKey],
) -> Result<Zeroizing<String>, Error> {
    if keys.is_empty() {
        return Err(Rule::NoDecryptionKey.into());
    }
    let mut data = holder.children_named(XENC, "EncryptedData");
    let (Some(data), None, false) = (data.next(), data.next(), holder.has_loose_text()) else {
        return Err(odd("one EncryptedData"));
    };
    if data
        .attribute("Type")
        .is_some_and(|kind| kind != TYPE_ELEMENT)
    {
        return Err(odd("an encrypted element"));
    }
    let method = data
        .child(XENC, "EncryptionMethod")
        .and_then(|method| method.attribute("Algorithm"))
        .unwrap_or_default();
    let algorithm = ContentAlgorithm::from_uri(method).ok_or_else(|| {
        Error::compared(
            Rule::Encryption,
            "AES-GCM or AES-CBC with 128 or 256 bits",
            method,
        )
    })?;
    let content = cipher_value(data)?;
    let wrapped = encrypted_keys(holder, data)?;
    for (oaep, ciphertext) in &wrapped {
        for key in keys {
            let plain = key
                .decrypt_key(oaep, ciphertext)
                .filter(|content_key| content_key.len() == algorithm.key_len())
                .and_then(|content_key| decrypt_content(algorithm, &content_key, &content))
                .and_then(|octets| String::from_utf8(octets).ok());
            if let Some(plain) = plain {
                return Ok(Zeroizing::new(plain));
            }
        }
    }
    Err(Rule::Decryption.into())
}

fn odd(wanted: &str) -> Error {
    Error::compared(Rule::Encryption, wanted, "something else")
}

/// The wrapped keys: in the data's `KeyInfo`, or beside the data.
fn encrypted_keys(
    holder: Element<'_, '_>,
    data: Element<'_, '_>,
) -> Result<Vec<(Oaep, Vec<u8>)>, Error> {
    let inside = data
        .children_named(DS, "KeyInfo")
        .flat_map(|info| info.children_named(XENC, "EncryptedKey"));
    let beside = holder.children_named(XENC, "EncryptedKey");
    let keys: Vec<_> = inside.chain(beside).take(MOST_KEYS + 1).collect();
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(odd("an EncryptedKey in KeyInfo or beside EncryptedData"));
    }
    keys.into_iter()
        .map(|key| {
            let method = key
                .child(XENC, "EncryptionMethod")
                .ok_or_else(|| odd("an EncryptionMethod"))?;
            Ok((oaep(method)?, cipher_value(key)?))
        })
        .collect()
}

fn oaep(method: Element<'_, '_>) -> Result<Oaep, Error> {
    let uri = method.attribute("Algorithm").unwrap_or_default();
    let unknown = |uri: &str| Error::compared(Rule::Encryption, "RSA-OAEP", uri);
    let digest = match method.child(DS, "DigestMethod") {
        Some(digest) => {
            let uri = digest.attribute("Algorithm").unwrap_or_default();
            DigestAlgorithm::from_uri(uri).ok_or_else(|| unknown(uri))?
        }
        None => DigestAlgorithm::Sha1,
    };
    let mgf = match (uri, method.child(XENC11, "MGF")) {
        // Its mask generation is MGF1 with SHA-1, whatever the digest (XML Encryption 1.1 §5.5.2).
        (RSA_OAEP_MGF1P, _) | (RSA_OAEP, None) => DigestAlgorithm::Sha1,
        (RSA_OAEP, Some(mgf)) => {
            let uri = mgf.attribute("Algorithm").unwrap_or_default();
            match uri.strip_prefix("http://www.w3.org/2009/xmlenc11#mgf1") {
                Some("sha1") => DigestAlgorithm::Sha1,
                Some("sha256") => DigestAlgorithm::Sha256,
                Some("sha384") => DigestAlgorithm::Sha384,
                Some("sha512") => DigestAlgorithm::Sha512,
                _ => return Err(unknown(uri)),
            }
        }
        _ => return Err(unknown(uri)),
    };
    let label = match method.child(XENC, "OAEPparams") {
        Some(label) => label
            .leaf_text()
            .and_then(decode_base64)
            .ok_or_else(|| odd("OAEPparams in base64"))?,
        None => Vec::new(),
    };
    Ok(Oaep { digest, mgf, label })
}

/// `CipherData/CipherValue`; a reference to octets elsewhere is not followed.
fn cipher_value(parent: Element<'_, '_>) -> Result<Vec<u8>, Error> {
    parent
        .child(XENC, "CipherData")
        .and_then(|data| data.child(XENC, "CipherValue"))
        .and_then(Element::leaf_text)
        .and_then(decode_base64)
        .ok_or_else(|| odd("a CipherValue in base64"))
}
