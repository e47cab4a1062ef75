//! Where the master key comes from, and the file that keeps it beside the embedded database.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use vestibule_core::{Generator, Secret};
use vestibule_engine::MasterKey;

use crate::Database;

/// Where the master key comes from.
#[derive(Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// It was given.
    Given(Secret),
    /// From a file; with SQLite it is made when absent.
    File(PathBuf),
    /// From the file beside the SQLite database, with the extension `.key`.
    BesideDatabase,
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::BesideDatabase => f.write_str("BesideDatabase"),
        }
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or made; its folder is missing or not ours.
    #[error(
        "the master key file {path} cannot be {verb}; check that its folder exists and belongs to this user"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `made`.
        verb: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the master key file {0} does not hold 32 bytes in base64; give back the file that belongs to this database"
    )]
    Invalid(PathBuf),
    /// The database was sealed with a key that is not where it should be; a new one could not open it.
    #[error(
        "the database holds secrets under a master key, and {0} does not exist; restore that file from the backup, \
         or give the key in VESTIBULE_MASTER_KEY or VESTIBULE_MASTER_KEY_FILE"
    )]
    Lost(PathBuf),
    /// PostgreSQL keeps no key file by itself.
    #[error(
        "the master key file {0} does not exist; make it with `openssl rand -base64 32` and give every node the same"
    )]
    Missing(PathBuf),
}

impl KeySource {
    /// The file that the key is in, or would be made in.
    pub fn path(&self, database: &Database) -> Option<PathBuf> {
        match (self, database) {
            (Self::Given(_), _) | (Self::BesideDatabase, Database::Postgres(_)) => None,
            (Self::File(path), _) => Some(path.clone()),
            (Self::BesideDatabase, Database::Sqlite(path)) => Some(path.with_extension("key")),
        }
    }

    /// The master key. `sealed` says whether the database holds anything under one already: then none is made.
    pub(crate) fn load(
        &self,
        database: &Database,
        sealed: bool,
        generator: &Generator,
    ) -> Result<MasterKey, KeyError> {
        if let Self::Given(text) = self {
            return MasterKey::parse(text.expose())
                .map_err(|_| KeyError::Invalid(PathBuf::from("VESTIBULE_MASTER_KEY")));
        }
        let path = self.path(database).unwrap_or_default();
        match (read(&path)?, database) {
            (Some(key), _) => Ok(key),
            (None, Database::Postgres(_)) => Err(KeyError::Missing(path)),
            (None, Database::Sqlite(_)) if sealed => Err(KeyError::Lost(path)),
            (None, Database::Sqlite(_)) => make(&path, generator),
        }
    }
}

/// Whether others than the owner may read a file; always false where the system has no such modes.
pub fn is_readable_by_others(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path).map(|_| false)
    }
}

fn read(path: &Path) -> Result<Option<MasterKey>, KeyError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "read")(error)),
    };
    if is_readable_by_others(path).unwrap_or(false) {
        tracing::warn!(path = %path.display(), "Others may read the master key file; take that from them with chmod 600");
    }
    let key = MasterKey::parse(&text).map_err(|_| KeyError::Invalid(path.to_owned()))?;
    Ok(Some(key))
}

/// Makes the file whole or not at all, and never over one that somebody else has made meanwhile.
fn make(path: &Path, generator: &Generator) -> Result<MasterKey, KeyError> {
    let io = failed(path, "made");
    let key = MasterKey::generate(generator);
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", generator.uuid()));
    let unfinished = PathBuf::from(unfinished);
    let linked = write_private(&unfinished, &key).and_then(|()| fs::hard_link(&unfinished, path));
    let removed = fs::remove_file(&unfinished);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return read(path)?.ok_or_else(|| KeyError::Lost(path.to_owned()));
        }
        Err(error) => return Err(io(error)),
    }
    removed.map_err(&io)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // The name has to survive a power cut before anything is sealed under the key.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(&io)?;
    tracing::info!(path = %path.display(), "Made a master key; keep a copy of this file apart from the database's backups");
    Ok(key)
}

fn write_private(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut file = create_private(path)?;
    writeln!(file, "{}", key.to_base64())?;
    file.sync_all()
}

/// Makes an empty file that only its owner may read; an error if there is one already.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn failed(path: &Path, verb: &'static str) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io {
        path: path.clone(),
        verb,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(database: &Database, sealed: bool) -> Result<String, KeyError> {
        let generator = Generator::seeded_for_tests(1);
        let key = KeySource::BesideDatabase.load(database, sealed, &generator)?;
        Ok(key.to_base64())
    }

    #[test]
    fn key_file_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("a.db"));
        let made = load(&database, false).unwrap();
        let path = folder.path().join("a.key");
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), made);
        assert!(!is_readable_by_others(&path).unwrap());
        assert_eq!(
            load(&database, false).unwrap(),
            made,
            "the second start reads it"
        );
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing unfinished is left: {names:?}");
    }

    #[test]
    fn lost_key_is_not_replaced_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("a.db"));
        assert!(matches!(load(&database, true), Err(KeyError::Lost(_))));
        assert!(!folder.path().join("a.key").exists());
    }

    #[test]
    fn postgres_never_makes_a_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let database = Database::parse("postgres://h/d").unwrap();
        let loaded = KeySource::File(path.clone()).load(&database, false, &Generator::system());
        assert!(matches!(loaded, Err(KeyError::Missing(_))) && !path.exists());
    }

    #[test]
    fn file_with_something_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        fs::write(&path, "hunter2").unwrap();
        let error = load(&Database::Sqlite(folder.path().join("a.db")), false).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "hunter2");
    }

    #[test]
    fn folder_that_does_not_exist_is_told() {
        let error = load(&Database::Sqlite("/nowhere/at/all/a.db".into()), false).unwrap_err();
        assert!(error.to_string().contains("folder exists"), "{error}");
    }
}
