use super::*;

const GOOD: &str = "client_id=app&redirect_uri=https://app.example/cb?t=1&response_type=code\
    &scope=openid+email+custom&state=s%261&code_challenge_method=S256\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://app.example/cb?t=1";

fn client() -> ClientRegistration {
    ClientRegistration::new("app", vec![BACK.to_owned()])
}

fn check(query: &str) -> Result<Authorization, Refusal> {
    AuthorizeRequest::parse(Params::from_urlencoded(query).unwrap())?.check(&client())
}

/// The good request with some parameters added or replaced.
fn with(changes: &str) -> Result<Authorization, Refusal> {
    let changed: Vec<(String, String)> = url::form_urlencoded::parse(changes.as_bytes())
        .into_owned()
        .collect();
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(GOOD.as_bytes())
        .into_owned()
        .collect();
    pairs.retain(|(name, _)| changed.iter().all(|(changed, _)| changed != name));
    pairs.extend(changed);
    AuthorizeRequest::parse(Params::from_pairs(pairs).unwrap())?.check(&client())
}

fn redirected(result: Result<Authorization, Refusal>) -> (AuthorizeErrorCode, String) {
    let issuer = Issuer::parse("https://i").unwrap();
    match result {
        Err(Refusal::Redirect { reply, error }) => match reply.refuse(&issuer, &error) {
            Answer::Redirect(url) => (error.code, url),
            post @ Answer::Post { .. } => panic!("{post:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_request_is_read() {
    let authorization = with(
        "nonce=n&prompt=login+select_account&max_age=0&acr_values=a+b&login_hint=u@acme.test\
         &domain_hint=acme.test&organization=org_1&connection=con_1&ui_locales=de+en",
    )
    .unwrap();
    assert_eq!(authorization.client_id, "app");
    assert_eq!(authorization.reply.redirect_uri(), BACK);
    assert_eq!(authorization.scope.to_string(), "openid email");
    assert_eq!(authorization.nonce.as_deref(), Some("n"));
    assert!(authorization.prompt.wants_login() && authorization.prompt.wants_account());
    assert!(!authorization.prompt.is_none() && !authorization.prompt.wants_consent());
    assert_eq!(authorization.max_age, Some(0));
    assert_eq!(authorization.acr_values, ["a", "b"]);
    assert_eq!(authorization.login_hint.as_deref(), Some("u@acme.test"));
    assert_eq!(authorization.domain_hint.as_deref(), Some("acme.test"));
    assert_eq!(authorization.organization.as_deref(), Some("org_1"));
    assert_eq!(authorization.connection.as_deref(), Some("con_1"));
    assert_eq!(authorization.ui_locales, ["de", "en"]);
}

#[test]
fn stored_request_comes_back() {
    for changes in ["", "prompt=none", "prompt=consent"] {
        let authorization = with(changes).unwrap();
        let json = serde_json::to_string(&authorization).unwrap();
        assert_eq!(
            serde_json::from_str::<Authorization>(&json).unwrap(),
            authorization
        );
    }
}

#[test]
fn answers_keep_the_query_and_carry_state_and_iss() {
    let issuer = Issuer::parse("https://i/auth").unwrap();
    let reply = check(GOOD).unwrap().reply;
    assert_eq!(
        reply.success(&issuer, "vac_x"),
        Answer::Redirect(
            "https://app.example/cb?t=1&code=vac_x&state=s%261&iss=https%3A%2F%2Fi%2Fauth"
                .to_owned()
        )
    );
    let error = AuthorizeError::new(AuthorizeErrorCode::LoginRequired, "no session");
    assert_eq!(
        reply.refuse(&issuer, &error),
        Answer::Redirect(
            "https://app.example/cb?t=1&error=login_required&error_description=no+session&state=s%261&iss=https%3A%2F%2Fi%2Fauth"
                .to_owned()
        )
    );
}

#[test]
fn nothing_redirects_before_the_redirect_uri_is_known() {
    let page = |query: &str| match check(query) {
        Err(Refusal::Page(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(page(""), PageError::ClientId);
    assert_eq!(page("client_id=app"), PageError::RedirectUri);
    assert_eq!(page("client_id=&redirect_uri=x"), PageError::ClientId);
    assert_eq!(page(&format!("{GOOD}&client_id=app")), PageError::ClientId);
    assert_eq!(
        page(&format!("{GOOD}&redirect_uri={BACK}")),
        PageError::RedirectUri
    );
    assert_eq!(
        page(&GOOD.replace("client_id=app", "client_id=other")),
        PageError::UnknownClient
    );
    for uri in [
        "https://evil.example/cb",
        "https://app.example/cb",
        "https://app.example/cb?t=1%23",
    ] {
        let query = format!("client_id=app&redirect_uri={uri}&response_type=token");
        assert_eq!(page(&query), PageError::UnregisteredRedirectUri, "{uri}");
    }
    let long = format!("client_id={}&redirect_uri=x", "a".repeat(256));
    assert_eq!(page(&long), PageError::ClientId);
}

#[test]
fn bad_requests_have_their_codes() {
    use AuthorizeErrorCode::*;
    for (changes, wanted) in [
        ("response_type=", InvalidRequest),
        ("response_type=token", UnsupportedResponseType),
        ("response_type=code+id_token", UnsupportedResponseType),
        ("response_mode=fragment", InvalidRequest),
        ("response_mode=web_message", InvalidRequest),
        ("scope=", InvalidScope),
        ("scope=email", InvalidScope),
        ("scope=openid++email", InvalidScope),
        ("code_challenge=", InvalidRequest),
        ("code_challenge=short", InvalidRequest),
        ("code_challenge_method=plain", InvalidRequest),
        ("code_challenge_method=", InvalidRequest),
        ("code_challenge_method=s256", InvalidRequest),
        ("prompt=none+login", InvalidRequest),
        ("prompt=create", InvalidRequest),
        ("prompt=login++consent", InvalidRequest),
        ("max_age=-1", InvalidRequest),
        ("max_age=+1", InvalidRequest),
        ("max_age=%2B1", InvalidRequest),
        ("max_age=1.5", InvalidRequest),
        ("max_age=99999999999", InvalidRequest),
        ("request=x", RequestNotSupported),
        ("request_uri=x", RequestUriNotSupported),
        ("registration=x", RegistrationNotSupported),
        ("nonce=a&nonce=a", InvalidRequest),
        ("unknown=a&unknown=b", InvalidRequest),
    ] {
        let (code, url) = redirected(with(changes));
        assert_eq!(code, wanted, "{changes}");
        let start = format!("{BACK}&error={}&", wanted.as_str());
        assert!(
            url.starts_with(&start) && url.ends_with("&state=s%261&iss=https%3A%2F%2Fi"),
            "{url}"
        );
    }
}

#[test]
fn lengths_are_bounded() {
    for (name, max) in [("nonce", 255), ("login_hint", 512), ("organization", 512)] {
        assert!(
            with(&format!("{name}={}", "a".repeat(max))).is_ok(),
            "{name}"
        );
        let (code, _) = redirected(with(&format!("{name}={}", "a".repeat(max + 1))));
        assert_eq!(code, AuthorizeErrorCode::InvalidRequest, "{name}");
    }
    assert!(with(&format!("state={}", "a".repeat(4096))).is_ok());
    let (code, url) = redirected(with(&format!("state={}", "a".repeat(4097))));
    assert_eq!(code, AuthorizeErrorCode::InvalidRequest);
    assert!(
        !url.contains("state=a"),
        "an overlong state is not sent back"
    );
}

#[test]
fn doubled_state_is_not_sent_back() {
    let (code, url) = redirected(check(&format!("{GOOD}&state=other")));
    assert_eq!(code, AuthorizeErrorCode::InvalidRequest);
    assert!(!url.contains("&state="), "{url}");
}

#[test]
fn scope_is_cut_to_what_the_client_may_have() {
    let client = client().with_scope(Scope::parse("email").unwrap());
    let query = GOOD.replace("openid+email", "openid+email+offline_access");
    let request = AuthorizeRequest::parse(Params::from_urlencoded(&query).unwrap()).unwrap();
    assert_eq!(request.client_id(), "app");
    assert_eq!(
        request.check(&client).unwrap().scope.to_string(),
        "openid email"
    );
}

#[test]
fn native_app_may_choose_its_port() {
    let client = ClientRegistration::new("app", vec!["http://127.0.0.1/cb".to_owned()]);
    let query = GOOD.replace("https://app.example/cb?t=1", "http://127.0.0.1:51004/cb");
    let request = AuthorizeRequest::parse(Params::from_urlencoded(&query).unwrap()).unwrap();
    let authorization = request.check(&client).unwrap();
    assert_eq!(
        authorization.reply.redirect_uri(),
        "http://127.0.0.1:51004/cb"
    );
}

#[test]
fn a_form_is_posted_where_the_client_asks_for_it() {
    let issuer = Issuer::parse("https://i").unwrap();
    let reply = with("response_mode=form_post").unwrap().reply;
    let wanted = Answer::Post {
        action: BACK.to_owned(),
        fields: vec![
            ("code", "c".to_owned()),
            ("state", "s&1".to_owned()),
            ("iss", "https://i".to_owned()),
        ],
    };
    assert_eq!(reply.success(&issuer, "c"), wanted);
    let stored = serde_json::to_value(&reply).unwrap();
    let back: Reply = serde_json::from_value(stored).unwrap();
    assert_eq!(back.success(&issuer, "c"), wanted);
    match with("response_mode=form_post&prompt=everything") {
        Err(Refusal::Redirect { reply, error }) => {
            let answer = reply.refuse(&issuer, &error);
            assert!(matches!(answer, Answer::Post { .. }), "{answer:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_has_to_push_is_refused_at_the_front_door() {
    let request = || AuthorizeRequest::parse(Params::from_urlencoded(GOOD).unwrap()).unwrap();
    let strict = client().must_push(true);
    let refused = request().check(&strict);
    assert!(
        matches!(refused, Err(Refusal::Redirect { .. })),
        "{refused:?}"
    );
    assert!(request().pushed().check(&strict).is_ok());
    assert!(request().pushed().check(&client()).is_ok());
}
