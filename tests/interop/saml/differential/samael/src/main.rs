//! Judges SAML responses with samael, for the comparison with `vestibule saml verify`.
//!
//! `samael-oracle --context CTX.json FILE...` takes the context that `vestibule saml verify` takes and prints one JSON
//! line for each file: `{"file","decision","name_id","reason"}`.
//! samael asks the system for the time, so the program starts itself again under `faketime`.

use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    process::{Command, ExitCode},
};

use chrono::{DateTime, Duration, Utc};
use openssl::{
    pkey::{PKey, Private},
    x509::X509,
};
use samael::{
    crypto::AllowedSignatureAlgorithm,
    key_info::{KeyInfo, X509Data},
    metadata::{EntityDescriptor, IdpSsoDescriptor, KeyDescriptor},
    schema::Assertion,
    service_provider::ServiceProvider,
};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn std::error::Error>;

/// Set in the second start, whose clock is the one of the context.
const UNDER_FAKETIME: &str = "SAMAEL_ORACLE_NOW";

/// What an application that cares allows. samael has no word for SHA-1 in this list, so it is never allowed.
const ALGORITHMS: [AllowedSignatureAlgorithm; 5] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
];

/// What is trusted and expected; the fields are those of `vestibule saml verify`.
#[derive(Deserialize)]
struct Context {
    sp_entity_id: String,
    acs_url: String,
    idp_entity_id: String,
    #[serde(default)]
    idp_certificates: Vec<String>,
    #[serde(default)]
    sp_private_keys: Vec<String>,
    in_response_to: Option<String>,
    #[serde(default)]
    allow_unsolicited: bool,
    now: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    decision: &'static str,
    name_id: Option<String>,
    reason: Option<String>,
}

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [option, context, files @ ..] = arguments.as_slice() else {
        return Err("samael-oracle --context CTX.json FILE...".into());
    };
    if option != "--context" || files.is_empty() {
        return Err("samael-oracle --context CTX.json FILE...".into());
    }
    let context: Context = serde_json::from_str(&fs::read_to_string(context)?)?;
    if let Some(now) = context.now
        && env::var_os(UNDER_FAKETIME).is_none()
    {
        return start_again(now, &arguments);
    }
    // A panic is a verdict too; its text on stderr would only hide the others.
    panic::set_hook(Box::new(|_| {}));
    for file in files {
        let verdict = panic::catch_unwind(AssertUnwindSafe(|| judge(&context, file)))
            .unwrap_or_else(|_| Err("panicked".into()));
        let line = match verdict {
            Ok(assertion) => Line {
                file,
                decision: "accept",
                name_id: name_id(assertion),
                reason: None,
            },
            Err(error) => Line {
                file,
                decision: "reject",
                name_id: None,
                reason: Some(chain(error.as_ref())),
            },
        };
        println!("{}", serde_json::to_string(&line)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// The same program with the clock standing still at `now`: many files take a while.
fn start_again(now: DateTime<Utc>, arguments: &[String]) -> Result<ExitCode, Failure> {
    let status = Command::new("faketime")
        .arg("-f")
        .arg(now.format("%Y-%m-%d %H:%M:%S").to_string())
        .arg(env::current_exe()?)
        .args(arguments)
        .env("TZ", "UTC")
        .env(UNDER_FAKETIME, "1")
        .status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tries each decryption key in turn, as an application does that rotates them.
fn judge(context: &Context, file: &str) -> Result<Assertion, Failure> {
    let provider = provider(context)?;
    // Line breaks are no part of base64; other characters are for samael to judge.
    let text: String = fs::read_to_string(file)?
        .split([' ', '\t', '\r', '\n'])
        .collect();
    let requests: Vec<&str> = context.in_response_to.as_deref().into_iter().collect();
    let mut failure: Option<Failure> = None;
    for key in keys(context)? {
        let provider = ServiceProvider {
            key,
            ..provider.clone()
        };
        match provider.parse_base64_response(&text, Some(&requests)) {
            Ok(assertion) => return Ok(assertion),
            // A key that does not fit says less about the message than one that does.
            Err(error) if failure.is_some() && chain(error.as_ref()).contains("rsa routines") => {}
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| "never tried".into()))
}

fn provider(context: &Context) -> Result<ServiceProvider, Failure> {
    // Without a certificate samael skips the signature; the application has to look.
    if context.idp_certificates.is_empty() {
        return Err("no certificate".into());
    }
    let mut certificates = Vec::new();
    for pem in &context.idp_certificates {
        for certificate in X509::stack_from_pem(pem.as_bytes())? {
            certificates.push(openssl::base64::encode_block(&certificate.to_der()?));
        }
    }
    let keys = certificates
        .into_iter()
        .map(|certificate| KeyDescriptor {
            key_use: Some("signing".to_owned()),
            key_info: KeyInfo {
                id: None,
                x509_data: Some(X509Data {
                    certificates: vec![certificate],
                }),
            },
            encryption_methods: None,
        })
        .collect();
    Ok(ServiceProvider {
        entity_id: Some(context.sp_entity_id.clone()),
        acs_url: Some(context.acs_url.clone()),
        idp_metadata: EntityDescriptor {
            entity_id: Some(context.idp_entity_id.clone()),
            idp_sso_descriptors: Some(vec![IdpSsoDescriptor {
                key_descriptors: keys,
                ..empty_descriptor()?
            }]),
            ..EntityDescriptor::default()
        },
        allow_idp_initiated: context.allow_unsolicited,
        // The default of 90 seconds refuses identity providers whose clock is two minutes behind.
        max_issue_delay: Duration::minutes(10),
        max_clock_skew: Duration::seconds(60),
        allowed_signature_algorithms: Some(ALGORITHMS.to_vec()),
        ..ServiceProvider::default()
    })
}

/// `IdpSsoDescriptor` has no default and a private form; it comes from the smallest document.
fn empty_descriptor() -> Result<IdpSsoDescriptor, Failure> {
    let document: EntityDescriptor = r#"<EntityDescriptor entityID="_"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"></IDPSSODescriptor></EntityDescriptor>"#.parse()?;
    document
        .idp_sso_descriptors
        .and_then(|descriptors| descriptors.into_iter().next())
        .ok_or_else(|| "the smallest metadata has no descriptor".into())
}

fn keys(context: &Context) -> Result<Vec<Option<PKey<Private>>>, Failure> {
    let mut keys = Vec::new();
    for pem in &context.sp_private_keys {
        keys.push(Some(PKey::private_key_from_pem(pem.as_bytes())?));
    }
    if keys.is_empty() {
        keys.push(None);
    }
    Ok(keys)
}

fn name_id(assertion: Assertion) -> Option<String> {
    Some(assertion.subject?.name_id?.value)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
