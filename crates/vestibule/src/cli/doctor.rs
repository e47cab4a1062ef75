//! `vestibule doctor`.

use std::{fmt, process::ExitCode};

use serde::Serialize;
use serde_json::json;
use vestibule::{
    Vestibule,
    doctor::{self, Finding, Health},
};
use vestibule_core::{IpsieLevel, OrganizationId};
use vestibule_engine::{IpsieFinding, Verdict, admin::Actor};

use super::{
    listener, one_line,
    options::{Options, PRECEDENCE, Settings},
    print, refused, telemetry, with_installation,
};

/// Organizations that are read at once.
const PAGE: i64 = 500;

/// Check configuration, database, keys, clock and network, and say what to do
///
/// Nothing is changed, and the server may run meanwhile. The exit code is 1 when something does not work.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Say instead how organizations stand to the IPSIE session lifecycle levels 1 and 2, requirement by requirement
    ///
    /// Looks at the organizations that have policy.ipsie, or at the one that is named; the exit code is 1 when one of them
    /// does not meet what its level says it must.
    #[arg(long)]
    ipsie: bool,
    /// The organization to look at, whether it has policy.ipsie or not
    #[arg(long, value_name = "ID", requires = "ipsie")]
    organization: Option<OrganizationId>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.ipsie {
        return ipsie(arguments).await;
    }
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

/// An organization, and how it stands to each requirement.
#[derive(Debug, Serialize)]
struct Standing {
    organization_id: OrganizationId,
    name: String,
    /// The level that it keeps to.
    ipsie: Option<IpsieLevel>,
    findings: Vec<IpsieFinding>,
}

impl Standing {
    /// Whether everything is met that its level says it must; the second one where it has none.
    fn is_met(&self) -> bool {
        let within = |finding: &IpsieFinding| {
            self.ipsie != Some(IpsieLevel::Sl1) || finding.level == IpsieLevel::Sl1.as_str()
        };
        let breaks = |finding: &IpsieFinding| finding.must && finding.verdict == Verdict::NotMet;
        !self
            .findings
            .iter()
            .any(|finding| within(finding) && breaks(finding))
    }
}

async fn ipsie(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.options.resolve()?;
    telemetry::log(&settings.log)?;
    let wanted = arguments.organization;
    let standings = with_installation(&settings, |vestibule| async move {
        look(&vestibule, wanted).await
    })
    .await?;
    let met = standings.iter().all(Standing::is_met);
    if arguments.json {
        print(&json!({ "met": met, "organizations": standings }).to_string())?;
    } else if standings.is_empty() {
        print("no organization has policy.ipsie; name one with --organization")?;
    } else {
        for standing in &standings {
            print(&standing.to_string())?;
        }
    }
    Ok(match met {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn look(
    vestibule: &Vestibule,
    wanted: Option<OrganizationId>,
) -> anyhow::Result<Vec<Standing>> {
    let (engine, actor, now) = (
        vestibule.engine(),
        Actor::command_line(),
        vestibule.clock().now(),
    );
    let mut organizations = Vec::new();
    if let Some(id) = wanted {
        let found = engine.read_organization(&actor, id, now).await;
        organizations.push(found.map_err(refused)?.organization);
    }
    let mut last = None;
    while wanted.is_none() {
        let page = engine.list_organizations(&actor, last, PAGE, now).await;
        let page = page.map_err(refused)?;
        let Some(end) = page.last() else { break };
        last = Some(end.organization.id);
        let with_profile = page
            .into_iter()
            .map(|details| details.organization)
            .filter(|organization| organization.policy.ipsie.is_some());
        organizations.extend(with_profile);
    }
    let mut standings = Vec::with_capacity(organizations.len());
    for organization in organizations {
        let findings = engine.examine_ipsie(&actor, organization.id, now).await;
        standings.push(Standing {
            organization_id: organization.id,
            name: organization.name,
            ipsie: organization.policy.ipsie,
            findings: findings.map_err(refused)?,
        });
    }
    Ok(standings)
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.ipsie.map_or("none", IpsieLevel::as_str);
        write!(
            f,
            "{} ({}), policy.ipsie: {level}",
            self.name, self.organization_id
        )?;
        for finding in &self.findings {
            let IpsieFinding {
                level,
                toward,
                requirement,
                must,
                verdict,
                why,
            } = finding;
            let word = if *must { "MUST" } else { "SHOULD" };
            write!(
                f,
                "\n{verdict:8} {level} {toward:9} {word:6} {requirement}: {why}"
            )?;
        }
        Ok(())
    }
}
