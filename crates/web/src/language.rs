//! Which language a person reads.

use axum::http::{HeaderMap, header};

/// A language that our pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    /// What is spoken where nothing better is known.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::French];

    /// The tag (BCP 47), as `lang` and `Content-Language` have it.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The language of a tag, whatever region or script stands behind it.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let language = tag.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|known| language.eq_ignore_ascii_case(known.tag()))
    }

    /// The first of the locales that an application names in which we can speak (OpenID Connect Core §3.1.2.1, `ui_locales`).
    pub(crate) fn of_locales<'l>(locales: impl IntoIterator<Item = &'l str>) -> Option<Self> {
        locales.into_iter().find_map(Self::of_tag)
    }

    /// The language that a browser likes best (RFC 9110 §12.5.4); English where it likes none of ours.
    ///
    /// Of two that it likes equally the earlier one counts, which is what browsers without weights mean.
    pub(crate) fn negotiated(headers: &HeaderMap) -> Self {
        let ranges: Vec<(String, u16)> = headers
            .get_all(header::ACCEPT_LANGUAGE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(weighed)
            .collect();
        let mut best: Option<(u16, usize, Self)> = None;
        for language in Self::ALL {
            // What names the language counts before what names any.
            let named = ranges
                .iter()
                .enumerate()
                .filter(|(_, (range, _))| Self::of_tag(range) == Some(language))
                .max_by_key(|(place, (_, weight))| (*weight, usize::MAX - place));
            let any = || {
                let mut ranges = ranges.iter().enumerate();
                ranges.find(|(_, (range, _))| range == "*")
            };
            let Some((place, (_, weight))) = named.or_else(any) else {
                continue;
            };
            let better = best.is_none_or(|(known, before, _)| {
                *weight > known || (*weight == known && place < before)
            });
            if *weight > 0 && better {
                best = Some((*weight, place, language));
            }
        }
        best.map(|(_, _, language)| language).unwrap_or_default()
    }
}

/// A range with its weight in thousandths; none where it cannot be read.
fn weighed(item: &str) -> Option<(String, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            let weight: f32 = value.trim().parse().ok()?;
            let sound = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&weight);
            sound.then_some(())?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1000"
            )]
            let thousandths = (weight * 1000.0).round() as u16;
            thousandths
        }
    };
    Some((range.to_owned(), weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_the_browser_likes_best_is_spoken() {
        use Language::{English, French};
        for (accepted, spoken) in [
            ("", English),
            ("de", English),
            ("fr", French),
            ("fr-CA", French),
            ("FR-fr, en;q=0.9", French),
            ("en-GB,en;q=0.9,fr;q=0.8", English),
            ("de, fr;q=0.5, en;q=0.4", French),
            ("en;q=0.4, fr;q=0.5", French),
            ("fr;q=0.5, en;q=0.5", French),
            ("en;q=0.5, fr;q=0.5", English),
            ("en;q=0, *", French),
            ("fr;q=0, en;q=0", English),
            ("*", English),
            ("*;q=0.1, fr;q=0.2", French),
            ("fr;q=0.1, *;q=0.5", English),
            ("fr ; q=0.7 , en ; q=0.3", French),
            // What cannot be read is passed over.
            ("fr;q=x, en;q=0.1", English),
            ("fr;q=2, en;q=0.1", English),
            ("fr;v=1", English),
            (";;;,,=", English),
            ("french", English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(Language::negotiated(&headers), spoken, "{accepted}");
        }
    }

    #[test]
    fn the_locales_of_an_application_are_taken_in_their_order() {
        let of = |locales: &str| Language::of_locales(locales.split(' '));
        assert_eq!(of("de fr-CA en"), Some(Language::French));
        assert_eq!(of("en fr"), Some(Language::English));
        assert_eq!(of("de"), None);
        assert_eq!(of(""), None);
    }
}
