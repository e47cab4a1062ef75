//! SAML 2.0 messages, made and read as an identity provider does, and made wrong on purpose.

mod der;
mod encryption;
mod key;
mod rsa;
mod signature;
mod xml;

pub use encryption::{DataAlgorithm, Encrypter, KeyPlace, KeyTransport, XENC, XENC11};
pub use key::{Certificate, DigestAlgorithm, KeyKind, SamlKey, SignatureAlgorithm, Validity};
pub use signature::{DS, KeyInfo, Signer};
pub use xml::{C14n, Element, Node, Scope, escape_attribute, escape_text};
