use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::{algorithm::DigestAlgorithm, xml::Document};

fn exclusive(prefixes: &[&str]) -> Method {
    Method::Exclusive(prefixes.iter().copied().map(str::to_owned).collect())
}

/// The canonical form of the first element with this local name.
fn canonical(text: &str, local: &str, method: &Method) -> String {
    let document = Document::parse(text).unwrap();
    let apex = document
        .elements()
        .find(|element| element.local() == local)
        .unwrap();
    String::from_utf8(canonicalize(apex, None, method)).unwrap()
}

#[track_caller]
fn check(text: &str, local: &str, method: &Method, expected: &str) {
    assert_eq!(canonical(text, local, method), expected);
}

/// Merlin Hughes' vectors, as xmlsec ships them: digests over one element, with and without a `PrefixList`.
#[test]
fn merlin_exc_c14n_one_has_the_digests_that_it_names() {
    let text =
        include_str!("../../../../tests/data/saml/xmlsec/merlin-exc-c14n-one/exc-signature.xml");
    // What is signed has a comment, which these two methods leave out.
    let document = Document::parse_file(text).unwrap();
    let signed = document
        .elements()
        .find(|element| element.attribute("Id") == Some("to-be-signed"))
        .unwrap();
    let digests: Vec<_> = document
        .elements()
        .filter(|element| element.local() == "DigestValue")
        .map(|element| STANDARD.decode(element.leaf_text().unwrap()).unwrap())
        .collect();
    for (method, digest) in [exclusive(&[]), exclusive(&["bar", ""])]
        .iter()
        .zip(&digests)
    {
        let octets = canonicalize(signed, None, method);
        assert_eq!(
            DigestAlgorithm::Sha1.digest(&octets),
            *digest,
            "{method:?}: {}",
            String::from_utf8_lossy(&octets)
        );
    }
}

/// Exclusive XML Canonicalization 1.0, §2.1 and §2.2: one element in two surroundings.
#[test]
fn an_element_is_the_same_in_every_surrounding() {
    const FIRST: &str = concat!(
        "<n0:local xmlns:n0=\"http://foobar.org\" xmlns:n3=\"ftp://example.org\">\n",
        "  <n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\n",
        "     <n3:stuff xmlns:n3=\"ftp://example.org\"/>\n",
        "  </n1:elem2>\n",
        "</n0:local>",
    );
    const SECOND: &str = concat!(
        "<n2:pdu xmlns:n1=\"http://example.com\" xmlns:n2=\"http://foo.example\" xml:lang=\"fr\" ",
        "xml:space=\"retain\">\n",
        "  <n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\n",
        "     <n3:stuff xmlns:n3=\"ftp://example.org\"/>\n",
        "  </n1:elem2>\n",
        "</n2:pdu>",
    );
    let own = concat!(
        "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\n",
        "     <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff>\n",
        "  </n1:elem2>",
    );
    check(FIRST, "elem2", &exclusive(&[]), own);
    check(SECOND, "elem2", &exclusive(&[]), own);
    check(
        FIRST,
        "elem2",
        &Method::Inclusive,
        concat!(
            "<n1:elem2 xmlns:n0=\"http://foobar.org\" xmlns:n1=\"http://example.net\" ",
            "xmlns:n3=\"ftp://example.org\" xml:lang=\"en\">\n",
            "     <n3:stuff></n3:stuff>\n",
            "  </n1:elem2>",
        ),
    );
    check(
        SECOND,
        "elem2",
        &Method::Inclusive,
        concat!(
            "<n1:elem2 xmlns:n1=\"http://example.net\" xmlns:n2=\"http://foo.example\" ",
            "xml:lang=\"en\" xml:space=\"retain\">\n",
            "     <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff>\n",
            "  </n1:elem2>",
        ),
    );
}

/// Canonical XML 1.0, §3.3, without what only a document type can say.
#[test]
fn tags_are_normalized() {
    let text = concat!(
        "<doc>\n   <e1   />\n   <e2   ></e2>\n",
        "   <e3   name = \"elem3\"   id=\"elem3\"   />\n",
        "   <e4   name=\"elem4\"   id=\"elem4\"   ></e4>\n",
        "   <e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\"\n",
        "      xmlns:b=\"http://www.ietf.org\"\n      xmlns:a=\"http://www.w3.org\"\n",
        "      xmlns=\"http://example.org\"/>\n",
        "   <e6 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n",
        "      <e7 xmlns=\"http://www.ietf.org\">\n",
        "         <e8 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n",
        "            <e9 xmlns=\"\" xmlns:a=\"http://www.ietf.org\"/>\n",
        "         </e8>\n      </e7>\n   </e6>\n</doc>",
    );
    let expected = concat!(
        "<doc>\n   <e1></e1>\n   <e2></e2>\n",
        "   <e3 id=\"elem3\" name=\"elem3\"></e3>\n",
        "   <e4 id=\"elem4\" name=\"elem4\"></e4>\n",
        "   <e5 xmlns=\"http://example.org\" xmlns:a=\"http://www.w3.org\" ",
        "xmlns:b=\"http://www.ietf.org\" attr=\"I'm\" attr2=\"all\" b:attr=\"sorted\" ",
        "a:attr=\"out\"></e5>\n",
        "   <e6 xmlns:a=\"http://www.w3.org\">\n",
        "      <e7 xmlns=\"http://www.ietf.org\">\n",
        "         <e8 xmlns=\"\">\n",
        "            <e9 xmlns:a=\"http://www.ietf.org\"></e9>\n",
        "         </e8>\n      </e7>\n   </e6>\n</doc>",
    );
    check(text, "doc", &Method::Inclusive, expected);
    // Exclusively, a prefix that no name uses is not declared.
    let fewer = expected
        .replace("<e6 xmlns:a=\"http://www.w3.org\">", "<e6>")
        .replace("<e9 xmlns:a=\"http://www.ietf.org\">", "<e9>");
    check(text, "doc", &exclusive(&[]), &fewer);
}

/// Canonical XML 1.0, §3.4 and §3.6, without what only a document type can say.
#[test]
fn characters_are_normalized() {
    check(
        concat!(
            "<doc>\n   <text>First line&#x0d;&#10;Second line</text>\n   <value>&#x32;</value>\n",
            "   <compute expr='value>\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"'>valid</compute>\n",
            "   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>\n   <utf>&#169;</utf>\n</doc>",
        ),
        "doc",
        &Method::Inclusive,
        concat!(
            "<doc>\n   <text>First line&#xD;\nSecond line</text>\n   <value>2</value>\n",
            "   <compute expr=\"value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ",
            "?&quot;valid&quot;:&quot;error&quot;\">valid</compute>\n",
            "   <norm attr=\" '    &#xD;&#xA;&#x9;   ' \"></norm>\n   <utf>©</utf>\n</doc>",
        ),
    );
    check(
        "<a b='>\u{7f}'>&gt;\t\"'</a>",
        "a",
        &exclusive(&[]),
        "<a b=\">\u{7f}\">&gt;\t\"'</a>",
    );
}

#[test]
fn listed_prefixes_are_declared_where_they_come_into_scope() {
    let text = "<r xmlns='u:d' xmlns:xs='u:xs' xmlns:no='u:no'><a><b xmlns:xs='u:2'/><b/></a></r>";
    check(
        text,
        "a",
        &exclusive(&["xs"]),
        "<a xmlns=\"u:d\" xmlns:xs=\"u:xs\"><b xmlns:xs=\"u:2\"></b><b></b></a>",
    );
    let text = "<p:r xmlns='u:d' xmlns:p='u:p'><p:a><b xmlns=''/></p:a></p:r>";
    check(
        text,
        "a",
        &exclusive(&[]),
        "<p:a xmlns:p=\"u:p\"><b></b></p:a>",
    );
    check(
        text,
        "a",
        &exclusive(&[""]),
        "<p:a xmlns=\"u:d\" xmlns:p=\"u:p\"><b xmlns=\"\"></b></p:a>",
    );
    // A listed prefix that nobody declared is no mistake.
    check("<a/>", "a", &exclusive(&["xs", ""]), "<a></a>");
}

#[test]
fn one_element_can_be_left_out() {
    let document = Document::parse("<a>1<b>2<a/></b>3<b/>4</a>").unwrap();
    let root = document.root();
    let first = root.children().next().map(Element::id);
    let octets = canonicalize(root, first, &exclusive(&[]));
    assert_eq!(String::from_utf8(octets).unwrap(), "<a>13<b></b>4</a>");
}

#[test]
fn namespaces_around_a_text_taken_out_of_its_place_count() {
    let scope = [("p".to_owned(), "u:p".to_owned())];
    let document = Document::parse_within("<a p:b='c'/>", &scope).unwrap();
    let octets = |method| String::from_utf8(canonicalize(document.root(), None, &method)).unwrap();
    let expected = "<a xmlns:p=\"u:p\" p:b=\"c\"></a>";
    assert_eq!(octets(exclusive(&[])), expected);
    assert_eq!(octets(Method::Inclusive), expected);
}
