//! `vestibule operator create`.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use serde_json::json;
use vestibule::Vestibule;
use vestibule_core::{Secret, email_domain};
use vestibule_engine::admin::{Actor, AdminError, Operator};

use super::{
    options::{Options, PRECEDENCE},
    print, telemetry, with_installation,
};

const PASSWORD_VARIABLE: &str = "VESTIBULE_OPERATOR_PASSWORD";
/// NIST SP 800-63B-4 §3.1.1.2: 15 characters where a password is the only factor.
const SHORTEST_PASSWORD: usize = 15;
/// Longer input is no password, and hashing it would cost more than checking it is worth.
const LONGEST_PASSWORD: usize = 1024;

/// People who run this installation
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Add an operator; the password is read from VESTIBULE_OPERATOR_PASSWORD or from stdin
    Create(Create),
}

#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub(crate) struct Create {
    /// The address that the operator signs in with
    #[arg(long)]
    email: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Create(create) = command;
    let settings = create.options.resolve()?;
    telemetry::log(&settings.log)?;
    let email = create.email.trim().to_owned();
    let sound = email_domain(&email).is_some()
        && !email.contains(|c: char| c.is_whitespace() || c.is_control());
    ensure!(
        sound && email.len() <= 200,
        "--email has to be an e-mail address, like ada@example.com"
    );
    let password = read_password()?;
    let operator =
        with_installation(&settings, |vestibule| add(vestibule, email, password)).await?;
    match create.json {
        true => print(&json!({"id": operator.id, "email": operator.email}).to_string())?,
        false => print(&format!("{} {}", operator.id, operator.email))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(vestibule: Vestibule, email: String, password: Secret) -> anyhow::Result<Operator> {
    let (engine, now) = (vestibule.engine(), vestibule.clock().now());
    match engine
        .add_operator(&Actor::command_line(), &email, password, now)
        .await
    {
        Ok(operator) => Ok(operator),
        Err(AdminError::Conflict { detail }) => anyhow::bail!(detail),
        Err(AdminError::Fault(fault)) => Err(fault.into()),
        Err(_) => anyhow::bail!("the command line may not add operators"),
    }
}

/// The password from the environment, or the first line of stdin.
fn read_password() -> anyhow::Result<Secret> {
    let password = match env::var(PASSWORD_VARIABLE) {
        Ok(password) => password,
        Err(env::VarError::NotUnicode(_)) => anyhow::bail!("{PASSWORD_VARIABLE} has to be UTF-8"),
        Err(env::VarError::NotPresent) => {
            if io::stdin().is_terminal() {
                eprintln!("Password (it is shown while you type; pipe it in to avoid that):");
            }
            first_line(io::stdin().lock())?
        }
    };
    let length = password.chars().count();
    ensure!(
        length >= SHORTEST_PASSWORD && password.len() <= LONGEST_PASSWORD,
        "the password has to have at least {SHORTEST_PASSWORD} characters; give it in {PASSWORD_VARIABLE} or on stdin"
    );
    Ok(Secret::new(password))
}

fn first_line(input: impl io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    let mut input = input.take(LONGEST_PASSWORD as u64 + 2);
    io::BufRead::read_line(&mut input, &mut line)
        .context("the password on stdin has to be a line of UTF-8")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_the_first_line_with_its_spaces() {
        assert_eq!(
            first_line(&b" correct horse \r\nmore\n"[..]).unwrap(),
            " correct horse "
        );
        assert_eq!(first_line(&b""[..]).unwrap(), "");
    }
}
