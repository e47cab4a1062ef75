use std::{collections::BTreeSet, fs, path::Path};

use super::*;

/// A kind of text that can be listed.
pub(super) trait Listed {
    fn list(&self, place: &str, all: &mut Vec<(String, &'static str)>);
}

impl Listed for &'static str {
    fn list(&self, place: &str, all: &mut Vec<(String, &'static str)>) {
        all.push((place.to_owned(), self));
    }
}

impl Listed for Around {
    fn list(&self, place: &str, all: &mut Vec<(String, &'static str)>) {
        all.push((format!("{place}.before"), self.before));
        all.push((format!("{place}.after"), self.after));
    }
}

impl Listed for Explained {
    fn list(&self, place: &str, all: &mut Vec<(String, &'static str)>) {
        all.push((format!("{place}.title"), self.title));
        all.push((format!("{place}.explanation"), self.explanation));
        all.push((format!("{place}.next_step"), self.next_step));
    }
}

impl Listed for Acting {
    fn list(&self, place: &str, all: &mut Vec<(String, &'static str)>) {
        all.push((format!("{place}.who"), self.who));
        all.push((format!("{place}.show"), self.show));
    }
}

#[test]
fn no_text_is_left_in_another_language() {
    let english = english::TEXTS.all();
    let french = french::TEXTS.all();
    assert!(english.len() > 100, "{}", english.len());
    for ((place, english), (_, french)) in english.iter().zip(&french) {
        // A half of a sentence may be empty, or a mark.
        assert!(
            english != french || !english.contains(char::is_alphabetic),
            "{place} is the same in both languages: {english}"
        );
        let halves = matches!(place.rsplit('.').next(), Some("before" | "after"));
        assert!(
            halves || english.is_empty() == french.is_empty(),
            "{place} is empty in one language"
        );
        for text in [english, french] {
            let ends = |text: &str| text.ends_with('.') || text.ends_with(". ");
            assert_eq!(ends(english), ends(french), "{place}: {text}");
        }
    }
}

#[test]
fn texts_are_set_as_their_language_wants_it() {
    let refusals = french_refusals::all().map(|(_, french)| ("a refusal".to_owned(), *french));
    for (place, text) in french::TEXTS.all().into_iter().chain(refusals) {
        for mark in [" :", " ;", " !", " ?", " »", "« ", "'"] {
            assert!(!text.contains(mark), "{place} has “{mark}”: {text}");
        }
        let letters: Vec<char> = text.chars().collect();
        for pair in letters.windows(2) {
            let spaced = match pair[1] {
                ';' | '!' | '?' => pair[0] == '\u{202f}',
                '»' => pair[0] == '\u{a0}',
                _ => true,
            };
            assert!(spaced, "{place} lacks a space before “{}”: {text}", pair[1]);
        }
    }
    for (place, text) in english::TEXTS.all() {
        assert!(
            !text.contains('\''),
            "{place} has a straight apostrophe: {text}"
        );
    }
}

/// The sentences of refusals, out of the sources that hold the rules.
fn sentences() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(crates.join(path)).unwrap();
    let mut found = BTreeSet::new();

    let openid = sources(&crates.join("oidc/src"));
    let mut remedies = openid
        .iter()
        .filter_map(|source| source.split("pub fn remedy").nth(1));
    let remedies = remedies.next().unwrap();
    found.extend(literals(remedies.split("pub fn").next().unwrap()));
    // Where the remedy is a reason, it is said where the rule is.
    let kinds = "Err(Error::ProviderIssuer";
    for source in openid.iter().filter(|source| source.contains(kinds)) {
        for begin in ["ProviderIssuer {\n                    reason: ", "wrong("] {
            for reason in source.split(begin).skip(1) {
                let reason = reason.trim_start();
                found.extend(literals(&reason[..reason.find('\n').unwrap()]));
            }
        }
    }

    let saml = read("saml/src/error.rs");
    let rules = saml.split("\nrules! {").nth(1).unwrap();
    // A name, a message for the log, and the remedy.
    for rule in rules.split("///").filter(|rule| rule.contains(" = \"")) {
        found.extend(literals(rule).into_iter().nth(2));
    }

    let engine = sources(&crates.join("engine/src"));
    for source in &engine {
        // The name of the rule, then what happened, then what to do.
        for call in source.split("LoginRefusal::new(").skip(1) {
            let end = call.find(')').map_or(call.len(), |_| closing(call));
            found.extend(literals(&call[..end]).into_iter().skip(1).take(2));
        }
        for begin in ["let (fault, title) = match", "let remedy = match"] {
            for choice in source.split(begin).skip(1) {
                found.extend(literals(choice.split("};").next().unwrap()));
            }
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    sources
}

/// Where the parenthesis that was opened before `code` closes.
fn closing(code: &str) -> usize {
    let (mut depth, mut quoted) = (1, false);
    for (at, letter) in code.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// The string literals of some code, with `{name}` of a format as `{}`.
fn literals(code: &str) -> Vec<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    code.split('"')
        .skip(1)
        .step_by(2)
        .map(|text| match (text.find('{'), text.find('}')) {
            (Some(open), Some(close)) => format!("{}{{}}{}", &text[..open], &text[close + 1..]),
            _ => text.to_owned(),
        })
        .collect()
}

#[test]
fn every_refusal_is_told_in_french() {
    let sentences = sentences();
    assert!(sentences.len() > 100, "{}", sentences.len());
    let known: BTreeSet<String> = french_refusals::all()
        .map(|(english, _)| (*english).to_owned())
        .collect();
    let missing: Vec<&String> = sentences.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "texts/french_refusals.rs lacks {missing:#?}"
    );
    let idle: Vec<&String> = known.difference(&sentences).collect();
    assert!(idle.is_empty(), "nobody says any more: {idle:#?}");
}

#[test]
fn a_refusal_is_a_sentence_in_either_language() {
    let english = "release the claim `email` to this application, with one value";
    assert_eq!(
        refusal(Language::English, english),
        "Release the claim \"email\" to this application, with one value."
    );
    assert_eq!(
        refusal(Language::French, english),
        "Transmettez la revendication \"email\" à cette application, avec une seule valeur."
    );
    assert_eq!(refusal(Language::French, ""), "");
}

/// What a template says itself: text between tags, and attributes that people read or hear.
fn said(template: &str) -> Vec<String> {
    let mut plain = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}"), ("<!--", "-->")] {
        while let Some(start) = plain.find(open) {
            let end = start + plain[start..].find(close).expect(close) + close.len();
            plain.replace_range(start..end, "");
        }
    }
    let mut said = Vec::new();
    for part in plain.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        said.push(text.to_owned());
        for attribute in ["alt", "title", "placeholder", "aria-label", "value"] {
            // What a button sends is not what it says.
            if attribute == "value" && tag.starts_with("button") {
                continue;
            }
            if let Some((_, value)) = tag.split_once(&format!(" {attribute}=\"")) {
                said.extend(value.split('"').next().map(str::to_owned));
            }
        }
    }
    said.retain(|text| text.chars().any(char::is_alphabetic));
    said
}

#[test]
fn templates_say_nothing_of_their_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/people");
    let mut walked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        walked += 1;
        let said = said(&fs::read_to_string(&path).unwrap());
        assert!(said.is_empty(), "{} says {said:?}", path.display());
    }
    assert!(walked >= 9, "{walked}");
    assert_eq!(
        said("<p class=\"x\">{{ t }}</p><img alt=\"Logo\"><b>Hello</b>"),
        ["Logo", "Hello"]
    );
}
