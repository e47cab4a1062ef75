//! Durations as XML Schema writes them (XSD part 2 §3.2.6), kept as whole seconds.

/// Days of a month and of a year, where nothing depends on the calendar.
const MONTH_DAYS: i64 = 30;
const YEAR_DAYS: i64 = 365;

/// Seconds of an `xs:duration` that is not negative; a fraction of a second is cut.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = [('Y', YEAR_DAYS), ('M', MONTH_DAYS), ('D', 1)];
    let seconds = [('H', 3600), ('M', 60), ('S', 1)];
    sum(date, &days)?
        .checked_mul(86_400)?
        .checked_add(sum(time, &seconds)?)
}

/// Numbers, each with its letter, in this order; each at most once.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total: i64 = 0;
    for (letter, unit) in units {
        let Some((number, rest)) = text.split_once(*letter) else {
            continue;
        };
        let whole = match number.split_once('.') {
            Some((whole, fraction)) if *letter == 'S' && digits(fraction) => whole,
            Some(_) => return None,
            None => number,
        };
        if !digits(whole) {
            return None;
        }
        total = total.checked_add(whole.parse::<i64>().ok()?.checked_mul(*unit)?)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("PT0S", 0),
            ("PT1H", 3600),
            ("PT604800S", 604_800),
            ("P1D", 86_400),
            ("P0Y0M0DT6H0M0.000S", 21_600),
            ("P1Y2M3DT4H5M6.7S", (365 + 60 + 3) * 86_400 + 14_706),
            ("PT1M", 60),
            ("P1M", 2_592_000),
        ] {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "-PT1H",
            "+P1D",
            "P1DT",
            "P1D1Y",
            "PT1.5H",
            "PT1.S",
            "PT.5S",
            "P+1D",
            "P1D1D",
            "1D",
            "PT1H ",
            "P99999999999999999999D",
            "P9223372036854775807Y",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
