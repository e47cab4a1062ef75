//! `vestibule saml explain`.

use std::{path::PathBuf, process::ExitCode};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vestibule_saml::{Error, Fact, Fault, Response, Rule, Warning};

use super::{Context, Decision, print, read_needed};

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// A file with a SAMLResponse, in base64 or as XML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Whom to trust and what to expect; without it only the form is judged
    #[arg(long, value_name = "CTX.json")]
    context: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// What is told of a response.
#[derive(Default)]
struct Told {
    facts: Vec<Fact>,
    held: Vec<(Rule, String)>,
    refusal: Option<Error>,
    warnings: Vec<String>,
    /// None without a context, unless the form alone refuses it.
    decision: Option<Decision>,
}

impl Explain {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let context = self.context.as_deref().map(Context::read).transpose()?;
        let mut text = read_needed(&self.file)?;
        if text.trim_start().starts_with('<') {
            // Somebody has decoded it already.
            text = STANDARD.encode(text.trim());
        }
        let told = judge(&text, context.as_ref());
        match self.json {
            true => print(&told.json(&self.file.display().to_string()).to_string())?,
            false => print(told.text(context.as_ref()).trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn judge(text: &str, context: Option<&Context>) -> Told {
    let response = match Response::decode(text) {
        Ok(response) => response,
        Err(error) => return Told::default().refused(error),
    };
    let told = Told {
        facts: response.facts(),
        ..Told::default()
    };
    let (context, trust) = match context.map(|context| (context, &context.trust)) {
        Some((context, Ok(trust))) => (context, trust),
        Some((_, Err(error))) => return told.refused(error.clone()),
        None => {
            return match response.check_form() {
                Ok(()) => told,
                Err(error) => told.refused(error),
            };
        }
    };
    let now = context.now.unix_seconds();
    let (verdict, report) = trust.explain(&response, &context.expected, now);
    let told = Told {
        held: report.held,
        ..told
    };
    match verdict {
        Ok(verified) => Told {
            warnings: verified.warnings.iter().map(warning).collect(),
            decision: Some(Decision::Accept),
            ..told
        },
        Err(error) => told.refused(error),
    }
}

impl Told {
    fn refused(self, error: Error) -> Self {
        Self {
            refusal: Some(error),
            decision: Some(Decision::Reject),
            ..self
        }
    }

    fn json(&self, file: &str) -> Value {
        let facts = self.facts.iter();
        let held = self.held.iter();
        json!({
            "file": file,
            "facts": facts.map(|fact| json!({"place": fact.place, "value": fact.value})).collect::<Vec<_>>(),
            "held": held.map(|(rule, found)| json!({"rule": rule.as_str(), "found": found})).collect::<Vec<_>>(),
            "decision": self.decision,
            "refusal": self.refusal.as_ref().map(|error| json!({
                "rule": error.rule().as_str(), "message": error.to_string(), "wanted": error.wanted(),
                "got": error.got(), "who": who(error.fault()), "next_step": error.remedy(),
            })),
            "warnings": self.warnings,
        })
    }

    fn text(&self, context: Option<&Context>) -> String {
        let mut text = String::new();
        let width = self
            .facts
            .iter()
            .map(|fact| fact.place.len())
            .max()
            .unwrap_or(0);
        if !self.facts.is_empty() {
            text.push_str("What the response says; nothing of it is believed yet:\n");
        }
        for fact in &self.facts {
            line(&mut text, &format!("{:width$}", fact.place), &fact.value);
        }
        let judged = match context {
            Some(context) => format!("\nJudged at {}:\n", context.now),
            None => "\nJudged by its form alone:\n".to_owned(),
        };
        text.push_str(&judged);
        for (rule, found) in &self.held {
            line(&mut text, &format!("held     {:26}", rule.as_str()), found);
        }
        if let Some(error) = &self.refusal {
            refusal(&mut text, error);
        }
        for warning in &self.warnings {
            line(&mut text, "warning ", warning);
        }
        text.push_str(match self.decision {
            Some(Decision::Accept) => "\nVerdict: accepted\n",
            Some(Decision::Reject) => "\nVerdict: refused\n",
            None => "\nNo verdict: who may sign and what is expected stands in a context (--context CTX.json)\n",
        });
        text
    }
}

fn refusal(text: &mut String, error: &Error) {
    line(
        text,
        &format!("refused  {:26}", error.rule().as_str()),
        &error.to_string(),
    );
    for (word, detail) in [
        ("wanted", error.wanted()),
        ("got", error.got()),
        ("has to act", who(error.fault())),
        ("next step", error.remedy()),
    ] {
        if !detail.is_empty() {
            line(text, &format!("         {word:26}"), detail);
        }
    }
}

fn line(text: &mut String, left: &str, right: &str) {
    text.push_str("  ");
    text.push_str(left);
    text.push_str("  ");
    // What a peer wrote goes to a terminal: nothing that moves its cursor or turns its text around.
    text.extend(right.chars().map(|character| match character {
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        other if other.is_control() => '\u{FFFD}',
        other => other,
    }));
    text.push('\n');
}

fn who(fault: Fault) -> &'static str {
    match fault {
        Fault::IdentityProvider => "the identity provider",
        Fault::Configuration => {
            "whoever configures the connection, here or at the identity provider"
        }
        Fault::Time => "whoever sets the clocks; else the person signs in again",
        _ => "the person: start again at the application",
    }
}

fn warning(warning: &Warning) -> String {
    match warning {
        Warning::ExpiredCertificate { not_after } => format!(
            "the certificate that signed expired at {}; its key is pinned and still counts",
            vestibule_core::Timestamp::from_unix_seconds(*not_after)
        ),
        Warning::Sha1 => "SHA-1 took part in a signature, which the context allows".to_owned(),
        _ => "something was accepted that somebody should look at".to_owned(),
    }
}
