//! Writes the corpus of genuine and hostile responses to files, so that other verifiers can be asked about them.
//!
//! ```sh
//! cargo run -p vestibule-saml --example corpus -- DIR
//! ```
//!
//! `DIR/<group>/<context>/` holds `context.json`, as `vestibule saml verify --context` takes it, one `.b64` for each
//! response, and `expect.json`, which says of each file whether it is to be accepted or refused.

#[path = "../tests/corpus/mod.rs"]
#[expect(dead_code, reason = "the tests judge what this example only writes")]
mod corpus;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use corpus::{Case, Context, Expect, Keys};

fn main() -> anyhow::Result<()> {
    let directory = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .context("usage: corpus DIR")?;
    let mut written = 0;
    for (group, _) in corpus::GROUPS {
        written += write_group(&directory.join(group), corpus::cases(group)?)?;
    }
    println!("{written} responses");
    Ok(())
}

/// A folder for each context; how many responses were written.
fn write_group(directory: &Path, cases: Vec<Case>) -> anyhow::Result<usize> {
    let mut folders: Vec<(Context, Vec<(usize, Case)>)> = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        // The demand for encryption is a setting of ours alone.
        if case.context.require_encryption {
            continue;
        }
        match folders.iter_mut().find(|(known, _)| *known == case.context) {
            Some((_, held)) => held.push((number, case)),
            None => folders.push((case.context.clone(), vec![(number, case)])),
        }
    }
    let usual = Context::usual(Keys::get()?);
    let mut written = 0;
    for (place, (context, cases)) in folders.iter().enumerate() {
        let name = match *context == usual {
            true => "usual".to_owned(),
            false => format!("context-{place:02}"),
        };
        let folder = directory.join(name);
        fs::create_dir_all(&folder)?;
        write_json(&folder.join("context.json"), &as_json(context)?)?;
        let mut expect = Map::new();
        for (number, case) in cases {
            let file = format!("{number:04}-{}.b64", slug(&case.name));
            fs::write(folder.join(&file), &case.message)?;
            let decision = match case.expect {
                Expect::Accept(_) => "accept",
                Expect::Reject(_) => "reject",
            };
            expect.insert(file, decision.into());
        }
        written += expect.len();
        write_json(&folder.join("expect.json"), &expect.into())?;
    }
    Ok(written)
}

fn as_json(context: &Context) -> anyhow::Result<Value> {
    let now = OffsetDateTime::from_unix_timestamp(context.now)?.format(&Rfc3339)?;
    Ok(json!({
        "sp_entity_id": context.sp,
        "acs_url": context.acs,
        "idp_entity_id": context.idp,
        "idp_certificates": context.certificates,
        "sp_private_keys": context.decryption_keys,
        "in_response_to": context.in_response_to,
        "allow_unsolicited": context.allow_unsolicited,
        "now": now,
        "allow_sha1": context.allow_sha1,
        "allow_inclusive_c14n": context.allow_inclusive_c14n,
    }))
}

fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(fs::write(path, text)?)
}

/// A name that every file system takes.
fn slug(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => character,
        _ => '-',
    };
    name.chars().map(plain).take(120).collect()
}
