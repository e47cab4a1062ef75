//! Meant for somebody else, or issued by somebody else: every name is compared octet by octet.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{Issuer, Response};

use super::Group;
use super::forge::{self, Placement, signed};
use super::{ACS, IDP, NOW, REQUEST, SP};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        audiences(group, placement)?;
        recipients(group, placement)?;
        destinations(group, placement)?;
        issuers(group, placement)?;
        requests(group, placement)?;
        organizations(group, placement)?;
    }
    Ok(())
}

/// Names that are nearly the right one.
fn nearly(right: &str) -> Vec<(&'static str, String)> {
    vec![
        ("empty", String::new()),
        ("prefix", right[..right.len() - 1].to_owned()),
        ("suffix", format!("{right}x")),
        ("trailing-slash", format!("{right}/")),
        ("query", format!("{right}?a=1")),
        ("fragment", format!("{right}#")),
        ("upper-case", right.to_uppercase()),
        ("upper-case-host", right.replace("example", "EXAMPLE")),
        ("other-scheme", right.replace("https:", "http:")),
        ("port", right.replace(".example/", ".example:443/")),
        ("leading-space", format!(" {right}")),
        ("trailing-space", format!("{right} ")),
        ("line-break", format!("{right}\n")),
        (
            "longer-host",
            right.replace(".example/", ".example.attacker.example/"),
        ),
        (
            "user",
            right.replace("https://", "https://sp.example@attacker.example/"),
        ),
        (
            "percent-encoded",
            right.replace("saml", "s%61ml").replace("meta", "m%65ta"),
        ),
        ("dot-segment", right.replace(".example/", ".example/./")),
        ("full-width", right.replace('/', "／")),
        ("soft-hyphen", format!("{right}\u{ad}")),
        ("two", format!("{right} {right}")),
    ]
}

fn with_audiences(response: &mut Response, restrictions: &[Vec<String>]) {
    for assertion in &mut response.assertions {
        if let Some(conditions) = &mut assertion.conditions {
            conditions.audience_restrictions = restrictions.to_vec();
        }
    }
}

fn audiences(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let ours = || vec![SP.to_owned()];
    let other = || vec!["https://other.example/saml/metadata".to_owned()];
    let mut wrong: Vec<(String, Vec<Vec<String>>)> = nearly(SP)
        .into_iter()
        .map(|(name, audience)| (format!("nearly-{name}"), vec![vec![audience]]))
        .collect();
    wrong.extend([
        ("other".to_owned(), vec![other()]),
        ("none".to_owned(), vec![]),
        ("empty-restriction".to_owned(), vec![vec![]]),
        ("ours-and-other".to_owned(), vec![ours(), other()]),
        ("other-and-ours".to_owned(), vec![other(), ours()]),
        ("ours-and-empty".to_owned(), vec![ours(), vec![]]),
        ("acs".to_owned(), vec![vec![ACS.to_owned()]]),
        ("issuer".to_owned(), vec![vec![IDP.to_owned()]]),
    ]);
    for (name, restrictions) in wrong {
        let xml = signed(placement, |response| {
            with_audiences(response, &restrictions);
        })?;
        group.refuse(&format!("audience/{name}-{place}"), &[Rule::Audience], &xml);
    }
    Ok(())
}

fn recipients(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let wrong = nearly(ACS)
        .into_iter()
        .map(|(name, recipient)| (name, Some(recipient)))
        .chain([("missing", None), ("entity-id", Some(SP.to_owned()))]);
    for (name, recipient) in wrong {
        let xml = signed(placement, |response| {
            let assertion = response.assertion_mut();
            if let Some(confirmation) = assertion.and_then(|found| found.confirmation_mut()) {
                confirmation.recipient.clone_from(&recipient);
            }
        })?;
        group.refuse(
            &format!("recipient/{name}-{place}"),
            &[Rule::Recipient],
            &xml,
        );
    }
    Ok(())
}

fn destinations(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, destination) in nearly(ACS) {
        let xml = signed(placement, |response| {
            response.destination = Some(destination.clone());
        })?;
        group.refuse(
            &format!("destination/{name}-{place}"),
            &[Rule::Destination],
            &xml,
        );
    }
    if placement.signs_response() {
        let xml = signed(placement, |response| response.destination = None)?;
        group.refuse(
            &format!("destination/missing-{place}"),
            &[Rule::Destination],
            &xml,
        );
    }
    Ok(())
}

fn issuers(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let wrong = nearly(IDP)
        .into_iter()
        .chain([("other", "https://other-idp.example/metadata".to_owned())]);
    for (name, issuer) in wrong {
        let issuer = Issuer::new(&issuer);
        let xml = signed(placement, |response| response.issuer = Some(issuer.clone()))?;
        group.refuse(
            &format!("issuer/response-{name}-{place}"),
            &[Rule::Issuer],
            &xml,
        );
        let xml = signed(placement, |response| {
            for assertion in &mut response.assertions {
                assertion.issuer = Some(issuer.clone());
            }
        })?;
        group.refuse(
            &format!("issuer/assertion-{name}-{place}"),
            &[Rule::Issuer],
            &xml,
        );
        let xml = signed(placement, |response| {
            response.issuer = Some(issuer.clone());
            for assertion in &mut response.assertions {
                assertion.issuer = Some(issuer.clone());
            }
        })?;
        group.refuse(
            &format!("issuer/both-{name}-{place}"),
            &[Rule::Issuer],
            &xml,
        );
    }
    for format in [
        "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        "",
        "entity",
    ] {
        let xml = signed(placement, |response| {
            for assertion in &mut response.assertions {
                if let Some(issuer) = &mut assertion.issuer {
                    issuer.format = Some(format.to_owned());
                }
            }
        })?;
        group.refuse(
            &format!("issuer/format-{format}-{place}"),
            &[Rule::Issuer],
            &xml,
        );
    }
    let xml = signed(placement, |response| {
        for assertion in &mut response.assertions {
            assertion.issuer = None;
        }
    })?;
    // Without an issuer the assertion's signature stands first, where none may stand.
    let rule = match placement {
        Placement::Response => Rule::Issuer,
        _ => Rule::Misplaced,
    };
    group.refuse(&format!("issuer/missing-{place}"), &[rule], &xml);
    Ok(())
}

/// Which request is answered, by the response and by the confirmation.
fn requests(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let either = group.usual.but(|context| context.allow_unsolicited = true);
    let nobody = either.but(|context| context.in_response_to = None);
    let ours = Some(REQUEST.to_owned());
    let other = Some("_request-2".to_owned());
    for (name, of_response, of_confirmation, rule) in [
        ("other", other.clone(), other.clone(), Rule::InResponseTo),
        (
            "other-in-response",
            other.clone(),
            ours.clone(),
            Rule::InResponseTo,
        ),
        (
            "other-in-confirmation",
            ours.clone(),
            other.clone(),
            Rule::InResponseTo,
        ),
        (
            "other-in-confirmation-alone",
            None,
            other.clone(),
            Rule::InResponseTo,
        ),
        (
            "empty",
            Some(String::new()),
            Some(String::new()),
            Rule::InResponseTo,
        ),
        (
            "empty-in-confirmation",
            ours.clone(),
            Some(String::new()),
            Rule::InResponseTo,
        ),
        (
            "case",
            Some("_REQUEST-1".to_owned()),
            Some("_REQUEST-1".to_owned()),
            Rule::InResponseTo,
        ),
        (
            "space",
            Some(format!("{REQUEST} ")),
            Some(format!("{REQUEST} ")),
            Rule::InResponseTo,
        ),
        // A stolen unsolicited assertion in a response that somebody dressed as an answer.
        ("dressed", ours.clone(), None, Rule::InResponseTo),
    ] {
        let xml = signed(placement, |response| {
            response.in_response_to.clone_from(&of_response);
            let assertion = response.assertion_mut();
            if let Some(confirmation) = assertion.and_then(|found| found.confirmation_mut()) {
                confirmation.in_response_to.clone_from(&of_confirmation);
            }
        })?;
        group.refuse(&format!("request/{name}-{place}"), &[rule], &xml);
        let name = format!("request/{name}-unsolicited-allowed-{place}");
        group.refuse_in(&name, either.clone(), &[rule], &xml);
        let name = format!("{name}-nobody-waits");
        group.refuse_in(&name, nobody.clone(), &[Rule::InResponseTo], &xml);
    }
    let xml = signed(placement, |_| ())?;
    let nobody_at_all = nobody.but(|context| context.allow_unsolicited = false);
    group.refuse_in(
        &format!("request/answer-nobody-waits-{place}"),
        nobody,
        &[Rule::InResponseTo],
        &xml,
    );
    group.refuse_in(
        &format!("request/answer-nobody-waits-nor-may-{place}"),
        nobody_at_all,
        &[Rule::InResponseTo],
        &xml,
    );
    Ok(())
}

/// Two organizations, each with an identity provider of its own.
fn organizations(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let keys = group.keys;
    // B's key signs what says it is A's, at A's place.
    let pretending = forge::response()?.to_xml(&placement.seal(forge::STYLE, &keys.rsa_next))?;
    group.refuse(
        &format!("organization/b-signs-as-a-{place}"),
        &[Rule::Signature],
        &pretending,
    );
    // A's response at B's place: B has another key, entity ID and address.
    let xml = signed(placement, |_| ())?;
    for (name, rule, change) in [
        ("key", Rule::Signature, (true, false, false, false)),
        ("issuer", Rule::Issuer, (false, true, false, false)),
        ("address", Rule::Destination, (false, false, true, false)),
        ("audience", Rule::Audience, (false, false, false, true)),
    ] {
        let (key, issuer, address, audience) = change;
        let context = group.usual.but(|context| {
            if key {
                context.certificates = vec![keys.rsa_next.certificate_pem()];
            }
            if issuer {
                "https://idp-b.example/metadata".clone_into(&mut context.idp);
            }
            if address {
                "https://sp.example/saml/acs-b".clone_into(&mut context.acs);
            }
            if audience {
                "https://sp.example/saml/metadata-b".clone_into(&mut context.sp);
            }
        });
        group.refuse_in(
            &format!("organization/a-at-b-{name}-{place}"),
            context,
            &[rule],
            &xml,
        );
    }
    // The address of the assertion decides where the response does not say one.
    if placement == Placement::Assertion {
        let xml = signed(placement, |response| response.destination = None)?;
        let context = group
            .usual
            .but(|context| "https://sp.example/saml/acs-b".clone_into(&mut context.acs));
        group.refuse_in(
            "organization/a-at-b-recipient",
            context,
            &[Rule::Recipient],
            &xml,
        );
    }
    let late = group.usual.but(|context| context.now = NOW + 3600);
    group.refuse_in(
        &format!("organization/an-hour-later-{place}"),
        late,
        &[Rule::ConfirmationExpired],
        &xml,
    );
    Ok(())
}
