//! Encrypted assertions and identifiers (XML Encryption 1.1, saml-core §6).

use anyhow::{anyhow, ensure};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey,
    Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::signature::{DS, wrapped};
use super::{Certificate, DigestAlgorithm, Element, rsa};
use crate::chance;

/// The namespace of XML Encryption 1.0.
pub const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// The namespace of XML Encryption 1.1.
pub const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const BLOCK: usize = 16;

/// How the content is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataAlgorithm {
    /// AES-128-CBC with the padding of XML Encryption §5.2.
    Aes128Cbc,
    /// AES-256-CBC with the padding of XML Encryption §5.2.
    Aes256Cbc,
    /// AES-128-GCM.
    Aes128Gcm,
    /// AES-256-GCM.
    Aes256Gcm,
}

impl DataAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Aes128Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
    ];

    /// The algorithm's identifier.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
            Self::Aes256Cbc => "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            Self::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            Self::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        }
    }

    /// How long its keys are, in bytes.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// Encrypts: the IV or nonce first, then the ciphertext, then with GCM the tag.
    pub fn encrypt(self, key: &[u8], plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Aes128Cbc | Self::Aes256Cbc => encrypt_cbc(self, key, plaintext),
            Self::Aes128Gcm | Self::Aes256Gcm => encrypt_gcm(self, key, plaintext),
        }
    }
}

fn encrypt_cbc(algorithm: DataAlgorithm, key: &[u8], plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
    let cipher = match algorithm {
        DataAlgorithm::Aes128Cbc => &AES_128,
        _ => &AES_256,
    };
    let key = UnboundCipherKey::new(cipher, key).map_err(|_| anyhow!("the AES key is not good"))?;
    let key = EncryptingKey::cbc(key).map_err(|_| anyhow!("the AES key is not good"))?;
    let mut block = plaintext.to_vec();
    let padding = BLOCK - plaintext.len() % BLOCK;
    // All but the last byte are arbitrary; products fill them with random ones.
    block.extend(chance::bytes::<BLOCK>()?.iter().take(padding - 1));
    block.push(u8::try_from(padding)?);
    let iv = chance::bytes::<BLOCK>()?;
    key.less_safe_encrypt(&mut block, EncryptionContext::Iv128(FixedLength::from(&iv)))
        .map_err(|_| anyhow!("AES-CBC did not encrypt"))?;
    Ok([iv.as_slice(), &block].concat())
}

fn encrypt_gcm(algorithm: DataAlgorithm, key: &[u8], plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
    let cipher = match algorithm {
        DataAlgorithm::Aes128Gcm => &AES_128_GCM,
        _ => &AES_256_GCM,
    };
    let key = UnboundKey::new(cipher, key).map_err(|_| anyhow!("the AES key is not good"))?;
    let nonce = chance::bytes::<12>()?;
    let mut block = plaintext.to_vec();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut block,
        )
        .map_err(|_| anyhow!("AES-GCM did not encrypt"))?;
    Ok([nonce.as_slice(), &block].concat())
}

/// How the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTransport {
    /// `rsa-oaep-mgf1p` with SHA-1, named in `ds:DigestMethod`.
    OaepMgf1p,
    /// `rsa-oaep-mgf1p` without `ds:DigestMethod`, which means SHA-1.
    OaepMgf1pUnsaid,
    /// `rsa-oaep-mgf1p` with SHA-256 for the label; its mask stays SHA-1.
    OaepMgf1pSha256,
    /// XML Encryption 1.1 `rsa-oaep` with SHA-256 and MGF1 with SHA-256.
    Oaep11Sha256,
    /// XML Encryption 1.1 `rsa-oaep` with SHA-256 and without `xenc11:MGF`, which means SHA-1.
    Oaep11Sha256MgfUnsaid,
    /// RSAES-PKCS1-v1_5, which must be refused (Bleichenbacher's attack).
    Pkcs1,
}

impl KeyTransport {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::OaepMgf1p,
        Self::OaepMgf1pUnsaid,
        Self::OaepMgf1pSha256,
        Self::Oaep11Sha256,
        Self::Oaep11Sha256MgfUnsaid,
        Self::Pkcs1,
    ];

    /// The algorithm's identifier.
    pub fn uri(self) -> &'static str {
        match self {
            Self::OaepMgf1p | Self::OaepMgf1pUnsaid | Self::OaepMgf1pSha256 => {
                "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
            }
            Self::Oaep11Sha256 | Self::Oaep11Sha256MgfUnsaid => {
                "http://www.w3.org/2009/xmlenc11#rsa-oaep"
            }
            Self::Pkcs1 => "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
        }
    }

    /// Encrypts a key to whoever holds the certificate's private key.
    pub fn encrypt(self, certificate: &Certificate, key: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::OaepMgf1p | Self::OaepMgf1pUnsaid => oaep(certificate, &OAEP_SHA1_MGF1SHA1, key),
            Self::Oaep11Sha256 => oaep(certificate, &OAEP_SHA256_MGF1SHA256, key),
            Self::OaepMgf1pSha256 | Self::Oaep11Sha256MgfUnsaid => rsa::encrypt_oaep(
                certificate.rsa_public()?,
                DigestAlgorithm::Sha256,
                DigestAlgorithm::Sha1,
                key,
            ),
            Self::Pkcs1 => {
                let public = public(certificate)?;
                let public = Pkcs1PublicEncryptingKey::new(public).map_err(|_| bad_key())?;
                let mut out = vec![0; public.ciphertext_size()];
                let written = public.encrypt(key, &mut out).map_err(|_| bad_key())?;
                Ok(written.to_vec())
            }
        }
    }

    fn method(self) -> Element {
        let method = Element::new("xenc:EncryptionMethod").attribute("Algorithm", self.uri());
        let digest = |algorithm: DigestAlgorithm| {
            Element::new("ds:DigestMethod")
                .namespace("ds", DS)
                .attribute("Algorithm", algorithm.uri())
        };
        match self {
            Self::OaepMgf1p => method.child(digest(DigestAlgorithm::Sha1)),
            Self::OaepMgf1pSha256 | Self::Oaep11Sha256MgfUnsaid => {
                method.child(digest(DigestAlgorithm::Sha256))
            }
            Self::Oaep11Sha256 => method.child(digest(DigestAlgorithm::Sha256)).child(
                Element::new("xenc11:MGF")
                    .namespace("xenc11", XENC11)
                    .attribute("Algorithm", "http://www.w3.org/2009/xmlenc11#mgf1sha256"),
            ),
            Self::OaepMgf1pUnsaid | Self::Pkcs1 => method,
        }
    }
}

fn public(certificate: &Certificate) -> anyhow::Result<PublicEncryptingKey> {
    PublicEncryptingKey::from_der(certificate.public_key_info()).map_err(|_| bad_key())
}

fn oaep(
    certificate: &Certificate,
    algorithm: &'static OaepAlgorithm,
    key: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let public = OaepPublicEncryptingKey::new(public(certificate)?).map_err(|_| bad_key())?;
    let mut out = vec![0; public.ciphertext_size()];
    let written = public
        .encrypt(algorithm, key, &mut out, None)
        .map_err(|_| bad_key())?;
    Ok(written.to_vec())
}

fn bad_key() -> anyhow::Error {
    anyhow!("the certificate's key cannot be encrypted to")
}

/// Where `xenc:EncryptedKey` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyPlace {
    /// In the `ds:KeyInfo` of `xenc:EncryptedData`.
    #[default]
    Inside,
    /// Beside `xenc:EncryptedData`, which points at it with `ds:RetrievalMethod`.
    BesideRetrieved,
    /// Beside `xenc:EncryptedData`, which does not mention it.
    BesideUnmentioned,
}

/// Encrypts elements.
#[derive(Debug, Clone)]
pub struct Encrypter {
    /// To whom.
    pub certificate: Certificate,
    /// How the content is encrypted.
    pub data: DataAlgorithm,
    /// How the key travels.
    pub transport: KeyTransport,
    /// Where the key stands.
    pub place: KeyPlace,
    /// `xenc:EncryptedKey/@Recipient`.
    pub recipient: Option<String>,
    /// Shows for whom it is, in the `ds:KeyInfo` of `xenc:EncryptedKey`.
    pub show_certificate: bool,
    /// How many characters of base64 stand on a line; 0 for all.
    pub base64_width: usize,
}

impl Encrypter {
    /// AES-256-GCM and RSA-OAEP with SHA-1, the key inside.
    pub fn new(certificate: &Certificate) -> Self {
        Self {
            certificate: certificate.clone(),
            data: DataAlgorithm::Aes256Gcm,
            transport: KeyTransport::OaepMgf1p,
            place: KeyPlace::Inside,
            recipient: None,
            show_certificate: true,
            base64_width: 0,
        }
    }

    /// Encrypts an element into a wrapper such as `saml:EncryptedAssertion`.
    ///
    /// What is encrypted has to declare its own namespaces
    /// ([`Element::make_self_contained`]).
    pub fn wrap(&self, element: &Element, wrapper: Element) -> anyhow::Result<Element> {
        self.wrap_text(&element.to_xml(), wrapper)
    }

    /// Encrypts any text as if it were an element.
    pub fn wrap_text(&self, plaintext: &str, wrapper: Element) -> anyhow::Result<Element> {
        let content_key: Vec<u8> = chance::bytes::<32>()?
            .into_iter()
            .take(self.data.key_length())
            .collect();
        let ciphertext = self.data.encrypt(&content_key, plaintext.as_bytes())?;
        let wrapped_key = self.transport.encrypt(&self.certificate, &content_key)?;
        self.assemble(&ciphertext, &wrapped_key, wrapper)
    }

    /// Puts ciphertexts into their elements, whatever they are.
    pub fn assemble(
        &self,
        ciphertext: &[u8],
        wrapped_key: &[u8],
        wrapper: Element,
    ) -> anyhow::Result<Element> {
        ensure!(!wrapper.name.is_empty(), "the wrapper has no name");
        let key_id = format!("_{}", chance::guid()?);
        let mut key = Element::new("xenc:EncryptedKey")
            .attribute("Id", &key_id)
            .attribute_if("Recipient", self.recipient.as_deref())
            .child(self.transport.method());
        if self.show_certificate {
            let certificate = wrapped(&self.certificate.base64(), self.base64_width);
            let certificate = Element::new("ds:X509Certificate").text(&certificate);
            let data = Element::new("ds:X509Data").child(certificate);
            key = key.child(Element::new("ds:KeyInfo").namespace("ds", DS).child(data));
        }
        let mut key = key.child(self.cipher_data(wrapped_key));
        let mut data = Element::new("xenc:EncryptedData")
            .namespace("xenc", XENC)
            .attribute("Id", &format!("_{}", chance::guid()?))
            .attribute("Type", "http://www.w3.org/2001/04/xmlenc#Element")
            .child(Element::new("xenc:EncryptionMethod").attribute("Algorithm", self.data.uri()));
        let info = Element::new("ds:KeyInfo").namespace("ds", DS);
        match self.place {
            KeyPlace::Inside => data = data.child(info.child(key.clone())),
            KeyPlace::BesideRetrieved => {
                let method = Element::new("ds:RetrievalMethod")
                    .attribute("Type", "http://www.w3.org/2001/04/xmlenc#EncryptedKey")
                    .attribute("URI", &format!("#{key_id}"));
                data = data.child(info.child(method));
            }
            KeyPlace::BesideUnmentioned => {}
        }
        let wrapper = wrapper.child(data.child(self.cipher_data(ciphertext)));
        if self.place == KeyPlace::Inside {
            return Ok(wrapper);
        }
        key.declare("xenc", XENC);
        Ok(wrapper.child(key))
    }

    fn cipher_data(&self, bytes: &[u8]) -> Element {
        let value = wrapped(&STANDARD.encode(bytes), self.base64_width);
        Element::new("xenc:CipherData").child(Element::new("xenc:CipherValue").text(&value))
    }
}
