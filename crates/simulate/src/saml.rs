//! SAML 2.0 messages, made and read as an identity provider does, and made wrong on purpose.
//!
//! A [`Response`] says what a message says; every field can be set or left out. A [`Seal`] says
//! what is signed and encrypted; [`Style`] knows how products do both. [`Response::seal`] gives a
//! tree of [`Element`]s, in which a test can still move signed parts about before writing it.
//!
//! ```
//! use vestibule_simulate::saml::{KeyKind, Login, NameId, Response, SamlKey, Style};
//!
//! # fn main() -> anyhow::Result<()> {
//! let key = SamlKey::generate(KeyKind::P256)?;
//! let login = Login::new(
//!     "https://idp.example",
//!     "https://sp.example/metadata",
//!     "https://sp.example/acs",
//!     NameId::persistent("ada"),
//!     1_800_000_000,
//! )
//! .answering("_request-1");
//! let mut response = Response::new(Style::Okta, &login)?;
//! response.destination = None;
//! let form_field = response.to_form_field(&Style::Okta.seal(&key))?;
//! # assert!(form_field.len() > 2000);
//! # Ok(()) }
//! ```

mod assertion;
mod der;
mod encryption;
mod key;
mod reader;
mod redirect;
mod request;
mod response;
mod rsa;
mod signature;
mod style;
mod xml;

pub use assertion::{
    Assertion, Attribute, AuthnStatement, BEARER, Conditions, Confirmation, EMAIL_ADDRESS, Issuer,
    NameId, PASSWORD_PROTECTED, PERSISTENT, SAML, Subject, TRANSIENT, UNSPECIFIED, Value, XS, XSI,
};
pub use encryption::{DataAlgorithm, Encrypter, KeyPlace, KeyTransport, XENC, XENC11};
pub use key::{Certificate, DigestAlgorithm, KeyKind, SamlKey, SignatureAlgorithm, Validity};
pub use redirect::{Direction, QuerySigner, RedirectMessage, deflate, inflate, redirect_url};
pub use request::{AuthnRequest, LogoutRequest, LogoutResponse};
pub use response::{
    AUTHN_FAILED, Layout, Login, NO_PASSIVE, PARTIAL_LOGOUT, REQUEST_DENIED, REQUESTER, RESPONDER,
    Response, SAMLP, SUCCESS, Seal, Status, new_id,
};
pub use signature::{DS, KeyInfo, Signer};
pub use style::{Names, Style};
pub use xml::{C14n, Element, Node, Scope, escape_attribute, escape_text};
