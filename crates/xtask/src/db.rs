//! A throw-away PostgreSQL cluster on loopback, for tests.
//!
//! Durability stays on: what a test proves about commits has to hold on a real server.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::process;

/// Starts a cluster, runs the command (or waits for Ctrl-C) and stops the cluster.
pub(crate) fn run(command: &[String]) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::start()?;
    let url = cluster.url();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", GUARD, "db"])
        .env("TEST_POSTGRES_URL", &url);
    shell
        .env("CLUSTER", &cluster.folder)
        .env("CLUSTER_STOP", cluster.stop_line());
    if command.is_empty() {
        println!("TEST_POSTGRES_URL={url}\nCtrl-C stops it.");
    } else {
        shell.args(command);
    }
    // The shell takes our place, because it can wait for a signal and we cannot without unsafe code.
    let error = shell.exec();
    cluster.stop();
    Err(error).context("sh did not start")
}

/// Ends with the command's exit code, after the cluster is stopped and its folder is gone.
const GUARD: &str = r#"
finish() {
    trap - EXIT
    sh -c "$CLUSTER_STOP" >/dev/null 2>&1
    rm -rf "$CLUSTER"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
if [ $# -gt 0 ]; then
    "$@"
else
    sleep infinity & sleeping=$!
    trap 'kill $sleeping; exit 0' INT TERM HUP
    wait
fi
"#;

struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    account: Option<Account>,
    port: u16,
}

/// The user that the server runs as when we are root, which PostgreSQL refuses to run as.
struct Account {
    user: u32,
    group: u32,
}

impl Cluster {
    fn start() -> anyhow::Result<Self> {
        let account = Account::find()?;
        let folder = std::env::temp_dir().join(format!("vestibule-db-{}", std::process::id()));
        std::fs::create_dir(&folder)
            .with_context(|| format!("{} exists already", folder.display()))?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        let cluster = Self {
            folder,
            programs: find_programs()?,
            account,
            port: free_port()?,
        };
        let started = cluster.create();
        if started.is_err() {
            cluster.stop();
        }
        started.map(|()| cluster)
    }

    fn create(&self) -> anyhow::Result<()> {
        if let Some(account) = &self.account {
            let (user, group) = (Some(account.user), Some(account.group));
            std::os::unix::fs::chown(&self.folder, user, group)?;
        }
        process::output(self.program("initdb").args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            "--pgdata=data",
        ]))?;
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories='{}' \
             -c max_connections=400 -c timezone=UTC",
            self.port,
            self.folder.display()
        );
        let mut start = self.program("pg_ctl");
        start.args([
            "start",
            "--wait",
            "--silent",
            "--pgdata=data",
            "--log=log",
            "--options",
            &settings,
        ]);
        if process::succeeds(&mut start)? {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        bail!("PostgreSQL did not start:\n{}", log.trim());
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A program of PostgreSQL, run as somebody who is not root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match &self.account {
            Some(account) => {
                let mut command = Command::new("setpriv");
                command.args(account.arguments()).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(&self.folder);
        command
    }

    fn stop_command(&self) -> Command {
        let mut command = self.program("pg_ctl");
        command.args(["stop", "--wait", "--silent", "--mode=fast", "--pgdata=data"]);
        command
    }

    fn stop_line(&self) -> String {
        let command = self.stop_command();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<_> = words.map(|word| quote(&word.to_string_lossy())).collect();
        format!(
            "cd {} && {}",
            quote(&self.folder.to_string_lossy()),
            quoted.join(" ")
        )
    }

    /// Best effort: it also cleans up after a cluster that did not start.
    fn stop(&self) {
        let _ = self.stop_command().output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Account {
    fn find() -> anyhow::Result<Option<Self>> {
        let number = |option: &str, name: &[&str]| -> anyhow::Result<u32> {
            Ok(process::output(Command::new("id").arg(option).args(name))?
                .trim()
                .parse()?)
        };
        if number("-u", &[])? != 0 {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let (Ok(user), Ok(group)) = (number("-u", &[name]), number("-g", &[name])) {
                return Ok(Some(Self { user, group }));
            }
        }
        bail!("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
    }

    fn arguments(&self) -> [String; 3] {
        let (user, group) = (self.user, self.group);
        [
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups".to_owned(),
        ]
    }
}

/// The folder with initdb, pg_ctl and postgres. Debian keeps them out of `PATH`.
fn find_programs() -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    let initdb = process::find_program("initdb", &folders)
        .context("there is no initdb; install PostgreSQL (Debian: apt-get install postgresql)")?;
    // A link may stand alone in PATH, without the other programs beside it.
    let initdb = initdb.canonicalize()?;
    initdb
        .parent()
        .map(Path::to_path_buf)
        .context("initdb lies in no folder")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        let printed = process::output(
            Command::new("sh").args(["-c", &format!("printf %s {}", quote("it's $HOME"))]),
        );
        assert_eq!(printed.expect("sh"), "it's $HOME");
    }

    #[test]
    fn the_guard_passes_the_exit_code_on_and_cleans_up() {
        let folder = std::env::temp_dir().join(format!("vestibule-guard-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("folder");
        let mark = folder.with_extension("stopped");
        let status = Command::new("sh")
            .args(["-c", GUARD, "db", "sh", "-c", "exit 7"])
            .env("CLUSTER", &folder)
            .env(
                "CLUSTER_STOP",
                format!("touch {}", quote(&mark.to_string_lossy())),
            )
            .status()
            .expect("sh");
        assert_eq!(status.code(), Some(7));
        assert!(!folder.exists(), "the cluster's folder is removed");
        assert!(mark.exists(), "the cluster is stopped");
        std::fs::remove_file(mark).expect("mark");
    }
}
