//! The resolved dependency graph as `cargo tree` prints it: what may be in it and what may not.
//!
//! `Cargo.lock` also names optional packages that nobody builds, and `cargo metadata` unites the
//! features of tests and normal builds; `cargo tree` shows what is really compiled.

use anyhow::Context;

use crate::process;

/// A package in a graph, in one set of features.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: String,
    pub(crate) features: Vec<String>,
}

/// Everything the workspace ships, build scripts included.
pub(crate) fn workspace() -> anyhow::Result<Vec<Package>> {
    tree(&["--workspace", "--edges", "normal,build"])
}

/// What one package pulls in when it is embedded alone.
pub(crate) fn alone(subject: &Alone) -> anyhow::Result<Vec<Package>> {
    let mut arguments = vec!["--package", subject.package, "--edges", "normal"];
    if subject.without_default_features {
        arguments.push("--no-default-features");
    }
    tree(&arguments)
}

fn tree(arguments: &[&str]) -> anyhow::Result<Vec<Package>> {
    let printed = process::output(
        process::cargo()
            .args([
                "tree",
                "--locked",
                "--prefix",
                "none",
                "--format",
                "{p}|{l}|{f}",
            ])
            .args(arguments),
    )?;
    parse(&printed)
}

fn parse(printed: &str) -> anyhow::Result<Vec<Package>> {
    let mut packages = Vec::new();
    for line in printed.lines().filter(|line| !line.trim().is_empty()) {
        packages.push(parse_line(line).with_context(|| format!("unreadable line `{line}`"))?);
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

fn parse_line(line: &str) -> Option<Package> {
    let mut columns = line.trim().trim_end_matches(" (*)").split('|');
    let mut words = columns.next()?.split_whitespace();
    Some(Package {
        name: words.next()?.to_owned(),
        version: words.next()?.trim_start_matches('v').to_owned(),
        license: columns.next()?.trim().to_owned(),
        features: columns
            .next()?
            .split(',')
            .filter(|feature| !feature.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
    })
}

/// A package that people embed alone, and what it must not bring along.
pub(crate) struct Alone {
    pub(crate) package: &'static str,
    without_default_features: bool,
    banned: &'static [&'static str],
}

const NO_IO: &[&str] = &[
    "tokio",
    "sqlx",
    "sqlx-core",
    "rusqlite",
    "reqwest",
    "axum",
    "hyper",
];
const NO_CLIENT: &[&str] = &["sqlx", "sqlx-core", "rusqlite", "reqwest"];

/// The crates that promise to stay without I/O.
pub(crate) const ALONE: &[Alone] = &[
    Alone {
        package: "vestibule-core",
        without_default_features: false,
        banned: NO_IO,
    },
    Alone {
        package: "vestibule-saml",
        without_default_features: false,
        banned: NO_IO,
    },
    Alone {
        package: "vestibule-oidc",
        without_default_features: false,
        banned: NO_IO,
    },
    Alone {
        package: "vestibule-issuer",
        without_default_features: false,
        banned: NO_IO,
    },
    Alone {
        package: "vestibule-signals",
        without_default_features: false,
        banned: NO_IO,
    },
    Alone {
        package: "vestibule-scim",
        without_default_features: true,
        banned: NO_IO,
    },
    // With its default feature the router brings axum, which may use tokio.
    Alone {
        package: "vestibule-scim",
        without_default_features: false,
        banned: NO_CLIENT,
    },
];

/// I/O in a crate that promises none.
pub(crate) fn io_violations(subject: &Alone, packages: &[Package]) -> Vec<String> {
    let features = if subject.without_default_features {
        " without default features"
    } else {
        ""
    };
    subject
        .banned
        .iter()
        .filter(|banned| packages.iter().any(|package| package.name == **banned))
        .map(|banned| {
            format!(
                "{}{features} pulls {banned}: it does no I/O, so that any host can embed it \
                 (`cargo tree -p {} -e normal -i {banned}` says how)",
                subject.package, subject.package
            )
        })
        .collect()
}

/// Oldest libsqlite3-sys whose bundled SQLite (3.51.3) is free of the WAL-reset corruption bug.
const SQLITE_SYS: (u64, u64) = (0, 37);

/// Packages, versions and features that the shipped graph must not hold.
pub(crate) fn feature_violations(packages: &[Package]) -> Vec<String> {
    packages.iter().filter_map(feature_violation).collect()
}

fn feature_violation(package: &Package) -> Option<String> {
    let has = |feature: &str| package.features.iter().any(|found| found == feature);
    match package.name.as_str() {
        "serde_json" if has("preserve_order") => Some(
            "serde_json has preserve_order: it changes what a JSON object means for everybody"
                .to_owned(),
        ),
        "openidconnect" if has("reqwest") || has("reqwest-blocking") => Some(
            "openidconnect brings its own HTTP client: calls go through the guarded one".to_owned(),
        ),
        "libsqlite3-sys" if minor(&package.version).is_none_or(|found| found < SQLITE_SYS) => {
            Some(format!(
                "libsqlite3-sys {} bundles an SQLite that can corrupt a WAL database; at least {}.{}",
                package.version, SQLITE_SYS.0, SQLITE_SYS.1
            ))
        }
        _ => None,
    }
}

fn minor(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(str::parse::<u64>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(line: &str) -> Package {
        parse_line(line).expect("line of cargo tree")
    }

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let printed = "serde v1.0.1 (proc-macro)|MIT OR Apache-2.0|default,std\n\n\
                       serde v1.0.1 (proc-macro)|MIT OR Apache-2.0|default,std (*)\n\
                       ours v0.1.0 (/src/ours)|MIT|\n";
        let packages = parse(printed).expect("readable");
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[1].features, ["default", "std"]);
        assert_eq!(packages[0].version, "0.1.0");
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn io_in_a_protocol_crate_is_refused() {
        let found = io_violations(&ALONE[0], &[package("tokio v1.54.1|MIT|default")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("vestibule-core pulls tokio"));
        assert!(io_violations(&ALONE[0], &[package("serde v1.0.1|MIT|")]).is_empty());
    }

    #[test]
    fn axum_is_allowed_only_behind_the_feature_of_scim() {
        let axum = [package("axum v0.8.9|MIT|default")];
        let [.., bare, default] = ALONE else {
            panic!("two rows for scim")
        };
        assert_eq!(io_violations(bare, &axum).len(), 1);
        assert!(io_violations(default, &axum).is_empty());
        assert_eq!(
            io_violations(default, &[package("reqwest v0.13.5|MIT|")]).len(),
            1
        );
    }

    #[test]
    fn harmful_features_and_versions_are_refused() {
        for line in [
            "serde_json v1.0.154|MIT|default,preserve_order,std",
            "openidconnect v4.1.0|MIT|default,reqwest",
            "libsqlite3-sys v0.30.1|MIT|bundled",
        ] {
            assert_eq!(feature_violations(&[package(line)]).len(), 1, "{line}");
        }
        for line in [
            "serde_json v1.0.154|MIT|default,raw_value,std",
            "openidconnect v4.1.0|MIT|",
            "libsqlite3-sys v0.37.0|MIT|bundled",
            "libsqlite3-sys v1.0.0|MIT|bundled",
        ] {
            assert!(feature_violations(&[package(line)]).is_empty(), "{line}");
        }
    }
}
