//! Rules for the files of the repository: how long they may be and what they must not say.

use std::process::Command;

use crate::process;

/// A text file of the repository.
pub(crate) struct SourceFile {
    /// Path below the workspace's top folder.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files that are tracked or about to be; ignored and binary ones are left out.
pub(crate) fn read() -> anyhow::Result<Vec<SourceFile>> {
    let root = process::root();
    let listed = process::output(Command::new("git").current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let place = root.join(path);
        // A listed file may have been deleted since, and a symlink shows another file's text.
        if !place.is_file() || place.is_symlink() {
            continue;
        }
        if let Ok(text) = String::from_utf8(std::fs::read(place)?) {
            files.push(SourceFile {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

const LINES: usize = 600;

/// Rust files that should be two files.
pub(crate) fn length_violations(files: &[SourceFile]) -> Vec<String> {
    files
        .iter()
        .filter(|file| is_rust(file))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(file, lines)| {
            format!(
                "{} has {lines} lines: over {LINES} it is two files",
                file.path
            )
        })
        .collect()
}

/// Folders that exist on one machine only. In two parts, so that this file may hold them.
const PLACES: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/")];

/// What Rust code must not leave behind, and why.
const UNFINISHED: &[(&str, &str, &str)] = &[
    ("to", "do!(", "code that is not there yet fails at run time"),
    (
        "unimple",
        "mented!(",
        "code that is not there yet fails at run time",
    ),
    ("#[ig", "nore", "a test that does not run proves nothing"),
];

/// Paths of one machine, and code that is not finished.
pub(crate) fn word_violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (line, text) in (1..).zip(file.text.lines()) {
            for (start, end) in PLACES {
                let place = format!("{start}{end}");
                if names_place(text, &place) {
                    found.push(format!(
                        "{}:{line} names {place}, which exists on one machine only",
                        file.path
                    ));
                }
            }
            for (start, end, reason) in UNFINISHED.iter().filter(|_| is_rust(file)) {
                let word = format!("{start}{end}");
                if text.contains(&word) {
                    found.push(format!("{}:{line} has {word}: {reason}", file.path));
                }
            }
        }
    }
    found
}

/// Whether the text names a folder at the top of a file system, not a part of a longer path or URL.
fn names_place(text: &str, place: &str) -> bool {
    text.match_indices(place).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || ".-_~})*$".contains(c))
    })
}

fn is_rust(file: &SourceFile) -> bool {
    std::path::Path::new(&file.path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> Vec<SourceFile> {
        vec![SourceFile {
            path: path.to_owned(),
            text,
        }]
    }

    #[test]
    fn a_long_rust_file_is_refused() {
        assert!(length_violations(&file("a.rs", "x\n".repeat(600))).is_empty());
        assert_eq!(
            length_violations(&file("a.rs", "x\n".repeat(601))),
            ["a.rs has 601 lines: over 600 it is two files"]
        );
        assert!(length_violations(&file("a.md", "x\n".repeat(601))).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_refused() {
        for (start, end) in PLACES {
            let found = word_violations(&file("a.md", format!("fine\nsee {start}{end}x")));
            assert_eq!(found.len(), 1);
            assert!(found[0].starts_with("a.md:2 names "));
            assert!(
                word_violations(&file("a.md", format!("https://app.test{start}{end}"))).is_empty()
            );
        }
    }

    #[test]
    fn unfinished_code_is_refused() {
        for (start, end, reason) in UNFINISHED {
            let found = word_violations(&file("a.rs", format!("{start}{end}")));
            assert_eq!(found, [format!("a.rs:1 has {start}{end}: {reason}")]);
            assert!(word_violations(&file("a.md", format!("{start}{end}"))).is_empty());
        }
    }

    #[test]
    fn the_repository_is_read() {
        let files = read().expect("git ls-files");
        assert!(
            files
                .iter()
                .any(|file| file.path == "crates/xtask/src/files.rs")
        );
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
