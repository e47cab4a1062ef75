//! The pages that people see: their walls, their languages, their brand, and the forms on them.

use reqwest::{
    Method,
    header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Reply, TestServer, http_client},
};

use crate::relying::Relying;

const PASSWORD: &str = "correct horse battery staple";
/// The first bytes of a PNG image, 400 by 80 pixels.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x01\x90\x00\x00\x00\x50\x08\x06\x00\x00\x00";

on_every_server!(
    every_page_has_its_walls_and_speaks_the_browsers_language,
    what_an_application_wishes_for_is_spoken_until_its_sign_in_is_over,
    no_form_counts_without_a_token_of_its_own_browser,
    what_is_no_form_of_ours_is_answered_by_a_page,
    an_organizations_pages_have_its_name_its_color_and_its_logo,
    only_images_are_logos,
    a_native_applications_scheme_is_on_the_pages_of_its_own_logins_only,
);

/// An organization whose people sign in by password, with Ada in it; its id.
async fn club(server: &TestServer, domain: &str, more: Value) -> String {
    let mut body =
        json!({ "name": domain, "domains": [domain], "policy": { "password_login": true } });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let organization = server.admin.post("/organizations", body).await;
    let id = organization["id"].as_str().unwrap().to_owned();
    let ada = json!({ "user_name": format!("ada@{domain}"), "password": PASSWORD });
    server
        .admin
        .post(&format!("/organizations/{id}/users"), ada)
        .await;
    id
}

async fn signed_in(browser: &mut Browser, server: &TestServer, organization: &str, user: &str) {
    let login = server.url(&format!("/login?organization={organization}"));
    let page = browser.get(&login).await.unwrap();
    let page = browser.submit(&page, &[("email", user)]).await.unwrap();
    let page = browser
        .submit(&page, &[("password", PASSWORD)])
        .await
        .unwrap();
    assert!(page.body.contains("You are signed in"), "{}", page.body);
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn check_walls(place: &str, headers: &HeaderMap) {
    let policy = header(headers, "content-security-policy");
    for directive in [
        "default-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(directive), "{place}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("data:"),
        "{place}: {policy}"
    );
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(headers, name), value, "{place}: {name}");
    }
}

async fn every_page_has_its_walls_and_speaks_the_browsers_language(server: TestServer) {
    for (place, status, english, french) in [
        (
            "/logout/done",
            200,
            "You are signed out",
            "Déconnexion effectuée",
        ),
        (
            "/oauth/logout",
            200,
            "You are signed out",
            "Déconnexion effectuée",
        ),
        (
            "/login?handle=vlh_x",
            400,
            "This sign-in is over",
            "Cette connexion est terminée",
        ),
        (
            "/login?handle=a&handle=b",
            400,
            "cannot be understood",
            "est incompréhensible",
        ),
        (
            "/oauth/authorize?client_id=x",
            400,
            "wrong request",
            "demande incorrecte",
        ),
        (
            "/oauth/logout?id_token_hint=x",
            400,
            "wrong logout request",
            "demande de déconnexion incorrecte",
        ),
        (
            "/sso/saml/con_x/login",
            400,
            "This sign-in is over",
            "Cette connexion est terminée",
        ),
        (
            "/no/such/page",
            404,
            "There is no such page",
            "Cette page n’existe pas",
        ),
        (
            "/login/password",
            405,
            "There is no such page",
            "Cette page n’existe pas",
        ),
    ] {
        for (accepted, language, title) in [
            ("fr-CA,fr;q=0.9,en;q=0.5", "fr", french),
            ("en-US,en;q=0.9,fr;q=0.8", "en", english),
            ("de", "en", english),
        ] {
            let request = http_client()
                .get(server.url(place))
                .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
                .header(ACCEPT_LANGUAGE, accepted);
            let reply = Reply::read(request.send().await.unwrap()).await;
            let body = reply.body.as_str().unwrap();
            assert_eq!(reply.status, status, "{place}: {body}");
            assert!(body.contains(title), "{place} in {language}: {body}");
            assert!(
                body.contains(&format!("<html lang=\"{language}\">")),
                "{body}"
            );
            assert_eq!(reply.header("content-language"), language, "{place}");
            assert_eq!(reply.header("vary"), "accept-language", "{place}");
            assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
            assert!(body.contains("· Vestibule</title>"), "{body}");
            check_walls(place, &reply.headers);
        }
    }
    // Whoever asks for something else gets no page.
    let reply = http_client().get(server.url("/no/such/page")).send().await;
    let reply = Reply::read(reply.unwrap()).await;
    assert_eq!((reply.status, reply.body), (404, Value::Null));
}

async fn what_an_application_wishes_for_is_spoken_until_its_sign_in_is_over(server: TestServer) {
    let app = Relying::register(&server, json!({})).await;
    let mut browser = Browser::new().unwrap();
    let page = app
        .ask(&mut browser, &[("ui_locales", "de fr-CA en")])
        .await;
    assert!(page.body.contains("<html lang=\"fr\">"), "{}", page.body);
    // The browser asks for no language, and what follows belongs to the same sign-in.
    let page = browser
        .submit(&page, &[("email", "ada@unknown.test")])
        .await
        .unwrap();
    assert!(page.body.contains("Aucune organisation"), "{}", page.body);

    let closed = json!({ "name": "Closed" });
    let closed = server.admin.post("/organizations", closed).await;
    let closed = closed["id"].as_str().unwrap();
    let wishes = [("organization", closed), ("ui_locales", "fr")];
    let page = app.ask(&mut browser, &wishes).await;
    assert_eq!(page.status, 403);
    for text in [
        "La connexion a été refusée",
        "Votre organisation n’a pas encore de mode de connexion.",
        "Activez une connexion pour l’organisation",
        "Qui doit agir",
        "no_connection",
        "· Closed</title>",
    ] {
        assert!(page.body.contains(text), "no “{text}”: {}", page.body);
    }
    let records = server
        .admin
        .get(&format!("/organizations/{closed}/logins"))
        .await;
    assert!(
        records["data"][0]["remedy"]
            .as_str()
            .unwrap()
            .starts_with("activate a connection"),
        "records speak English: {records}"
    );

    let page = app.ask(&mut browser, &[]).await;
    assert!(page.body.contains("<html lang=\"en\">"), "{}", page.body);
    let wrong = [
        ("redirect_uri", "https://attacker.test/"),
        ("ui_locales", "fr"),
    ];
    let page = app.ask(&mut browser, &wrong).await;
    assert!(page.body.contains("demande incorrecte"), "{}", page.body);
}

/// A form of a page with its token left out, made up, and taken from another browser.
async fn tampered(browser: &mut Browser, page: &Page, foreign: &str, pressed: &[(&str, &str)]) {
    let form = page.forms()[0].clone();
    let url = page.url.join(&form.action).unwrap();
    for token in [None, Some(""), Some("made-up"), Some(foreign)] {
        let mut fields = form.filled(&[]);
        fields.retain(|(name, _)| name != "csrf" && pressed.iter().all(|(own, _)| own != name));
        assert!(form.has("csrf"), "{}", page.body);
        let mut fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        fields.extend(pressed);
        fields.extend(token.map(|token| ("csrf", token)));
        let answer = browser.post_from(Some(page), &url, &fields).await.unwrap();
        let refused = [
            "This sign-in is over",
            "This request cannot be understood",
            "Sign out?",
        ];
        assert!(
            refused.iter().any(|title| answer.body.contains(title)),
            "{url} with {token:?} was answered {}: {}",
            answer.status,
            answer.body
        );
    }
}

async fn no_form_counts_without_a_token_of_its_own_browser(server: TestServer) {
    let acme = club(&server, "acme.test", json!({})).await;
    let globex = club(&server, "globex.test", json!({})).await;
    let connection = json!({ "protocol": "oidc", "oidc": { "issuer": "http://127.0.0.1:1", "client_id": "x" },
        "join": { "directory": "externalId", "claim": "sub" } });
    let several = club(&server, "several.test", json!({})).await;
    server
        .admin
        .post(&format!("/organizations/{several}/connections"), connection)
        .await;
    let app = Relying::register(&server, json!({})).await;
    let stranger = Relying::register(&server, json!({ "third_party": true })).await;

    let mut other = Browser::new().unwrap();
    let page = app.ask(&mut other, &[]).await;
    let filled = page.forms()[0].filled(&[]);
    let foreign = &filled.iter().find(|(name, _)| name == "csrf").unwrap().1;

    let mut browser = Browser::new().unwrap();
    let page = app.ask(&mut browser, &[]).await;
    let email = [("email", "ada@acme.test")];
    tampered(&mut browser, &page, foreign, &email).await;
    let page = browser.submit(&page, &email).await.unwrap();
    assert!(page.body.contains("Enter your password"), "{}", page.body);
    let password = [("password", PASSWORD)];
    tampered(&mut browser, &page, foreign, &password).await;
    browser.stop_before(&app.redirect_uri.parse().unwrap());
    let page = browser.submit(&page, &password).await.unwrap();
    browser.stop_nowhere();
    assert!(
        page.location().is_some(),
        "the right token counts: {}",
        page.body
    );

    let page = app.ask(&mut Browser::new().unwrap(), &[]).await;
    assert!(
        page.body.contains("Work e-mail"),
        "nobody else is signed in"
    );
    let page = app
        .ask(
            &mut browser,
            &[("organization", &several), ("prompt", "login")],
        )
        .await;
    let ways = page.body.split("name=\"connection\" value=\"").nth(1);
    let way = ways.unwrap().split('"').next().unwrap();
    tampered(&mut browser, &page, foreign, &[("connection", way)]).await;

    signed_in(&mut browser, &server, &globex, "ada@globex.test").await;
    let page = app.ask(&mut browser, &[("prompt", "select_account")]).await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
    tampered(&mut browser, &page, foreign, &[("account", "")]).await;
    let page = stranger.ask(&mut browser, &[("organization", &acme)]).await;
    assert!(page.body.contains("Allow Relying?"), "{}", page.body);
    tampered(&mut browser, &page, foreign, &[("decision", "allow")]).await;
    let page = browser.get(&server.url("/oauth/logout")).await.unwrap();
    tampered(&mut browser, &page, foreign, &[]).await;
    let again = browser.get(&server.url("/")).await.unwrap();
    assert!(again.body.contains("You are signed in"), "{}", again.body);
    let page = browser.submit(&page, &[]).await.unwrap();
    assert!(page.body.contains("You are signed out"), "{}", page.body);
    server.may_leave_deliveries();
}

async fn what_is_no_form_of_ours_is_answered_by_a_page(server: TestServer) {
    let form = "application/x-www-form-urlencoded";
    let long = format!("csrf=x&handle=y&email={}", "z".repeat(70_000));
    for (place, kind, body, status) in [
        ("/login", "application/json", "{}", 415),
        ("/login", form, "email=x", 422),
        ("/login", form, "csrf=%ff", 422),
        ("/login", form, &long, 413),
        ("/login/choose", form, "", 422),
        ("/login/password", form, "a=b&a=b", 422),
        ("/logout", form, "", 422),
        ("/oauth/logout/confirm", form, "csrf", 303),
        ("/sso/saml/con_x/acs", form, "x=y", 422),
    ] {
        let request = http_client()
            .post(server.url(place))
            .header(CONTENT_TYPE, kind)
            .header(ACCEPT_LANGUAGE, "fr")
            .body(body.to_owned());
        let reply = Reply::read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, status, "{place}: {}", reply.body);
        check_walls(place, &reply.headers);
        if status != 303 {
            let page = reply.body.as_str().unwrap();
            assert!(page.contains("Que faire maintenant"), "{place}: {page}");
        }
    }
}

/// Sends a logo.
async fn put_logo(server: &TestServer, organization: &str, kind: &str, image: &[u8]) -> Reply {
    let place = format!("/organizations/{organization}/logo");
    server.admin.put(&place, kind, image).await
}

async fn an_organizations_pages_have_its_name_its_color_and_its_logo(server: TestServer) {
    let branding = json!({ "branding": { "color": "#FFD400", "display_name": "Maison <Acme>" } });
    let acme = club(&server, "acme.test", branding).await;
    let other = club(&server, "globex.test", json!({})).await;
    let app = Relying::register(&server, json!({})).await;
    let organization = format!("/organizations/{acme}");
    let put = put_logo(&server, &acme, "image/svg+xml", PNG).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let logo = &put.body["branding"]["logo"];
    assert_eq!(
        (&logo["media_type"], &logo["width"], &logo["height"]),
        (&json!("image/png"), &json!(400), &json!(80)),
        "it says itself what it is"
    );
    assert_eq!(put.body["branding"]["color"], "#ffd400");

    // Known by the address, and before that not.
    let mut browser = Browser::new().unwrap();
    let page = app.ask(&mut browser, &[]).await;
    assert!(page.body.contains("· Vestibule</title>") && !page.body.contains("/assets/logo/"));
    let email = [("email", "ada@acme.test")];
    let page = browser.submit(&page, &email).await.unwrap();
    assert!(
        page.body.contains("Maison &#60;Acme&#62;</title>"),
        "{}",
        page.body
    );
    let id = logo["id"].as_str().unwrap();
    let place = format!("/assets/logo/{acme}/{id}");
    let image =
        format!("src=\"{place}\" alt=\"Maison &#60;Acme&#62;\" width=\"200\" height=\"40\"");
    assert!(page.body.contains(&image), "{}", page.body);
    assert!(
        page.body.contains("href=\"/assets/accent/ffd400.css\""),
        "{}",
        page.body
    );
    let style = http_client()
        .get(server.url("/assets/accent/ffd400.css"))
        .send()
        .await;
    let style = Reply::read(style.unwrap()).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.body.as_str().unwrap().contains("--accent:#ffd400"));

    let sent = http_client().get(server.url(&place)).send().await.unwrap();
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(header(sent.headers(), name), value, "{name}");
    }
    assert_eq!(&sent.bytes().await.unwrap()[..], PNG);

    let status = async |place: String| {
        let sent = http_client().get(server.url(&place)).send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(status(format!("/assets/logo/{other}/{id}")).await, 404);
    for color in ["ffd40.css", "ffd400", "red.css", "ffd400}body{.css"] {
        let color = color.replace('{', "%7B").replace('}', "%7D");
        assert_eq!(
            status(format!("/assets/accent/{color}")).await,
            404,
            "{color}"
        );
    }
    let mut next = PNG.to_vec();
    next.push(0);
    let put = put_logo(&server, &acme, "image/png", &next).await;
    assert_ne!(put.body["branding"]["logo"]["id"], json!(id));
    assert_eq!(status(place.clone()).await, 404, "the old one is gone");
    server.admin.delete(&format!("{organization}/logo")).await;
    let plain = json!({ "branding": { "display_name": null, "color": null } });
    let organization = server.admin.patch(&organization, plain).await;
    assert_eq!(
        organization["branding"],
        json!({ "display_name": null, "color": null, "logo": null })
    );
    let page = app
        .ask(&mut Browser::new().unwrap(), &[("organization", &acme)])
        .await;
    assert!(page.body.contains("· acme.test</title>"), "{}", page.body);
    assert!(!page.body.contains("/assets/accent/") && !page.body.contains("/assets/logo/"));
}

async fn only_images_are_logos(server: TestServer) {
    let acme = club(&server, "acme.test", json!({})).await;
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let mut large = PNG.to_vec();
    large.resize(300 * 1024, 0);
    for image in [&svg[..], b"", b"GIF89a\x01\x00\x01\x00", &PNG[..20], &large] {
        let put = put_logo(&server, &acme, "image/png", image).await;
        assert_eq!(
            (put.status, put.text("code")),
            (422, "invalid_field"),
            "{}",
            put.body
        );
    }
    let organization = server.admin.get(&format!("/organizations/{acme}")).await;
    assert_eq!(organization["branding"]["logo"], Value::Null);
    for color in ["yellow", "#fff", "#ffd40g", "#ffd400;}"] {
        let reply = server
            .admin
            .call(
                Method::PATCH,
                &format!("/organizations/{acme}"),
                Some(&json!({ "branding": { "color": color } })),
            )
            .await;
        assert_eq!(reply.status, 422, "{color}: {}", reply.body);
    }
}

async fn a_native_applications_scheme_is_on_the_pages_of_its_own_logins_only(server: TestServer) {
    let acme = club(&server, "acme.test", json!({})).await;
    let native =
        json!({ "redirect_uris": ["com.example.app:/cb"], "token_endpoint_auth_method": "none" });
    let mut native = Relying::register(&server, native).await;
    "com.example.app:/cb".clone_into(&mut native.redirect_uri);
    let app = Relying::register(&server, json!({})).await;
    let policy = |page: &Page| page.header("content-security-policy").unwrap().to_owned();
    let hint = [
        ("organization", acme.as_str()),
        ("login_hint", "ada@acme.test"),
    ];
    let mut browser = Browser::new().unwrap();
    for changes in [&[][..], &hint] {
        let page = native.ask(&mut browser, changes).await;
        assert!(
            policy(&page).contains(" com.example.app:; "),
            "{}",
            policy(&page)
        );
        let page = app.ask(&mut browser, changes).await;
        assert!(
            !policy(&page).contains("com.example.app"),
            "{}",
            policy(&page)
        );
    }
}
