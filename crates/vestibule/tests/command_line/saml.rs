//! `vestibule saml verify` and `vestibule saml explain` over files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vestibule_simulate::saml::{
    Attribute, Encrypter, KeyKind, Login, NameId, Response, SamlKey, Seal, Style,
};

use crate::vestibule::{Folder, error_of, stdout};

const SP: &str = "https://sp.example/metadata";
const ACS: &str = "https://sp.example/acs";
const IDP: &str = "https://idp.example/";
const REQUEST: &str = "_request-1";
/// 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;

/// A folder, an identity provider's key, and a context that trusts it.
struct Bench {
    folder: Folder,
    key: SamlKey,
    context: Value,
}

impl Bench {
    fn new() -> Self {
        let key = SamlKey::generate(KeyKind::Rsa2048).unwrap();
        let context = json!({
            "sp_entity_id": SP, "acs_url": ACS, "idp_entity_id": IDP,
            "idp_certificates": [key.certificate_pem()], "sp_private_keys": [],
            "in_response_to": REQUEST, "allow_unsolicited": false, "now": "2027-01-15T08:00:00Z",
        });
        Self {
            folder: Folder::new(),
            key,
            context,
        }
    }

    fn login() -> Login {
        Login::new(IDP, SP, ACS, NameId::email("ada@acme.test"), NOW)
            .answering(REQUEST)
            .attribute(Attribute::new("groups", ["staff", "admins"]))
    }

    /// Writes the response of a login, sealed as Entra does.
    fn write(&self, name: &str, login: &Login) {
        self.write_sealed(name, login, &Style::Entra.seal(&self.key));
    }

    fn write_sealed(&self, name: &str, login: &Login, seal: &Seal) {
        let response = Response::new(Style::Entra, login).unwrap();
        self.folder
            .write(name, &response.to_form_field(seal).unwrap());
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.folder.write("ctx.json", &self.context.to_string());
        self.folder.run(arguments)
    }

    /// The lines, one for each file, and what was said on stderr.
    fn verify(&self, files: &[&str]) -> (Vec<Value>, String) {
        let output = self.run(&[&["saml", "verify", "--context", "ctx.json"], files].concat());
        let told = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let lines: Vec<Value> = stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let named: Vec<_> = lines.iter().map(|line| line["file"].clone()).collect();
        assert_eq!(named, files);
        (lines, told)
    }

    /// The decision and the rule of one file.
    fn decide(&self, file: &str) -> (String, Value) {
        let (lines, _) = self.verify(&[file]);
        let line = lines.first().unwrap();
        let decision = line["decision"].as_str().unwrap().to_owned();
        (decision, line["rule"].clone())
    }

    fn explain(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["saml", "explain"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output)
    }
}

fn accept() -> (String, Value) {
    ("accept".to_owned(), Value::Null)
}

fn reject(rule: &str) -> (String, Value) {
    ("reject".to_owned(), rule.into())
}

#[test]
fn each_file_is_one_line_in_order_whatever_the_others_are() {
    let bench = Bench::new();
    bench.write("good", &Bench::login());
    let mut late = Bench::login();
    late.now -= 3600;
    bench.write("late", &late);
    bench.folder.write("noise", "not base64 at all");
    let (lines, told) = bench.verify(&["late", "good", "absent", "noise", "good", ".", "good"]);
    assert_eq!(told, "");

    let good = &lines[1];
    let keys: Vec<_> = good.as_object().unwrap().keys().collect();
    let mut expected = [
        "file",
        "decision",
        "name_id",
        "attributes",
        "rule",
        "reason",
        "micros",
    ];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected.iter().collect::<Vec<_>>());
    assert_eq!(good["decision"], "accept");
    assert_eq!(good["name_id"], "ada@acme.test");
    assert_eq!(good["attributes"], json!({"groups": ["staff", "admins"]}));
    assert_eq!(
        (&good["rule"], &good["reason"]),
        (&Value::Null, &Value::Null)
    );
    assert!(good["micros"].as_u64().unwrap() > 0);
    // Nothing is remembered: the same assertion counts in each file.
    for again in [&lines[4], &lines[6]] {
        assert_eq!(again["decision"], "accept");
    }

    let late = &lines[0];
    assert_eq!(late["decision"], "reject");
    assert_eq!(late["rule"], "confirmation_expired");
    assert!(
        late["reason"]
            .as_str()
            .unwrap()
            .contains("3300 seconds ago")
    );
    assert!(late["name_id"].is_null() && late["attributes"].is_null());
    for (line, rule) in [
        (&lines[2], "file"),
        (&lines[5], "file"),
        (&lines[3], "encoding"),
    ] {
        assert_eq!(line["decision"], "reject");
        assert_eq!(line["rule"], rule);
        assert!(line["reason"].is_string());
    }
}

#[test]
fn line_breaks_in_the_base64_are_accepted() {
    let bench = Bench::new();
    bench.write("plain", &Bench::login());
    let text = std::fs::read_to_string(bench.folder.path().join("plain")).unwrap();
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(76)
        .map(String::from_utf8_lossy)
        .collect();
    bench
        .folder
        .write("broken", &format!("\n{}\r\n\n", lines.join("\r\n")));
    assert_eq!(bench.decide("broken"), accept());
}

#[test]
fn without_a_usable_certificate_every_file_is_rejected() {
    let mut bench = Bench::new();
    bench.write("good", &Bench::login());
    for (certificates, warnings) in [
        (json!([]), 0),
        (Value::Null, 0),
        (
            json!([
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                ""
            ]),
            2,
        ),
    ] {
        bench.context["idp_certificates"] = certificates;
        let (lines, told) = bench.verify(&["good", "absent", "good"]);
        let rules: Vec<_> = lines.iter().map(|line| line["rule"].clone()).collect();
        assert_eq!(rules, ["no_certificate", "file", "no_certificate"]);
        assert_eq!(
            told.matches("warning: certificate ").count(),
            warnings,
            "{told}"
        );
    }
}

#[test]
fn certificates_are_pem_or_bare_base64_and_useless_ones_count_as_absent() {
    let mut bench = Bench::new();
    bench.write("good", &Bench::login());
    let bare = STANDARD.encode(bench.key.certificate().der());
    bench.context["idp_certificates"] = json!(["rubbish", bare]);
    let (lines, told) = bench.verify(&["good"]);
    assert_eq!(lines[0]["decision"], "accept");
    assert!(
        told.starts_with("warning: certificate 1 of the context counts as absent: "),
        "{told}"
    );
    let other = SamlKey::generate(KeyKind::P256).unwrap();
    bench.context["idp_certificates"] = json!([other.certificate_pem()]);
    assert_eq!(bench.decide("good"), reject("key_kind"));
}

#[test]
fn a_null_now_is_the_clock() {
    let mut bench = Bench::new();
    bench.context["now"] = Value::Null;
    let mut login = Bench::login();
    let clock = std::time::UNIX_EPOCH.elapsed().unwrap();
    login.now = i64::try_from(clock.as_secs()).unwrap();
    login.authn_instant = login.now;
    bench.write("now", &login);
    login.now -= 7200;
    bench.write("earlier", &login);
    assert_eq!(bench.decide("now"), accept());
    assert_eq!(bench.decide("earlier"), reject("confirmation_expired"));
}

#[test]
fn what_the_context_does_not_allow_is_refused() {
    let mut bench = Bench::new();
    let seal = Style::Entra.seal(&bench.key);
    let sha1 = seal
        .clone()
        .with_signers(|signer| *signer = signer.clone().with_sha1());
    bench.write_sealed("sha1", &Bench::login(), &sha1);
    assert_eq!(bench.decide("sha1"), reject("algorithm"));
    bench.context["allow_sha1"] = json!(true);
    assert_eq!(bench.decide("sha1"), accept());

    let inclusive = seal.clone().with_signers(|signer| {
        signer.canonicalization = vestibule_simulate::saml::C14n::Inclusive;
        signer.transform = vestibule_simulate::saml::C14n::Inclusive;
    });
    bench.write_sealed("inclusive", &Bench::login(), &inclusive);
    assert_eq!(bench.decide("inclusive"), reject("canonicalization"));
    bench.context["allow_inclusive_c14n"] = json!(true);
    assert_eq!(bench.decide("inclusive"), accept());

    let mut unasked = Bench::login();
    unasked.in_response_to = None;
    bench.write("unasked", &unasked);
    bench.write("asked", &Bench::login());
    assert_eq!(bench.decide("unasked"), reject("unsolicited"));
    bench.context["allow_unsolicited"] = json!(true);
    assert_eq!(bench.decide("unasked"), accept());
    assert_eq!(bench.decide("asked"), accept());
    bench.context["in_response_to"] = Value::Null;
    assert_eq!(bench.decide("unasked"), accept());
    assert_eq!(bench.decide("asked"), reject("in_response_to"));
    bench.context["allow_unsolicited"] = Value::Null;
    assert_eq!(bench.decide("unasked"), reject("unsolicited"));

    let ours = SamlKey::generate(KeyKind::Rsa2048).unwrap();
    let encrypted = Seal {
        encrypt_assertion: Some(Encrypter::new(ours.certificate())),
        ..seal
    };
    bench.context["in_response_to"] = json!(REQUEST);
    bench.write_sealed("encrypted", &Bench::login(), &encrypted);
    assert_eq!(bench.decide("encrypted"), reject("no_decryption_key"));
    bench.context["sp_private_keys"] = json!(["rubbish", ours.private_key_pem()]);
    assert_eq!(bench.decide("encrypted"), accept());
}

#[test]
fn a_context_that_cannot_be_used_is_one_clear_error() {
    let bench = Bench::new();
    bench.write("good", &Bench::login());
    let told = |context: &str, text: Option<&str>| {
        if let Some(text) = text {
            bench.folder.write(context, text);
        }
        let output = bench.run(&["saml", "verify", "--context", context, "good"]);
        assert_eq!(stdout(&output), "");
        error_of(&output)
    };
    assert!(told("none.json", None).contains("none.json cannot be read"));
    assert!(told("a.json", Some("{")).contains("the context a.json cannot be used"));
    assert!(told("b.json", Some("{}")).contains("missing field `sp_entity_id`"));
    let text = bench
        .context
        .to_string()
        .replace("2027-01-15T08:00:00Z", "noon");
    assert!(told("c.json", Some(&text)).contains("not an RFC 3339 date and time"));
    for wrong in [
        &["saml"][..],
        &["saml", "verify", "good"],
        &["saml", "verify", "--context", "ctx.json"],
    ] {
        assert_eq!(bench.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn three_hundred_files_are_judged_in_one_run() {
    let bench = Bench::new();
    bench.write("good", &Bench::login());
    let names: Vec<_> = (0..300).map(|number| format!("f{number}")).collect();
    let text = std::fs::read_to_string(bench.folder.path().join("good")).unwrap();
    for name in &names {
        bench.folder.write(name, &text);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (lines, _) = bench.verify(&names);
    assert!(lines.iter().all(|line| line["decision"] == "accept"));
}

#[test]
fn explain_shows_what_each_rule_found_and_hides_the_person() {
    let bench = Bench::new();
    bench.write("good", &Bench::login());
    let told = bench.explain(&["good", "--context", "ctx.json"]);
    for part in [
        "Assertion/Conditions/Audience",
        SP,
        "an address at acme.test",
        "groups (2 values)",
        "Judged at 2027-01-15T08:00:00Z",
        "held     signature",
        "held     audience",
        "Verdict: accepted",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("ada@") && !told.contains("admins"), "{told}");

    let mut wrong = Bench::login();
    wrong.sp_entity_id = "https://other.example\u{202e}\u{9b}2J".to_owned();
    bench.write("wrong", &wrong);
    let told = bench.explain(&["wrong", "--context", "ctx.json"]);
    for part in [
        "refused  audience",
        "wanted                      https://sp.example/metadata",
        "got                         https://other.example",
        "has to act                  whoever configures the connection",
        "next step                   set the audience",
        "Verdict: refused",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains(['\u{202e}', '\u{9b}']));

    let told = bench.explain(&["wrong", "--context", "ctx.json", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["decision"], "reject");
    assert_eq!(told["refusal"]["rule"], "audience");
    assert_eq!(told["refusal"]["wanted"], SP);
    assert_eq!(told["held"][0]["rule"], "xml");
    assert!(told["facts"].as_array().unwrap().len() > 8);
}

#[test]
fn explain_without_a_context_judges_the_form_alone() {
    let bench = Bench::new();
    bench.write("good", &Bench::login());
    let told = bench.explain(&["good"]);
    assert!(
        told.contains("No verdict") && told.contains("--context"),
        "{told}"
    );
    assert!(told.contains("Response/@Destination"), "{told}");

    let xml = Response::new(Style::Okta, &Bench::login())
        .and_then(|response| response.to_xml(&Style::Okta.seal(&bench.key)))
        .unwrap();
    bench.folder.write("decoded.xml", &xml);
    assert!(bench.explain(&["decoded.xml"]).contains("No verdict"));

    bench.folder.write("bad.xml", "<!DOCTYPE a><a/>");
    let told = bench.explain(&["bad.xml"]);
    assert!(
        told.contains("refused  xml") && told.contains("a document type declaration"),
        "{told}"
    );
    bench.folder.write("noise", "%");
    let told: Value = serde_json::from_str(&bench.explain(&["noise", "--json"])).unwrap();
    assert_eq!(told["decision"], "reject");
    assert_eq!(told["refusal"]["rule"], "encoding");

    bench.folder.write("ctx.json", "");
    let output = bench.folder.run(&["saml", "explain", "absent"]);
    assert!(error_of(&output).contains("absent cannot be read"));
}
