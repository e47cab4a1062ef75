//! The command line: what each command is called, and how every one of them fails.

mod api_key;
mod demo;
mod doctor;
mod listener;
mod migrate;
mod openapi;
mod operator;
mod options;
mod saml;
mod serve;
mod telemetry;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use options::Settings;

/// Enterprise sign-in and provisioning: SAML, OpenID Connect and SCIM on one user store.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, after_help = options::PRECEDENCE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate the database and serve until SIGTERM
    Serve(serve::Arguments),
    /// Hire, sign in and fire on this machine: server, company and sample app on loopback
    Demo(demo::Arguments),
    /// Bring the database's schema up to date
    Migrate(migrate::Arguments),
    /// Check configuration, database, keys, clock and network, and say what to do
    Doctor(doctor::Arguments),
    /// People who run this installation
    #[command(subcommand)]
    Operator(operator::Command),
    /// Keys of the admin API
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// The outside world by hand: an identity provider, a directory, an app
    #[command(subcommand)]
    Simulate(vestibule_simulate::cli::Command),
    /// Judge SAML responses in files, without a server
    #[command(subcommand)]
    Saml(saml::Command),
    /// Print the OpenAPI document of the admin API
    Openapi(openapi::Arguments),
}

/// Runs the command; an error is one line on stderr, with the remedy.
pub(crate) fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        // Files are judged without runtime and TLS, which take longer to start than a file takes.
        Command::Saml(command) => saml::run(&command),
        command => start(command),
    };
    done.unwrap_or_else(|error| fail(&error))
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    // It fails only when a provider is there already, and then that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(run(command));
    // Work on blocking threads (password hashes, file reads) is not worth waiting for.
    runtime.shutdown_background();
    done
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Operator(command) => operator::run(command).await,
        Command::ApiKey(command) => api_key::run(command).await,
        Command::Simulate(command) => {
            vestibule_simulate::cli::run(command).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Saml(command) => saml::run(&command),
        Command::Openapi(arguments) => openapi::run(&arguments),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", one_line(error));
    ExitCode::FAILURE
}

/// The error and its causes on one line; a cause that its parent's message repeats is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line
}

/// Opens the installation for one command that changes it, and closes it whatever happened.
async fn with_installation<T, F>(
    settings: &Settings,
    work: impl FnOnce(vestibule::Vestibule) -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let vestibule = vestibule::Vestibule::open(settings.config()).await?;
    let done = work(vestibule.clone()).await;
    let closed = vestibule.shutdown().await;
    let value = done?;
    closed?;
    Ok(value)
}

/// Writes one line to stdout; that the reader has gone away is no error of ours.
fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A use case's refusal in the words of the command line.
fn refused(error: vestibule_engine::admin::AdminError) -> anyhow::Error {
    use vestibule_engine::admin::AdminError;
    match error {
        AdminError::NotFound => {
            anyhow::anyhow!("there is no such organization; `GET /api/v1/organizations` lists them")
        }
        AdminError::Forbidden { detail }
        | AdminError::Conflict { detail }
        | AdminError::TooMany { detail } => {
            anyhow::anyhow!(detail)
        }
        AdminError::Invalid { field, detail } => anyhow::anyhow!("{field} {detail}"),
        AdminError::Fault(fault) => fault.into(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line_without_repetition() {
        let error = anyhow!("no route\n  to host");
        let error = Err::<(), _>(error)
            .context("the database failed")
            .unwrap_err();
        assert_eq!(one_line(&error), "the database failed: no route to host");
        let error = Err::<(), _>(anyhow!("twice"))
            .context("said twice")
            .unwrap_err();
        assert_eq!(one_line(&error), "said twice");
    }
}
