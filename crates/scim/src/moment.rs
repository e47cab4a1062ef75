//! Points in time as SCIM writes them (RFC 7643 §2.3.5).

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: compared chronologically whatever offset it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(OffsetDateTime);

impl DateTime {
    /// Reads an RFC 3339 date and time with offset; `None` where the text is none.
    ///
    /// XML Schema, which SCIM refers to, also allows a missing offset, which is read as UTC, and 24:00:00, which is
    /// the midnight behind the day.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(midnight) = end_of_day(text) {
            let moment = Self::parse(&midnight)?.0.checked_add(time::Duration::DAY)?;
            return (0..=9999).contains(&moment.year()).then_some(Self(moment));
        }
        OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
            .ok()
            .and_then(|moment| moment.checked_to_offset(time::UtcOffset::UTC))
            .filter(|moment| (0..=9999).contains(&moment.year()))
            .map(Self)
    }

    /// The point in time this many microseconds after 1970-01-01T00:00:00Z.
    ///
    /// `None` outside the years that RFC 3339 can write.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
            .ok()
            .filter(|moment| (0..=9999).contains(&moment.year()))
            .map(Self)
    }

    /// Whole microseconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn unix_micros(self) -> i64 {
        let micros = self.0.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }
}

impl Default for DateTime {
    /// 1970-01-01T00:00:00Z.
    fn default() -> Self {
        Self(OffsetDateTime::UNIX_EPOCH)
    }
}

/// The beginning of the day whose end the text names by 24:00:00, as text.
fn end_of_day(text: &str) -> Option<String> {
    let (date, time) = text.split_at_checked(10)?;
    let rest = time.get(1..)?.strip_prefix("24:00:00")?;
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => fraction.trim_start_matches('0'),
    };
    let mark = time.get(..1)?;
    (!rest.starts_with(|first: char| first.is_ascii_digit()))
        .then(|| format!("{date}{mark}00:00:00{rest}"))
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_seven_digits_compare_chronologically() {
        let entra = DateTime::parse("2015-10-10T14:38:21.8617979-07:00").unwrap();
        let same = DateTime::parse("2015-10-10T21:38:21.8617979Z").unwrap();
        assert_eq!(entra, same);
        assert_eq!(entra.to_string(), "2015-10-10T21:38:21.8617979Z");
        assert!(DateTime::parse("2015-10-10T21:38:22Z").unwrap() > same);
        assert!(DateTime::parse("yesterday").is_none());
    }

    #[test]
    fn forms_of_xml_schema_are_read() {
        for (text, shown) in [
            ("2026-01-31T24:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-01-31T24:00:00.000+01:00", "2026-01-31T23:00:00Z"),
            ("2026-01-31T24:00:00", "2026-02-01T00:00:00Z"),
            ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00", "2026-01-31T12:00:00Z"),
        ] {
            let read = DateTime::parse(text).map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), Some(shown), "{text}");
        }
        for text in [
            "2026-01-31T24:00:01Z",
            "2026-01-31T24:00:00.5Z",
            "9999-12-31T24:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "é26-01-31T24:00:00Z",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn microseconds_survive() {
        let moment = DateTime::from_unix_micros(1_700_000_000_123_456).unwrap();
        assert_eq!(moment.unix_micros(), 1_700_000_000_123_456);
        assert_eq!(DateTime::parse(&moment.to_string()), Some(moment));
    }
}
