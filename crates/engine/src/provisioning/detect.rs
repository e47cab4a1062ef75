//! Which product a directory's client seems to be, from its requests.
//!
//! It decides nothing: every habit is repaired whoever has it. It is shown to the administrator, beside what was
//! configured, and stands on each record of the provisioning log.

use vestibule_scim::{Exchange, Rule};

/// What products call themselves in `User-Agent`, in lower case.
const NAMES: [(&str, &str); 9] = [
    ("okta", "okta"),
    ("onelogin", "onelogin"),
    ("jumpcloud", "jumpcloud"),
    ("google-", "google"),
    ("pingfederate", "ping"),
    ("pingone", "ping"),
    ("sailpoint", "sailpoint"),
    ("rippling", "rippling"),
    ("workday", "workday"),
];

/// The product behind one request, where the request says so.
///
/// The name that a client gives itself counts first. Entra ID has none that it could be known by, but habits of its own.
pub(super) fn detect<A>(exchange: &Exchange<A>) -> Option<&'static str> {
    let agent = exchange.user_agent.as_deref().unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    if let Some((_, product)) = NAMES.iter().find(|(name, _)| agent.contains(name)) {
        return Some(product);
    }
    let hints = exchange.hints;
    let has = |rule| exchange.repairs.iter().any(|repair| repair.rule == rule);
    // Nobody else writes `Replace`, adds that flag to the URL, or names the schema of Microsoft's identity manager.
    if hints.aad_flag || hints.adscim_urn || has(Rule::OperationCase) {
        return Some("entra");
    }
    hints.old_urns.then_some("onelogin")
}
