use proptest::prelude::*;

use super::fixtures::{MESSAGE, SIGNERS, Signer};
use super::*;

fn certificate(signer: &Signer) -> Certificate {
    Certificate::from_base64(signer.certificate).unwrap()
}

fn bytes(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

fn integer(octets: &[u8]) -> Vec<u8> {
    der::element(der::INTEGER, octets)
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der::element(der::SEQUENCE, &parts.concat())
}

fn bits(octets: &[u8]) -> Vec<u8> {
    der::element(der::BIT_STRING, &[&[0], octets].concat())
}

fn identifier(octets: &[u8]) -> Vec<u8> {
    der::element(der::OBJECT_IDENTIFIER, octets)
}

/// The parts of a certificate that a test wants to be odd.
struct Odd {
    version: Vec<u8>,
    serial: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
}

impl Odd {
    fn new() -> Self {
        let rsa = bytes(SIGNERS[0].certificate);
        let octets = Certificate::from_der(&rsa).unwrap().key_octets().to_vec();
        Self {
            version: der::element(CONTEXT_0, &integer(&[2])),
            serial: integer(&[1]),
            validity: validity(b"200102030405Z", b"20510607080910Z"),
            subject: sequence(&[]),
            key: rsa_info(&octets),
        }
    }

    fn parse(&self) -> Result<Certificate, CertificateError> {
        let algorithm = sequence(&[&identifier(der::RSA_ENCRYPTION)]);
        let issuer = sequence(&[]);
        let signed = sequence(&[
            &self.version,
            &self.serial,
            &algorithm,
            &issuer,
            &self.validity,
            &self.subject,
            &self.key,
        ]);
        Certificate::from_der(&sequence(&[&signed, &algorithm, &bits(&[1])]))
    }
}

fn validity(utc: &[u8], generalized: &[u8]) -> Vec<u8> {
    sequence(&[
        &der::element(UTC_TIME, utc),
        &der::element(GENERALIZED_TIME, generalized),
    ])
}

fn rsa_info(octets: &[u8]) -> Vec<u8> {
    let null = der::element(der::NULL, &[]);
    sequence(&[
        &sequence(&[&identifier(der::RSA_ENCRYPTION), &null]),
        &bits(octets),
    ])
}

fn info(algorithm: &[u8], parameters: &[u8]) -> Vec<u8> {
    sequence(&[
        &sequence(&[&identifier(algorithm), parameters]),
        &bits(&[4]),
    ])
}

/// A key of this many bits; only its length is right.
fn rsa_of(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] = 0xff >> (modulus.len() * 8 - bits);
    rsa_info(&sequence(&[
        &der::unsigned_element(&modulus),
        &der::unsigned_element(&[1, 0, 1]),
    ]))
}

fn name(tag: u8, text: &[u8]) -> Vec<u8> {
    let attribute = sequence(&[&identifier(COMMON_NAME), &der::element(tag, text)]);
    der::element(der::SET, &attribute)
}

#[test]
fn names_dates_and_fingerprints_are_read() {
    for signer in SIGNERS {
        let certificate = certificate(signer);
        assert_eq!(certificate.subject_common_name(), Some(signer.common_name));
        assert_eq!(certificate.not_before(), 1_577_934_245);
        assert_eq!(certificate.not_after(), 2_569_738_150);
        assert_eq!(certificate.to_base64(), signer.certificate);
        assert_eq!(certificate.der(), bytes(signer.certificate));
        let digest = DigestAlgorithm::Sha256.digest(certificate.der());
        assert_eq!(certificate.fingerprint_sha256(), hex(&digest));
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
    }
}

#[test]
fn signatures_of_openssl_are_verified() {
    for signer in SIGNERS {
        let certificate = certificate(signer);
        for &(algorithm, signature) in signer.signatures {
            let signature = bytes(signature);
            assert!(algorithm.fits(&certificate));
            assert!(
                certificate.verify(algorithm, MESSAGE, &signature),
                "{algorithm:?}"
            );
            assert!(
                !certificate.verify(algorithm, b"massage", &signature),
                "{algorithm:?}"
            );
            for position in [0, signature.len() / 2, signature.len() - 1] {
                let mut altered = signature.clone();
                altered[position] ^= 1;
                assert!(
                    !certificate.verify(algorithm, MESSAGE, &altered),
                    "{algorithm:?}"
                );
            }
        }
    }
}

#[test]
fn a_signature_belongs_to_one_key_and_one_algorithm() {
    let all = || SIGNERS.iter().flat_map(|signer| signer.signatures);
    for holder in SIGNERS {
        let certificate = certificate(holder);
        for (algorithm, _) in all() {
            for &(made_with, signature) in all() {
                let own = holder
                    .signatures
                    .iter()
                    .any(|(_, other)| *other == signature);
                if own && made_with == *algorithm {
                    continue;
                }
                assert!(!certificate.verify(*algorithm, MESSAGE, &bytes(signature)));
            }
        }
    }
}

#[test]
fn algorithms_fit_their_kind_of_key_only() {
    let [rsa, p256, p384] = [0, 1, 2].map(|index| certificate(&SIGNERS[index]));
    for (algorithm, _) in SIGNERS[0].signatures {
        assert!(algorithm.fits(&rsa) && !algorithm.fits(&p256) && !algorithm.fits(&p384));
    }
    for (algorithm, _) in SIGNERS[1].signatures {
        assert!(!algorithm.fits(&rsa) && algorithm.fits(&p256) && algorithm.fits(&p384));
    }
}

#[test]
fn signatures_of_another_form_are_refused() {
    for signer in SIGNERS {
        let certificate = certificate(signer);
        for &(algorithm, signature) in signer.signatures {
            let signature = bytes(signature);
            let zeros = vec![0; signature.len()];
            let mut zero_r = signature.clone();
            zero_r[..signature.len() / 2].fill(0);
            let mut zero_s = signature.clone();
            zero_s[signature.len() / 2..].fill(0);
            for other in [
                &[][..],
                &signature[1..],
                &signature[..signature.len() - 1],
                &signature[..signature.len() - 2],
                &[&[0], &signature[..]].concat(),
                &[&signature[..], &[0]].concat(),
                &[&[0, 0], &signature[..]].concat(),
                &zeros,
                &zero_r,
                &zero_s,
                &vec![0xff; signature.len()],
            ] {
                assert!(
                    !certificate.verify(algorithm, MESSAGE, other),
                    "{algorithm:?}"
                );
            }
            if let Some(length) = certificate.key_kind().scalar_len() {
                let asn1 = asn1_signature(&signature, length).unwrap();
                assert!(!certificate.verify(algorithm, MESSAGE, &asn1));
            }
        }
    }
}

#[test]
fn pasted_texts_are_read() {
    let expected = certificate(&SIGNERS[1]);
    let pem = expected.to_pem();
    let base64 = SIGNERS[1].certificate;
    let spread: String = base64
        .chars()
        .flat_map(|c| [c, '\n', '\t', ' ', '\r'])
        .collect();
    for text in [
        pem.clone(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        format!("\u{feff}subject=CN = x\n\n{pem}\n\n"),
        pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
        base64.to_owned(),
        base64.trim_end_matches('=').to_owned(),
        spread,
    ] {
        assert_eq!(
            Certificate::from_pem(&text).as_ref(),
            Ok(&expected),
            "{text}"
        );
        assert_eq!(
            Certificate::from_base64(&text).as_ref(),
            Ok(&expected),
            "{text}"
        );
        assert_eq!(
            Certificate::list_from_pem(&text),
            Ok(vec![expected.clone()])
        );
    }
}

#[test]
fn several_certificates_are_a_list() {
    let all: Vec<Certificate> = SIGNERS.iter().map(certificate).collect();
    let text: String = all.iter().map(Certificate::to_pem).collect();
    assert_eq!(Certificate::list_from_pem(&text), Ok(all.clone()));
    assert_eq!(Certificate::from_pem(&text), Err(CertificateError::Several));
    assert_eq!(
        Certificate::from_base64(&text),
        Err(CertificateError::Several)
    );
    let with_key = pem::encode("PRIVATE KEY", &[1]) + &all[0].to_pem();
    assert_eq!(Certificate::from_pem(&with_key).as_ref(), Ok(&all[0]));
    let many = all[1].to_pem().repeat(MAX_LIST + 1);
    assert_eq!(
        Certificate::list_from_pem(&many),
        Err(CertificateError::TooLarge)
    );
}

#[test]
fn texts_without_a_certificate_are_refused() {
    let pem = certificate(&SIGNERS[1]).to_pem();
    for (text, error) in [
        (String::new(), CertificateError::Missing),
        (" \n".to_owned(), CertificateError::Missing),
        (pem::encode("PRIVATE KEY", &[1]), CertificateError::Missing),
        (pem::encode("CERTIFICATE", &[]), CertificateError::Missing),
        ("<EntityDescriptor/>".to_owned(), CertificateError::Encoding),
        (
            pem.replace("-----END CERTIFICATE-----", ""),
            CertificateError::Encoding,
        ),
        (pem.replacen("MII", "M*I", 1), CertificateError::Encoding),
        ("AQID".to_owned(), CertificateError::Malformed),
        ("A".repeat(MAX_DER * 2 + 1), CertificateError::TooLarge),
        (
            pem::encode("CERTIFICATE", &vec![0; MAX_DER + 1]),
            CertificateError::TooLarge,
        ),
    ] {
        assert_eq!(Certificate::list_from_pem(&text), Err(error.clone()));
        assert_eq!(Certificate::from_pem(&text), Err(error.clone()));
        assert_eq!(Certificate::from_base64(&text), Err(error));
    }
}

#[test]
fn odd_serial_numbers_and_versions_do_not_matter() {
    for serial in [&[][..], &[0], &[0xff], &[0x80; 40], &[0, 0, 1]] {
        let odd = Odd {
            serial: integer(serial),
            ..Odd::new()
        };
        assert!(odd.parse().is_ok(), "{serial:?}");
    }
    for version in [
        vec![],
        der::element(CONTEXT_0, &integer(&[7])),
        der::element(CONTEXT_0, &[]),
    ] {
        assert!(
            Odd {
                version,
                ..Odd::new()
            }
            .parse()
            .is_ok()
        );
    }
}

#[test]
fn an_rsa_key_without_its_null_is_read() {
    let octets = certificate(&SIGNERS[0]).key_octets().to_vec();
    let key = sequence(&[
        &sequence(&[&identifier(der::RSA_ENCRYPTION)]),
        &bits(&octets),
    ]);
    let certificate = Odd { key, ..Odd::new() }.parse().unwrap();
    let (algorithm, signature) = SIGNERS[0].signatures[1];
    assert!(certificate.verify(algorithm, MESSAGE, &bytes(signature)));
}

#[test]
fn both_forms_of_a_date_are_read() {
    let dates = |utc: &[u8], generalized: &[u8]| {
        let odd = Odd {
            validity: validity(utc, generalized),
            ..Odd::new()
        };
        odd.parse()
            .map(|certificate| (certificate.not_before(), certificate.not_after()))
    };
    assert_eq!(
        dates(b"491231235959Z", b"99991231235959Z"),
        Ok((2_524_607_999, 253_402_300_799))
    );
    assert_eq!(
        dates(b"500101000000Z", b"00000101000000Z"),
        Ok((-631_152_000, -62_167_219_200))
    );
    for (utc, generalized) in [
        (&b"5001010000Z"[..], &b"20200101000000Z"[..]),
        (b"500101000000+0000", b"20200101000000Z"),
        (b"500101000000", b"20200101000000Z"),
        (b"501301000000Z", b"20200101000000Z"),
        (b"500230000000Z", b"20200101000000Z"),
        (b"500101240000Z", b"20200101000000Z"),
        (b"500101006000Z", b"20200101000000Z"),
        (b"500101000060Z", b"20200101000000Z"),
        (b"5x0101000000Z", b"20200101000000Z"),
        (b"500101000000Z", b"200101000000Z"),
        (b"500101000000Z", b"20200101000000.5Z"),
        (b"", b"20200101000000Z"),
    ] {
        assert_eq!(
            dates(utc, generalized),
            Err(CertificateError::Malformed),
            "{utc:?}"
        );
    }
}

#[test]
fn common_names_are_for_people() {
    for (tag, text, expected) in [
        (0x0c, "Jana Nováková".as_bytes(), Some("Jana Nováková")),
        (0x13, b"idp.example.com", Some("idp.example.com")),
        (0x16, b"idp", Some("idp")),
        (0x14, b"caf\xe9", Some("café")),
        (0x1e, b"\0i\0d\0p", Some("idp")),
        (0x1e, b"\0i\0", None),
        (0x1e, b"\xd8\0", None),
        (0x0c, b"\xff", None),
        (0x0c, b"a\x1b[31m\nb", Some("a[31mb")),
        (0x0c, b"\0", None),
        (0x04, b"octets", None),
    ] {
        let odd = Odd {
            subject: der::element(der::SEQUENCE, &name(tag, text)),
            ..Odd::new()
        };
        assert_eq!(odd.parse().unwrap().subject_common_name(), expected);
    }
    let two = [name(0x0c, b"first"), name(0x0c, b"last"), vec![0xff, 0xff]].concat();
    let odd = Odd {
        subject: der::element(der::SEQUENCE, &two),
        ..Odd::new()
    };
    assert_eq!(odd.parse().unwrap().subject_common_name(), Some("last"));
}

#[test]
fn short_and_overlong_rsa_keys_are_named() {
    let error = |bits| {
        Odd {
            key: rsa_of(bits),
            ..Odd::new()
        }
        .parse()
        .err()
    };
    for bits in [8, 512, 1024, 2047] {
        assert_eq!(error(bits), Some(CertificateError::WeakKey { bits }));
    }
    for bits in [8193, 16384] {
        assert_eq!(error(bits), Some(CertificateError::OversizedKey { bits }));
    }
    for bits in [2048, 8192] {
        assert_eq!(error(bits), None, "{bits}");
    }
    assert_eq!(
        CertificateError::WeakKey { bits: 1024 }.to_string(),
        "weak key: RSA with 1024 bits, at least 2048 are needed"
    );
}

#[test]
fn keys_with_impossible_values_are_refused() {
    let of = |modulus: &[u8], exponent: &[u8]| {
        rsa_info(&sequence(&[
            &der::unsigned_element(modulus),
            &der::unsigned_element(exponent),
        ]))
    };
    let point = |octets: &[u8]| {
        sequence(&[
            &sequence(&[&identifier(EC_PUBLIC_KEY), &identifier(P256)]),
            &bits(octets),
        ])
    };
    let odd_modulus = [0xff; 256];
    let mut even_modulus = odd_modulus;
    even_modulus[255] = 0xfe;
    let mut off_curve = certificate(&SIGNERS[1]).key_octets().to_vec();
    off_curve[64] ^= 1;
    for key in [
        of(&even_modulus, &[1, 0, 1]),
        of(&odd_modulus, &[]),
        of(&odd_modulus, &[1]),
        of(&odd_modulus, &[2]),
        of(&odd_modulus, &[0xff; 64]),
        rsa_info(&[]),
        rsa_info(&sequence(&[&integer(&[0x80; 256])])),
        point(&off_curve),
        point(&[0]),
        point(&[]),
        point(certificate(&SIGNERS[2]).key_octets()),
    ] {
        let error = Odd { key, ..Odd::new() }.parse().unwrap_err();
        assert_eq!(error, CertificateError::InvalidKey);
    }
}

#[test]
fn other_kinds_of_keys_are_named() {
    let null = der::element(der::NULL, &[]);
    for (key, expected) in [
        (
            info(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], &null),
            "RSASSA-PSS",
        ),
        (info(&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], &null), "DSA"),
        (
            info(EC_PUBLIC_KEY, &identifier(&[0x2b, 0x81, 4, 0, 0x23])),
            "P-521",
        ),
        (
            info(EC_PUBLIC_KEY, &identifier(&[0x2b, 0x81, 4, 0, 9])),
            "1.3.132.0.9",
        ),
        (
            info(EC_PUBLIC_KEY, &sequence(&[])),
            "elliptic curve with explicit parameters",
        ),
        (
            info(EC_PUBLIC_KEY, &[]),
            "elliptic curve with explicit parameters",
        ),
        (info(&[0x80], &[]), "malformed identifier"),
    ] {
        let error = Odd { key, ..Odd::new() }.parse().unwrap_err();
        let algorithm = expected.to_owned();
        assert_eq!(error, CertificateError::UnsupportedKey { algorithm });
    }
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let error = Certificate::from_pem(&params.self_signed(&pair).unwrap().pem()).unwrap_err();
    assert_eq!(error.to_string(), "unsupported public key: Ed25519");
}

#[test]
fn a_cut_or_extended_certificate_is_refused() {
    for signer in SIGNERS {
        let der = bytes(signer.certificate);
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "{length}");
        }
        let longer = [&der[..], &[0]].concat();
        assert_eq!(
            Certificate::from_der(&longer),
            Err(CertificateError::Malformed)
        );
    }
}

#[test]
fn certificates_are_shared_between_threads_and_show_their_fingerprint() {
    fn shareable<T: Send + Sync + Clone + 'static>(_: &T) {}
    let certificate = certificate(&SIGNERS[0]);
    shareable(&certificate);
    let expected = format!("Certificate({:?})", certificate.fingerprint_sha256());
    assert_eq!(format!("{certificate:?}"), expected);
    assert_eq!(certificate, certificate.clone());
    assert_ne!(certificate, Odd::new().parse().unwrap());
}

proptest! {
    #[test]
    fn no_altered_certificate_panics(position in any::<prop::sample::Index>(), octet in any::<u8>(), which in 0..3_usize) {
        let mut der = bytes(SIGNERS[which].certificate);
        let position = position.index(der.len());
        der[position] = octet;
        if let Ok(certificate) = Certificate::from_der(&der) {
            let (algorithm, signature) = SIGNERS[which].signatures[0];
            let _ = certificate.verify(algorithm, MESSAGE, &bytes(signature));
        }
    }

    #[test]
    fn no_text_panics(text in "(-----BEGIN CERTIFICATE-----|-----END CERTIFICATE-----|[A-Za-z0-9+/=\n -]{0,20}){0,6}") {
        let _ = Certificate::list_from_pem(&text);
    }
}
