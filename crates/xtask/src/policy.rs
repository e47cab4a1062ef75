//! The part of deny.toml that can be judged from the graph alone: licenses, bans, duplicates.
//!
//! `cargo deny check` judges more (advisories, license texts, sources) and needs a network.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::graph::Package;

/// What deny.toml allows and forbids.
#[derive(Debug, Deserialize)]
pub(crate) struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Entry>,
    skip: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

impl Policy {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Packages whose license expression cannot be met by allowed licenses.
    pub(crate) fn license_violations(&self, packages: &[Package]) -> Vec<String> {
        let meets = |package: &&Package| allows(&package.license, &self.licenses.allow);
        packages
            .iter()
            .filter(|package| !meets(package))
            .map(|package| match package.license.as_str() {
                "" => format!("{} {} names no license", package.name, package.version),
                license => format!(
                    "{} {} is under `{license}`, which deny.toml does not allow",
                    package.name, package.version
                ),
            })
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Packages that deny.toml bans.
    pub(crate) fn ban_violations(&self, packages: &[Package]) -> Vec<String> {
        self.bans
            .deny
            .iter()
            .filter(|entry| packages.iter().any(|package| package.name == entry.name))
            .map(|entry| {
                format!(
                    "{} is banned: {} (`cargo tree --workspace -e normal,build -i {}` says who pulls it)",
                    entry.name, entry.reason, entry.name
                )
            })
            .collect()
    }

    /// Packages in several versions for which deny.toml gives no reason.
    pub(crate) fn duplicate_violations(&self, packages: &[Package]) -> Vec<String> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in packages {
            versions
                .entry(&package.name)
                .or_default()
                .insert(&package.version);
        }
        versions
            .into_iter()
            .filter(|(name, versions)| {
                versions.len() > 1 && !self.bans.skip.iter().any(|entry| entry.name == *name)
            })
            .map(|(name, versions)| {
                let versions: Vec<_> = versions.into_iter().collect();
                format!(
                    "{name} is there as {}: use one, or give the reason in deny.toml (bans.skip)",
                    versions.join(" and ")
                )
            })
            .collect()
    }
}

/// Whether an SPDX expression can be met: `AND` needs both sides, `OR` one of them.
///
/// An expression that cannot be read is not met. The old form `MIT/Apache-2.0` means `OR`.
fn allows(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed);
    met == Some(true) && words.peek().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed)?;
    }
    Some(met)
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed)?;
    }
    Some(met)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let met = any_of(words, allowed)?;
            words.next_if_eq(&")").map(|_| met)
        }
        ")" | "AND" | "OR" | "WITH" => None,
        license => {
            let full = match words.next_if_eq(&"WITH") {
                Some(_) => format!("{license} WITH {}", words.next()?),
                None => license.to_owned(),
            };
            Some(allowed.contains(&full))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0"]
        [bans]
        deny = [{ crate = "ring", reason = "one crypto provider" }]
        skip = [{ crate = "rand", reason = "two generations" }]
    "#;

    fn policy() -> Policy {
        Policy::parse(POLICY).expect("policy")
    }

    fn package(name: &str, version: &str, license: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            license: license.to_owned(),
            features: Vec::new(),
        }
    }

    #[test]
    fn license_expressions_are_evaluated() {
        let allowed = policy().licenses.allow;
        for met in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT AND Apache-2.0",
            "GPL-3.0 OR MIT",
            "ISC OR (MIT AND Apache-2.0)",
        ] {
            assert!(allows(met, &allowed), "{met}");
        }
        for unmet in [
            "",
            "GPL-3.0",
            "MIT AND ISC",
            "(MIT",
            "MIT)",
            "MIT OR",
            "OR MIT",
            "MIT MIT",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT OR ISC) AND GPL-3.0",
        ] {
            assert!(!allows(unmet, &allowed), "{unmet}");
        }
    }

    #[test]
    fn a_foreign_or_missing_license_is_named() {
        let found = policy().license_violations(&[
            package("good", "1.0.0", "MIT"),
            package("bad", "2.0.0", "MPL-2.0"),
            package("silent", "3.0.0", ""),
        ]);
        assert_eq!(
            found,
            [
                "bad 2.0.0 is under `MPL-2.0`, which deny.toml does not allow",
                "silent 3.0.0 names no license"
            ]
        );
    }

    #[test]
    fn a_banned_package_is_named_with_the_reason() {
        let found = policy().ban_violations(&[package("ring", "0.17.0", "MIT")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("ring is banned: one crypto provider"));
        assert!(
            policy()
                .ban_violations(&[package("string", "1.0.0", "MIT")])
                .is_empty()
        );
    }

    #[test]
    fn a_duplicate_needs_a_reason() {
        let found = policy().duplicate_violations(&[
            package("rand", "0.8.0", "MIT"),
            package("rand", "0.9.0", "MIT"),
            package("syn", "2.0.0", "MIT"),
            package("syn", "3.0.0", "MIT"),
            package("http", "1.0.0", "MIT"),
            package("http", "1.0.0", "MIT"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("syn is there as 2.0.0 and 3.0.0"));
    }

    #[test]
    fn our_policy_bans_what_the_build_promises() {
        let text =
            std::fs::read_to_string(crate::process::root().join("deny.toml")).expect("deny.toml");
        let policy = Policy::parse(&text).expect("our policy");
        for banned in ["ring", "native-tls", "openssl-sys"] {
            assert_eq!(
                policy
                    .ban_violations(&[package(banned, "1.0.0", "MIT")])
                    .len(),
                1
            );
        }
    }
}
