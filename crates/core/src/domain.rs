use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Providers of mail for everybody: an address there says nothing about an organization.
const FREE_MAIL: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "att.net",
    "bluewin.ch",
    "comcast.net",
    "fastmail.com",
    "free.fr",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.fr",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rediffmail.com",
    "rocketmail.com",
    "sbcglobal.net",
    "t-online.de",
    "tutanota.com",
    "verizon.net",
    "wanadoo.fr",
    "web.de",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.fr",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

/// A mail domain that an organization can own, in lower case (and punycode where it has other letters).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Why a text cannot be an organization's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomain {
    /// Not a host name of at least two labels of letters, digits and hyphens.
    #[error("not a domain name; write it like acme.com, with xn-- labels for other letters")]
    Syntax,
    /// A name under which anybody can register, such as `co.uk`.
    #[error("a public suffix belongs to nobody; name the domain below it")]
    PublicSuffix,
    /// A mail provider for everybody, such as `gmail.com`.
    #[error("a free-mail domain cannot belong to one organization")]
    FreeMail,
}

impl Domain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let domain = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let label_is_sound = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last_is_number = domain
            .rsplit('.')
            .next()
            .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if domain.len() > 253
            || !domain.contains('.')
            || last_is_number
            || !domain.split('.').all(label_is_sound)
        {
            return Err(InvalidDomain::Syntax);
        }
        if psl::domain(domain.as_bytes()).is_none() {
            return Err(InvalidDomain::PublicSuffix);
        }
        if FREE_MAIL.binary_search(&domain.as_str()).is_ok() {
            return Err(InvalidDomain::FreeMail);
        }
        Ok(Self(domain))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_that_nobody_owns_alone_are_refused() {
        let check = |text: &str, wanted: Result<&str, InvalidDomain>| {
            assert_eq!(
                text.parse::<Domain>()
                    .as_ref()
                    .map(Domain::as_str)
                    .map_err(|error| *error),
                wanted,
                "{text}"
            );
        };
        check("Acme.Test", Ok("acme.test"));
        check("mail.acme.co.uk", Ok("mail.acme.co.uk"));
        check("co.uk", Err(InvalidDomain::PublicSuffix));
        check("github.io", Err(InvalidDomain::PublicSuffix));
        check("gmail.com", Err(InvalidDomain::FreeMail));
        for text in [
            "",
            "localhost",
            "acme..com",
            "-acme.com",
            "acme.com/x",
            "a@acme.com",
            "192.168.0.1",
            "açme.com",
        ] {
            check(text, Err(InvalidDomain::Syntax));
        }
    }

    #[test]
    fn the_list_of_free_mail_is_sorted() {
        assert!(FREE_MAIL.is_sorted());
    }
}
