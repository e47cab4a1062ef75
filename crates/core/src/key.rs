use unicode_normalization::UnicodeNormalization as _;

/// The key under which names that compare without case are stored and looked up.
///
/// NFKC, lower case character by character, NFKC again, no white space around it: the comparison of RFC 8265's
/// UsernameCaseMapped profile (RFC 7644 §5) for strings that the profile allows, and the same rule for those with
/// spaces and symbols, which real directories send.
/// The two lower-case forms of sigma are one letter, so that the beginning of a name has the key that it has in the
/// name. `vestibule_scim::evaluate::fold` is the same function, so that indexes and filters agree.
pub fn name_key(name: &str) -> String {
    folded(name).trim().to_owned()
}

/// The key of the beginning of a name: a name's key begins with it where the name begins so.
///
/// Unlike a whole name it keeps the space at its end: `a ` is not the beginning of `ab`.
pub fn name_prefix_key(prefix: &str) -> String {
    folded(prefix).trim_start().to_owned()
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc()
        .flat_map(char::to_lowercase)
        .map(|character| match character {
            'ς' => 'σ',
            other => other,
        })
        .nfkc()
        .collect()
}

/// The key of an e-mail address; both sides of the `@` compare without case.
pub fn email_key(address: &str) -> String {
    name_key(address)
}

/// The domain part of an address in lower case; none when it has no or an empty one.
pub fn email_domain(address: &str) -> Option<String> {
    let (local, domain) = address.trim().rsplit_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_key() {
        for (one, other) in [
            ("Bob@Acme.Test", "bob@acme.test"),
            ("STRASSE", "strasse"),
            ("ﬁona", "FIONA"),
            ("é", "e\u{301}"),
            (" a ", "a"),
        ] {
            assert_eq!(name_key(one), name_key(other), "{one} {other}");
        }
        assert_ne!(name_key("a b"), name_key("ab"));
    }

    /// The same table stands in `vestibule-scim` for the evaluator of filters.
    const KEYS: [(&str, &str, &str); 14] = [
        ("Bob@Acme.Test", "bob@acme.test", "bob@acme.test"),
        (" a b ", "a b", "a b "),
        ("STRASSE", "strasse", "strasse"),
        ("Straße ẞ", "straße ß", "straße ß"),
        ("ﬁona", "fiona", "fiona"),
        ("ＡＬＩＣＥ", "alice", "alice"),
        ("e\u{301}", "é", "é"),
        ("É", "é", "é"),
        ("ΑΣ", "ασ", "ασ"),
        ("ΑΣΑ", "ασα", "ασα"),
        ("ας", "ασ", "ασ"),
        ("İ", "i\u{307}", "i\u{307}"),
        ("\u{a0}x\u{3000}", "x", "x "),
        ("\u{a8}x", "\u{308}x", "\u{308}x"),
    ];

    #[test]
    fn keys_are_those_of_the_table() {
        for (text, key, prefix) in KEYS {
            assert_eq!(name_key(text), key, "{text}");
            assert_eq!(name_prefix_key(text), prefix, "{text}");
        }
    }

    #[test]
    fn the_last_at_sign_divides_an_address() {
        assert_eq!(
            email_domain("\"a@b\"@Acme.Test"),
            Some("acme.test".to_owned())
        );
        assert_eq!(email_domain("nobody"), None);
        assert_eq!(email_domain("@acme.test"), None);
        assert_eq!(email_domain("bob@"), None);
    }
}
