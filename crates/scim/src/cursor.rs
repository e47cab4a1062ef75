//! Cursors: where a walk over a list stands, as text that only the server reads (RFC 9865 §2).
//!
//! A cursor is the host's position, the time when it was told, and a fingerprint over both and over the directory,
//! the endpoint, the filter and the order, in base64url. The fingerprint finds what a client mixed up or mangled;
//! it keeps no secret. A cursor grants nothing: credentials are checked as for every request, the directory is that
//! of the URL, and the host reads the position as strictly as any text from outside.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;
use crate::moment::DateTime;

/// The form of the record; another one is another version's.
const VERSION: u8 = 1;
/// The longest position that a host may tell, in bytes.
const POSITION: usize = 1_000;
/// The bytes before the position: version, time, fingerprint.
const HEAD: usize = 1 + 8 + 8;

/// The walk that a cursor belongs to, in text form: equal walks have equal parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    /// The URL of the directory.
    pub(crate) directory: &'a str,
    /// The endpoint.
    pub(crate) endpoint: &'a str,
    /// The filter in canonical form; empty without one.
    pub(crate) filter: &'a str,
    /// The order in canonical form; empty without one.
    pub(crate) order: &'a str,
}

impl Walk<'_> {
    /// The cursor for a position of the host, told now.
    ///
    /// Fails where the position is too long to be part of a URL, which is a fault of the host.
    pub(crate) fn tell(&self, position: &str, now: DateTime) -> Result<String, Error> {
        if position.len() > POSITION {
            return Err(Error::internal("the position of a cursor is too long"));
        }
        let issued = now.unix_micros();
        let mut record = Vec::with_capacity(HEAD + position.len());
        record.push(VERSION);
        record.extend_from_slice(&issued.to_be_bytes());
        record.extend_from_slice(&self.fingerprint(issued, position).to_be_bytes());
        record.extend_from_slice(position.as_bytes());
        Ok(URL_SAFE_NO_PAD.encode(record))
    }

    /// The host's position in a cursor of this walk.
    ///
    /// Fails with `invalid_cursor`, in the same words whatever is wrong, and with `expired_cursor` where an honest
    /// cursor is older than `ttl`.
    pub(crate) fn read(&self, cursor: &str, now: DateTime, ttl: Duration) -> Result<String, Error> {
        let (issued, position) = self.parse(cursor).ok_or_else(invalid)?;
        let age = now.unix_micros().saturating_sub(issued);
        let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        if age > ttl {
            return Err(Error::expired_cursor(format!(
                "the cursor is older than {} seconds; begin again with an empty one",
                ttl / 1_000_000
            )));
        }
        Ok(position)
    }

    fn parse(&self, cursor: &str) -> Option<(i64, String)> {
        let record = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (version, rest) = record.split_first()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (fingerprint, position) = rest.split_first_chunk::<8>()?;
        let position = str::from_utf8(position).ok()?;
        let issued = i64::from_be_bytes(*issued);
        let is_ours = *version == VERSION
            && u64::from_be_bytes(*fingerprint) == self.fingerprint(issued, position);
        is_ours.then(|| (issued, position.to_owned()))
    }

    /// FNV-1a over all parts, each behind its length.
    fn fingerprint(&self, issued: i64, position: &str) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        add(&issued.to_be_bytes());
        for part in [
            self.directory,
            self.endpoint,
            self.filter,
            self.order,
            position,
        ] {
            add(&part.len().to_be_bytes());
            add(part.as_bytes());
        }
        hash
    }
}

/// What is said of every cursor that is not one of this walk (RFC 9865 §5: identical errors).
pub(crate) fn invalid() -> Error {
    Error::invalid_cursor(
        "the cursor is not one of this query; send it as it was told, or an empty one to begin again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const WALK: Walk<'static> = Walk {
        directory: "https://host.test/scim/v2/a",
        endpoint: "/Users",
        filter: "userName pr",
        order: "",
    };
    const TTL: Duration = Duration::from_secs(600);

    fn at(seconds: i64) -> DateTime {
        DateTime::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn kind(walk: Walk<'_>, cursor: &str, seconds: i64) -> ErrorKind {
        walk.read(cursor, at(seconds), TTL).unwrap_err().kind()
    }

    #[test]
    fn cursor_is_read_by_its_own_walk_while_it_is_fresh() {
        let cursor = WALK.tell("user-7 \u{e9}", at(1_000)).unwrap();
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(cursor.bytes().all(unreserved), "{cursor}");
        assert_eq!(WALK.read(&cursor, at(1_600), TTL).unwrap(), "user-7 \u{e9}");
        assert_eq!(kind(WALK, &cursor, 1_601), ErrorKind::ExpiredCursor);
    }

    #[test]
    fn cursor_of_another_walk_and_altered_cursor_are_refused_alike() {
        let cursor = WALK.tell("user-7", at(1_000)).unwrap();
        for other in [
            Walk {
                directory: "https://host.test/scim/v2/b",
                ..WALK
            },
            Walk {
                endpoint: "/Groups",
                ..WALK
            },
            Walk { filter: "", ..WALK },
            Walk {
                order: "userName",
                ..WALK
            },
        ] {
            assert_eq!(kind(other, &cursor, 1_000), ErrorKind::InvalidCursor);
        }
        for at_byte in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at_byte] = if altered[at_byte] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            let error = WALK.read(&altered, at(1_000), TTL).unwrap_err();
            assert_eq!(error.body(), invalid().body(), "byte {at_byte}");
        }
        for nonsense in ["x", "zzz", "AAAA", "a b", "%00", "\u{e9}"] {
            assert_eq!(kind(WALK, nonsense, 1_000), ErrorKind::InvalidCursor);
        }
    }

    #[test]
    fn position_that_fits_no_url_is_the_hosts_fault() {
        let error = WALK.tell(&"x".repeat(1_001), at(1_000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}
