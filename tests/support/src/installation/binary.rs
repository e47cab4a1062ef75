use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// The binary `vestibule` of the profile that the test was built with; made first where it is missing or older than
/// what it is made from. `VESTIBULE_TEST_BINARY` names another one.
pub(super) fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("VESTIBULE_TEST_BINARY") {
        Some(path) => path.into(),
        None => beside_the_test(),
    })
}

fn beside_the_test() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    // target/{profile}/deps/{test}
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("the folder of a profile");
    let binary = folder.join(format!("vestibule{}", env::consts::EXE_SUFFIX));
    if changed_at(&binary) < newest_source() {
        build(folder);
    }
    binary
}

fn build(folder: &Path) {
    let target = folder.parent().expect("the target folder");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args(["build", "--quiet", "--package", "vestibule", "--target-dir"])
        .arg(target);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binary vestibule does not build");
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn newest_source() -> SystemTime {
    let workspace = workspace();
    let folders = ["crates", "migrations", "templates"];
    folders
        .iter()
        .map(|folder| newest_in(&workspace.join(folder)))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_in(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let newest = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => newest_in(&entry.path()),
        _ => changed_at(&entry.path()),
    });
    newest.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn changed_at(path: &Path) -> SystemTime {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.unwrap_or(SystemTime::UNIX_EPOCH)
}
