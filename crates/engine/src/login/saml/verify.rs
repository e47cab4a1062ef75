//! Who judges a response: our own verifier, and samael after it where the installation wants that.

use vestibule_core::Timestamp;
use vestibule_saml::{Expected, Report, Response, Trust, Verified};

use crate::Fault;

/// Who has to accept a SAML response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamlVerifier {
    /// Our own verifier.
    #[default]
    Own,
    /// Our own verifier, and samael after it where the assertion is not encrypted.
    ///
    /// samael reads the system's clock, so the engine's `now` has to be that time.
    #[cfg(feature = "samael")]
    Both,
}

type Verdict = Result<Verified, vestibule_saml::Error>;

/// Our own verification takes a tenth of a millisecond; a response of a megabyte does not hold up a worker's other
/// requests, and neither does samael.
pub(super) async fn verify(
    verifier: SamlVerifier,
    (trust, response): (Trust, Response),
    expected: Expected,
    now: Timestamp,
) -> Result<(Verdict, Report), Fault> {
    const LONG: usize = 100_000;
    let short = response.len() <= LONG;
    let judge = move || {
        let judged = trust.explain(&response, &expected, now.unix_seconds());
        match verifier {
            SamlVerifier::Own => judged,
            #[cfg(feature = "samael")]
            SamlVerifier::Both => confirm(&trust, &response, &expected, judged),
        }
    };
    if verifier == SamlVerifier::Own && short {
        return Ok(judge());
    }
    tokio::task::spawn_blocking(judge)
        .await
        .map_err(|_| Fault::stopped())
}

/// What our verifier accepted is accepted only when samael accepts it too; the record says so either way.
#[cfg(feature = "samael")]
fn confirm(
    trust: &Trust,
    response: &Response,
    expected: &Expected,
    (verdict, mut report): (Verdict, Report),
) -> (Verdict, Report) {
    let confirmed = verdict.and_then(|verified| {
        trust.second_opinion(response, &verified, expected)?;
        let found = match verified.encrypted {
            true => "samael was not asked about an encrypted assertion",
            false => "samael accepts it for the same person",
        };
        let rule = vestibule_saml::Rule::SecondOpinion;
        report.held.push((rule, found.to_owned()));
        Ok(verified)
    });
    report.refusal = confirmed.as_ref().err().cloned();
    (confirmed, report)
}
