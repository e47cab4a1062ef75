//! Damage by text surgery: whatever is still accepted says exactly what the genuine message says.

use vestibule_saml::Verified;

use crate::corpus::{
    Context, Keys, encode,
    forge::{Placement, evil_assertion, sealed},
};

/// A signed message, its connection, and what it proves.
struct Genuine {
    xml: String,
    context: Context,
    proven: String,
}

/// Everything that is proven, to compare.
fn proof(verified: &Verified) -> String {
    format!("{verified:?}")
}

impl Genuine {
    fn new(placement: Placement) -> Self {
        let xml = sealed(placement).unwrap().to_xml();
        let context = Context::usual(Keys::get().unwrap());
        let proven = proof(&context.judge(&encode(&xml)).unwrap().unwrap());
        Self {
            xml,
            context,
            proven,
        }
    }

    /// Judges a damaged message; whether it was accepted.
    fn survives(&self, damaged: &str, what: &str) -> bool {
        match self.context.judge(&encode(damaged)).unwrap() {
            Ok(verified) => {
                assert_eq!(proof(&verified), self.proven, "{what}:\n{damaged}");
                true
            }
            Err(_) => false,
        }
    }

    fn with(&self, from: usize, to: usize, instead: &str) -> String {
        format!("{}{instead}{}", &self.xml[..from], &self.xml[to..])
    }

    /// Every element, from its `<` to behind its `>`.
    fn elements(&self) -> Vec<(usize, usize)> {
        let mut open = Vec::new();
        let mut found = Vec::new();
        for (start, end) in self.tags() {
            let tag = &self.xml[start..end];
            if tag.starts_with("</") {
                found.push((open.pop().unwrap(), end));
            } else if tag.ends_with("/>") {
                found.push((start, end));
            } else {
                open.push(start);
            }
        }
        found
    }

    fn tags(&self) -> Vec<(usize, usize)> {
        let starts = self.xml.match_indices('<').map(|(start, _)| start);
        starts
            .map(|start| (start, start + self.xml[start..].find('>').unwrap() + 1))
            .collect()
    }

    /// Every attribute with the space before it, and where its value begins.
    fn attributes(&self) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for (start, end) in self.tags() {
            let mut at = start;
            while let Some(length) = self.xml[at..end].find("=\"") {
                let value = at + length + 2;
                let close = value + self.xml[value..].find('"').unwrap() + 1;
                let name = self.xml[..value].rfind(' ').unwrap();
                found.push((name, value, close));
                at = close;
            }
        }
        found
    }
}

/// How many changes were accepted; a changed signature alone has many places that nothing depends on.
fn count(
    placement: Placement,
    damage: impl Fn(&Genuine) -> Vec<(String, String)>,
) -> (usize, usize) {
    let genuine = Genuine::new(placement);
    let damaged = damage(&genuine);
    let survivors = damaged
        .iter()
        .filter(|(what, xml)| genuine.survives(xml, what))
        .count();
    (survivors, damaged.len())
}

#[test]
fn elements_deleted_doubled_or_swapped_change_nobody() {
    for placement in [Placement::Assertion, Placement::Both] {
        let (survivors, all) = count(placement, |genuine| {
            let elements = genuine.elements();
            let mut damaged = Vec::new();
            for (start, end) in &elements {
                let element = &genuine.xml[*start..*end];
                damaged.push((format!("without {element}"), genuine.with(*start, *end, "")));
                let twice = element.repeat(2);
                damaged.push((
                    format!("twice {element}"),
                    genuine.with(*start, *end, &twice),
                ));
                // Into the place of every other element that it does not overlap.
                for (other_start, other_end) in &elements {
                    if other_start < end && start < other_end {
                        continue;
                    }
                    let other = &genuine.xml[*other_start..*other_end];
                    let what = format!("{element} instead of {other}");
                    damaged.push((what, genuine.with(*other_start, *other_end, element)));
                }
            }
            damaged
        });
        assert!(all > 500, "{all} changes only");
        assert!(survivors < all / 4, "{survivors} of {all} survived");
    }
}

#[test]
fn attributes_deleted_doubled_or_changed_change_nobody() {
    for placement in Placement::ALL {
        let (survivors, all) = count(placement, |genuine| {
            let mut damaged = Vec::new();
            for (start, value, end) in genuine.attributes() {
                let attribute = &genuine.xml[start..end];
                let mut add = |what: &str, from, to, instead: &str| {
                    damaged.push((
                        format!("{what}{attribute}"),
                        genuine.with(from, to, instead),
                    ));
                };
                add("without", start, end, "");
                add("twice", start, start, attribute);
                add("empty", value, end - 1, "");
                add("longer", end - 1, end - 1, "x");
                add("other", value, end - 1, "_assertion-1");
                add("renamed", start + 1, start + 1, "x");
                add("prefixed", start + 1, start + 1, "saml:");
                add("spaced", value, value, " ");
            }
            damaged
        });
        assert!(all > 200, "{all} changes only");
        assert!(survivors < all / 2, "{survivors} of {all} survived");
    }
}

#[test]
fn characters_changed_change_nobody() {
    for placement in [Placement::Assertion, Placement::Response] {
        let (survivors, all) = count(placement, |genuine| {
            let mut damaged = Vec::new();
            let mut run = 0;
            for (at, character) in genuine.xml.char_indices() {
                // Of long values in base64 a sample is enough.
                run = if character.is_ascii_alphanumeric() {
                    run + 1
                } else {
                    0
                };
                if run > 12 && run % 64 != 0 {
                    continue;
                }
                let next = at + character.len_utf8();
                let flipped = char::from(genuine.xml.as_bytes()[at] ^ 1).to_string();
                for (what, instead) in [("flipped", flipped.as_str()), ("without", "")] {
                    let what = format!("{what} {character} at {at}");
                    damaged.push((what, genuine.with(at, next, instead)));
                }
            }
            damaged
        });
        assert!(all > 2000, "{all} changes only");
        assert!(survivors < all / 2, "{survivors} of {all} survived");
    }
}

/// At every boundary between two tags something is put in.
fn inserted(placement: Placement, what: &str, may_survive: bool) {
    let (survivors, all) = count(placement, |genuine| {
        let mut places: Vec<usize> = genuine.tags().iter().map(|(start, _)| *start).collect();
        places.push(genuine.xml.len());
        let add = |place: usize| (format!("at {place}"), genuine.with(place, place, what));
        places.into_iter().map(add).collect()
    });
    assert!(all > 50, "{all} changes only");
    assert!(
        may_survive || survivors == 0,
        "{survivors} of {all} survived {what}"
    );
}

#[test]
fn an_assertion_of_ones_own_is_refused_wherever_it_stands() {
    for placement in Placement::ALL {
        let genuine = sealed(placement).unwrap();
        let assertion = genuine.find("Assertion").unwrap();
        let evil = evil_assertion(assertion, "_evil").unwrap();
        inserted(placement, &evil.to_xml(), false);
        let evil = evil_assertion(assertion, "_assertion-1").unwrap();
        inserted(placement, &evil.to_xml(), false);
        let signed = assertion.to_xml().replace("_assertion-1", "_other-1");
        inserted(placement, &signed.replace("ada-0001", "admin-0001"), false);
    }
}

#[test]
fn remarks_are_refused_wherever_they_stand() {
    for placement in Placement::ALL {
        for remark in [
            "<!-- -->",
            "<?x y?>",
            "<![CDATA[x]]>",
            "<!DOCTYPE x>",
            "&x;",
            "\u{0}",
            "\u{feff}<",
        ] {
            inserted(placement, remark, false);
        }
    }
}

#[test]
fn a_name_of_ones_own_changes_nobody() {
    for placement in Placement::ALL {
        let saml = "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
        inserted(
            placement,
            &format!("<saml:NameID {saml}>admin-0001</saml:NameID>"),
            true,
        );
        let subject =
            format!("<saml:Subject {saml}><saml:NameID>admin-0001</saml:NameID></saml:Subject>");
        inserted(placement, &subject, true);
        inserted(placement, "admin-0001", true);
        inserted(placement, " ", true);
    }
}
