//! `vestibule demo`: hire, sign in and fire on this machine, by hand or by itself.

mod check;

use std::{net::Ipv4Addr, path::Path, process::ExitCode};

use anyhow::Context as _;
use url::Url;
use vestibule::{Config, Vestibule};
use vestibule_core::Generator;
use vestibule_engine::MasterKey;
use vestibule_simulate::{DemoConfig, demo};

use super::{
    listener::{self, Signals},
    options::{LogFormat, LogSettings},
    print,
    serve::Local,
    telemetry,
};

/// Hire, sign in and fire on this machine: server, company and sample app on loopback
///
/// Everything lives in a temporary folder and is gone afterwards.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port of the page to open; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Open the page in a browser
    #[arg(long, conflicts_with = "check")]
    open: bool,
    /// Do it all without a browser, print the milliseconds, and fail if a login survives
    #[arg(long)]
    check: bool,
    /// With --check: answer in JSON
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
    let played = play(&arguments, folder.path(), &mut signals).await;
    folder
        .close()
        .context("the demo's temporary folder could not be removed")?;
    played
}

async fn play(
    arguments: &Arguments,
    folder: &Path,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let (demo, server) = tokio::select! {
        started = start(arguments, folder) => started?,
        () = signals.next() => return Ok(ExitCode::FAILURE),
    };
    let played = match arguments.check {
        true => tokio::select! {
            checked = check::run(demo.world(), arguments.json) => checked,
            () = signals.next() => Ok(ExitCode::FAILURE),
        },
        false => show(&demo, arguments.open, signals).await,
    };
    demo.shutdown().await;
    server.shutdown().await;
    played
}

async fn start(arguments: &Arguments, folder: &Path) -> anyhow::Result<(demo::Demo, Local)> {
    let generator = Generator::system();
    let api_key = generator.token("vak_");
    let listener = listener::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let config = Config::new(&url)?
        .database_url(&format!("sqlite://{}", folder.join("demo.db").display()))?
        .master_key(&MasterKey::generate(&generator).to_base64())?
        .bootstrap_api_key(api_key.expose())?
        .dangerously_allow_private_network();
    let server = Local::start(listener, Vestibule::open(config).await?);
    let mut config = DemoConfig::new(Url::parse(&url)?, api_key.expose());
    config.cockpit_port = arguments.port;
    Ok((demo::run(config).await?, server))
}

/// Prints the page's URL, and waits to be interrupted.
async fn show(demo: &demo::Demo, open: bool, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    print(demo.url().as_str())?;
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
