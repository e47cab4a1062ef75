//! `vestibule demo`, by itself and by hand, and what the help of `vestibule simulate` tells.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;
use url::Url;
use vestibule_simulate::{Browser, Page};

use crate::vestibule::{Folder, stdout, wait_until};

#[test]
fn demo_proves_itself_by_both_protocols_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let mut command = folder.command(&["demo", "--check", "--json"]);
    let output = command.env("TMPDIR", folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = stdout(&output);
    let measured: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let protocols: Vec<&Value> = measured.iter().map(|run| &run["protocol"]).collect();
    assert_eq!(protocols, ["oidc", "saml"], "{told}");
    for run in &measured {
        assert_eq!(run["tokens_refused"], true, "{told}");
        assert!(run["scim_answered_ms"].as_f64().unwrap() > 0.0, "{told}");
        assert!(run["app_logout_ms"].as_f64().unwrap() > 0.0, "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn demo_checks_the_protocol_that_is_asked_for() {
    let folder = Folder::new();
    let mut command = folder.command(&["demo", "--check"]);
    let output = command.env("VESTIBULE_DEMO_PROTOCOL", "saml").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = stdout(&output);
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in [
        "signed in by SAML 2.0",
        "SCIM answered after",
        "the app's login ended after",
        "its tokens are refused",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let wrong = folder.run(&["demo", "--protocol", "kerberos"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn demo_by_saml_is_played_from_the_companys_home_page() {
    let folder = Folder::new();
    let mut command = folder.command(&["demo", "--protocol", "saml"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(2).map(Result::unwrap).collect();
    assert!(lines[1].contains("sign-in by SAML 2.0"), "{lines:?}");
    assert!(lines[1].contains("--protocol oidc"), "{lines:?}");
    let cockpit: Url = lines[0].parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // A failed play must not leave the server behind.
    let played = runtime.block_on(runtime.spawn(play(cockpit)));
    let id = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    wait_until("the demo's end", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    played.unwrap().unwrap();
}

#[test]
fn help_of_the_simulated_provider_tells_how_saml_is_set_up() {
    let help = stdout(&Folder::new().run(&["simulate", "idp", "--help"]));
    for part in [
        "--saml-metadata",
        "--saml-name-id",
        "saml.metadata_url",
        "/saml/clients",
        "home page",
    ] {
        assert!(help.contains(part), "{part} in {help}");
    }
}

/// Hires somebody, begins at the tile, and fires them.
async fn play(cockpit: Url) -> anyhow::Result<()> {
    let mut browser = Browser::new()?;
    let start = browser.get(&cockpit).await?;
    let hired = browser.submit(&start, &[("given_name", "Ada")]).await?;
    let home = follow(&mut browser, &hired, "home page").await?;
    let form = follow(&mut browser, &home, "Fieldnotes").await?;
    let password = between(&hired.body, "<dt>Password</dt><dd><code>", "</code>");
    let fields = [
        ("username", "ada.lovelace@acme.test"),
        ("password", password),
    ];
    let page = browser.submit(&form, &fields).await?;
    let page = browser.press_on(page).await?;
    assert!(page.body.contains("Hello, Ada Lovelace"), "{}", page.body);

    let cockpit_page = browser.get(&cockpit).await?;
    let forms = cockpit_page.forms();
    let fire = forms.iter().find(|form| form.action == "/fire").unwrap();
    let fired = browser.submit_form(&cockpit_page, fire, &[]).await?;
    for part in ["from the SCIM call to the app’s logout", "all refused"] {
        assert!(fired.body.contains(part), "{}", fired.body);
    }
    let again = follow(&mut browser, &home, "Fieldnotes").await?;
    let again = browser.press_on(again).await?;
    assert_eq!(again.status, 403, "{}", again.body);
    assert!(again.body.contains("deactivated"), "{}", again.body);
    Ok(())
}

async fn follow(browser: &mut Browser, page: &Page, text: &str) -> anyhow::Result<Page> {
    let links = page.links();
    let link = links.iter().find(|link| link.text.contains(text));
    let link = link.unwrap_or_else(|| panic!("no link {text} in {}", page.body));
    browser.follow(page, &link.href).await
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0
}
