//! `vestibule demo`: hire, sign in and fire on this machine, by hand or by itself.

mod check;

use std::{net::Ipv4Addr, path::Path, process::ExitCode};

use anyhow::Context as _;
use url::Url;
use vestibule::{Config, Vestibule};
use vestibule_core::Generator;
use vestibule_engine::MasterKey;
use vestibule_simulate::{DemoConfig, DemoProtocol, demo};

use super::{
    listener::{self, Signals},
    options::{LogFormat, LogSettings},
    print,
    serve::Local,
    telemetry,
};

/// Hire, sign in and fire on this machine: server, company and sample app on loopback
///
/// Everything lives in a temporary folder and is gone afterwards. With SAML the company's home page shows a tile too:
/// a login that the identity provider begins.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port of the page to open; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How the company's people sign in [default: oidc; with --check each in turn]
    #[arg(long, env = "VESTIBULE_DEMO_PROTOCOL", value_enum)]
    protocol: Option<DemoProtocol>,
    /// Open the page in a browser
    #[arg(long, conflicts_with = "check")]
    open: bool,
    /// Do it all without a browser, print the milliseconds, and fail if a login survives
    #[arg(long)]
    check: bool,
    /// With --check: answer in JSON, one document a line
    #[arg(long, requires = "check")]
    json: bool,
    /// What to log
    #[arg(
        long,
        env = "VESTIBULE_LOG",
        value_name = "FILTER",
        default_value = "warn"
    )]
    log: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    telemetry::log(&LogSettings {
        filter: arguments.log.clone(),
        format: LogFormat::Text,
    })?;
    let mut signals = Signals::new()?;
    let folder = tempfile::Builder::new()
        .prefix("vestibule-demo-")
        .tempdir()
        .context("the demo needs a temporary folder; check TMPDIR")?;
    let played = match arguments.check {
        true => check_each(&arguments, folder.path(), &mut signals).await,
        false => show_one(&arguments, folder.path(), &mut signals).await,
    };
    folder
        .close()
        .context("the demo's temporary folder could not be removed")?;
    played
}

/// Plays the demo by each protocol, each time in a world of its own.
async fn check_each(
    arguments: &Arguments,
    folder: &Path,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let given = arguments.protocol.map(|protocol| vec![protocol]);
    let mut good = true;
    for protocol in given.unwrap_or_else(|| DemoProtocol::ALL.to_vec()) {
        let Some((demo, server)) = start(arguments, protocol, folder, signals).await? else {
            return Ok(ExitCode::FAILURE);
        };
        let checked = tokio::select! {
            checked = check::run(demo.world(), arguments.json) => checked,
            () = signals.next() => Ok(false),
        };
        demo.shutdown().await;
        server.shutdown().await;
        good &= checked?;
    }
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn show_one(
    arguments: &Arguments,
    folder: &Path,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let protocol = arguments.protocol.unwrap_or_default();
    let Some((demo, server)) = start(arguments, protocol, folder, signals).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let shown = show(&demo, arguments.open, signals).await;
    demo.shutdown().await;
    server.shutdown().await;
    shown
}

/// Starts server, company and app; none when it is interrupted meanwhile.
async fn start(
    arguments: &Arguments,
    protocol: DemoProtocol,
    folder: &Path,
    signals: &mut Signals,
) -> anyhow::Result<Option<(demo::Demo, Local)>> {
    tokio::select! {
        started = set_up(arguments.port, protocol, folder) => started.map(Some),
        () = signals.next() => Ok(None),
    }
}

async fn set_up(
    port: u16,
    protocol: DemoProtocol,
    folder: &Path,
) -> anyhow::Result<(demo::Demo, Local)> {
    let generator = Generator::system();
    let api_key = generator.token("vak_");
    let listener = listener::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let database = folder.join(format!("{}.db", protocol.word()));
    let config = Config::new(&url)?
        .database_url(&format!("sqlite://{}", database.display()))?
        .master_key(&MasterKey::generate(&generator).to_base64())?
        .bootstrap_api_key(api_key.expose())?
        .dangerously_allow_private_network();
    let server = Local::start(listener, Vestibule::open(config).await?);
    let mut config = DemoConfig::new(Url::parse(&url)?, api_key.expose());
    config.cockpit_port = port;
    config.protocol = protocol;
    Ok((demo::run(config).await?, server))
}

/// Prints the page's URL, below it how people sign in, and waits to be interrupted.
async fn show(demo: &demo::Demo, open: bool, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    let protocol = demo.world().protocol;
    let others = DemoProtocol::ALL.into_iter();
    let others: Vec<String> = others
        .filter(|other| *other != protocol)
        .map(|other| format!("--protocol {}: {}", other.word(), other.name()))
        .collect();
    print(demo.url().as_str())?;
    print(&format!(
        "sign-in by {}; {}",
        protocol.name(),
        others.join("; ")
    ))?;
    if open && !open_in_browser(demo.url()) {
        eprintln!("no browser could be started; open the address yourself");
    }
    signals.next().await;
    Ok(ExitCode::SUCCESS)
}

fn open_in_browser(url: &Url) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let null = std::process::Stdio::null;
    let mut command = std::process::Command::new(opener);
    command
        .arg(url.as_str())
        .stdin(null())
        .stdout(null())
        .stderr(null());
    command.spawn().is_ok()
}
