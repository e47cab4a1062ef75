//! Encrypted assertions and identifiers, as identity providers make them.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{
    DataAlgorithm, Element, Encrypter, KeyPlace, KeyTransport, SAML, SamlKey, Seal, Style,
};

use super::forge::{self, Placement, copied, login, part, response_of, sign_tree};
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
