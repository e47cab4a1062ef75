//! Fuzz targets, run by cargo-fuzz with libFuzzer on the nightly toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::process;

/// What the targets of one protocol begin with.
struct Kit {
    /// Folders of recorded messages.
    seeds: &'static [&'static str],
    /// The words of the protocol, in `tests/fuzz`.
    dictionary: &'static str,
}

const SAML: Kit = Kit {
    seeds: &["tests/data/saml", "tests/fuzz/seeds"],
    dictionary: "saml.dict",
};

const SCIM: Kit = Kit {
    seeds: &["tests/fuzz/seeds-scim"],
    dictionary: "scim.dict",
};
/// Longer than the usual message, and short enough for some hundred inputs a second.
const LONGEST_INPUT: usize = 16 * 1024;

/// Runs a target for some minutes, or repeats single inputs.
pub(crate) fn run(target: &str, minutes: u32, inputs: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let folder = process::root().join("tests/fuzz");
    let known = targets(&folder)?;
    if !known.iter().any(|name| name == target) {
        bail!(
            "there is no target {target}; there are {}",
            known.join(", ")
        );
    }
    if process::find_program("cargo-fuzz", &cargo_bin()).is_none() {
        bail!("cargo-fuzz is not installed: cargo install cargo-fuzz");
    }
    let toolchains = process::output(Command::new("rustup").args(["toolchain", "list"]))
        .context("libFuzzer needs rustup's nightly toolchain")?;
    if !toolchains.lines().any(|line| line.starts_with("nightly")) {
        bail!("the nightly toolchain is not installed: rustup toolchain install nightly");
    }
    let mut command = Command::new("cargo");
    command
        .current_dir(&folder)
        // The cargo that runs us has said which toolchain it is.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        // Our crates have no unsafe code for a sanitizer to watch, and without one the targets run several times faster.
        .args(["+nightly", "fuzz", "run", "--fuzz-dir", "."])
        .args(["--sanitizer", "none", target]);
    match inputs {
        [] => {
            let corpus = folder.join("corpus").join(target);
            std::fs::create_dir_all(&corpus)?;
            command.arg(corpus);
            let kit = if target.starts_with("scim_") {
                SCIM
            } else {
                SAML
            };
            let seeds = kit.seeds.iter().map(|seeds| process::root().join(seeds));
            command.args(seeds.filter(|seeds| seeds.is_dir()));
            command.args([
                "--".to_owned(),
                format!("-max_total_time={}", u64::from(minutes) * 60),
                format!("-max_len={LONGEST_INPUT}"),
                "-timeout=10".to_owned(),
                "-rss_limit_mb=2048".to_owned(),
            ]);
            let dictionary = folder.join(kit.dictionary);
            command.arg(format!("-dict={}", dictionary.display()));
        }
        inputs => {
            command.args(
                inputs
                    .iter()
                    .map(std::path::absolute)
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
    }
    Ok(match process::succeeds(&mut command)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The targets, by their files.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.join("targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Where `cargo install` puts programs.
fn cargo_bin() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.map(|home| home.join("bin")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest() {
        let folder = process::root().join("tests/fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
        let targets = targets(&folder).expect("the targets");
        assert!(targets.len() >= 6);
        for target in targets {
            assert!(
                manifest.contains(&format!("path = \"targets/{target}.rs\"")),
                "{target}"
            );
        }
    }

    #[test]
    fn an_unknown_target_is_told() {
        let error = run("nonsense", 1, &[]).expect_err("there is none");
        assert!(error.to_string().contains("metadata, redirect, response"));
    }
}
