//! `vestibule openapi`.

use std::process::ExitCode;

use super::print;

/// Print the OpenAPI document of the admin API
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    print(&serde_json::to_string_pretty(
        &vestibule_web::api::openapi(),
    )?)?;
    Ok(ExitCode::SUCCESS)
}
