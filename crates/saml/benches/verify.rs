//! What a login costs: `cargo bench -p vestibule-saml`.
//!
//! Each figure is the median, the least and (on Linux) the mean CPU time of many single runs, from the form parameter
//! to the verdict, and how often the bare RSA verification fits into it. On a busy machine only the CPU time counts.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_saml::{Certificate, DecryptionKey, Expected, Response, Rule, Trust};
use vestibule_simulate::saml::{
    Attribute, DataAlgorithm, Encrypter, KeyKind, Login, NameId, SamlKey, Seal, SignatureAlgorithm,
    Style,
};

const SP: &str = "https://sp.example/metadata";
const ACS: &str = "https://sp.example/acs";
const IDP: &str = "https://idp.example/";
const REQUEST: &str = "_request-1";
const NOW: i64 = 1_800_000_000;
/// How long one figure is measured.
const PATIENCE: Duration = Duration::from_millis(1500);

fn main() -> anyhow::Result<()> {
    let key = SamlKey::generate(KeyKind::Rsa2048)?;
    let ours = SamlKey::generate(KeyKind::Rsa2048)?;
    let trust = Trust::new(
        SP,
        ACS,
        IDP,
        vec![Certificate::from_pem(&key.certificate_pem())?],
    )?
    .decryption_keys(vec![DecryptionKey::from_pem(&ours.private_key_pem())?]);
    let judge = |parameter: &str| {
        trust.verify(
            &Response::decode(parameter)?,
            &Expected::answer_to(REQUEST),
            NOW,
        )
    };
    let accepted = |parameter: &str| judge(parameter).is_ok();
    let refused = |parameter: &str| judge(parameter).is_err_and(|error| error.rule() == Rule::Xml);

    let bare = bare_rsa(&key)?;
    println!(
        "{:44} {:>9} {:>12} {:>12} {:>12} {:>7}",
        "", "bytes", "median", "least", "CPU", "x RSA"
    );
    report("RSA-2048 verification alone", 0, bare, bare);
    let small = ["staff", "engineering", "vpn-users"];
    for (name, style, seal, values) in [
        ("assertion signed", Style::Entra, None, small.to_vec()),
        (
            "both signed, as Okta does",
            Style::Okta,
            None,
            small.to_vec(),
        ),
        (
            "assertion signed and encrypted, AES-256-CBC",
            Style::Adfs,
            Some(DataAlgorithm::Aes256Cbc),
            small.to_vec(),
        ),
        (
            "assertion signed and encrypted, AES-256-GCM",
            Style::Adfs,
            Some(DataAlgorithm::Aes256Gcm),
            small.to_vec(),
        ),
        (
            "800 values",
            Style::Entra,
            None,
            vec!["Group 0123456789"; 800],
        ),
        (
            "20,000 values",
            Style::Entra,
            None,
            vec!["Group 12"; 20_000],
        ),
    ] {
        let mut seal_ = style.seal(&key);
        if let Some(data) = seal {
            let mut encrypter = Encrypter::new(ours.certificate());
            encrypter.data = data;
            seal_.encrypt_assertion = Some(encrypter);
        }
        let parameter = form_field(style, &values, &seal_)?;
        report(
            name,
            parameter.len() / 4 * 3,
            measure(&parameter, accepted)?,
            bare,
        );
    }
    let forged = format!(
        "<samlp:Response {}/>",
        repeat(50_000, |n| format!("attribute{n}='{n:05}' "))
    );
    let forged = STANDARD.encode(forged);
    let size = forged.len() / 4 * 3;
    report(
        "50,000 attributes in a tag, unsigned: refused",
        size,
        measure(&forged, refused)?,
        bare,
    );
    let forged = format!(
        "<a xmlns='urn:a'>{}</a>",
        repeat(50_000, |n| format!("<b c='{n:05}'>d</b>"))
    );
    let forged = STANDARD.encode(forged);
    let size = forged.len() / 4 * 3;
    report(
        "50,000 elements, unsigned: refused",
        size,
        measure(&forged, refused)?,
        bare,
    );
    Ok(())
}

fn repeat(count: usize, form: impl Fn(usize) -> String) -> String {
    (0..count).map(form).collect()
}

fn form_field(style: Style, values: &[&str], seal: &Seal) -> anyhow::Result<String> {
    let login = Login::new(IDP, SP, ACS, NameId::persistent("ada"), NOW)
        .answering(REQUEST)
        .attribute(Attribute::new("email", ["ada@acme.test"]))
        .attribute(Attribute::new("groups", values.iter().copied()));
    vestibule_simulate::saml::Response::new(style, &login)?.to_form_field(seal)
}

fn bare_rsa(key: &SamlKey) -> anyhow::Result<Figure> {
    let message = [7; 800];
    let signature = key.sign(SignatureAlgorithm::RsaSha256, &message)?;
    let public = UnparsedPublicKey::new(
        &RSA_PKCS1_2048_8192_SHA256,
        key.certificate().public_key_info(),
    )
    .parse()
    .ok()
    .context("the key cannot be read")?;
    figure(|| public.verify_sig(black_box(&message), &signature).is_ok())
}

fn measure(parameter: &str, good: impl Fn(&str) -> bool) -> anyhow::Result<Figure> {
    figure(|| good(black_box(parameter)))
}

#[derive(Clone, Copy)]
struct Figure {
    median: Duration,
    least: Duration,
    cpu: Duration,
}

fn figure(run: impl Fn() -> bool) -> anyhow::Result<Figure> {
    let mut times = Vec::new();
    let begun = Instant::now();
    let cpu_before = cpu_time();
    while times.len() < 10 || begun.elapsed() < PATIENCE {
        let started = Instant::now();
        let good = run();
        times.push(started.elapsed());
        ensure!(good, "the verdict is another one than expected");
    }
    let mean_cpu = cpu_before.zip(cpu_time()).and_then(|(before, after)| {
        let runs = u32::try_from(times.len()).ok()?;
        Some(after.saturating_sub(before) / runs)
    });
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied();
    let median = middle.context("nothing was measured")?;
    Ok(Figure {
        median,
        least: times.first().copied().context("nothing was measured")?,
        cpu: mean_cpu.unwrap_or(median),
    })
}

/// How long this thread has been on a CPU, to a tick of some milliseconds.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn report(name: &str, bytes: usize, figure: Figure, bare: Figure) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{name:44} {bytes:>9} {:>9.1} us {:>9.1} us {:>9.1} us {:>7.1}",
        micros(figure.median),
        micros(figure.least),
        micros(figure.cpu),
        micros(figure.cpu) / micros(bare.cpu)
    );
}
