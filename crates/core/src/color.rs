use std::{fmt, str::FromStr};

use thiserror::Error;

/// What text needs against its ground (WCAG 2.2, 1.4.3).
const TEXT: f64 = 4.5;
/// What the edge of a control needs against what is beside it (WCAG 2.2, 1.4.11).
const EDGE: f64 = 3.0;

/// A color, as organizations brand their pages with it.
///
/// ```
/// use vestibule_core::Color;
///
/// let yellow: Color = "#FFD400".parse()?;
/// assert_eq!(yellow.to_string(), "#ffd400");
/// assert_eq!(yellow.text_on(), Color::BLACK);
/// // As a link on white it would hardly be seen, so it is darker there.
/// assert!(yellow.readable_on(Color::WHITE).contrast(Color::WHITE) >= 4.5);
/// # Ok::<(), vestibule_core::InvalidColor>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

/// The text is no color of six hexadecimal digits with `#` before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a color is # and six hexadecimal digits")]
pub struct InvalidColor;

impl Color {
    /// Black.
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// A color of its parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// How bright it is to the eye, between 0 and 1 (WCAG 2.2, relative luminance).
    fn luminance(self) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            match value <= 0.040_45 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * part(self.red) + 0.7152 * part(self.green) + 0.0722 * part(self.blue)
    }

    /// The contrast of two colors, between 1 and 21 (WCAG 2.2, contrast ratio).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever is read better on it. One of the two always reaches 4.5:1.
    #[must_use]
    pub fn text_on(self) -> Self {
        match self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) {
            true => Self::WHITE,
            false => Self::BLACK,
        }
    }

    /// The color for text on a ground: as near to it as 4.5:1 allows.
    #[must_use]
    pub fn readable_on(self, ground: Self) -> Self {
        let goal = ground.text_on();
        (0..=100)
            .map(|percent| self.mixed(goal, percent))
            .find(|mixed| mixed.contrast(ground) >= TEXT)
            .unwrap_or(goal)
    }

    /// Whether a field of it is seen on a ground without an edge.
    pub fn stands_out_from(self, ground: Self) -> bool {
        self.contrast(ground) >= EDGE
    }

    /// The color under the pointer: a little away from its text, so that what is written on it is read no worse.
    #[must_use]
    pub fn pressed(self) -> Self {
        match self.text_on() == Self::WHITE {
            true => self.mixed(Self::BLACK, 16),
            false => self.mixed(Self::WHITE, 24),
        }
    }

    /// So many percent of the way to another color.
    fn mixed(self, goal: Self, percent: u16) -> Self {
        let part = |from: u8, to: u8| {
            let sum = u16::from(from) * (100 - percent) + u16::from(to) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self::new(
            part(self.red, goal.red),
            part(self.green, goal.green),
            part(self.blue, goal.blue),
        )
    }
}

impl FromStr for Color {
    type Err = InvalidColor;

    fn from_str(text: &str) -> Result<Self, InvalidColor> {
        let digits = text.strip_prefix('#').ok_or(InvalidColor)?;
        let sound = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then_some(()).ok_or(InvalidColor)?;
        let value = u32::from_str_radix(digits, 16).map_err(|_| InvalidColor)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self::new(red, green, blue))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_six_digits_are_a_color() {
        for bad in [
            "", "#", "3355d1", "#3355d", "#3355d1f", "#33 5d1", "#+355d1", "red", "#€55d",
            "##3355d",
        ] {
            assert_eq!(bad.parse::<Color>(), Err(InvalidColor), "{bad}");
        }
        assert_eq!("#0A0b0C".parse(), Ok(Color::new(10, 11, 12)));
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        let close = |one: f64, two: f64| (one - two).abs() < 0.01;
        assert!(close(Color::BLACK.contrast(Color::WHITE), 21.0));
        assert!(close(Color::WHITE.contrast(Color::WHITE), 1.0));
        // Known from the checkers: #777777 on white just fails.
        assert!(close(
            Color::new(0x77, 0x77, 0x77).contrast(Color::WHITE),
            4.48
        ));
    }

    #[test]
    fn what_is_written_on_or_in_any_color_can_be_read() {
        let grounds = [
            Color::WHITE,
            Color::new(0xf5, 0xf6, 0xf9),
            Color::new(0x1f, 0x24, 0x2d),
        ];
        let steps = || (0..=255).step_by(15);
        for (red, green, blue) in steps().flat_map(|red| {
            steps().flat_map(move |green| steps().map(move |blue| (red, green, blue)))
        }) {
            let color = Color::new(red, green, blue);
            let text = color.text_on();
            assert!(color.contrast(text) >= 4.5, "{color}");
            assert!(
                color.pressed().contrast(text) >= 4.5,
                "{color} under the pointer"
            );
            for ground in grounds {
                let link = color.readable_on(ground);
                assert!(
                    link.contrast(ground) >= 4.5,
                    "{color} as {link} on {ground}"
                );
            }
        }
        let navy = Color::new(0x0b, 0x2a, 0x5b);
        assert_eq!(
            navy.readable_on(Color::WHITE),
            navy,
            "what can be read stays"
        );
    }
}
