//! `vestibule migrate`.

use std::process::ExitCode;

use serde_json::json;

use super::{
    options::{Options, PRECEDENCE},
    print, telemetry,
};

/// Bring the database's schema up to date
///
/// `serve` does this too; with several nodes it can be done once before they are replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.options.resolve()?;
    telemetry::log(&settings.log)?;
    let config = settings.config();
    vestibule::migrate(&config).await?;
    let database = config.database().to_string();
    match arguments.json {
        true => print(&json!({"database": database, "migrated": true}).to_string())?,
        false => print(&format!("{database} is up to date"))?,
    }
    Ok(ExitCode::SUCCESS)
}
