//! `vestibule api-key create`.

use std::{process::ExitCode, time::Duration};

use serde_json::json;
use vestibule_core::{ApiScope, OrganizationId};
use vestibule_engine::admin::{Actor, ApiKeyRequest};

use super::{
    options::{Options, PRECEDENCE},
    print, refused, telemetry, with_installation,
};

/// Keys of the admin API
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key of the admin API; it is printed once
    Create(Create),
}

#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub(crate) struct Create {
    /// What the key is for
    #[arg(long)]
    name: String,
    /// What it may do: *, RESOURCE:read or RESOURCE:write, such as users:read; repeatable
    #[arg(long, required = true, value_delimiter = ',', value_parser = parse_scope)]
    scope: Vec<ApiScope>,
    /// The one organization it is bound to
    #[arg(long, value_name = "ID", value_parser = parse_organization)]
    organization: Option<OrganizationId>,
    /// How long it lives, such as 90d, 12h or 30m; without it the key has no end
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,
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
    let made = with_installation(&settings, |vestibule| async move {
        let now = vestibule.clock().now();
        let request = ApiKeyRequest {
            name: create.name,
            scopes: create.scope,
            organization_id: create.organization,
            expires_at: create.expires_in.map(|lifetime| now.after(lifetime)),
        };
        let made = vestibule
            .engine()
            .add_api_key(&Actor::command_line(), request, now)
            .await;
        made.map_err(refused)
    })
    .await?;
    match create.json {
        true => {
            let stored = &made.stored;
            print(&json!({
                "id": stored.id, "key": made.key.expose(), "name": stored.name, "scopes": stored.scopes,
                "organization_id": stored.organization_id, "expires_at": stored.expires_at,
            })
            .to_string())?;
        }
        false => print(made.key.expose())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_scope(text: &str) -> Result<ApiScope, String> {
    text.trim()
        .parse()
        .map_err(|error: vestibule_core::InvalidScope| error.to_string())
}

fn parse_organization(text: &str) -> Result<OrganizationId, String> {
    text.parse()
        .map_err(|_| "not the id of an organization; they begin with org_".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and d, h or m, such as 90d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let count: u64 = text
        .strip_suffix(unit)
        .and_then(|count| count.parse().ok())
        .ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        _ => return Err(wrong()),
    };
    match count.checked_mul(seconds) {
        Some(total) if total > 0 && count <= 1_000_000 => Ok(Duration::from_secs(total)),
        _ => Err("has to be between one minute and a million days".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(parse_duration("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(parse_duration("30m"), Ok(Duration::from_mins(30)));
        for wrong in [
            "",
            "d",
            "90",
            "0d",
            "-1d",
            "1w",
            "1.5h",
            "99999999999999999999d",
            "1ü",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scopes_and_ids_are_parsed_at_the_door() {
        assert_eq!(parse_scope(" * "), Ok(ApiScope::All));
        assert!(parse_scope("everything").is_err());
        assert!(parse_organization("usr_01h455vb4pex5vsknk084sn02q").is_err());
    }
}
