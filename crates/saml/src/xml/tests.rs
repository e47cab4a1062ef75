use proptest::prelude::*;

use super::*;
use crate::fuzzing;

fn refusal(text: &str) -> &'static str {
    match Document::parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.what,
    }
}

/// What two parsers could read differently, and what is no XML.
const REFUSALS: &[(&str, &str)] = &[
    ("", "text stands outside the root element"),
    (" ", "text stands outside the root element"),
    ("\u{FEFF}<a/>", "a byte order mark stands in front"),
    ("<!DOCTYPE a><a/>", "a document type declaration"),
    ("<!doctype a><a/>", "a document type declaration"),
    ("<a><!ENTITY b 'c'></a>", "a document type declaration"),
    ("<?pi?><a/>", "a processing instruction"),
    ("<a><?pi?></a>", "a processing instruction"),
    ("<a/><?pi?>", "a processing instruction"),
    ("<a>b<!--c-->d</a>", "a comment"),
    ("<!----><a/>", "a comment"),
    ("<a/><!---->", "a comment"),
    ("<a><![CDATA[b]]></a>", "a CDATA section"),
    ("<a/>b", "text stands outside the root element"),
    ("b<a/>", "text stands outside the root element"),
    ("<a/>&#32;", "text stands outside the root element"),
    ("<a/>\0", "a character that XML does not allow"),
    ("<a/><b/>", "a second root element"),
    ("<a/></a>", "a second root element"),
    ("<a>", "an element has no end"),
    ("<a><b></a></b>", "an end tag does not fit its start tag"),
    (
        "<a xmlns='u:v' xmlns:p='u:v'></p:a>",
        "an end tag does not fit its start tag",
    ),
    ("<a>b]]>c</a>", "`]]>` stands in text"),
    ("<a b='<'/>", "`<` stands in an attribute value"),
    ("<a b=c/>", "an attribute value has no quotes"),
    ("<a b/>", "an attribute has no value"),
    ("<a b='c/>", "an attribute value has no end"),
    ("<a b='c'd='e'/>", "a tag is malformed"),
    ("<a/ >", "a tag is malformed"),
    ("<a b='1' b='2'/>", "an attribute occurs twice"),
    (
        "<a xmlns:p='u:v' xmlns:q='u:v' p:b='1' q:b='2'/>",
        "an attribute occurs twice",
    ),
    ("<a xmlns='u:v' xmlns='u:v'/>", "a prefix is declared twice"),
    ("<p:a/>", "a prefix is not declared"),
    ("<a p:b='c'/>", "a prefix is not declared"),
    (
        "<a><b xmlns:p='u:v'/><p:c/></a>",
        "a prefix is not declared",
    ),
    (
        "<a xmlns:p=''/>",
        "a prefix is declared without a namespace",
    ),
    ("<a xmlns='relative'/>", "a namespace name is relative"),
    ("<a xmlns:p='./x'/>", "a namespace name is relative"),
    ("<a xmlns:p='1:x'/>", "a namespace name is relative"),
    (
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "a reserved namespace is declared",
    ),
    ("<a xmlns:xml='u:v'/>", "a reserved namespace is declared"),
    ("<a xmlns:xmlns='u:v'/>", "a reserved namespace is declared"),
    (
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "a reserved namespace is declared",
    ),
    (
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "a reserved namespace is declared",
    ),
    ("<xmlns:a/>", "a prefix is not declared"),
    ("<xml:a/>", "an element has the prefix `xml`"),
    ("<:a/>", "a name is missing or malformed"),
    ("<a:/>", "a name is missing or malformed"),
    ("<a:b:c xmlns:a='u:v'/>", "a name has two colons"),
    ("<a :b='c'/>", "a name is missing or malformed"),
    ("<1a/>", "a name is missing or malformed"),
    ("< a/>", "a name is missing or malformed"),
    ("<a\u{D7}/>", "a tag is malformed"),
    ("<a>&b;</a>", "a reference is to no known character"),
    ("<a>&nbsp;</a>", "a reference is to no known character"),
    ("<a>&#0;</a>", "a reference is to no known character"),
    ("<a>&#xFFFE;</a>", "a reference is to no known character"),
    ("<a>&#xD800;</a>", "a reference is to no known character"),
    ("<a>&#x110000;</a>", "a reference is to no known character"),
    ("<a>&#x;</a>", "a reference is to no known character"),
    ("<a>&#+9;</a>", "a reference is to no known character"),
    ("<a>&#X9;</a>", "a reference is to no known character"),
    ("<a>&amp</a>", "a reference has no end"),
    ("<a b='&'/>", "a reference has no end"),
    ("<a>\u{1}</a>", "a character that XML does not allow"),
    ("<a>\u{FFFF}</a>", "a character that XML does not allow"),
    (
        "<?xml version='1.1'?><a/>",
        "the XML declaration names another version or encoding",
    ),
    (
        "<?xml version='1.0' encoding='UTF-16'?><a/>",
        "the XML declaration names another version or encoding",
    ),
    (
        "<?xml encoding='UTF-8'?><a/>",
        "the XML declaration names no version",
    ),
    (
        "<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>",
        "the XML declaration is malformed",
    ),
    (
        "<?xml version='1.0'encoding='UTF-8'?><a/>",
        "the XML declaration is malformed",
    ),
    (" <?xml version='1.0'?><a/>", "a processing instruction"),
];

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (text, what) in REFUSALS {
        assert_eq!(refusal(text), *what, "{text}");
    }
}

#[test]
fn limits_hold_at_their_edges() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(Document::parse(&nested(32)).is_ok());
    assert_eq!(refusal(&nested(33)), "elements are nested too deeply");
    let wide = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
    assert!(Document::parse(&wide(30_000)).is_ok());
    assert_eq!(refusal(&wide(30_001)), "too many elements");
    let list = |count: usize, form: fn(usize) -> String| -> String {
        format!("<a {}/>", (0..count).map(form).collect::<String>())
    };
    let attribute = |number: usize| format!("a{number}='' ");
    assert!(Document::parse(&list(64, attribute)).is_ok());
    assert_eq!(refusal(&list(65, attribute)), "too many attributes");
    let declaration = |number: usize| format!("xmlns:a{number}='u:v' ");
    assert!(Document::parse(&list(32, declaration)).is_ok());
    assert_eq!(
        refusal(&list(33, declaration)),
        "too many namespace declarations"
    );
}

#[test]
fn references_and_line_ends_are_resolved_once() {
    let document =
        Document::parse("<a b='x\r\ny\tz&#13;&#10;&amp;lt;'>x\r\ny\rz&#13;&amp;lt;&#x1F600;</a>")
            .unwrap();
    let root = document.root();
    assert_eq!(root.attribute("b"), Some("x y z\r\n&lt;"));
    assert_eq!(root.leaf_text(), Some("x\ny\nz\r&lt;😀"));
}

#[test]
fn namespaces_are_those_of_the_nearest_declaration() {
    let document = Document::parse(
        "<a xmlns='u:1' xmlns:p='u:2' p:x='1' x='2'><b xmlns=''><p:c xmlns:p='u:3'/></b><p:d/></a>",
    )
    .unwrap();
    let names: Vec<_> = document
        .elements()
        .map(|element| (element.namespace(), element.local()))
        .collect();
    assert_eq!(names, [("u:1", "a"), ("", "b"), ("u:3", "c"), ("u:2", "d")]);
    let root = document.root();
    assert_eq!(root.attribute("x"), Some("2"));
    assert_eq!(root.attribute_in("u:2", "x"), Some("1"));
    assert_eq!(root.attribute_in("u:1", "x"), None);
}

#[test]
fn a_text_out_of_its_place_keeps_the_namespaces_around_it() {
    let scope = [("p".to_owned(), "u:v".to_owned())];
    let document = Document::parse_within("<p:a/>", &scope).unwrap();
    assert!(document.root().is("u:v", "a"));
    assert_eq!(document.root().scope(), scope);
    assert!(Document::parse("<p:a/>").is_err());
}

#[test]
fn files_may_have_remarks_and_their_texts_are_joined() {
    let document =
        Document::parse_file("<!--x--><?y z?><a>b<!--c-->d<?e?><f/>g</a><!---->").unwrap();
    let texts: Vec<_> = document
        .root()
        .contents()
        .filter_map(|content| match content {
            Content::Text(text) => Some(text),
            Content::Element(_) => None,
        })
        .collect();
    assert_eq!(texts, ["bd", "g"]);
    for wrong in [
        "<!--a--b--><a/>",
        "<!--a---><a/>",
        "<!--<a/>",
        "<?xml version='1.0'?><?xml version='1.0'?><a/>",
        "<?XML a?><a/>",
        "<?1?><a/>",
        "<!DOCTYPE a><a/>",
        "<a><![CDATA[]]></a>",
    ] {
        assert!(Document::parse_file(wrong).is_err(), "{wrong}");
    }
}

/// A tag with namespaces and attributes, and what stands inside.
fn element() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "p:a", "q:b", "é", "p:ID", "xml:c"]);
    let attributes = prop::collection::vec(
        prop::sample::select(vec![
            "xmlns='u:1'",
            "xmlns=''",
            "xmlns:p='u:1'",
            "xmlns:p=\"u:&#x32;\"",
            "xmlns:q='u:1'",
            "a='1'",
            "p:a='&lt;\"\t'",
            "q:a = '\r\n&#xD;'",
            "xml:lang='en'",
            "b='&quot;&apos;'",
        ]),
        0..4,
    );
    let text = prop::sample::select(vec![
        "",
        " ",
        "x",
        "\r\n",
        "\r",
        "&#13;",
        "&gt;",
        "]]",
        ">",
        "&amp;amp;",
        "é\u{FFFD}",
    ]);
    let tag = (name, attributes, text).prop_map(|(name, attributes, text)| {
        (name, format!("<{name} {}", attributes.join("\n")), text)
    });
    let leaf = tag
        .clone()
        .prop_map(|(_, start, text)| format!("{start}/>{text}"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..4)).prop_map(
            |((name, start, text), inner)| {
                format!("{start}>{text}{}</{name}>{text}", inner.concat())
            },
        )
    })
}

/// A document in which most prefixes are declared.
fn document() -> impl Strategy<Value = String> {
    element().prop_map(|inside| {
        format!("<?xml version=\"1.0\"?>\n<r xmlns:p='u:1' xmlns:q='u:2'>{inside}</r>\n")
    })
}

proptest! {
    #[test]
    fn what_is_accepted_roxmltree_reads_alike(text in document()) {
        prop_assert_eq!(fuzzing::xml(&text), Ok(()));
    }

    #[test]
    fn a_changed_byte_does_not_part_the_parsers(
        text in document(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"<>&;'\"=/:!?-[]#x \r\n\tp1\x00".to_vec()),
        remove in any::<bool>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match remove {
            true => drop(bytes.remove(at)),
            false => bytes[at] = byte,
        }
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert_eq!(fuzzing::xml(&text), Ok(()));
        }
    }

    #[test]
    fn canonical_forms_are_stable(text in document()) {
        prop_assert_eq!(fuzzing::canonical(&text), Ok(()));
    }
}

#[test]
fn generated_documents_are_mostly_accepted() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let accepted = (0..200)
        .filter(|_| {
            let text = document().new_tree(&mut runner).unwrap().current();
            Document::parse(&text).is_ok()
        })
        .count();
    assert!(accepted > 60, "{accepted} of 200");
}
