//! Drivers that run us against real products.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use crate::process;

/// Exit code of a driver whose product is not to be had on this machine.
const SKIPPED: i32 = 77;

/// Runs `tests/interop/NAME/run`; a skipped driver is no failure.
pub(crate) fn run(name: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let drivers = process::root().join("tests/interop");
    let driver = find(&drivers, name)?;
    let output = Command::new(&driver)
        .args(arguments)
        .current_dir(process::root())
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(stream)
        .with_context(|| format!("{} did not start; is it executable?", driver.display()))?;
    let (verdict, code) = judge(output.0, &output.1);
    println!("interop {name}: {verdict}");
    Ok(code)
}

/// Passes the driver's lines on while it runs and keeps the last one.
fn stream(mut child: std::process::Child) -> std::io::Result<(Option<i32>, String)> {
    use std::io::{BufRead, BufReader};
    let mut last = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            if !line.trim().is_empty() {
                last = line;
            }
        }
    }
    Ok((child.wait()?.code(), last))
}

fn judge(code: Option<i32>, last_line: &str) -> (String, ExitCode) {
    match code {
        Some(0) => ("ok".to_owned(), ExitCode::SUCCESS),
        Some(SKIPPED) => (format!("skipped: {}", last_line.trim()), ExitCode::SUCCESS),
        Some(code) => (format!("FAILED with exit code {code}"), ExitCode::FAILURE),
        None => ("FAILED: ended by a signal".to_owned(), ExitCode::FAILURE),
    }
}

fn find(drivers: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let driver = drivers.join(name).join("run");
    if driver.is_file() && !name.contains(['/', '.']) {
        return Ok(driver);
    }
    let mut known: Vec<String> = std::fs::read_dir(drivers)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("run").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    known.sort();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    bail!("there is no driver {name}; there are: {known}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_no_failure_and_says_why() {
        assert_eq!(judge(Some(0), "").0, "ok");
        assert_eq!(judge(Some(77), " no Java \n").0, "skipped: no Java");
        assert_eq!(judge(Some(1), "").0, "FAILED with exit code 1");
        assert_eq!(judge(None, "").0, "FAILED: ended by a signal");
        assert_eq!(
            format!("{:?}", judge(Some(77), "").1),
            format!("{:?}", ExitCode::SUCCESS)
        );
        assert_eq!(
            format!("{:?}", judge(Some(2), "").1),
            format!("{:?}", ExitCode::FAILURE)
        );
    }

    #[test]
    fn an_unknown_driver_is_refused() {
        let drivers = process::root().join("tests/interop");
        assert!(find(&drivers, "nobody").is_err());
        assert!(find(&drivers, "../..").is_err());
    }
}
