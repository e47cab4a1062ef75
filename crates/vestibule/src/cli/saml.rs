//! `vestibule saml verify` and `vestibule saml explain`: responses in files, judged without a server.

mod context;
mod explain;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::Context as _;
use serde::Serialize;
use vestibule_saml::{Error, MAX_MESSAGE_BYTES, Response, Verified};

use self::context::Context;
use super::print;

/// Beyond any message that is looked at, in base64 with line breaks.
const LONGEST_FILE: u64 = 4 * MAX_MESSAGE_BYTES as u64;

/// Judge SAML responses in files
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Judge each file as the assertion consumer service would, and print one JSON line for it
    ///
    /// A file holds the form parameter SAMLResponse: base64, with or without line breaks. Nothing is remembered from
    /// one file to the next. The exit code says that all were judged, not how.
    #[command(after_help = context::FORM)]
    Verify(Verify),
    /// Show what a response says, redacted, and how each rule judges it
    #[command(after_help = context::FORM)]
    Explain(explain::Explain),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Whom to trust and what to expect
    #[arg(long, value_name = "CTX.json")]
    context: PathBuf,
    /// Files with a SAMLResponse each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(verify) => verify.run(),
        Command::Explain(explain) => explain.run(),
    }
}

impl Verify {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let context = Context::read(&self.context)?;
        for path in &self.files {
            let line = Line::judge(path, &context);
            print(&serde_json::to_string(&line)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is said of a file; the fields are a contract.
#[derive(Debug, Serialize)]
struct Line {
    file: String,
    decision: Decision,
    name_id: Option<String>,
    attributes: Option<BTreeMap<String, Vec<String>>>,
    rule: Option<&'static str>,
    reason: Option<String>,
    /// How long it took to decode and to judge; none when there was nothing to judge.
    micros: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Accept,
    Reject,
}

impl Line {
    fn judge(path: &Path, context: &Context) -> Self {
        let mut line = Self {
            file: path.display().to_string(),
            decision: Decision::Reject,
            name_id: None,
            attributes: None,
            rule: None,
            reason: None,
            micros: None,
        };
        let parameter = match read(path) {
            Ok(parameter) => parameter,
            Err(error) => {
                line.rule = Some("file");
                line.reason = Some(format!("the file cannot be read: {error}"));
                return line;
            }
        };
        let begun = Instant::now();
        let verdict = verify(&parameter, context);
        line.micros = u64::try_from(begun.elapsed().as_micros()).ok();
        match verdict {
            Ok(verified) => {
                line.decision = Decision::Accept;
                line.name_id = Some(verified.name_id.value);
                let attributes = verified.attributes.into_iter();
                line.attributes = Some(
                    attributes
                        .map(|attribute| (attribute.name, attribute.values))
                        .collect(),
                );
            }
            Err(error) => {
                line.rule = Some(error.rule().as_str());
                line.reason = Some(reason(&error));
            }
        }
        line
    }
}

fn verify(parameter: &str, context: &Context) -> Result<Verified, Error> {
    // Without a certificate nothing of a message is looked at.
    let trust = context.trust.as_ref().map_err(Clone::clone)?;
    trust.verify(
        &Response::decode(parameter)?,
        &context.expected,
        context.now.unix_seconds(),
    )
}

/// The rule's sentence with what was wanted and what came.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    for (word, detail) in [("wanted", error.wanted()), ("got", error.got())] {
        if !detail.is_empty() {
            text.push_str(if word == "wanted" { ": " } else { ", " });
            text.push_str(word);
            text.push(' ');
            text.push_str(detail);
        }
    }
    text
}

/// The text of a file, whitespace at its ends left out; what is too long is read no further than to see that.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LONGEST_FILE)
        .read_to_end(&mut bytes)?;
    // Bytes that are not UTF-8 are not base64 either, which decoding says.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text of a file that has to be there.
fn read_needed(path: &Path) -> anyhow::Result<String> {
    read(path).with_context(|| {
        format!(
            "{} cannot be read; check the path and its permissions",
            path.display()
        )
    })
}
