//! Encrypted assertions and identifiers, as identity providers make them.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{
    Attribute, DataAlgorithm, Element, Encrypter, KeyPlace, KeyTransport, SAML, SamlKey, Seal,
    Style,
};

use super::forge::{self, Placement, copied, login, part, person, response_of, sign_tree};
use super::{Group, Keys};

const TRANSPORTS: [KeyTransport; 5] = [
    KeyTransport::OaepMgf1p,
    KeyTransport::OaepMgf1pUnsaid,
    KeyTransport::OaepMgf1pSha256,
    KeyTransport::Oaep11Sha256,
    KeyTransport::Oaep11Sha256MgfUnsaid,
];

pub(super) fn encrypted(placement: Placement, encrypter: &Encrypter) -> anyhow::Result<Seal> {
    let seal = placement.seal(forge::STYLE, &Keys::get()?.rsa);
    Ok(Seal {
        encrypt_assertion: Some(encrypter.clone()),
        ..seal
    })
}

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    let usual = Encrypter::new(group.keys.sp.certificate());
    for data in DataAlgorithm::ALL {
        for transport in TRANSPORTS {
            let encrypter = Encrypter {
                data,
                transport,
                ..usual.clone()
            };
            for placement in Placement::ALL {
                let name = format!("{data:?}-{transport:?}-{}", placement.name());
                let xml = forge::response()?.to_xml(&encrypted(placement, &encrypter)?)?;
                group.accept(&format!("assertion/{name}"), &xml);
            }
            let mut seal = Placement::Both.seal(forge::STYLE, &group.keys.rsa);
            seal.encrypt_name_id = Some(encrypter);
            let xml = forge::response()?.to_xml(&seal)?;
            group.accept(&format!("name-id/{data:?}-{transport:?}"), &xml);
        }
    }
    for place in [
        KeyPlace::Inside,
        KeyPlace::BesideRetrieved,
        KeyPlace::BesideUnmentioned,
    ] {
        for (name, width, shown) in [("wrapped", 64, true), ("plain", 0, false)] {
            let encrypter = Encrypter {
                place,
                base64_width: width,
                show_certificate: shown,
                recipient: shown.then(|| super::SP.to_owned()),
                ..usual.clone()
            };
            for placement in Placement::ALL {
                let xml = forge::response()?.to_xml(&encrypted(placement, &encrypter)?)?;
                let name = format!("key/{place:?}-{name}-{}", placement.name());
                group.accept(&name, &xml);
            }
        }
    }
    for style in Style::ALL {
        for placement in Placement::ALL {
            let mut seal = placement.seal(style, &group.keys.rsa);
            seal.encrypt_assertion = Some(usual.clone());
            let xml = response_of(style, &login())?.to_xml(&seal)?;
            let name = format!("{style:?}-{}", placement.name());
            group.accept(&format!("product/{name}"), &xml);
            seal.encrypt_name_id = Some(usual.clone());
            let xml = response_of(style, &login())?.to_xml(&seal)?;
            group.accept(&format!("product/{name}-and-name-id"), &xml);
        }
    }
    rotation(group, &usual)?;
    attributes(group, &usual)?;
    many_values(group, &usual)?;
    recipients(group)
}

fn rotation(group: &mut Group, usual: &Encrypter) -> anyhow::Result<()> {
    let keys = group.keys;
    let to_old = Encrypter::new(keys.sp_old.certificate());
    for (order, list) in [
        ("new-first", [&keys.sp, &keys.sp_old]),
        ("old-first", [&keys.sp_old, &keys.sp]),
    ] {
        let context = group.usual.but(|context| {
            context.decryption_keys = list.iter().map(|key| key.private_key_pem()).collect();
        });
        for (name, encrypter) in [("new", usual), ("old", &to_old)] {
            for data in [DataAlgorithm::Aes256Gcm, DataAlgorithm::Aes128Cbc] {
                let encrypter = Encrypter {
                    data,
                    ..encrypter.clone()
                };
                let xml = forge::response()?.to_xml(&encrypted(Placement::Both, &encrypter)?)?;
                let name = format!("rotation/to-{name}-{order}-{data:?}");
                group.accept_in(&name, context.clone(), &xml);
            }
        }
    }
    let demanding = group.usual.but(|context| context.require_encryption = true);
    let xml = forge::response()?.to_xml(&encrypted(Placement::Both, usual)?)?;
    group.accept_in("demanded/encrypted", demanding.clone(), &xml);
    for placement in Placement::ALL {
        let plain = forge::sealed(placement)?.to_xml();
        let name = format!("demanded/plain-{}", placement.name());
        group.refuse_in(&name, demanding.clone(), &[Rule::NotEncrypted], &plain);
    }
    Ok(())
}

/// An attribute that is encrypted inside what is signed.
fn attributes(group: &mut Group, usual: &Encrypter) -> anyhow::Result<()> {
    let mut identity = person();
    identity
        .attributes
        .push(("badge".to_owned(), vec!["B-7".to_owned()]));
    let plain = format!(
        "<saml:Attribute xmlns:saml=\"{SAML}\" Name=\"badge\">\
         <saml:AttributeValue>B-7</saml:AttributeValue></saml:Attribute>"
    );
    for (name, plain) in [
        ("declared", plain.clone()),
        // Within the namespaces in force where it was.
        (
            "undeclared",
            plain.replace(&format!(" xmlns:saml=\"{SAML}\""), ""),
        ),
    ] {
        for placement in Placement::ALL {
            let xml = forge::signed_tree(placement, |root| {
                let holder = Element::new("saml:EncryptedAttribute").namespace("saml", SAML);
                let attribute = usual.wrap_text(&plain, holder)?;
                part(root, "AttributeStatement")?.insert(9, attribute);
                Ok(())
            })?;
            let name = format!("attribute/{name}-{}", placement.name());
            group.accept_as(&name, group.usual.clone(), identity.clone(), &xml);
        }
    }
    Ok(())
}

/// A megabyte of group names, encrypted.
fn many_values(group: &mut Group, usual: &Encrypter) -> anyhow::Result<()> {
    let groups: Vec<String> = (0..15_000)
        .map(|number| format!("group-{number:05}"))
        .collect();
    let mut identity = person();
    identity
        .attributes
        .push(("many".to_owned(), groups.clone()));
    let mut login = login();
    let values = groups.iter().map(String::as_str);
    login.attributes.push(Attribute::new("many", values));
    let mut seal = Placement::Both.seal(Style::Adfs, &group.keys.rsa);
    seal.encrypt_assertion = Some(usual.clone());
    let xml = response_of(Style::Adfs, &login)?.to_xml(&seal)?;
    group.accept_as("values/15000", group.usual.clone(), identity, &xml);
    Ok(())
}

/// One content key, wrapped for another service provider and for us.
fn recipients(group: &mut Group) -> anyhow::Result<()> {
    let keys = group.keys;
    for place in [KeyPlace::Inside, KeyPlace::BesideUnmentioned] {
        for (name, order) in [
            ("ours-last", [&keys.other_sp, &keys.sp_old, &keys.sp]),
            ("ours-first", [&keys.sp, &keys.sp_old, &keys.other_sp]),
        ] {
            let mut root = forge::response()?.seal(&Seal::nothing())?;
            sign_tree(
                &mut root,
                Placement::Assertion,
                &forge::STYLE.signer(&keys.rsa),
            )?;
            let assertion = part(&mut root, "Assertion")?;
            *assertion = to_several(&assertion.to_xml(), &order, place)?;
            group.accept(&format!("recipients/{name}-{place:?}"), &root.to_xml());
        }
    }
    Ok(())
}

pub(super) fn holder() -> Element {
    Element::new("saml:EncryptedAssertion").namespace("saml", SAML)
}

fn to_several(plain: &str, keys: &[&SamlKey], place: KeyPlace) -> anyhow::Result<Element> {
    let content_key = [7_u8; 32];
    let ciphertext = DataAlgorithm::Aes256Gcm.encrypt(&content_key, plain.as_bytes())?;
    let mut whole: Option<Element> = None;
    for key in keys {
        let encrypter = Encrypter {
            place,
            ..Encrypter::new(key.certificate())
        };
        let wrapped = encrypter
            .transport
            .encrypt(key.certificate(), &content_key)?;
        let one = encrypter.assemble(&ciphertext, &wrapped, holder())?;
        match &mut whole {
            None => whole = Some(one),
            Some(whole) => {
                let mut further = copied(&one, "EncryptedKey")?;
                further.declare("xenc", vestibule_simulate::saml::XENC);
                let parent = match place {
                    KeyPlace::Inside => part(whole, "KeyInfo")?,
                    _ => whole,
                };
                parent.insert(parent.children.len(), further);
            }
        }
    }
    Ok(whole.unwrap_or_default())
}
