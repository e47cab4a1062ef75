//! Just enough DER (X.690 §10) to read a certificate and a private key.
//!
//! Every length is checked against what is there; indefinite and non-minimal lengths and multi-byte tags are refused.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// `1.2.840.113549.1.1.1`, the content of the identifier of a plain RSA key with its NULL parameters left out.
pub(crate) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Reads elements one after the other and never beyond its slice.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag, without taking it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element: its tag and its content.
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }

    /// A reader inside the next element, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader::new)
    }

    /// A non-negative INTEGER without leading zeros; zero is empty.
    pub(crate) fn unsigned(&mut self) -> Option<&'a [u8]> {
        let content = self.take(INTEGER)?;
        if content.first()? & 0x80 != 0 {
            return None;
        }
        let zeros = content.iter().take_while(|&&byte| byte == 0).count();
        content.get(zeros..)
    }

    /// The octets of a BIT STRING that uses all its bits.
    pub(crate) fn whole_bits(&mut self) -> Option<&'a [u8]> {
        match self.take(BIT_STRING)?.split_first()? {
            (0, octets) => Some(octets),
            _ => None,
        }
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let (octets, rest) = rest.split_at_checked(count)?;
    let length = octets
        .iter()
        .fold(0_usize, |sum, &octet| (sum << 8) | usize::from(octet));
    // The shortest form is the only one, X.690 §10.1.
    let shortest = length >= 0x80 && octets.first().is_some_and(|&octet| octet != 0);
    shortest.then_some((length, rest))
}

/// One element with its content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = content.len().to_be_bytes();
            let significant = octets.iter().skip_while(|&&octet| octet == 0);
            // A length has at most eight octets.
            out.push(0x80 | u8::try_from(significant.clone().count()).unwrap_or(8));
            out.extend(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An INTEGER from big-endian octets, in its shortest form.
pub(crate) fn unsigned_element(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
    let significant = octets.get(zeros..).unwrap_or_default();
    if significant.first().is_some_and(|&octet| octet < 0x80) {
        return element(INTEGER, significant);
    }
    let mut content = Vec::with_capacity(significant.len() + 1);
    content.push(0);
    content.extend_from_slice(significant);
    element(INTEGER, &content)
}

/// An object identifier in dotted notation, for messages; `None` if it is malformed.
pub(crate) fn dotted(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    for &octet in content {
        arc = arc.checked_mul(128)?.checked_add(u64::from(octet & 0x7f))?;
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(std::mem::take(&mut arc));
        }
    }
    if arcs.is_empty() || content.last()? & 0x80 != 0 {
        return None;
    }
    let arcs: Vec<String> = arcs.iter().map(u64::to_string).collect();
    Some(arcs.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_minimal_definite_and_within_the_input() {
        for refused in [
            &[0x30, 0x80, 0, 0][..],         // indefinite
            &[0x30, 0x81, 0x01, 0][..],      // longer than needed
            &[0x30, 0x82, 0x00, 0x80],       // leading zero
            &[0x30, 0x02, 0x00],             // beyond the end
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0], // too long to be sensible
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 0x81, 0x00, 0x00], // multi-byte tag
            &[0x30],
            &[],
        ] {
            assert!(Reader::new(refused).any().is_none(), "{refused:02x?}");
        }
        assert_eq!(Reader::new(&[4, 1, 7]).any(), Some((4, &[7][..])));
    }

    #[test]
    fn an_integer_below_zero_is_not_unsigned() {
        assert_eq!(Reader::new(&[2, 1, 0x80]).unsigned(), None);
        assert_eq!(Reader::new(&[2, 0]).unsigned(), None);
        assert_eq!(Reader::new(&[2, 2, 0, 0x80]).unsigned(), Some(&[0x80][..]));
        assert_eq!(Reader::new(&[2, 1, 0]).unsigned(), Some(&[][..]));
    }

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(
            dotted(RSA_ENCRYPTION).as_deref(),
            Some("1.2.840.113549.1.1.1")
        );
        assert_eq!(dotted(&[0x2b, 0x65, 0x70]).as_deref(), Some("1.3.101.112"));
        assert_eq!(dotted(&[0x2b, 0x80]), None);
        assert_eq!(dotted(&[]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let written = element(OCTET_STRING, &content);
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.take(OCTET_STRING), Some(&content[..]));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn integers_are_read_again(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
            let written = unsigned_element(&octets);
            prop_assert_eq!(Reader::new(&written).unsigned(), Some(&octets[zeros..]));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.any().is_some() {}
            let _ = dotted(&bytes);
        }
    }
}
