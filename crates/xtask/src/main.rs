//! Vestibule's own tasks: what continuous integration checks and what a developer needs around it.
//!
//! Each check is a pure function over what it reads and returns the violations, so that a test can
//! break every rule. `ci` collects them; the other commands work on their own.

mod arrows;
mod ci;
mod db;
mod files;
mod fuzz;
mod generate;
mod graph;
mod interop;
mod migrations;
mod parity;
mod policy;
mod process;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Vestibule's own tasks")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the arrows, the dependencies, the files, the migrations, the format and the lints
    Ci {
        /// Leave out what compiles: rustfmt, clippy and the generated files
        #[arg(long)]
        fast: bool,
    },
    /// Compare the SQLite and the PostgreSQL schema
    Parity,
    /// Write docs/openapi.json from the code
    Gen {
        /// Compare instead of writing
        #[arg(long)]
        check: bool,
    },
    /// Start a throw-away PostgreSQL cluster on loopback
    ///
    /// Prints `TEST_POSTGRES_URL` and stays until Ctrl-C, or runs the command after `--` with the
    /// variable set, stops the cluster and ends with the command's exit code.
    Db {
        /// The command to run
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run a fuzz target of tests/fuzz, for some minutes or on single inputs
    Fuzz {
        /// xml, c14n, response, metadata, redirect or logout
        target: String,
        /// How long it looks for something new
        #[arg(long, default_value_t = 15)]
        minutes: u32,
        /// Inputs to run alone, such as the one of a finding
        #[arg(last = true)]
        inputs: Vec<PathBuf>,
    },
    /// Run a driver of tests/interop against a real product
    ///
    /// A driver is the executable `tests/interop/NAME/run`. It ends with 0 when everything passed,
    /// with 77 and a reason on its last line when the product is not to be had here.
    Interop {
        /// keycloak, scim or app
        name: String,
        /// Passed on to the driver
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    run(Cli::parse().task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Ci { fast: false } => Ok(ci::run_all()),
        Task::Ci { fast: true } => Ok(ci::run_fast()),
        Task::Parity => Ok(ci::run_parity()),
        Task::Gen { check: false } => generate::write().map(|()| ExitCode::SUCCESS),
        Task::Gen { check: true } => Ok(ci::run_generated()),
        Task::Db { command } => db::run(&command),
        Task::Fuzz {
            target,
            minutes,
            inputs,
        } => fuzz::run(&target, minutes, &inputs),
        Task::Interop { name, arguments } => interop::run(&name, &arguments),
    }
}
