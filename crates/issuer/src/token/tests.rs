use serde_json::json;

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn parse(body: &str) -> Result<TokenRequest, TokenError> {
    TokenRequest::parse(&Params::from_urlencoded(body).unwrap())
}

fn exchange(verifier: &str) -> CodeExchange {
    let code = AuthorizationCode::from_random(&[1; 32]);
    let body = format!(
        "grant_type=authorization_code&code={}&redirect_uri=https://a/cb{verifier}",
        code.expose()
    );
    match parse(&body).unwrap() {
        TokenRequest::AuthorizationCode(exchange) => exchange,
        other @ (TokenRequest::RefreshToken(_) | TokenRequest::ClientCredentials(_)) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn exchange_matches_its_authorization_request() {
    let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    let with = exchange(&format!("&code_verifier={VERIFIER}"));
    assert_eq!(
        with.code.hash(),
        AuthorizationCode::from_random(&[1; 32]).hash()
    );
    assert_eq!(with.check("https://a/cb", Some(&challenge)), Ok(()));
    let refused = |result: Result<(), TokenError>| result.unwrap_err().code;
    assert_eq!(
        refused(with.check("https://a/cb/", Some(&challenge))),
        TokenErrorCode::InvalidGrant
    );
    assert_eq!(
        refused(with.check("https://a/cb", None)),
        TokenErrorCode::InvalidGrant
    );
    let without = exchange("");
    assert_eq!(
        refused(without.check("https://a/cb", Some(&challenge))),
        TokenErrorCode::InvalidGrant
    );
    let replayed = exchange(&format!("&code_verifier={CHALLENGE}"));
    assert_eq!(
        refused(replayed.check("https://a/cb", Some(&challenge))),
        TokenErrorCode::InvalidGrant
    );
}

#[test]
fn malformed_requests_have_their_codes() {
    let code = AuthorizationCode::from_random(&[1; 32]);
    let code = code.expose();
    for (body, wanted) in [
        (String::new(), TokenErrorCode::InvalidRequest),
        (
            "grant_type=password&username=a&password=b".into(),
            TokenErrorCode::UnsupportedGrantType,
        ),
        (
            "grant_type=implicit".into(),
            TokenErrorCode::UnsupportedGrantType,
        ),
        (
            "grant_type=authorization_code".into(),
            TokenErrorCode::InvalidRequest,
        ),
        (
            format!("grant_type=authorization_code&code={code}"),
            TokenErrorCode::InvalidRequest,
        ),
        (
            "grant_type=authorization_code&code=x&redirect_uri=y".into(),
            TokenErrorCode::InvalidGrant,
        ),
        (
            format!("grant_type=authorization_code&code={code}&redirect_uri=y&code_verifier=short"),
            TokenErrorCode::InvalidRequest,
        ),
        (
            format!("grant_type=authorization_code&code={code}&code={code}&redirect_uri=y"),
            TokenErrorCode::InvalidRequest,
        ),
        (
            "grant_type=refresh_token".into(),
            TokenErrorCode::InvalidRequest,
        ),
        (
            "grant_type=refresh_token&refresh_token=".into(),
            TokenErrorCode::InvalidRequest,
        ),
    ] {
        assert_eq!(parse(&body).unwrap_err().code, wanted, "{body}");
    }
}

#[test]
fn refresh_narrows_and_never_widens() {
    let granted = Scope::parse("openid email").unwrap();
    let refresh =
        |body: &str| match parse(&format!("grant_type=refresh_token&refresh_token=t{body}")) {
            Ok(TokenRequest::RefreshToken(refresh)) => refresh,
            other => panic!("{other:?}"),
        };
    assert_eq!(refresh("").scope(granted), Ok(granted));
    assert_eq!(
        refresh("&scope=openid").scope(granted).unwrap().to_string(),
        "openid"
    );
    let error = refresh("&scope=openid+groups").scope(granted).unwrap_err();
    assert_eq!(error.code, TokenErrorCode::InvalidScope);
}

#[test]
fn answer_is_that_of_rfc_6749() {
    let scope = Scope::parse("openid offline_access").unwrap();
    let bare = TokenResponse::new(Secret::new("vat_x"), 300, scope);
    assert_eq!(
        serde_json::to_value(&bare).unwrap(),
        json!({"access_token": "vat_x", "token_type": "Bearer", "expires_in": 300, "scope": "openid offline_access"})
    );
    let full = bare
        .with_id_token("a.b.c".into())
        .with_refresh_token(Secret::new("vrt_y"));
    let json = serde_json::to_value(&full).unwrap();
    assert_eq!(
        (&json["id_token"], &json["refresh_token"]),
        (&json!("a.b.c"), &json!("vrt_y"))
    );
    let debug = format!("{full:?}");
    assert!(!debug.contains("vat_x") && !debug.contains("vrt_y") && !debug.contains("a.b.c"));
}

#[test]
fn errors_have_status_body_and_challenge() {
    let client = TokenError::invalid_client();
    assert_eq!(client.status(), 401);
    assert!(
        client
            .www_authenticate()
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(
        serde_json::to_value(client).unwrap(),
        json!({"error": "invalid_client", "error_description": "client authentication failed"})
    );
    let grant = TokenError::invalid_grant();
    assert_eq!((grant.status(), grant.www_authenticate()), (400, None));
    for (code, status) in [
        (TokenErrorCode::ServerError, 500),
        (TokenErrorCode::TemporarilyUnavailable, 503),
    ] {
        let error = TokenError::new(code, "x");
        assert_eq!(error.status(), status);
        assert_eq!(serde_json::to_value(error).unwrap()["error"], code.as_str());
    }
}
