//! A PostgreSQL server of the test's own, which can be restarted under a running installation.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A server on loopback; it ends, and its data goes, when this is dropped.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts one; none where PostgreSQL's programs are not installed or cannot be run.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = listener.local_addr().ok()?.port();
        drop(listener);
        let name = format!("vestibule-postgres-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let postgres = Self {
            programs,
            folder,
            port,
        };
        let data = postgres.folder.to_str()?.to_owned();
        let made = postgres.run(
            "initdb",
            &["-D", &data, "-U", "postgres", "-A", "trust", "--no-sync"],
        );
        (made && postgres.control("start")).then_some(postgres)
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends every connection at once and starts anew, as after a crash.
    pub(crate) fn restart(&self) {
        assert!(self.control("restart"), "PostgreSQL starts again");
    }

    fn control(&self, action: &str) -> bool {
        let data = self.folder.display().to_string();
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -k {data}", self.port);
        let log = format!("{data}/log");
        self.run(
            "pg_ctl",
            &[
                "-D",
                &data,
                "-o",
                &options,
                "-l",
                &log,
                "-m",
                "immediate",
                "-w",
                action,
            ],
        )
    }

    /// PostgreSQL does not run as root; there is a user of its own where it is installed.
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let path = self.programs.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(path);
                command
            }
            false => Command::new(path),
        };
        let status = command
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.control("stop");
        // What is left of it is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        ids.is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
    })
}

/// Where `initdb` is: in the path, or where Debian keeps it.
fn programs() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let versions = versions.filter_map(Result::ok);
        places.extend(versions.map(|version| version.path().join("bin")));
    }
    let has = |place: &Path| place.join("initdb").exists() && place.join("pg_ctl").exists();
    places.into_iter().find(|place| has(place))
}
