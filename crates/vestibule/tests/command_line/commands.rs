//! Help, settings, and the commands that end by themselves.

use std::fs;

use serde_json::Value;

use crate::vestibule::{Folder, Server, error_of, stdout};

#[test]
fn every_command_prints_help() {
    let folder = Folder::new();
    let commands: [&[&str]; 16] = [
        &[],
        &["serve"],
        &["demo"],
        &["migrate"],
        &["doctor"],
        &["operator"],
        &["operator", "create"],
        &["api-key"],
        &["api-key", "create"],
        &["simulate"],
        &["simulate", "idp"],
        &["simulate", "scim"],
        &["saml"],
        &["saml", "verify"],
        &["saml", "explain"],
        &["openapi"],
    ];
    for command in commands {
        let output = folder.run(&[command, &["--help"]].concat());
        assert!(
            output.status.success() && stdout(&output).contains("Usage: vestibule"),
            "{command:?}"
        );
    }
    let help = stdout(&folder.run(&["serve", "--help"]));
    for variable in [
        "LISTEN",
        "PUBLIC_URL",
        "DATABASE_URL",
        "MASTER_KEY",
        "MASTER_KEY_FILE",
        "BOOTSTRAP_API_KEY",
        "TRUSTED_PROXIES",
        "TLS_CERT",
        "TLS_KEY",
        "ALLOWED_NETWORKS_OPERATOR",
        "ALLOWED_NETWORKS_CUSTOMER",
        "ALLOW_PRIVATE_NETWORK",
        "METRICS_LISTEN",
        "LOG",
        "LOG_FORMAT",
        "CONFIG",
    ] {
        assert!(
            help.contains(&format!("[env: VESTIBULE_{variable}")),
            "{variable} in {help}"
        );
    }
}

#[test]
fn help_does_not_show_secrets_of_the_environment() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--help"]);
    for variable in [
        "VESTIBULE_MASTER_KEY",
        "VESTIBULE_BOOTSTRAP_API_KEY",
        "VESTIBULE_DATABASE_URL",
    ] {
        command.env(variable, "hunter2");
    }
    assert!(!stdout(&command.output().unwrap()).contains("hunter2"));
}

#[test]
fn wrong_usage_ends_with_2_and_names_the_way_out() {
    let folder = Folder::new();
    for wrong in [
        &["nonsense"][..],
        &["api-key", "create", "--name", "a", "--scope", "all"],
        &["serve", "--port", "1"],
    ] {
        let output = folder.run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("--help"),
            "{wrong:?}"
        );
    }
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let folder = Folder::new();
    let serve = |arguments: &[&str], environment: Option<&str>| {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        if let Some(url) = environment {
            command.env("VESTIBULE_PUBLIC_URL", url);
        }
        Server::start(&mut command).url.clone()
    };
    assert!(serve(&[], None).starts_with("http://127.0.0.1:"));
    folder.write("vestibule.toml", "public_url = 'https://file.example'\n");
    assert_eq!(serve(&[], None), "https://file.example");
    assert_eq!(
        serve(&[], Some("")),
        "https://file.example",
        "an empty variable counts as not set"
    );
    assert_eq!(
        serve(&[], Some("https://environment.example")),
        "https://environment.example"
    );
    let flag = ["--public-url", "https://flag.example"];
    assert_eq!(
        serve(&flag, Some("https://environment.example")),
        "https://flag.example"
    );
    folder.write("other.toml", "public_url = 'https://other.example'\n");
    assert_eq!(
        serve(&["--config", "other.toml"], None),
        "https://other.example"
    );
}

#[test]
fn wrong_settings_are_told_in_one_line() {
    let folder = Folder::new();
    let told = |arguments: &[&str]| error_of(&folder.run(arguments));
    assert!(told(&["serve", "--config", "none.toml"]).contains("none.toml does not exist"));
    assert!(
        told(&["serve", "--public-url", "http://id.example.com"])
            .contains("VESTIBULE_PUBLIC_URL has to be https")
    );
    assert!(told(&["serve", "--database-url", "mysql://h/d"]).contains("sqlite:// or postgres://"));
    let postgres = told(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "postgres://ada:hunter2@127.0.0.1:1/d",
    ]);
    assert!(
        postgres.contains("VESTIBULE_MASTER_KEY is not set") && !postgres.contains("hunter2"),
        "{postgres}"
    );
    let unreachable = told(&[
        "migrate",
        "--database-url",
        "postgres://ada:hunter2@127.0.0.1:1/d",
    ]);
    assert!(
        unreachable.contains("postgres://127.0.0.1/d cannot be opened; check"),
        "{unreachable}"
    );
    assert!(!unreachable.contains("hunter2"));
    assert!(told(&["serve", "--log", "a=b=c"]).contains("VESTIBULE_LOG has to be"));
    folder.write("vestibule.toml", "publik_url = 'https://a'\n");
    assert!(
        told(&["serve"]).contains("vestibule.toml is wrong in line 1: unknown field `publik_url`")
    );
}

#[test]
fn migrate_makes_the_database_without_needing_a_key() {
    let folder = Folder::new();
    let output = folder.run(&["migrate", "--json"]);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["migrated"], true);
    assert!(
        folder.path().join("vestibule.db").exists()
            && !folder.path().join("vestibule.key").exists()
    );
    let database = folder.path().join("vestibule.db");
    assert!(!::vestibule::is_readable_by_others(&database).unwrap());
    assert!(folder.run(&["migrate"]).status.success(), "twice is once");
}

#[test]
fn made_key_works_on_the_running_server_within_its_scope() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let made = folder.run(&[
        "api-key",
        "create",
        "--name",
        "reader",
        "--scope",
        "organizations:read",
        "--expires-in",
        "1d",
        "--json",
    ]);
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    assert_eq!(made["scopes"][0], "organizations:read");
    assert!(made["expires_at"].is_string(), "{made}");
    let bearer = format!(
        "Authorization: Bearer {}\r\n",
        made["key"].as_str().unwrap()
    );
    assert_eq!(server.get("/api/v1/organizations", &bearer).0, 200);
    assert_eq!(server.get("/api/v1/webhooks", &bearer).0, 403);
    let plain = folder.run(&["api-key", "create", "--name", "all", "--scope", "*"]);
    let key = stdout(&plain);
    assert!(
        key.starts_with("vak_") && key.lines().count() == 1,
        "the key is the only line"
    );
    let unknown = [
        "api-key",
        "create",
        "--name",
        "a",
        "--scope",
        "*",
        "--organization",
        "org_01h455vb4pex5vsknk084sn02q",
    ];
    assert!(error_of(&folder.run(&unknown)).contains("no such organization"));
}

#[test]
fn operator_is_made_once_with_a_password_that_is_long_enough() {
    let folder = Folder::new();
    let create = |email: &str, password: &str| {
        let mut command = folder.command(&["operator", "create", "--json", "--email", email]);
        command
            .env("VESTIBULE_OPERATOR_PASSWORD", password)
            .output()
            .unwrap()
    };
    let made = create("ada@example.com", "correct horse battery staple");
    let answer: Value = serde_json::from_str(&stdout(&made)).unwrap();
    assert!(
        answer["id"].as_str().unwrap().starts_with("opr_"),
        "{answer}"
    );
    assert!(
        error_of(&create("Ada@example.com", "correct horse battery staple"))
            .contains("exists already")
    );
    assert!(error_of(&create("bob@example.com", "hunter2")).contains("at least 15 characters"));
    assert!(error_of(&create("bob", "correct horse battery staple")).contains("--email has to be"));
}

#[test]
fn doctor_tells_good_from_bad_by_exit_code() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let port = server.address().to_owned();
    let examine = |arguments: &[&str]| {
        let output =
            folder.run(&[&["doctor", "--json", "--listen", port.as_str()], arguments].concat());
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        (output.status.code(), report)
    };
    let health = |report: &Value, check: &str| {
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.map(|finding| finding["health"].as_str().unwrap().to_owned())
    };
    let (code, report) = examine(&[]);
    assert_eq!(
        (code, &report["healthy"]),
        (Some(0), &Value::Bool(true)),
        "{report}"
    );
    for check in [
        "configuration",
        "database",
        "master key",
        "clock",
        "deliveries",
        "outbound calls",
        "public URL",
    ] {
        assert_eq!(
            health(&report, check).as_deref(),
            Some("good"),
            "{check} in {report}"
        );
    }
    assert_eq!(
        health(&report, "master key file").as_deref(),
        Some("warning"),
        "it lies beside the database"
    );
    let (code, report) = examine(&[
        "--master-key",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ]);
    assert_eq!(
        (code, health(&report, "master key").as_deref()),
        (Some(1), Some("failed")),
        "{report}"
    );
    let (code, report) = examine(&["--public-url", "ftp://a"]);
    assert_eq!(
        (code, health(&report, "configuration").as_deref()),
        (Some(1), Some("failed")),
        "{report}"
    );
    folder.write("empty.db", "");
    let (code, report) = examine(&["--database-url", "sqlite://empty.db"]);
    assert_eq!(
        (code, health(&report, "database").as_deref()),
        (Some(1), Some("failed")),
        "{report}"
    );
}

#[test]
fn openapi_document_is_the_one_in_the_docs() {
    let folder = Folder::new();
    let document: Value = serde_json::from_str(&stdout(&folder.run(&["openapi"]))).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let printed = serde_json::to_string_pretty(&document).unwrap() + "\n";
    assert!(
        fs::read_to_string(committed).unwrap() == printed,
        "docs/openapi.json is not what the code says: run `cargo xtask gen`"
    );
}

#[test]
fn doctor_says_how_an_organization_stands_to_the_profile() {
    let folder = Folder::new();
    let none = folder.run(&["doctor", "--ipsie"]);
    assert_eq!(none.status.code(), Some(0), "{}", stdout(&none));
    assert!(
        stdout(&none).contains("--organization"),
        "{}",
        stdout(&none)
    );
    let unknown = "org_01h455vb4pex5vsknk084sn02q";
    let unknown = folder.run(&["doctor", "--ipsie", "--organization", unknown]);
    assert_eq!(unknown.status.code(), Some(1));
    let alone = folder.run(&["doctor", "--organization", "org_01h455vb4pex5vsknk084sn02q"]);
    assert_eq!(alone.status.code(), Some(2), "it belongs to --ipsie");
}
