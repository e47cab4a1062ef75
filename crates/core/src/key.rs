use unicode_normalization::UnicodeNormalization as _;

/// The key under which names that compare without case are stored and looked up.
///
/// NFKC, lower case, NFKC again: the comparison of RFC 8265's UsernameCaseMapped profile (RFC 7644 §5)
/// for strings that the profile allows, and the same rule for those with spaces and symbols, which real directories send.
pub fn name_key(name: &str) -> String {
    name.trim()
        .nfkc()
        .collect::<String>()
        .to_lowercase()
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
