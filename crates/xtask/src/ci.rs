//! `cargo xtask ci`: one line per check, everything that is wrong below it.

use std::process::ExitCode;

use anyhow::Context;
use cargo_metadata::MetadataCommand;

use crate::{arrows, files, generate, graph, migrations, parity, policy, process, schema};

/// What a check found; an error means that it could not look.
type Found = anyhow::Result<Vec<String>>;

struct Check {
    name: &'static str,
    run: fn() -> Found,
}

const READING: &[Check] = &[
    Check {
        name: "arrows between our packages",
        run: check_arrows,
    },
    Check {
        name: "no I/O in the embeddable crates",
        run: check_alone,
    },
    Check {
        name: "banned packages, features and versions",
        run: check_bans,
    },
    Check {
        name: "duplicates have a reason",
        run: check_duplicates,
    },
    Check {
        name: "licenses",
        run: check_licenses,
    },
    Check {
        name: "migrations come in pairs",
        run: check_pairs,
    },
    Check {
        name: "the two schemas agree",
        run: check_parity,
    },
    Check {
        name: "length of files",
        run: || Ok(files::length_violations(&files::read()?)),
    },
    Check {
        name: "words that must not be there",
        run: || Ok(files::word_violations(&files::read()?)),
    },
];

const COMPILING: &[Check] = &[
    Check {
        name: "rustfmt",
        run: check_format,
    },
    Check {
        name: "clippy",
        run: check_lints,
    },
];

/// Not among those of every run: the tests of the binary compare it too, and here it would be built once more with the
/// features of its package alone.
const GENERATED: Check = Check {
    name: "generated files",
    run: generate::violations,
};

/// Every check that the tests do not make.
pub(crate) fn run_all() -> ExitCode {
    run(READING.iter().chain(COMPILING))
}

/// The checks that compile nothing.
pub(crate) fn run_fast() -> ExitCode {
    run(READING.iter())
}

/// The comparison of the schemas alone.
pub(crate) fn run_parity() -> ExitCode {
    run(READING
        .iter()
        .filter(|check| check.name == "the two schemas agree"))
}

/// The comparison of the generated files alone.
pub(crate) fn run_generated() -> ExitCode {
    run(std::iter::once(&GENERATED))
}

fn run<'a>(checks: impl Iterator<Item = &'a Check>) -> ExitCode {
    let mut failed = false;
    for check in checks {
        let (line, details) = report(check.name, (check.run)());
        failed |= !details.is_empty();
        println!("{line}");
        for detail in details {
            println!("  {detail}");
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn report(name: &str, found: Found) -> (String, Vec<String>) {
    let details = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
    let word = if details.is_empty() {
        "ok    "
    } else {
        "FAILED"
    };
    (format!("{word} {name}"), details)
}

fn check_arrows() -> Found {
    let metadata = MetadataCommand::new()
        .manifest_path(process::root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    Ok(arrows::violations(
        &arrows::packages(&metadata),
        &arrows::read(&metadata),
    ))
}

fn check_alone() -> Found {
    let mut found = Vec::new();
    for subject in graph::ALONE {
        found.extend(graph::io_violations(subject, &graph::alone(subject)?));
    }
    Ok(found)
}

fn check_bans() -> Found {
    let packages = graph::workspace()?;
    let mut found = read_policy()?.ban_violations(&packages);
    found.extend(graph::feature_violations(&packages));
    Ok(found)
}

fn check_duplicates() -> Found {
    Ok(read_policy()?.duplicate_violations(&graph::workspace()?))
}

fn check_licenses() -> Found {
    Ok(read_policy()?.license_violations(&graph::workspace()?))
}

fn read_policy() -> anyhow::Result<policy::Policy> {
    let text = std::fs::read_to_string(process::root().join("deny.toml"))?;
    policy::Policy::parse(&text).context("deny.toml")
}

fn read_migrations() -> anyhow::Result<(migrations::Migrations, migrations::Migrations)> {
    let folder = process::root().join("migrations");
    Ok((
        migrations::read(&folder.join("sqlite"))?,
        migrations::read(&folder.join("postgres"))?,
    ))
}

fn check_pairs() -> Found {
    let (sqlite, postgres) = read_migrations()?;
    Ok(migrations::violations(&sqlite, &postgres))
}

fn check_parity() -> Found {
    let (sqlite, postgres) = read_migrations()?;
    let sqlite = schema::read(&sqlite).context("migrations/sqlite")?;
    let postgres = schema::read(&postgres).context("migrations/postgres")?;
    Ok(parity::violations(&sqlite, &postgres))
}

fn check_format() -> Found {
    let fits = process::succeeds(process::cargo().args(["fmt", "--all", "--check"]))?;
    Ok(if fits {
        Vec::new()
    } else {
        vec!["run `cargo fmt --all`".to_owned()]
    })
}

fn check_lints() -> Found {
    let clean = process::succeeds(process::cargo().args([
        "clippy",
        "--quiet",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(if clean {
        Vec::new()
    } else {
        vec!["clippy complains, see above".to_owned()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_cannot_look_fails() {
        let (line, details) = report("licenses", Err(anyhow::anyhow!("no such file")));
        assert_eq!(line, "FAILED licenses");
        assert_eq!(details, ["no such file"]);
        assert_eq!(report("licenses", Ok(Vec::new())).0, "ok     licenses");
    }

    #[test]
    fn one_failure_fails_the_run() {
        let good = Check {
            name: "good",
            run: || Ok(Vec::new()),
        };
        let bad = Check {
            name: "bad",
            run: || Ok(vec!["wrong".to_owned()]),
        };
        let code = |checks: &[&Check]| format!("{:?}", run(checks.iter().copied()));
        assert_eq!(code(&[&good]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(&[&bad, &good]), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn our_policy_can_be_read() {
        assert!(read_policy().is_ok());
    }
}
