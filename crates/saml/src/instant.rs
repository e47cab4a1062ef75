//! Times as SAML writes them (SAML core §1.3.3): `xs:dateTime` in UTC, kept as whole Unix seconds.

use time::{Date, Month, OffsetDateTime};

/// Unix seconds of `0001-01-01T00:00:00Z` and of `9999-12-31T23:59:59Z`, what four digits of a year can say.
const RANGE: (i64, i64) = (-62_135_596_800, 253_402_300_799);

/// Reads an `xs:dateTime` with a time zone; fractions of a second are cut.
///
/// The standard wants `Z`; a numeric offset is converted, since some identity providers write `+00:00`.
/// A missing time zone, `24:00:00`, leap seconds and years other than four digits are refused.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (&[b'T'], rest) = rest.as_bytes().split_first_chunk::<1>()? else {
        return None;
    };
    let seconds = date_seconds(date.as_bytes())?;
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = clock else {
        return None;
    };
    let hour = below(number(&[h1, h2])?, 24)?;
    let minute = below(number(&[m1, m2])?, 60)?;
    let second = below(number(&[s1, s2])?, 60)?;
    let offset = offset_seconds(after_fraction(rest)?)?;
    Some(seconds + hour * 3600 + minute * 60 + second - offset)
}

/// Writes `YYYY-MM-DDThh:mm:ssZ`; what four digits of a year cannot say becomes the nearest that they can.
pub(crate) fn format_instant(seconds: i64) -> String {
    let clamped = seconds.clamp(RANGE.0, RANGE.1);
    let instant =
        OffsetDateTime::from_unix_timestamp(clamped).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        instant.year(),
        u8::from(instant.month()),
        instant.day(),
        instant.hour(),
        instant.minute(),
        instant.second()
    )
}

/// Unix seconds of a date and time in UTC; `None` if there is no such moment in the calendar.
pub(crate) fn from_civil(year: i64, month: i64, day: i64, clock: [i64; 3]) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let day = u8::try_from(day).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    let [hour, minute, second] = clock;
    let clock = below(hour, 24)? * 3600 + below(minute, 60)? * 60 + below(second, 60)?;
    Some(date.midnight().assume_utc().unix_timestamp() + clock)
}

/// A number in ASCII digits only, at most four of them.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

fn date_seconds(date: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    if year == 0 {
        return None;
    }
    from_civil(year, number(&[m1, m2])?, number(&[d1, d2])?, [0, 0, 0])
}

fn after_fraction(rest: &[u8]) -> Option<&[u8]> {
    let Some((b'.', fraction)) = rest.split_first() else {
        return Some(rest);
    };
    let digits = fraction
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 {
        return None;
    }
    fraction.get(digits..)
}

/// Seconds east of UTC; `xs:dateTime` allows up to fourteen hours.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    if zone == b"Z" {
        return Some(0);
    }
    let &[sign, h1, h2, b':', m1, m2] = zone else {
        return None;
    };
    let minutes = number(&[h1, h2])? * 60 + below(number(&[m1, m2])?, 60)?;
    let seconds = below(minutes, 14 * 60 + 1)? * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn below(value: i64, limit: i64) -> Option<i64> {
    (0..limit).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2004-12-05T09:22:05Z", 1_102_238_525),
            ("2026-11-22T06:00:00.123Z", 1_795_327_200),
            ("2026-11-22T06:00:00.1234567890123456789Z", 1_795_327_200),
            ("2026-11-22T06:00:00+00:00", 1_795_327_200),
            ("2026-11-22T06:00:00-00:00", 1_795_327_200),
            ("2026-11-22T08:00:00.5+02:00", 1_795_327_200),
            ("2026-11-21T16:00:00-14:00", 1_795_327_200),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("0001-01-01T00:00:00Z", RANGE.0),
            ("9999-12-31T23:59:59Z", RANGE.1),
        ] {
            assert_eq!(parse_instant(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T06:00:00",
            "2026-11-22 06:00:00Z",
            "2026-11-22t06:00:00Z",
            "2026-11-22T06:00:00z",
            "2026-11-22T06:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T23:60:00Z",
            "2026-12-31T23:59:60Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "-2026-11-22T06:00:00Z",
            "+2026-11-22T06:00:00Z",
            "12026-11-22T06:00:00Z",
            "226-11-22T06:00:00Z",
            "2026-11-22T06:00:00.Z",
            "2026-11-22T06:00:00,5Z",
            "2026-11-22T06:00:00ZZ",
            "2026-11-22T06:00:00Z ",
            " 2026-11-22T06:00:00Z",
            "2026-11-22T06:00:00+2:00",
            "2026-11-22T06:00:00+0200",
            "2026-11-22T06:00:00+14:01",
            "2026-11-22T06:00:00+02:60",
            "2026-11-22T06:00:00*02:00",
            "2026-11-2\u{0662}T06:00:00Z",
            "+026-11-22T06:00:00Z",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn times_beyond_four_digits_of_a_year_are_capped() {
        assert_eq!(format_instant(i64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(format_instant(i64::MIN), "0001-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in RANGE.0..=RANGE.1) {
            prop_assert_eq!(parse_instant(&format_instant(seconds)), Some(seconds));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = parse_instant(&text);
        }

        #[test]
        fn nothing_panics_near_the_form(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.0-9Z+:-]{0,9}") {
            let _ = parse_instant(&text);
        }
    }
}
