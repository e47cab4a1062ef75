//! Whose key made a signature, with which algorithm, and what its value is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_saml::Rule;
use vestibule_simulate::saml::{
    DS, DigestAlgorithm, Element, KeyInfo, SamlKey, SignatureAlgorithm as Algorithm, Signer,
};

use super::Group;
use super::forge::{self, Placement, crafted, first, part, sealed, taken};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        strangers(group, placement)?;
        key_info(group, placement)?;
        values(group, placement)?;
        elliptic(group, placement)?;
    }
    algorithms(group)?;
    parameters(group)?;
    one_of_two(group)?;
    no_certificates(group)
}

fn by(signer: &Signer, placement: Placement) -> anyhow::Result<String> {
    forge::response()?.to_xml(&placement.seal_with(signer))
}

/// Signed by somebody else, whatever they show.
fn strangers(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let keys = group.keys;
    let both = group.usual.but(|context| {
        context.certificates = vec![keys.p256.certificate_pem(), keys.rsa.certificate_pem()];
    });
    for shown in [
        KeyInfo::Absent,
        KeyInfo::Certificate,
        KeyInfo::NameCertificateAndValue,
    ] {
        let mut signer = forge::STYLE.signer(&keys.attacker);
        signer.key_info = shown;
        let name = format!("stranger/same-subject-{shown:?}-{place}");
        group.refuse(&name, &[Rule::Signature], &by(&signer, placement)?);
        // The genuine certificate is shown and the key is another.
        signer.shown_key = Some(keys.rsa.clone());
        let name = format!("stranger/shows-ours-{shown:?}-{place}");
        group.refuse(&name, &[Rule::Signature], &by(&signer, placement)?);
    }
    let elliptic = by(&forge::STYLE.signer(&keys.attacker_p256), placement)?;
    group.refuse(
        &format!("stranger/p256-{place}"),
        &[Rule::KeyKind],
        &elliptic,
    );
    let name = format!("stranger/p256-where-one-is-pinned-{place}");
    group.refuse_in(&name, both, &[Rule::Signature], &elliptic);
    for (name, key) in [
        ("next-key-not-pinned-yet", &keys.rsa_next),
        ("our-own-encryption-key", &keys.sp),
    ] {
        let xml = by(&forge::STYLE.signer(key), placement)?;
        group.refuse(
            &format!("stranger/{name}-{place}"),
            &[Rule::Signature],
            &xml,
        );
    }
    Ok(())
}

/// What `KeyInfo` names is never looked at, so no content of it helps.
fn key_info(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let keys = group.keys;
    let ds = |local: &str| Element::new(&format!("ds:{local}"));
    let certificate = |key: &SamlKey| {
        let text = key.certificate().base64();
        ds("X509Data").child(ds("X509Certificate").text(&text))
    };
    let ours = certificate(&keys.rsa);
    let theirs = certificate(&keys.attacker);
    let retrieval = ds("RetrievalMethod")
        .attribute("URI", "http://attacker.example/certificate")
        .attribute(
            "Type",
            "http://www.w3.org/2000/09/xmldsig#rawX509Certificate",
        );
    let infos = [
        (
            "ours-then-theirs",
            ds("KeyInfo").children([ours.clone(), theirs.clone()]),
        ),
        ("theirs-then-ours", ds("KeyInfo").children([theirs, ours])),
        ("retrieval-method", ds("KeyInfo").child(retrieval)),
        (
            "key-name",
            ds("KeyInfo").child(ds("KeyName").text("idp.example")),
        ),
        ("empty", ds("KeyInfo")),
    ];
    for (name, info) in infos {
        let mut root = forge::response()?.seal(&placement.seal(forge::STYLE, &keys.attacker))?;
        *part(&mut root, "KeyInfo")? = info.clone();
        let name = format!("key-info/{name}-{place}");
        group.refuse(
            &format!("{name}-by-stranger"),
            &[Rule::Signature],
            &root.to_xml(),
        );
        // It is not signed in an assertion's own signature; where it is, it is part of what is.
        let mut root = sealed(placement)?;
        *part(&mut root, "KeyInfo")? = info;
        match placement {
            // The first signature is the response's, which leaves itself out.
            Placement::Assertion | Placement::Response | Placement::Both => {
                group.accept(&format!("{name}-genuine"), &root.to_xml());
            }
        }
    }
    Ok(())
}

/// Values of a signature that no key made.
fn values(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let genuine = sealed(placement)?;
    let value = STANDARD.decode(taken(&mut genuine.clone(), "SignatureValue")?.inner_text())?;
    let digest = STANDARD.decode(taken(&mut genuine.clone(), "DigestValue")?.inner_text())?;
    let mut flipped = value.clone();
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    let mut flipped_digest = digest.clone();
    if let Some(first) = flipped_digest.first_mut() {
        *first ^= 1;
    }
    for (name, octets) in [
        ("empty", Vec::new()),
        ("zero", vec![0]),
        ("zeros", vec![0; 256]),
        ("one", [vec![0; 255], vec![1]].concat()),
        ("ones", vec![0xFF; 256]),
        ("flipped", flipped),
        ("truncated", first(&value, 255)),
        ("half", first(&value, 128)),
        ("longer", [value.clone(), vec![0]].concat()),
        ("leading-zero", [vec![0], value.clone()].concat()),
        ("twice", [value.clone(), value.clone()].concat()),
        ("digest", digest.clone()),
    ] {
        let mut root = genuine.clone();
        part(&mut root, "SignatureValue")?.set_text(&STANDARD.encode(octets));
        group.refuse(
            &format!("value/{name}-{place}"),
            &[Rule::Signature],
            &root.to_xml(),
        );
    }
    for (name, octets) in [
        ("empty", Vec::new()),
        ("flipped", flipped_digest),
        ("truncated", first(&digest, 31)),
        ("one-octet", first(&digest, 1)),
        ("longer", [digest.clone(), vec![0]].concat()),
    ] {
        // Changed afterwards the signature fails; signed so, the digest does.
        let mut root = genuine.clone();
        part(&mut root, "DigestValue")?.set_text(&STANDARD.encode(&octets));
        group.refuse(
            &format!("digest/{name}-{place}"),
            &[Rule::Signature],
            &root.to_xml(),
        );
        let xml = crafted(placement, |signature| {
            part(signature, "DigestValue")?.set_text(&STANDARD.encode(&octets));
            Ok(())
        })?;
        group.refuse(
            &format!("digest/{name}-signed-{place}"),
            &[Rule::Digest],
            &xml,
        );
    }
    for (name, text) in [
        ("not-base64", "*"),
        ("no-padding", "AAAAAA"),
        ("odd", "AAAA="),
    ] {
        for local in ["SignatureValue", "DigestValue"] {
            let mut root = genuine.clone();
            part(&mut root, local)?.set_text(text);
            let name = format!("value/{name}-{local}-{place}");
            group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
        }
    }
    Ok(())
}

fn elliptic(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (curve, key, width) in [
        ("p256", &group.keys.p256, 32),
        ("p384", &group.keys.p384, 48),
    ] {
        let context = group
            .usual
            .but(|context| context.certificates = vec![key.certificate_pem()]);
        let genuine = forge::response()?.seal(&placement.seal(forge::STYLE, key))?;
        let text = taken(&mut genuine.clone(), "SignatureValue")?.inner_text();
        let value = STANDARD.decode(text)?;
        let (r, s) = value.split_at(width);
        let one = [vec![0; width - 1], vec![1]].concat();
        let zero = vec![0; width];
        let half = width.try_into().unwrap_or(32_u8);
        let integer = |octets: &[u8]| {
            let positive = [&[0], octets].concat();
            [&[2, half + 1], positive.as_slice()].concat()
        };
        let content = [integer(r), integer(s)].concat();
        let header = [0x30, u8::try_from(content.len()).unwrap_or(0)];
        for (name, octets) in [
            ("zero-zero", [zero.clone(), zero.clone()].concat()),
            ("zero-s", [r.to_vec(), zero.clone()].concat()),
            ("zero-r", [zero.clone(), s.to_vec()].concat()),
            ("one-one", [one.clone(), one].concat()),
            ("ones", vec![0xFF; width * 2]),
            ("swapped", [s.to_vec(), r.to_vec()].concat()),
            ("empty", Vec::new()),
            ("r-only", r.to_vec()),
            ("longer", [value.clone(), zero].concat()),
            ("in-asn1", [header.to_vec(), content].concat()),
        ] {
            let mut root = genuine.clone();
            part(&mut root, "SignatureValue")?.set_text(&STANDARD.encode(octets));
            let name = format!("ecdsa/{curve}-{name}-{place}");
            group.refuse_in(&name, context.clone(), &[Rule::Signature], &root.to_xml());
        }
        let rsa = sealed(placement)?.to_xml();
        let name = format!("ecdsa/{curve}-pinned-rsa-sent-{place}");
        group.refuse_in(&name, context, &[Rule::KeyKind], &rsa);
    }
    Ok(())
}

/// Algorithms that do not exist here, each with a value that its own rules would accept where we can make one.
fn algorithms(group: &mut Group) -> anyhow::Result<()> {
    for placement in [Placement::Assertion, Placement::Response] {
        let place = placement.name();
        for algorithm in [Algorithm::HmacSha256, Algorithm::RsaPssSha256] {
            let mut signer = forge::STYLE.signer(&group.keys.rsa);
            signer.algorithm = algorithm;
            let name = format!("algorithm/{algorithm:?}-{place}");
            group.refuse(&name, &[Rule::Algorithm], &by(&signer, placement)?);
        }
        for uri in [
            "",
            "none",
            "http://www.w3.org/2000/09/xmldsig#none",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-md5",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2009/xmldsig11#dsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
            "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
            "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256 ",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256#",
            "http://www.w3.org/2001/04/xmlenc#sha256",
        ] {
            let xml = crafted(placement, |signature| {
                part(signature, "SignatureMethod")?.set("Algorithm", Some(uri));
                Ok(())
            })?;
            group.refuse(
                &format!("algorithm/{uri}-{place}"),
                &[Rule::Algorithm],
                &xml,
            );
        }
        for uri in [
            "",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
            "http://www.w3.org/2001/04/xmldsig-more#sha224",
            "http://www.w3.org/2001/04/xmlenc#ripemd160",
            "http://www.w3.org/2001/04/xmlenc#SHA256",
            "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
        ] {
            let xml = crafted(placement, |signature| {
                part(signature, "DigestMethod")?.set("Algorithm", Some(uri));
                Ok(())
            })?;
            group.refuse(
                &format!("digest-algorithm/{uri}-{place}"),
                &[Rule::Algorithm],
                &xml,
            );
        }
        // The value is right and the algorithm named is another of the same family.
        for (named, rule) in [
            (Algorithm::RsaSha512, Rule::Signature),
            (Algorithm::EcdsaSha256, Rule::KeyKind),
            (Algorithm::RsaSha1, Rule::Algorithm),
        ] {
            let mut root = sealed(placement)?;
            part(&mut root, "SignatureMethod")?.set("Algorithm", Some(named.uri()));
            let name = format!("algorithm/renamed-{named:?}-{place}");
            group.refuse(&name, &[rule], &root.to_xml());
        }
        let xml = crafted(placement, |signature| {
            part(signature, "DigestMethod")?.set("Algorithm", Some(DigestAlgorithm::Sha512.uri()));
            Ok(())
        })?;
        group.refuse(
            &format!("digest-algorithm/renamed-{place}"),
            &[Rule::Digest],
            &xml,
        );
    }
    Ok(())
}

/// Parameters of algorithms, such as an HMAC of which no bit is compared.
fn parameters(group: &mut Group) -> anyhow::Result<()> {
    for placement in [Placement::Assertion, Placement::Response] {
        let place = placement.name();
        for local in ["SignatureMethod", "DigestMethod"] {
            for length in ["0", "8"] {
                let xml = crafted(placement, |signature| {
                    let length = Element::new("ds:HMACOutputLength").text(length);
                    part(signature, local)?.insert(0, length);
                    Ok(())
                })?;
                let name = format!("parameter/length-{length}-{local}-{place}");
                group.refuse(&name, &[Rule::SignatureForm], &xml);
            }
        }
        let mut signer = forge::STYLE.signer(&group.keys.rsa);
        signer.algorithm = Algorithm::HmacSha256;
        let mut root = forge::response()?.seal(&placement.seal_with(&signer))?;
        let method = part(&mut root, "SignatureMethod")?;
        method.insert(0, Element::new("ds:HMACOutputLength").text("0"));
        let name = format!("parameter/hmac-of-no-bits-{place}");
        group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
        let xml = crafted(placement, |signature| {
            let method = part(signature, "SignatureMethod")?;
            method.insert(0, Element::new("x:salt").namespace("x", DS));
            Ok(())
        })?;
        group.refuse(
            &format!("parameter/salt-{place}"),
            &[Rule::SignatureForm],
            &xml,
        );
    }
    Ok(())
}

/// Two signatures of which one does not hold: each has to.
fn one_of_two(group: &mut Group) -> anyhow::Result<()> {
    let keys = group.keys;
    for (name, assertion, response) in [
        ("assertion-by-stranger", &keys.attacker, &keys.rsa),
        ("response-by-stranger", &keys.rsa, &keys.attacker),
    ] {
        let mut seal = Placement::Both.seal(forge::STYLE, assertion);
        seal.response = Some(forge::STYLE.signer(response));
        let xml = forge::response()?.to_xml(&seal)?;
        group.refuse(&format!("one-of-two/{name}"), &[Rule::Signature], &xml);
    }
    let mut seal = Placement::Both.seal(forge::STYLE, &keys.rsa);
    seal.assertion = seal.assertion.map(Signer::with_sha1);
    let xml = forge::response()?.to_xml(&seal)?;
    group.refuse("one-of-two/assertion-by-sha1", &[Rule::Algorithm], &xml);
    Ok(())
}

fn no_certificates(group: &mut Group) -> anyhow::Result<()> {
    let none = group.usual.but(|context| context.certificates.clear());
    let xml = sealed(Placement::Both)?.to_xml();
    group.refuse_in(
        "pinned/none-signed",
        none.clone(),
        &[Rule::NoCertificate],
        &xml,
    );
    let unsigned = forge::response()?.to_xml(&vestibule_simulate::saml::Seal::nothing())?;
    group.refuse_in(
        "pinned/none-unsigned",
        none,
        &[Rule::NoCertificate],
        &unsigned,
    );
    group.refuse("pinned/one-unsigned", &[Rule::Unsigned], &unsigned);
    Ok(())
}
