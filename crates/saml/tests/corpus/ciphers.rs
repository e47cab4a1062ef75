//! Encryption that is made up: anybody can encrypt to a certificate that everybody may read.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{DataAlgorithm, Element, Encrypter, KeyTransport, SAML, Seal};

use super::encrypted::{encrypted, holder};
use super::forge::{
    self, Placement, copied, evil_assertion, first, part, sign_tree, take_signature,
};
use super::{Context, Group, Keys};

/// A response that holds what an encrypter makes of a text, the response signed or not.
fn holding(plain: &str, encrypter: &Encrypter, signs: bool) -> anyhow::Result<Element> {
    let mut root = forge::response()?.seal(&Seal::nothing())?;
    *part(&mut root, "Assertion")? = encrypter.wrap_text(plain, holder())?;
    if signs {
        forge::STYLE
            .signer(&Keys::get()?.rsa)
            .sign_root(&mut root)?;
    }
    Ok(root)
}

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    let encrypter = Encrypter::new(group.keys.sp.certificate());
    unsigned(group, &encrypter)?;
    plaintexts(group, &encrypter)?;
    mixes(group, &encrypter)?;
    ciphertexts(group)?;
    forms(group, &encrypter)?;
    structures(group, &encrypter)?;
    keys(group)?;
    identifiers(group, &encrypter)?;
    attributes(group, &encrypter)
}

/// Anybody can encrypt to our certificate; it says nothing about who did.
fn unsigned(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let genuine = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?;
    let evil = evil_assertion(&genuine, "_evil-assertion")?.to_xml();
    for data in DataAlgorithm::ALL {
        let encrypter = Encrypter {
            data,
            ..encrypter.clone()
        };
        let xml = holding(&evil, &encrypter, false)?.to_xml();
        group.refuse(&format!("unsigned/{data:?}"), &[Rule::Unsigned], &xml);
    }
    let mut stranger = evil_assertion(&genuine, "_evil-assertion")?;
    forge::STYLE
        .signer(&group.keys.attacker)
        .sign_root(&mut stranger)?;
    let xml = holding(&stranger.to_xml(), encrypter, false)?.to_xml();
    group.refuse("unsigned/signed-by-stranger", &[Rule::Signature], &xml);
    let mut changed = genuine.clone();
    part(&mut changed, "NameID")?.set_text(forge::VICTIM);
    let xml = holding(&changed.to_xml(), encrypter, false)?.to_xml();
    group.refuse("unsigned/changed-after-signing", &[Rule::Digest], &xml);
    // The response is signed around a genuine ciphertext, which somebody replaces.
    let mut root = forge::response()?.seal(&encrypted(Placement::Response, encrypter)?)?;
    *part(&mut root, "EncryptedAssertion")? = encrypter.wrap_text(&evil, holder())?;
    group.refuse(
        "unsigned/replaced-in-signed-response",
        &[Rule::Digest],
        &root.to_xml(),
    );
    take_signature(&mut root);
    group.refuse(
        "unsigned/replaced-and-stripped",
        &[Rule::Unsigned],
        &root.to_xml(),
    );
    Ok(())
}

/// What is decrypted is one assertion and nothing else, also where the identity provider signed around it.
fn plaintexts(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let genuine = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?;
    let evil = evil_assertion(&genuine, "_evil-assertion")?;
    let (good, bad) = (genuine.to_xml(), evil.to_xml());
    let inner = encrypter.wrap_text(&good, holder())?;
    let data = copied(&inner, "EncryptedData")?.to_xml();
    let response = forge::sealed(Placement::Both)?.to_xml();
    let saml = |local: &str| Element::new(&format!("saml:{local}")).namespace("saml", SAML);
    let advising = evil.clone().child(saml("Advice").child(genuine.clone()));
    let escaping = format!("{good}</saml:EncryptedAssertion>{bad}<saml:EncryptedAssertion>");
    let decryption = [Rule::Decryption];
    let misplaced = [Rule::Misplaced];
    for (name, plain, rules) in [
        ("two-assertions", format!("{good}{bad}"), &decryption[..]),
        ("two-evil-first", format!("{bad}{good}"), &decryption),
        ("closes-the-element", escaping, &decryption),
        (
            "closes-first",
            format!("</saml:EncryptedAssertion>{bad}"),
            &decryption,
        ),
        ("response", response, &decryption),
        ("encrypted-assertion", inner.to_xml(), &decryption),
        ("encrypted-data", data, &decryption),
        (
            "name-id",
            saml("NameID").text("admin-0001").to_xml(),
            &decryption,
        ),
        ("empty", String::new(), &decryption),
        ("text", "admin-0001".to_owned(), &decryption),
        ("text-before", format!("x{good}"), &decryption),
        ("text-after", format!("{good}x"), &decryption),
        (
            "doctype",
            format!("<!DOCTYPE x [<!ENTITY e \"x\">]>{good}"),
            &decryption,
        ),
        ("comment", format!("<!-- -->{good}"), &decryption),
        (
            "comment-inside",
            good.replace(">ada-0001<", ">ada<!-- -->-0001<"),
            &decryption,
        ),
        (
            "section",
            good.replace(">ada-0001<", "><![CDATA[ada-0001]]><"),
            &decryption,
        ),
        ("byte-order-mark", format!("\u{feff}{good}"), &decryption),
        ("cut", good[..good.len() - 20].to_owned(), &decryption),
        (
            "foreign-assertion",
            good.replace(SAML, "urn:example:x"),
            &decryption,
        ),
        ("advice", advising.to_xml(), &misplaced),
        (
            "advice-encrypted",
            evil.clone().child(saml("Advice").child(inner)).to_xml(),
            &misplaced,
        ),
    ] {
        for signs in [false, true] {
            let xml = holding(&plain, encrypter, signs)?.to_xml();
            let name = format!("plaintext/{name}{}", if signs { "-signed" } else { "" });
            group.refuse(&name, rules, &xml);
        }
    }
    for (name, octets) in [
        ("not-utf-8", vec![0xFF, 0xFE, 0xFD]),
        ("zeros", vec![0; 64]),
        (
            "latin-1",
            good.replace("ada-0001", "ad\u{e9}")
                .chars()
                .map(|c| c as u8)
                .collect(),
        ),
    ] {
        for data in DataAlgorithm::ALL {
            let content_key = vec![7_u8; data.key_length()];
            let encrypter = Encrypter {
                data,
                ..encrypter.clone()
            };
            let wrapped = encrypter
                .transport
                .encrypt(&encrypter.certificate, &content_key)?;
            let ciphertext = data.encrypt(&content_key, &octets)?;
            let xml = with_ciphertext(&encrypter, &ciphertext, &wrapped)?;
            group.refuse(
                &format!("plaintext/{name}-{data:?}"),
                &[Rule::Decryption],
                &xml,
            );
        }
    }
    Ok(())
}

fn mixes(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let genuine = forge::sealed(Placement::Assertion)?;
    let assertion = copied(&genuine, "Assertion")?;
    let evil = evil_assertion(&assertion, "_evil-assertion")?;
    let encrypted_good = encrypter.wrap_text(&assertion.to_xml(), holder())?;
    let encrypted_evil = encrypter.wrap_text(&evil.to_xml(), holder())?;
    for (name, first, second) in [
        ("plain-good-encrypted-evil", &assertion, &encrypted_evil),
        ("plain-evil-encrypted-good", &evil, &encrypted_good),
        ("two-encrypted", &encrypted_good, &encrypted_evil),
        ("the-same-twice", &encrypted_good, &encrypted_good),
    ] {
        for (order, list) in [("forward", [first, second]), ("backward", [second, first])] {
            let mut root = genuine.clone();
            root.take("Assertion");
            let root = root.children(list.map(Clone::clone));
            let name = format!("mix/{name}-{order}");
            group.refuse(&name, &[Rule::AssertionCount], &root.to_xml());
        }
    }
    Ok(())
}

fn with_ciphertext(encrypter: &Encrypter, data: &[u8], key: &[u8]) -> anyhow::Result<String> {
    let mut root = forge::response()?.seal(&Seal::nothing())?;
    *part(&mut root, "Assertion")? = encrypter.assemble(data, key, holder())?;
    Ok(root.to_xml())
}

/// Ciphertexts that are cut, changed, too short for their initialization vector.
fn ciphertexts(group: &mut Group) -> anyhow::Result<()> {
    let genuine = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?.to_xml();
    for data in DataAlgorithm::ALL {
        let encrypter = Encrypter {
            data,
            ..Encrypter::new(group.keys.sp.certificate())
        };
        let content_key = vec![7_u8; data.key_length()];
        let wrapped = encrypter
            .transport
            .encrypt(&encrypter.certificate, &content_key)?;
        let good = data.encrypt(&content_key, genuine.as_bytes())?;
        let cut = |length: usize| first(&good, length);
        let mut flipped = good.clone();
        if let Some(last) = flipped.last_mut() {
            *last ^= 0xFF;
        }
        let mut cases: Vec<(String, Vec<u8>)> =
            [0, 1, 11, 12, 13, 15, 16, 17, 27, 28, 29, 31, 32, 33]
                .into_iter()
                .map(|length| (format!("length-{length}"), cut(length)))
                .collect();
        cases.push(("flipped".to_owned(), flipped));
        cases.push(("longer".to_owned(), [good.clone(), vec![0]].concat()));
        for missing in [1, 4, 8, 15, 16] {
            let name = format!("without-last-{missing}");
            cases.push((name, cut(good.len() - missing)));
        }
        for (name, ciphertext) in cases {
            let xml = with_ciphertext(&encrypter, &ciphertext, &wrapped)?;
            group.refuse(
                &format!("ciphertext/{name}-{data:?}"),
                &[Rule::Decryption],
                &xml,
            );
        }
        for (name, key) in [
            ("empty", Vec::new()),
            ("zero", vec![0]),
            ("zeros", vec![0; 256]),
            ("ones", vec![0xFF; 256]),
            ("cut", first(&wrapped, 255)),
            ("longer", [wrapped.clone(), vec![0]].concat()),
            ("content-key-itself", content_key.clone()),
        ] {
            let xml = with_ciphertext(&encrypter, &good, &key)?;
            group.refuse(
                &format!("wrapped-key/{name}-{data:?}"),
                &[Rule::Decryption],
                &xml,
            );
        }
        for length in [0, 8, 16, 24, 32, 33] {
            if length == data.key_length() {
                continue;
            }
            let wrong = encrypter
                .transport
                .encrypt(&encrypter.certificate, &vec![7_u8; length])?;
            let xml = with_ciphertext(&encrypter, &good, &wrong)?;
            let name = format!("wrapped-key/of-length-{length}-{data:?}");
            group.refuse(&name, &[Rule::Decryption], &xml);
        }
        // The padding of one hash, named as that of another.
        for (made, named) in [
            (KeyTransport::OaepMgf1p, KeyTransport::Oaep11Sha256),
            (KeyTransport::Oaep11Sha256, KeyTransport::OaepMgf1p),
            (KeyTransport::Pkcs1, KeyTransport::OaepMgf1p),
        ] {
            let key = made.encrypt(&encrypter.certificate, &content_key)?;
            let named = Encrypter {
                transport: named,
                ..encrypter.clone()
            };
            let xml = with_ciphertext(&named, &good, &key)?;
            group.refuse(
                &format!("wrapped-key/{made:?}-as-another-{data:?}"),
                &[Rule::Decryption],
                &xml,
            );
        }
    }
    Ok(())
}

/// Algorithms and structures that are not taken.
fn forms(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let genuine = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?.to_xml();
    let pkcs1 = Encrypter {
        transport: KeyTransport::Pkcs1,
        ..encrypter.clone()
    };
    for signs in [false, true] {
        let xml = holding(&genuine, &pkcs1, signs)?.to_xml();
        group.refuse(
            &format!("form/rsa-1_5-signed-{signs}"),
            &[Rule::Encryption],
            &xml,
        );
    }
    let xenc = "http://www.w3.org/2001/04/xmlenc#";
    for uri in [
        "tripledes-cbc",
        "aes192-cbc",
        "aes256-CBC",
        "rsa-1_5",
        "kw-aes256",
        "",
        "aes128-gcm",
    ] {
        let mut root = holding(&genuine, encrypter, false)?;
        part(&mut root, "EncryptionMethod")?.set("Algorithm", Some(&format!("{xenc}{uri}")));
        group.refuse(
            &format!("form/data-by-{uri}"),
            &[Rule::Encryption],
            &root.to_xml(),
        );
        let mut root = holding(&genuine, encrypter, false)?;
        let key = part(&mut root, "EncryptedKey")?;
        part(key, "EncryptionMethod")?.set("Algorithm", Some(&format!("{xenc}{uri}")));
        group.refuse(
            &format!("form/key-by-{uri}"),
            &[Rule::Encryption],
            &root.to_xml(),
        );
    }
    for (name, uri) in [
        ("md5", "http://www.w3.org/2001/04/xmldsig-more#md5"),
        ("empty", ""),
        ("sha3", "http://www.w3.org/2007/05/xmldsig-more#sha3-256"),
    ] {
        let mut root = holding(&genuine, encrypter, false)?;
        part(&mut root, "DigestMethod")?.set("Algorithm", Some(uri));
        group.refuse(
            &format!("form/label-digest-{name}"),
            &[Rule::Encryption],
            &root.to_xml(),
        );
        let newer = Encrypter {
            transport: KeyTransport::Oaep11Sha256,
            ..encrypter.clone()
        };
        let mut root = holding(&genuine, &newer, false)?;
        part(&mut root, "MGF")?.set("Algorithm", Some(uri));
        group.refuse(
            &format!("form/mask-{name}"),
            &[Rule::Encryption],
            &root.to_xml(),
        );
    }
    Ok(())
}

/// A change to a response with an encrypted assertion; it may use the reference.
type Change = fn(&mut Element, Element) -> anyhow::Result<()>;

/// Elements of the encryption left out, doubled or replaced.
fn structures(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let genuine = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?.to_xml();
    let reference =
        || Element::new("xenc:CipherReference").attribute("URI", "http://attacker.example/octets");
    let changes: [(&str, Change); 12] = [
        ("cipher-reference", |root, reference| {
            *part(root, "CipherData")? = Element::new("xenc:CipherData").child(reference);
            Ok(())
        }),
        ("cipher-reference-of-data", |root, reference| {
            root.take("KeyInfo");
            *part(root, "CipherData")? = Element::new("xenc:CipherData").child(reference);
            Ok(())
        }),
        ("no-key", |root, _| {
            root.take("EncryptedKey");
            Ok(())
        }),
        ("no-data", |root, _| {
            root.take("EncryptedData");
            Ok(())
        }),
        ("two-data", |root, _| {
            let data = copied(root, "EncryptedData")?;
            part(root, "EncryptedAssertion")?.insert(0, data);
            Ok(())
        }),
        ("text-beside-data", |root, _| {
            let holder = part(root, "EncryptedAssertion")?;
            *holder = holder.clone().text("x");
            Ok(())
        }),
        ("nine-keys", |root, _| {
            let key = copied(root, "EncryptedKey")?;
            let info = part(root, "KeyInfo")?;
            *info = info.clone().children(vec![key; 8]);
            Ok(())
        }),
        ("content-type", |root, _| {
            let data = part(root, "EncryptedData")?;
            data.set("Type", Some("http://www.w3.org/2001/04/xmlenc#Content"));
            Ok(())
        }),
        ("no-method", |root, _| {
            root.take("EncryptionMethod");
            Ok(())
        }),
        ("no-value", |root, _| {
            root.take("CipherValue");
            Ok(())
        }),
        ("value-not-base64", |root, _| {
            part(root, "CipherValue")?.set_text("*");
            Ok(())
        }),
        ("element-in-value", |root, reference| {
            part(root, "CipherValue")?.insert(0, reference);
            Ok(())
        }),
    ];
    for (name, change) in changes {
        let mut root = holding(&genuine, encrypter, false)?;
        change(&mut root, reference())?;
        group.refuse(&format!("form/{name}"), &[Rule::Encryption], &root.to_xml());
    }
    Ok(())
}

fn keys(group: &mut Group) -> anyhow::Result<()> {
    let usual = Encrypter::new(group.keys.sp.certificate());
    let to_other = Encrypter::new(group.keys.other_sp.certificate());
    let none: Context = group.usual.but(|context| context.decryption_keys.clear());
    for placement in Placement::ALL {
        let place = placement.name();
        let xml = forge::response()?.to_xml(&encrypted(placement, &to_other)?)?;
        group.refuse(
            &format!("key/to-another-{place}"),
            &[Rule::Decryption],
            &xml,
        );
        let xml = forge::response()?.to_xml(&encrypted(placement, &usual)?)?;
        let name = format!("key/none-configured-{place}");
        group.refuse_in(&name, none.clone(), &[Rule::NoDecryptionKey], &xml);
    }
    Ok(())
}

/// Encrypted identifiers, inside what is signed.
fn identifiers(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let saml = |local: &str| Element::new(&format!("saml:{local}")).namespace("saml", SAML);
    let signer = forge::STYLE.signer(&group.keys.rsa);
    let name_id = saml("NameID").text("admin-0001").to_xml();
    for (name, plain, rule) in [
        ("empty-name", saml("NameID").to_xml(), Rule::NameId),
        (
            "white-space",
            saml("NameID").text(" ").to_xml(),
            Rule::NameId,
        ),
        ("two-names", format!("{name_id}{name_id}"), Rule::Decryption),
        (
            "element-inside",
            saml("NameID").child(saml("X")).to_xml(),
            Rule::Decryption,
        ),
        (
            "comment-inside",
            name_id.replace("admin", "admin<!---->"),
            Rule::Decryption,
        ),
        (
            "base-id",
            saml("BaseID").text("x").to_xml(),
            Rule::Decryption,
        ),
        ("assertion", saml("Assertion").to_xml(), Rule::Decryption),
        ("text", "admin-0001".to_owned(), Rule::Decryption),
        ("nothing", String::new(), Rule::Decryption),
    ] {
        for placement in Placement::ALL {
            let mut root = forge::response()?.seal(&Seal::nothing())?;
            *part(&mut root, "NameID")? = encrypter.wrap_text(&plain, saml("EncryptedID"))?;
            sign_tree(&mut root, placement, &signer)?;
            let name = format!("identifier/{name}-{}", placement.name());
            group.refuse(&name, &[rule], &root.to_xml());
        }
    }
    for placement in Placement::ALL {
        let place = placement.name();
        let mut seal = placement.seal(forge::STYLE, &group.keys.rsa);
        seal.encrypt_name_id = Some(encrypter.clone());
        let genuine = forge::response()?.seal(&seal)?;
        let mut root = genuine.clone();
        *part(&mut root, "EncryptedID")? = encrypter.wrap_text(&name_id, saml("EncryptedID"))?;
        group.refuse(
            &format!("identifier/replaced-{place}"),
            &[Rule::Digest],
            &root.to_xml(),
        );
        let none = group.usual.but(|context| context.decryption_keys.clear());
        let name = format!("identifier/no-key-{place}");
        group.refuse_in(&name, none, &[Rule::NoDecryptionKey], &genuine.to_xml());
    }
    Ok(())
}

/// Encrypted attributes, inside what is signed.
fn attributes(group: &mut Group, encrypter: &Encrypter) -> anyhow::Result<()> {
    let saml = |local: &str| Element::new(&format!("saml:{local}")).namespace("saml", SAML);
    let attribute = || {
        let value = Element::new("saml:AttributeValue").text("B-7");
        saml("Attribute").attribute("Name", "badge").child(value)
    };
    let assertion = copied(&forge::sealed(Placement::Assertion)?, "Assertion")?;
    let one = attribute().to_xml();
    for (name, plain, rule) in [
        ("two", format!("{one}{one}"), Rule::Decryption),
        (
            "statement",
            saml("AttributeStatement").child(attribute()).to_xml(),
            Rule::Decryption,
        ),
        (
            "name-id",
            saml("NameID").text("admin-0001").to_xml(),
            Rule::Decryption,
        ),
        (
            "comment",
            one.replace("B-7", "B<!---->-7"),
            Rule::Decryption,
        ),
        ("doctype", format!("<!DOCTYPE x>{one}"), Rule::Decryption),
        ("nothing", String::new(), Rule::Decryption),
        ("assertion", assertion.to_xml(), Rule::Decryption),
        (
            "assertion-inside",
            attribute().child(assertion).to_xml(),
            Rule::Misplaced,
        ),
    ] {
        for placement in Placement::ALL {
            let xml = forge::signed_tree(placement, |root| {
                let holder = encrypter.wrap_text(&plain, saml("EncryptedAttribute"))?;
                part(root, "AttributeStatement")?.insert(9, holder);
                Ok(())
            })?;
            let name = format!("attribute/{name}-{}", placement.name());
            group.refuse(&name, &[rule], &xml);
        }
    }
    Ok(())
}
