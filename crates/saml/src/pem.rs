//! Textual encodings of certificates and keys (RFC 7468), as people paste them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Padding may be missing: some consoles cut it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One armored block: its label and the base64 between its lines.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) base64: &'a str,
}

/// Whether the text has PEM armor at all.
pub(crate) fn is_armored(text: &str) -> bool {
    text.contains(BEGIN)
}

/// All blocks in their order; text between them is ignored, as RFC 7468 §5.2 lets tools write explanations there.
///
/// `None` if an armor line is not closed or the labels differ.
/// Line ends are not needed: forms and environment variables tend to flatten them.
pub(crate) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once(DASHES)?;
        let (base64, after) = after.split_once(END)?;
        let (end_label, after) = after.split_once(DASHES)?;
        if label != end_label || base64.contains(DASHES) {
            return None;
        }
        blocks.push(Block { label, base64 });
        rest = after;
    }
    Some(blocks)
}

/// Base64 with any white space in it; padding is optional.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut compact = Zeroizing::new(Vec::with_capacity(text.len()));
    compact.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    LENIENT.decode(&*compact).ok().map(Zeroizing::new)
}

/// The armored form with lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        out.push_str(rest);
        out.push('\n');
    }
    out.push_str(END);
    out.push_str(label);
    out.push_str(DASHES);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_and_without_line_ends() {
        let text = "subject=x\n-----BEGIN A-----\nAQI=\n-----END A-----\n -----BEGIN B----- AwQ -----END B-----";
        let blocks = blocks(text).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].label, "A");
        assert_eq!(*decode(blocks[0].base64).unwrap(), [1, 2]);
        assert_eq!(*decode(blocks[1].base64).unwrap(), [3, 4]);
    }

    #[test]
    fn broken_armor_is_refused() {
        for text in [
            "-----BEGIN A-----\nAQI=",
            "-----BEGIN A-----\nAQI=\n-----END B-----",
            "-----BEGIN A-----\nAQI=\n-----BEGIN A-----\nAQI=\n-----END A-----",
            "-----BEGIN A\nAQI=",
        ] {
            assert!(blocks(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..=255).cycle().take(length).collect();
            let text = encode("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            let blocks = blocks(&text).unwrap();
            assert_eq!(*decode(blocks[0].base64).unwrap(), der);
        }
    }
}
