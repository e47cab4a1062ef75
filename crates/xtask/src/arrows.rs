//! The arrows between our own packages: downward only, and only those of the table.

use cargo_metadata::{DependencyKind, Metadata};

/// One of our packages depends on another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) kind: ArrowKind,
}

/// What an arrow is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArrowKind {
    /// A normal or a build dependency: it ships.
    Ships,
    /// A dependency of tests and examples only.
    Tests,
}

/// What a package may depend on, and why no more.
struct Room {
    name: &'static str,
    ships: &'static [&'static str],
    tests: &'static [&'static str],
    reason: &'static str,
}

const LOWER: &[&str] = &[
    "vestibule",
    "vestibule-web",
    "vestibule-engine",
    "vestibule-store",
    "vestibule-core",
    "vestibule-issuer",
    "vestibule-oidc",
    "vestibule-saml",
    "vestibule-scim",
    "vestibule-signals",
    "vestibule-simulate",
];
const HARNESS: &[&str] = &["vestibule-support", "vestibule-simulate"];
const EXAMPLE_TESTS: &[&str] = &["vestibule", "vestibule-support", "vestibule-simulate"];
const ALONE: &str = "protocol crates know nothing of ours, so that anybody can embed one alone";

const ROOMS: &[Room] = &[
    Room {
        name: "vestibule-core",
        ships: &[],
        tests: &[],
        reason: "core is the bottom: words and pure rules",
    },
    Room {
        name: "vestibule-saml",
        ships: &[],
        // Its tests and benches need messages, which only an identity provider makes.
        tests: &["vestibule-simulate"],
        reason: ALONE,
    },
    Room {
        name: "vestibule-oidc",
        ships: &[],
        tests: &[],
        reason: ALONE,
    },
    Room {
        name: "vestibule-scim",
        ships: &[],
        tests: &[],
        reason: ALONE,
    },
    Room {
        name: "vestibule-issuer",
        ships: &[],
        tests: &[],
        reason: ALONE,
    },
    Room {
        name: "vestibule-signals",
        ships: &[],
        tests: &[],
        reason: ALONE,
    },
    Room {
        name: "vestibule-simulate",
        ships: &[],
        tests: &[],
        reason: "the simulators know us only over the wire, or they would share our mistakes",
    },
    Room {
        name: "vestibule-store",
        ships: &["vestibule-core"],
        tests: &["vestibule-support"],
        reason: "the store keeps rows and knows no protocol",
    },
    Room {
        name: "vestibule-engine",
        ships: &[
            "vestibule-core",
            "vestibule-store",
            "vestibule-saml",
            "vestibule-oidc",
            "vestibule-scim",
            "vestibule-issuer",
            "vestibule-signals",
        ],
        tests: HARNESS,
        reason: "use cases know nothing of HTTP routes",
    },
    Room {
        name: "vestibule-web",
        ships: &[
            "vestibule-core",
            "vestibule-engine",
            "vestibule-issuer",
            "vestibule-scim",
        ],
        tests: HARNESS,
        reason: "handlers call the engine; rows and protocols stay behind it",
    },
    Room {
        name: "vestibule",
        ships: &[
            "vestibule-core",
            "vestibule-engine",
            // `vestibule saml verify` judges files without an engine, so that it needs no server.
            "vestibule-saml",
            "vestibule-simulate",
            "vestibule-store",
            "vestibule-web",
        ],
        tests: HARNESS,
        reason: "the face wires the rooms and reaches protocols through the engine",
    },
    Room {
        name: "vestibule-support",
        ships: LOWER,
        tests: &[],
        reason: "the harness builds fixtures for any room",
    },
    Room {
        name: "vestibule-e2e",
        ships: &["vestibule-support"],
        tests: &[
            "vestibule",
            "vestibule-core",
            "vestibule-engine",
            "vestibule-store",
            "vestibule-support",
            "vestibule-simulate",
        ],
        reason: "end-to-end tests go in through the front door",
    },
    Room {
        name: "embed_all",
        ships: &["vestibule"],
        tests: EXAMPLE_TESTS,
        reason: "the example shows the embedders' face alone",
    },
    Room {
        name: "embed_saml",
        ships: &["vestibule-saml"],
        tests: EXAMPLE_TESTS,
        reason: "the example shows one crate alone",
    },
    Room {
        name: "embed_oidc",
        ships: &["vestibule-oidc"],
        tests: EXAMPLE_TESTS,
        reason: "the example shows one crate alone",
    },
    Room {
        name: "embed_scim",
        ships: &["vestibule-scim"],
        tests: EXAMPLE_TESTS,
        reason: "the example shows one crate alone",
    },
    Room {
        name: "saas_app",
        ships: &[],
        tests: EXAMPLE_TESTS,
        reason: "the app speaks OpenID Connect to us and links nothing of ours",
    },
    Room {
        name: "xtask",
        ships: &[],
        tests: &[],
        reason: "tasks have to build when the rooms do not",
    },
];

/// The arrows that `cargo metadata` reports between packages of the workspace.
pub(crate) fn read(metadata: &Metadata) -> Vec<Arrow> {
    let packages = metadata.workspace_packages();
    let mut arrows = Vec::new();
    for package in &packages {
        for dependency in &package.dependencies {
            let ours = packages.iter().any(|other| *other.name == *dependency.name);
            if ours && dependency.path.is_some() {
                arrows.push(Arrow {
                    from: package.name.to_string(),
                    to: dependency.name.clone(),
                    kind: match dependency.kind {
                        DependencyKind::Development => ArrowKind::Tests,
                        _ => ArrowKind::Ships,
                    },
                });
            }
        }
    }
    arrows
}

/// The packages of the workspace.
pub(crate) fn packages(metadata: &Metadata) -> Vec<String> {
    metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect()
}

/// Packages without a row in the table, and arrows that no row allows.
pub(crate) fn violations(packages: &[String], arrows: &[Arrow]) -> Vec<String> {
    let unknown = packages
        .iter()
        .filter(|name| find(name).is_none())
        .map(|name| {
            format!(
                "{name} is a new room: give it a row in crates/xtask/src/arrows.rs and in the map"
            )
        });
    let forbidden = arrows.iter().filter_map(|arrow| {
        let room = find(&arrow.from)?;
        let to = arrow.to.as_str();
        let (allowed, word) = match arrow.kind {
            ArrowKind::Ships => (room.ships.contains(&to), "depends on"),
            ArrowKind::Tests => (
                room.ships.contains(&to) || room.tests.contains(&to),
                "tests with",
            ),
        };
        (!allowed).then(|| format!("{} {word} {to}: {}", arrow.from, room.reason))
    });
    unknown.chain(forbidden).collect()
}

fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, kind: ArrowKind) -> Vec<String> {
        let arrow = Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
        };
        violations(&[from.to_owned()], &[arrow])
    }

    #[test]
    fn arrows_of_the_map_are_allowed() {
        for (from, to) in [
            ("vestibule", "vestibule-web"),
            ("vestibule-web", "vestibule-engine"),
            ("vestibule-engine", "vestibule-store"),
            ("vestibule-engine", "vestibule-saml"),
            ("vestibule-store", "vestibule-core"),
            ("vestibule-support", "vestibule"),
        ] {
            assert!(
                check(from, to, ArrowKind::Ships).is_empty(),
                "{from} → {to}"
            );
        }
    }

    #[test]
    fn upward_and_sideways_arrows_are_refused() {
        for (from, to) in [
            ("vestibule-core", "vestibule-store"),
            ("vestibule-store", "vestibule-engine"),
            ("vestibule-engine", "vestibule-web"),
            ("vestibule-scim", "vestibule-core"),
            ("vestibule-oidc", "vestibule-issuer"),
            ("vestibule-simulate", "vestibule-oidc"),
            ("vestibule-web", "vestibule-store"),
            ("vestibule", "vestibule-support"),
            ("xtask", "vestibule"),
            ("saas_app", "vestibule"),
        ] {
            let found = check(from, to, ArrowKind::Ships);
            assert_eq!(found.len(), 1, "{from} → {to}");
            assert!(found[0].starts_with(&format!("{from} depends on {to}: ")));
        }
    }

    #[test]
    fn tests_may_use_the_harness_where_the_table_says_so() {
        assert!(check("vestibule", "vestibule-support", ArrowKind::Tests).is_empty());
        assert!(check("saas_app", "vestibule", ArrowKind::Tests).is_empty());
        assert_eq!(
            check("vestibule-scim", "vestibule-support", ArrowKind::Tests).len(),
            1
        );
    }

    #[test]
    fn a_package_without_a_row_is_refused() {
        let found = violations(&["vestibule-common".to_owned()], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("vestibule-common is a new room"));
    }

    #[test]
    fn the_workspace_is_read() {
        let manifest = crate::process::root().join("Cargo.toml");
        let metadata = cargo_metadata::MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .expect("cargo metadata");
        let expected = Arrow {
            from: "vestibule-store".to_owned(),
            to: "vestibule-core".to_owned(),
            kind: ArrowKind::Ships,
        };
        assert!(read(&metadata).contains(&expected));
        assert!(packages(&metadata).contains(&"xtask".to_owned()));
    }
}
