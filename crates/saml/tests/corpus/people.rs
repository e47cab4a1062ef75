//! Whom genuine assertions speak of: identifiers, attributes of every form, several audiences and confirmations.

use vestibule_simulate::saml::{
    Assertion, Attribute, BEARER, Confirmation, Element, NameId, Response, Style, TRANSIENT, Value,
};

use super::forge::{self, Placement, login, person, response_of, signed};
use super::{ACS, Group, Identity, NOW, REQUEST, SP};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    identifiers(group)?;
    attributes(group)?;
    values(group)?;
    many_values(group)?;
    audiences(group)?;
    statements(group)
}

fn everywhere(
    group: &mut Group,
    name: &str,
    identity: &Identity,
    change: impl Fn(&mut Response),
) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let name = format!("{name}-{}", placement.name());
        let xml = signed(placement, &change)?;
        group.accept_as(&name, group.usual.clone(), identity.clone(), &xml);
    }
    Ok(())
}

fn identifiers(group: &mut Group) -> anyhow::Result<()> {
    let qualified = NameId {
        name_qualifier: Some("https://idp.example/metadata".to_owned()),
        sp_name_qualifier: Some(SP.to_owned()),
        ..NameId::persistent("ada-0001")
    };
    for (name, name_id) in [
        ("email", NameId::email("ada@acme.test")),
        ("transient", NameId::new("_c0ffee", TRANSIENT)),
        (
            "without-format",
            NameId {
                format: None,
                ..NameId::persistent("ada")
            },
        ),
        ("qualified", qualified),
        ("non-ascii", NameId::persistent("Ada Löveläce 艾达 🦀")),
        ("entities", NameId::persistent("ada&<lovelace>\"'")),
        ("looks-like-a-comment", NameId::persistent("admin<!---->")),
        ("other-spaces", NameId::persistent("\u{a0}ada\u{3000}")),
        ("windows-name", NameId::persistent("ACME\\ada")),
        ("inner-white-space", NameId::persistent("Ada \t Lovelace")),
    ] {
        let identity = Identity {
            name_id: name_id.value.clone(),
            format: name_id.format.clone(),
            qualifiers: (
                name_id.name_qualifier.clone(),
                name_id.sp_name_qualifier.clone(),
            ),
            ..person()
        };
        everywhere(group, &format!("name-id/{name}"), &identity, |response| {
            if let Some(slot) = response
                .assertion_mut()
                .and_then(|found| found.name_id_mut())
            {
                slot.clone_from(&name_id);
            }
        })?;
    }
    Ok(())
}

fn attributes(group: &mut Group) -> anyhow::Result<()> {
    everywhere(group, "name-id/layout", &person(), |response| {
        let assertion = response.assertion_mut();
        if let Some(name_id) = assertion.and_then(Assertion::name_id_mut) {
            name_id.value = format!("\n\t {}\n", forge::NAME_ID);
        }
    })?;
    let mut none = person();
    none.attributes.clear();
    everywhere(group, "attributes/none", &none, |response| {
        for assertion in &mut response.assertions {
            assertion.attributes.clear();
        }
    })?;
    let mut joined = person();
    if let Some((_, groups)) = joined.attributes.last_mut() {
        groups.push("board".to_owned());
    }
    everywhere(group, "attributes/name-twice", &joined, |response| {
        for assertion in &mut response.assertions {
            assertion
                .attributes
                .push(Attribute::new("groups", ["board"]));
        }
    })?;
    Ok(())
}

/// What one attribute named `x` has as its values, and what is read.
fn values(group: &mut Group) -> anyhow::Result<()> {
    let text = |value: &str| Value::Text(value.to_owned());
    let typed = |kind: &str, value: &str| Value::Typed(kind.to_owned(), value.to_owned());
    let name_id = |value: &str| {
        let element = Element::new("saml:NameID").attribute("Format", "urn:example:edu");
        Value::Element(
            element
                .namespace("saml", vestibule_simulate::saml::SAML)
                .text(value),
        )
    };
    let foreign = Element::new("x:thing")
        .namespace("x", "urn:example:x")
        .text("inside");
    for (name, values, read) in [
        (
            "non-ascii",
            vec![text("Größe 艾达 🦀")],
            vec!["Größe 艾达 🦀"],
        ),
        (
            "entities",
            vec![text("R&D <lab> \"'")],
            vec!["R&D <lab> \"'"],
        ),
        ("line-ends", vec![text("a\r\nb\tc\n")], vec!["a\r\nb\tc\n"]),
        ("empty-text", vec![text("")], vec![""]),
        ("surrounding-space", vec![text("  a  ")], vec!["  a  "]),
        ("nil", vec![Value::Nil, text("a")], vec!["a"]),
        ("only-nil", vec![Value::Nil], vec![]),
        (
            "typed",
            vec![
                typed("xs:integer", "5"),
                typed("xs:boolean", "true"),
                typed("xs:dateTime", "2027-01-01T00:00:00Z"),
            ],
            vec!["5", "true", "2027-01-01T00:00:00Z"],
        ),
        ("targeted-id", vec![name_id("opaque-77")], vec!["opaque-77"]),
        (
            "element",
            vec![Value::Element(foreign), text("a")],
            vec!["a"],
        ),
        ("no-value", vec![], vec![]),
    ] {
        let mut identity = person();
        let read = read.into_iter().map(str::to_owned).collect();
        identity.attributes.push(("x".to_owned(), read));
        for style in [forge::STYLE, Style::Entra, Style::OneLogin] {
            let mut login = login();
            login.attributes.push(Attribute {
                values: values.clone(),
                ..Attribute::new("x", [])
            });
            for placement in Placement::ALL {
                let xml =
                    response_of(style, &login)?.to_xml(&placement.seal(style, &group.keys.rsa))?;
                let name = format!("values/{name}-{style:?}-{}", placement.name());
                group.accept_as(&name, group.usual.clone(), identity.clone(), &xml);
            }
        }
    }
    Ok(())
}

/// A megabyte of group names.
fn many_values(group: &mut Group) -> anyhow::Result<()> {
    let groups: Vec<String> = (0..20_000)
        .map(|number| format!("group-{number:05}"))
        .collect();
    let mut identity = person();
    identity
        .attributes
        .push(("many".to_owned(), groups.clone()));
    // The style without a type on each value, so that it stays below the limit.
    let style = Style::Adfs;
    let mut login = login();
    login
        .attributes
        .push(Attribute::new("many", groups.iter().map(String::as_str)));
    for placement in [Placement::Assertion, Placement::Response] {
        let xml = response_of(style, &login)?.to_xml(&placement.seal(style, &group.keys.rsa))?;
        let name = format!("values/20000-{}", placement.name());
        group.accept_as(&name, group.usual.clone(), identity.clone(), &xml);
    }
    Ok(())
}

fn audiences(group: &mut Group) -> anyhow::Result<()> {
    let other = "https://other.example/saml/metadata";
    for (name, restrictions) in [
        ("ours-first", vec![vec![SP, other]]),
        ("ours-last", vec![vec![other, "urn:x", SP]]),
        ("two-restrictions", vec![vec![SP], vec![other, SP]]),
    ] {
        everywhere(group, &format!("audiences/{name}"), &person(), |response| {
            for assertion in &mut response.assertions {
                if let Some(conditions) = &mut assertion.conditions {
                    conditions.audience_restrictions = restrictions
                        .iter()
                        .map(|audiences| audiences.iter().map(|&own| own.to_owned()).collect())
                        .collect();
                }
            }
        })?;
    }
    everywhere(group, "conditions/known", &person(), |response| {
        for assertion in &mut response.assertions {
            if let Some(conditions) = &mut assertion.conditions {
                conditions.one_time_use = true;
                conditions.proxy_count = Some(0);
            }
        }
    })
}

fn statements(group: &mut Group) -> anyhow::Result<()> {
    everywhere(group, "statements/two-sign-ins", &person(), |response| {
        for assertion in &mut response.assertions {
            if let Some(first) = assertion.authn_statements.first().cloned() {
                assertion.authn_statements.push(first);
            }
        }
    })?;
    everywhere(group, "statements/no-session", &person(), |response| {
        for assertion in &mut response.assertions {
            for statement in &mut assertion.authn_statements {
                statement.session_index = None;
            }
        }
    })?;
    let elsewhere = Confirmation::bearer("https://other.example/acs", None, NOW + 60);
    let vouched = Confirmation {
        method: "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches".to_owned(),
        data: false,
        ..elsewhere.clone()
    };
    let good = Confirmation::bearer(ACS, Some(REQUEST), NOW + 60);
    assert_eq!(good.method, BEARER);
    for (name, confirmations) in [
        ("vouched-first", vec![vouched, good.clone()]),
        ("elsewhere-first", vec![elsewhere.clone(), good.clone()]),
        ("elsewhere-last", vec![good, elsewhere]),
    ] {
        everywhere(
            group,
            &format!("confirmations/{name}"),
            &person(),
            |response| {
                for assertion in &mut response.assertions {
                    if let Some(subject) = &mut assertion.subject {
                        subject.confirmations.clone_from(&confirmations);
                    }
                }
            },
        )?;
    }
    let advice = Element::new("x:hint")
        .namespace("x", "urn:example:x")
        .text("hello");
    everywhere(group, "advice/foreign", &person(), |response| {
        for assertion in &mut response.assertions {
            assertion.advice.push(advice.clone());
        }
        response.extensions.push(advice.clone());
    })
}
