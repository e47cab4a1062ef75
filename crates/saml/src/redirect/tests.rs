use proptest::prelude::*;

use super::*;

const XML: &str = "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

fn key_of(algorithm: &'static rcgen::SignatureAlgorithm) -> SigningKey {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = Certificate::from_der(params.self_signed(&pair).unwrap().der()).unwrap();
    SigningKey::from_pem(&pair.serialize_pem(), certificate).unwrap()
}

fn curve_key() -> SigningKey {
    key_of(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn message(xml: &[u8]) -> String {
    let mut query = String::new();
    append(&mut query, REQUEST, &STANDARD.encode(deflate(xml).unwrap()));
    query
}

/// Signs these octets as they are and appends the signature.
fn sign(signed: &str, key: &SigningKey) -> String {
    let mut query = signed.to_owned();
    let signature = key.sign(signed.as_bytes()).unwrap();
    append(&mut query, SIGNATURE, &STANDARD.encode(signature));
    query
}

fn escaped(text: &str) -> String {
    let mut query = String::new();
    append(&mut query, "", text);
    query.split_off(1)
}

#[test]
fn what_is_written_is_read_and_verified_again() {
    for key in [curve_key(), key_of(&rcgen::PKCS_RSA_SHA256)] {
        let certificates = [curve_key().certificate().clone(), key.certificate().clone()];
        for kind in [RequestOrResponse::Request, RequestOrResponse::Response] {
            for relay_state in [None, Some(""), Some("a b&c=d+é%/\u{1f600}")] {
                let query = encode(kind, XML, relay_state, Some(&key)).unwrap();
                let message = RedirectMessage::parse(&query).unwrap();
                assert_eq!(message.kind(), kind);
                assert_eq!(message.xml(), XML);
                assert_eq!(message.relay_state(), relay_state);
                assert_eq!(message.verify(&certificates, false), Ok(()));
                let stranger = [curve_key().certificate().clone()];
                assert_eq!(message.verify(&stranger, false), Err(Error::BadSignature));
            }
        }
    }
}

#[test]
fn an_unsigned_message_is_read_and_not_verified() {
    let query = encode(RequestOrResponse::Request, XML, Some("x"), None).unwrap();
    let message = RedirectMessage::parse(&query).unwrap();
    assert!(!message.is_signed());
    let certificates = [curve_key().certificate().clone()];
    assert_eq!(message.verify(&certificates, true), Err(Error::Unsigned));
}

#[test]
fn without_certificates_nothing_is_verified() {
    let query = encode(RequestOrResponse::Request, XML, None, Some(&curve_key())).unwrap();
    let message = RedirectMessage::parse(&query).unwrap();
    assert_eq!(message.verify(&[], true), Err(Error::NoCertificate));
}

#[test]
fn the_signature_is_over_the_octets_as_they_came() {
    let key = curve_key();
    let certificates = [key.certificate().clone()];
    let algorithm = escaped(key.signature_algorithm_uri());
    // ADFS and Entra write hexadecimal digits in lower case.
    let lower = algorithm.replace("%3A", "%3a").replace("%2F", "%2f");
    assert_ne!(lower, algorithm);
    for relay_state in ["", "&RelayState=", "&RelayState=%2fa%2Fb"] {
        let query = sign(
            &format!("{}{relay_state}&SigAlg={lower}", message(XML.as_bytes())),
            &key,
        );
        let parsed = RedirectMessage::parse(&query).unwrap();
        assert_eq!(parsed.verify(&certificates, false), Ok(()), "{relay_state}");
        let encoded_again = query.replace(&lower, &algorithm);
        let parsed = RedirectMessage::parse(&encoded_again).unwrap();
        assert_eq!(
            parsed.verify(&certificates, false),
            Err(Error::BadSignature)
        );
    }
}

#[test]
fn the_order_in_the_query_does_not_matter() {
    let key = curve_key();
    let query = encode(RequestOrResponse::Response, XML, Some("state"), Some(&key)).unwrap();
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.reverse();
    let shuffled = format!("tenant=%zz&&{}&x", parts.join("&"));
    let message = RedirectMessage::parse(&shuffled).unwrap();
    assert_eq!(message.verify(&[key.certificate().clone()], false), Ok(()));
}

#[test]
fn whatever_is_altered_breaks_the_signature() {
    let key = curve_key();
    let certificates = [key.certificate().clone()];
    let query = encode(RequestOrResponse::Request, XML, Some("state"), Some(&key)).unwrap();
    for altered in [
        query.replace("RelayState=state", "RelayState=other"),
        query.replace("&RelayState=state", ""),
        query.replace("SAMLRequest", "SAMLResponse"),
        query.replace("ecdsa-sha256", "ecdsa-sha384"),
        format!(
            "{}&{}",
            message(b"<other/>"),
            query.split_once('&').unwrap().1
        ),
    ] {
        assert_ne!(altered, query);
        let message = RedirectMessage::parse(&altered).unwrap();
        assert_eq!(
            message.verify(&certificates, false),
            Err(Error::BadSignature),
            "{altered}"
        );
    }
    let unsigned = encode(RequestOrResponse::Request, XML, None, Some(&key)).unwrap();
    let added = RedirectMessage::parse(&format!("{unsigned}&RelayState=added")).unwrap();
    assert_eq!(added.verify(&certificates, false), Err(Error::BadSignature));
}

#[test]
fn sha1_needs_its_switch() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = Certificate::from_der(params.self_signed(&pair).unwrap().der()).unwrap();
    let query = format!(
        "{}&SigAlg={}&Signature=AAAA",
        message(XML.as_bytes()),
        escaped("http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    );
    let message = RedirectMessage::parse(&query).unwrap();
    let certificates = [certificate];
    assert_eq!(message.verify(&certificates, false), Err(Error::Sha1));
    assert_eq!(
        message.verify(&certificates, true),
        Err(Error::BadSignature)
    );
}

#[test]
fn unknown_algorithms_are_refused() {
    for algorithm in [
        "",
        "none",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    ] {
        let query = format!(
            "{}&SigAlg={}&Signature=AAAA",
            message(XML.as_bytes()),
            escaped(algorithm)
        );
        let message = RedirectMessage::parse(&query).unwrap();
        let certificates = [curve_key().certificate().clone()];
        assert_eq!(
            message.verify(&certificates, true),
            Err(Error::UnsupportedAlgorithm)
        );
    }
}

#[test]
fn queries_that_two_readers_could_read_differently_are_refused() {
    let message = message(XML.as_bytes());
    let value = message.split_once('=').unwrap().1;
    let algorithm = escaped(RSA_SHA256);
    let signature = format!("SigAlg={algorithm}&Signature=AAAA");
    let deflate = escaped(DEFLATE);
    for (query, error) in [
        (String::new(), Error::NoMessage),
        ("RelayState=x".to_owned(), Error::NoMessage),
        ("samlrequest=x".to_owned(), Error::NoMessage),
        (
            format!("{message}&SAMLResponse={value}"),
            Error::TwoMessages,
        ),
        (format!("{message}&{message}"), Error::DuplicateParameter),
        (
            format!("{message}&RelayState=a&RelayState=a"),
            Error::DuplicateParameter,
        ),
        (
            format!("{message}&RelayState&RelayState=a"),
            Error::DuplicateParameter,
        ),
        (
            format!("{message}&{signature}&SigAlg={algorithm}"),
            Error::DuplicateParameter,
        ),
        (
            format!("{message}&{signature}&Signature=AAAA"),
            Error::DuplicateParameter,
        ),
        (
            format!("{message}&SAMLEncoding={deflate}&SAMLEncoding={deflate}"),
            Error::DuplicateParameter,
        ),
        (format!("{message}&%52elayState=a"), Error::EncodedName),
        (format!("SAML%52equest={value}"), Error::EncodedName),
        (
            format!("{message}&SAMLEncoding="),
            Error::UnsupportedEncoding,
        ),
        (
            format!("{message}&SAMLEncoding=gzip"),
            Error::UnsupportedEncoding,
        ),
        (
            format!("{message}&SigAlg={algorithm}"),
            Error::IncompleteSignature,
        ),
        (
            format!("{message}&Signature=AAAA"),
            Error::IncompleteSignature,
        ),
        (format!("{message}&RelayState=%"), Error::PercentEncoding),
        (format!("{message}&RelayState=%4"), Error::PercentEncoding),
        (format!("{message}&RelayState=%zz"), Error::PercentEncoding),
        (format!("{message}&RelayState=%ff"), Error::PercentEncoding),
        (
            format!("{message}&SigAlg={algorithm}&Signature=%20AAAA"),
            Error::Base64,
        ),
        (
            format!("{message}&SigAlg={algorithm}&Signature=AA"),
            Error::Base64,
        ),
        ("SAMLRequest=****".to_owned(), Error::Base64),
        (format!("{message}%0A"), Error::Base64),
        ("SAMLRequest=".to_owned(), Error::Deflate),
        (
            format!("{message}&RelayState={}", "x".repeat(MAX_QUERY)),
            Error::TooLarge,
        ),
    ] {
        let start: String = query.chars().take(200).collect();
        assert_eq!(
            RedirectMessage::parse(&query).unwrap_err(),
            error,
            "{start}"
        );
    }
    let named = RedirectMessage::parse(&format!("{message}&SAMLEncoding={deflate}")).unwrap();
    assert_eq!(named.xml(), XML);
}

fn parse_deflated(deflated: &[u8]) -> Result<RedirectMessage, Error> {
    let mut query = String::new();
    append(&mut query, RESPONSE, &STANDARD.encode(deflated));
    RedirectMessage::parse(&query)
}

#[test]
fn a_stream_is_whole_and_nothing_follows_it() {
    let deflated = deflate(XML.as_bytes()).unwrap();
    assert_eq!(parse_deflated(&deflated).unwrap().xml(), XML);
    for length in 0..deflated.len() {
        assert_eq!(
            parse_deflated(&deflated[..length]),
            Err(Error::Deflate),
            "{length}"
        );
    }
    let followed = [&deflated[..], &[0]].concat();
    assert_eq!(parse_deflated(&followed), Err(Error::Deflate));
    let twice = [&deflated[..], &deflated].concat();
    assert_eq!(parse_deflated(&twice), Err(Error::Deflate));
    let zlib_header = [&[0x78, 0x9c], &deflated[..]].concat();
    assert!(parse_deflated(&zlib_header).is_err());
    assert_eq!(parse_deflated(XML.as_bytes()), Err(Error::Deflate));
    assert_eq!(
        parse_deflated(&deflate(&[0xff, 0xfe]).unwrap()),
        Err(Error::NotUtf8)
    );
}

#[test]
fn a_bomb_is_stopped_at_the_cap() {
    let full = deflate(&vec![b' '; MAX_MESSAGE]).unwrap();
    assert_eq!(parse_deflated(&full).unwrap().xml().len(), MAX_MESSAGE);
    let bomb = deflate(&vec![b' '; MAX_MESSAGE + 1]).unwrap();
    assert_eq!(parse_deflated(&bomb), Err(Error::TooLarge));
    let bomb = deflate(&vec![b' '; 64 * 1024 * 1024]).unwrap();
    assert!(bomb.len() < 128 * 1024);
    assert_eq!(parse_deflated(&bomb), Err(Error::TooLarge));
}

#[test]
fn debug_prints_nothing_of_the_message() {
    let query = encode(RequestOrResponse::Request, XML, Some("state"), None).unwrap();
    let text = format!("{:?}", RedirectMessage::parse(&query).unwrap());
    assert!(
        !text.contains("Logout") && !text.contains("state"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_again(xml in "\\PC{0,300}", relay_state in "\\PC{0,80}") {
        let query = encode(RequestOrResponse::Response, &xml, Some(&relay_state), None).unwrap();
        prop_assert!(query.bytes().all(|byte| byte.is_ascii_graphic()));
        let message = RedirectMessage::parse(&query).unwrap();
        prop_assert_eq!(message.xml(), xml);
        prop_assert_eq!(message.relay_state(), Some(relay_state.as_str()));
    }

    #[test]
    fn nothing_panics(query in "((SAMLRe(quest|sponse)|SigAlg|Signature|RelayState|SAMLEncoding|x)(=[%+A-Za-z0-9/=]{0,40})?&?){0,6}") {
        let _ = RedirectMessage::parse(&query);
    }

    #[test]
    fn no_stream_panics(deflated in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_deflated(&deflated);
    }
}
