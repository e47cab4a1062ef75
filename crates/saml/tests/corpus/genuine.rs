//! What identity providers send: every placement, product, algorithm and pinned set of certificates.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{C14n, DigestAlgorithm, SamlKey, Style};

use super::forge::{self, Placement, login, response_of, signed};
use super::{Group, NOW};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    products(group)?;
    algorithms(group)?;
    canonical_forms(group)?;
    certificates(group)?;
    clocks(group)?;
    answers(group)
}

fn products(group: &mut Group) -> anyhow::Result<()> {
    for style in Style::ALL {
        let response = response_of(style, &login())?;
        let own = response.to_xml(&style.seal(&group.keys.rsa))?;
        group.accept(&format!("product/{style:?}"), &own);
        for placement in Placement::ALL {
            let name = format!("product/{style:?}-{}", placement.name());
            let xml = response.to_xml(&placement.seal(style, &group.keys.rsa))?;
            group.accept(&name, &xml);
        }
    }
    Ok(())
}

fn algorithms(group: &mut Group) -> anyhow::Result<()> {
    use vestibule_simulate::saml::SignatureAlgorithm as Algorithm;
    let keys = group.keys;
    for (key, algorithm) in [
        (&keys.rsa, Algorithm::RsaSha256),
        (&keys.rsa, Algorithm::RsaSha384),
        (&keys.rsa, Algorithm::RsaSha512),
        (&keys.p256, Algorithm::EcdsaSha256),
        (&keys.p384, Algorithm::EcdsaSha384),
    ] {
        let context = group
            .usual
            .but(|context| context.certificates = vec![key.certificate_pem()]);
        for digest in [
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512,
        ] {
            for placement in Placement::ALL {
                let seal = placement.seal(forge::STYLE, key).with_signers(|signer| {
                    signer.algorithm = algorithm;
                    signer.digest = digest;
                });
                let name = format!("algorithm/{algorithm:?}-{digest:?}-{}", placement.name());
                let xml = forge::response()?.to_xml(&seal)?;
                group.accept_in(&name, context.clone(), &xml);
            }
        }
    }
    sha1(group)
}

fn sha1(group: &mut Group) -> anyhow::Result<()> {
    use vestibule_simulate::saml::SignatureAlgorithm as Algorithm;
    let allowed = group.usual.but(|context| context.allow_sha1 = true);
    for (name, algorithm, digest) in [
        ("signature", Algorithm::RsaSha1, DigestAlgorithm::Sha256),
        ("digest", Algorithm::RsaSha256, DigestAlgorithm::Sha1),
        ("throughout", Algorithm::RsaSha1, DigestAlgorithm::Sha1),
    ] {
        for placement in Placement::ALL {
            let seal = placement
                .seal(forge::STYLE, &group.keys.rsa)
                .with_signers(|signer| {
                    signer.algorithm = algorithm;
                    signer.digest = digest;
                });
            let name = format!("sha1/{name}-{}", placement.name());
            let xml = forge::response()?.to_xml(&seal)?;
            group.accept_in(&format!("{name}-allowed"), allowed.clone(), &xml);
            group.refuse(&name, &[Rule::Algorithm], &xml);
        }
    }
    Ok(())
}

fn canonical_forms(group: &mut Group) -> anyhow::Result<()> {
    let inclusive = group
        .usual
        .but(|context| context.allow_inclusive_c14n = true);
    for style in Style::ALL {
        for placement in Placement::ALL {
            let product = format!("{style:?}-{}", placement.name());
            let sealed = |transform: C14n, method: C14n| {
                let seal = placement
                    .seal(style, &group.keys.rsa)
                    .with_signers(|signer| {
                        signer.transform = transform.clone();
                        signer.canonicalization = method.clone();
                    });
                response_of(style, &login())?.to_xml(&seal)
            };
            let list = C14n::with_prefixes(&["xs", "saml", "saml2", "samlp", "#default", "absent"]);
            let with_list = sealed(list.clone(), C14n::exclusive())?;
            let with_lists = sealed(list.clone(), list)?;
            let both = sealed(C14n::Inclusive, C14n::Inclusive)?;
            let transform = sealed(C14n::Inclusive, C14n::exclusive())?;
            let method = sealed(C14n::exclusive(), C14n::Inclusive)?;
            group.accept(&format!("prefix-list/transform-{product}"), &with_list);
            group.accept(&format!("prefix-list/both-{product}"), &with_lists);
            for (name, xml) in [("both", both), ("transform", transform), ("method", method)] {
                let name = format!("inclusive/{name}-{product}");
                group.accept_in(&format!("{name}-allowed"), inclusive.clone(), &xml);
                group.refuse(&name, &[Rule::Canonicalization], &xml);
            }
        }
    }
    Ok(())
}

fn certificates(group: &mut Group) -> anyhow::Result<()> {
    let keys = group.keys;
    let pinned: [&SamlKey; 4] = [&keys.rsa, &keys.rsa_next, &keys.p256, &keys.p384];
    for first in 0..pinned.len() {
        // Every key is tried wherever it stands in the list.
        let mut order = pinned.to_vec();
        order.rotate_left(first);
        let context = group.usual.but(|context| {
            context.certificates = order.iter().map(|key| key.certificate_pem()).collect();
        });
        for (at, key) in order.iter().enumerate() {
            let name = format!("rollover/{:?}-at-{at}-of-order-{first}", key.kind());
            let xml = forge::response()?.to_xml(&Placement::Both.seal(forge::STYLE, key))?;
            group.accept_in(&name, context.clone(), &xml);
        }
    }
    let mut mixed = Placement::Both.seal(forge::STYLE, &keys.rsa);
    mixed.response = Some(forge::STYLE.signer(&keys.p256));
    let both = group.usual.but(|context| {
        context.certificates = vec![keys.p256.certificate_pem(), keys.rsa.certificate_pem()];
    });
    let xml = forge::response()?.to_xml(&mixed)?;
    group.accept_in("rollover/each-signature-by-another-key", both, &xml);
    let expired = group.usual.but(|context| {
        context.certificates = vec![keys.rsa_expired.certificate_pem()];
    });
    let xml = signed(Placement::Assertion, |_| ())?;
    group.accept_in("certificate/expired", expired, &xml);
    Ok(())
}

fn clocks(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let place = placement.name();
        for (name, start, end) in [
            ("usual", NOW - 300, NOW + 300),
            ("ends-59-seconds-ago", NOW - 300, NOW - 59),
            ("begins-in-60-seconds", NOW + 60, NOW + 300),
            ("at-both-edges", NOW, NOW + 1),
        ] {
            let xml = signed(placement, |response| {
                for assertion in &mut response.assertions {
                    if let Some(conditions) = &mut assertion.conditions {
                        conditions.not_before = Some(start);
                        conditions.not_on_or_after = Some(end);
                    }
                }
            })?;
            group.accept(&format!("clock/conditions-{name}-{place}"), &xml);
            let xml = signed(placement, |response| {
                let assertion = response.assertion_mut();
                if let Some(confirmation) = assertion.and_then(|found| found.confirmation_mut()) {
                    confirmation.not_before = Some(start);
                    confirmation.not_on_or_after = Some(end);
                }
            })?;
            group.accept(&format!("clock/confirmation-{name}-{place}"), &xml);
        }
        let xml = signed(placement, |response| {
            if let Some(conditions) = response
                .assertion_mut()
                .and_then(|assertion| assertion.conditions.as_mut())
            {
                conditions.not_before = None;
                conditions.not_on_or_after = None;
            }
        })?;
        group.accept(&format!("clock/conditions-without-times-{place}"), &xml);
        for (name, end) in [("later", NOW + 3600), ("59-seconds-ago", NOW - 59)] {
            let xml = signed(placement, |response| {
                for assertion in &mut response.assertions {
                    for statement in &mut assertion.authn_statements {
                        statement.session_not_on_or_after = Some(end);
                    }
                }
            })?;
            group.accept(&format!("clock/session-ends-{name}-{place}"), &xml);
        }
    }
    Ok(())
}

/// Solicited and not, with and without what is optional in the response around the assertion.
fn answers(group: &mut Group) -> anyhow::Result<()> {
    let bare = signed(Placement::Assertion, |response| {
        response.destination = None;
        response.issuer = None;
        response.in_response_to = None;
    })?;
    group.accept("answer/wrapper-says-little", &bare);
    let xml = signed(Placement::Response, |response| response.issuer = None)?;
    group.accept("answer/signed-response-without-issuer", &xml);
    let mut unsolicited = login();
    unsolicited.in_response_to = None;
    let nobody = group.usual.but(|context| {
        context.in_response_to = None;
        context.allow_unsolicited = true;
    });
    let either = group.usual.but(|context| context.allow_unsolicited = true);
    for placement in Placement::ALL {
        let place = placement.name();
        let xml = response_of(forge::STYLE, &unsolicited)?
            .to_xml(&placement.seal(forge::STYLE, &group.keys.rsa))?;
        group.accept_in(&format!("answer/unsolicited-{place}"), nobody.clone(), &xml);
        let name = format!("answer/unsolicited-while-a-login-waits-{place}");
        group.accept_in(&name, either.clone(), &xml);
        group.refuse(
            &format!("answer/unsolicited-not-allowed-{place}"),
            &[Rule::Unsolicited],
            &xml,
        );
        let xml = signed(placement, |_| ())?;
        let name = format!("answer/answers-where-unsolicited-is-allowed-{place}");
        group.accept_in(&name, either.clone(), &xml);
    }
    Ok(())
}
