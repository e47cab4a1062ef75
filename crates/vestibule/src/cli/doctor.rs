//! `vestibule doctor`.

use std::process::ExitCode;

use serde_json::json;
use vestibule::doctor::{self, Finding, Health};

use super::{
    listener, one_line,
    options::{Options, PRECEDENCE, Settings},
    print, telemetry,
};

/// Check configuration, database, keys, clock and network, and say what to do
///
/// Nothing is changed, and the server may run meanwhile. The exit code is 1 when something does not work.
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
    let findings = match arguments.options.resolve() {
        Ok(settings) => {
            telemetry::log(&settings.log)?;
            examine(&settings).await
        }
        Err(error) => vec![Finding::failed("configuration", one_line(&error))],
    };
    let worst = findings.iter().map(|finding| finding.health).max();
    let healthy = worst < Some(Health::Failed);
    if arguments.json {
        print(&json!({"healthy": healthy, "findings": findings}).to_string())?;
    } else {
        for Finding {
            check,
            health,
            detail,
            ..
        } in &findings
        {
            print(&format!("{health:8} {check}: {detail}"))?;
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(settings: &Settings) -> Vec<Finding> {
    let config = settings.config();
    let mut findings = doctor::examine(&config).await;
    if let Some(files) = &settings.tls {
        findings.push(match listener::tls(files) {
            Ok(_) => Finding::good("TLS", "certificate and key belong together"),
            Err(error) => Finding::failed("TLS", one_line(&error)),
        });
    }
    findings
}
