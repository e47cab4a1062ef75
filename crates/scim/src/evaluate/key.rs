//! The keys by which text is compared where letter case does not count.

use unicode_normalization::UnicodeNormalization;

/// The key of a text: two texts are the same where letter case does not count if their keys are.
///
/// NFKC, lower case character by character, NFKC again, no white space around it: the comparison of RFC 8265's
/// UsernameCaseMapped profile (RFC 7644 §5) without its refusals, since identity providers send names with spaces.
/// The two lower-case forms of sigma are one letter, so that a part of a word has the same key as in the word.
///
/// It is the one rule for every attribute that is not `caseExact`, in the evaluator and in a host's indexes: a host
/// that answers filters from an index stores this form beside the text.
pub fn fold(text: &str) -> String {
    trimmed(folded(text), str::trim)
}

/// The key of what a text begins with: [`fold`] that keeps the space at the end.
///
/// A key begins with it where the text begins so.
pub fn fold_prefix(text: &str) -> String {
    trimmed(folded(text), str::trim_start)
}

/// The key of what a text ends with: [`fold`] that keeps the space at the beginning.
pub fn fold_suffix(text: &str) -> String {
    trimmed(folded(text), str::trim_end)
}

/// The key of what a text contains: [`fold`] that keeps all space.
pub fn fold_part(text: &str) -> String {
    folded(text)
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

fn trimmed(text: String, trim: impl Fn(&str) -> &str) -> String {
    let kept = trim(&text);
    if kept.len() == text.len() {
        return text;
    }
    kept.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same table stands in `vestibule-core` for the keys of its indexes.
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
            assert_eq!(fold(text), key, "{text}");
            assert_eq!(fold_prefix(text), prefix, "{text}");
        }
    }

    #[test]
    fn key_of_a_key_is_the_key() {
        // Behind these there are no letters with case and no compositions.
        for character in '\0'..='\u{1ffff}' {
            let text = format!("{character}a");
            let key = fold(&text);
            assert_eq!(fold(&key), key, "{character:?}");
        }
    }

    #[test]
    fn texts_begin_end_and_contain_by_key() {
        let key = fold("  Ann Ｅxample ");
        assert!(key.starts_with(&fold_prefix(" ANN ")));
        assert!(!key.starts_with(&fold_prefix("ann  ")));
        assert!(key.ends_with(&fold_suffix(" example ")));
        assert!(key.contains(&fold_part("N E")));
        assert!(!key.contains(&fold_part("ne")));
        assert!(fold("ΑΣΑ").starts_with(&fold_prefix("ΑΣ")));
    }
}
