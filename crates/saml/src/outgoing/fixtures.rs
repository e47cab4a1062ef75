//! Keys and small readers for the tests of messages.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Certificate, Error, PostForm, Rule, SigningKey};

static RSA: LazyLock<SigningKey> = LazyLock::new(|| key(&rcgen::PKCS_RSA_SHA256));
static CURVE: LazyLock<SigningKey> = LazyLock::new(|| key(&rcgen::PKCS_ECDSA_P256_SHA256));

pub(crate) fn rsa() -> SigningKey {
    RSA.clone()
}

pub(crate) fn curve() -> SigningKey {
    CURVE.clone()
}

fn key(algorithm: &'static rcgen::SignatureAlgorithm) -> SigningKey {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = Certificate::from_der(params.self_signed(&pair).unwrap().der()).unwrap();
    SigningKey::from_pem(&pair.serialize_pem(), certificate).unwrap()
}

/// The message inside a form.
pub(crate) fn xml_of(form: &PostForm) -> String {
    String::from_utf8(STANDARD.decode(&form.message).unwrap()).unwrap()
}

/// The query of an address.
pub(crate) fn query_of(url: &str) -> &str {
    url.split_once('?').unwrap().1
}

pub(crate) fn rule<T: std::fmt::Debug>(result: Result<T, Error>) -> Rule {
    result.unwrap_err().rule()
}
