//! One sign-in through the public face, as a host strings it together.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use vestibule_issuer::access_token::{AccessToken, AccessTokenKey};
use vestibule_issuer::authorize::{Answer, AuthorizeRequest, ClientRegistration};
use vestibule_issuer::client_auth::{ClientAuthMethod, ClientCredentials};
use vestibule_issuer::code::AuthorizationCode;
use vestibule_issuer::id_token::{self, Authentication, IdTokenClaims, Profile, UserInfo};
use vestibule_issuer::introspect::{IntrospectRequest, IntrospectResponse, PresentedToken};
use vestibule_issuer::keys::{Algorithm, KeySet, KeyState, SigningKey};
use vestibule_issuer::logout::LogoutRequest;
use vestibule_issuer::metadata::Metadata;
use vestibule_issuer::params::Params;
use vestibule_issuer::refresh_token::RefreshTokenKey;
use vestibule_issuer::secret::Secret;
use vestibule_issuer::token::{TokenRequest, TokenResponse};
use vestibule_issuer::{Issuer, Scope};

const NOW: i64 = 1_800_000_000;
const SESSION: [u8; 16] = [3; 16];

struct Host {
    issuer: Issuer,
    keys: KeySet,
    access: AccessTokenKey,
    refresh: RefreshTokenKey,
}

fn host() -> Host {
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    Host {
        issuer: Issuer::parse("https://login.example/auth").unwrap(),
        keys: KeySet::new([(KeyState::Active, key)]).unwrap(),
        access: AccessTokenKey::new([1; 32]),
        refresh: RefreshTokenKey::new([2; 32]),
    }
}

impl Host {
    fn answer(&self, scope: Scope, nonce: Option<String>) -> TokenResponse {
        let access = self.access.issue(&AccessToken {
            session_id: SESSION,
            generation: 0,
            exp: NOW + 300,
            scope,
        });
        let authentication = Authentication {
            auth_time: NOW - 5,
            acr: None,
            amr: vec!["pwd".into()],
            sid: "ses_1".into(),
            org_id: "org_1".into(),
            session_expiry: Some(NOW + 3600),
        };
        let claims = IdTokenClaims::new(&self.issuer, "app", "usr_1", authentication, NOW)
            .with_nonce(nonce)
            .with_access_token(access.expose(), Algorithm::Es256)
            .with_person(person().claims(scope));
        let id_token = self
            .keys
            .sign(Algorithm::Es256, id_token::TYP, &claims)
            .unwrap();
        TokenResponse::new(access, 300, scope)
            .with_id_token(id_token)
            .with_refresh_token(self.refresh.issue(SESSION, 0).secret().clone())
    }

    /// Reads an ID token as an app would: by the published keys and nothing else.
    fn read_as_app(&self, id_token: &str) -> Value {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let jwks: JwkSet =
            serde_json::from_value(serde_json::to_value(self.keys.jwks()).unwrap()).unwrap();
        let header = jsonwebtoken::decode_header(id_token).unwrap();
        let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.set_audience(&["app"]);
        validation.set_issuer(&["https://login.example/auth"]);
        jsonwebtoken::decode(id_token, &key, &validation)
            .unwrap()
            .claims
    }
}

fn person() -> Profile {
    Profile {
        email: Some("u@acme.test".into()),
        email_verified: true,
        ..Profile::default()
    }
}

fn params(text: &str) -> Params {
    Params::from_urlencoded(text).unwrap()
}

#[test]
fn a_person_signs_in_refreshes_and_signs_out() {
    let host = host();
    let client = ClientRegistration::new("app", vec!["https://app.example/cb".to_owned()]);

    let query = "client_id=app&redirect_uri=https://app.example/cb&response_type=code&nonce=n\
        &scope=openid+email+offline_access&state=s&code_challenge_method=S256\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let request = AuthorizeRequest::parse(params(query)).unwrap();
    let authorization = request.check(&client).unwrap();
    let code = AuthorizationCode::from_random(&[9; 32]);
    let Answer::Redirect(location) = authorization.reply.success(&host.issuer, code.expose())
    else {
        panic!("nobody asked for a form");
    };
    let (_, answer) = location.split_once('?').unwrap();
    let answer = params(answer);
    assert_eq!(
        answer.get("iss").unwrap(),
        Some("https://login.example/auth")
    );

    let body = params(&format!(
        "grant_type=authorization_code&client_id=app&client_secret=secret&code={}\
         &redirect_uri=https://app.example/cb&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        answer.get("code").unwrap().unwrap()
    ));
    let credentials = ClientCredentials::parse(None, None, &body).unwrap();
    let stored = [Secret::new("secret").hash()];
    credentials
        .authenticate(ClientAuthMethod::ClientSecretPost, &stored)
        .unwrap();
    let TokenRequest::AuthorizationCode(exchange) = TokenRequest::parse(&body).unwrap() else {
        panic!("not a code exchange");
    };
    assert_eq!(exchange.code.hash(), code.hash());
    exchange
        .check(
            authorization.reply.redirect_uri(),
            Some(&authorization.code_challenge),
        )
        .unwrap();

    let tokens = host.answer(authorization.scope, authorization.nonce);
    let tokens = serde_json::to_value(tokens).unwrap();
    let claims = host.read_as_app(tokens["id_token"].as_str().unwrap());
    assert_eq!(claims["nonce"], "n");
    assert_eq!(claims["aud"], "app");
    assert_eq!(claims["email"], "u@acme.test");

    let access = host
        .access
        .open_at(tokens["access_token"].as_str().unwrap(), NOW)
        .unwrap();
    assert_eq!(access.session_id, SESSION);
    let userinfo = UserInfo::new("usr_1", "org_1", person().claims(access.scope));
    assert_eq!(
        serde_json::to_value(userinfo).unwrap()["email"],
        claims["email"]
    );

    let body = format!(
        "grant_type=refresh_token&scope=openid&refresh_token={}",
        tokens["refresh_token"].as_str().unwrap()
    );
    let TokenRequest::RefreshToken(refresh) = TokenRequest::parse(&params(&body)).unwrap() else {
        panic!("not a refresh");
    };
    let presented = host.refresh.open(refresh.refresh_token.expose()).unwrap();
    assert_eq!(
        (presented.session_id(), presented.generation()),
        (SESSION, 0)
    );
    assert_eq!(
        refresh.scope(authorization.scope).unwrap().to_string(),
        "openid"
    );

    let query = format!(
        "id_token_hint={}&post_logout_redirect_uri=https://app.example/bye&state=x",
        tokens["id_token"].as_str().unwrap()
    );
    let logout = LogoutRequest::parse(&params(&query)).unwrap();
    let logout = logout.check(&host.keys, &host.issuer).unwrap();
    assert_eq!(logout.hint.as_ref().unwrap().sid, "ses_1");
    let back = logout
        .return_url(&["https://app.example/bye".to_owned()])
        .unwrap();
    assert_eq!(back.as_deref(), Some("https://app.example/bye?state=x"));
}

#[test]
fn a_dead_token_is_bare_inactive() {
    let request = IntrospectRequest::parse(&params("token=vat_dead")).unwrap();
    let PresentedToken::Access(token) = request.token else {
        panic!("not an access token");
    };
    assert_eq!(host().access.open(token.expose()), None);
    let answer = serde_json::to_value(IntrospectResponse::Inactive).unwrap();
    assert_eq!(answer, json!({"active": false}));
}

#[test]
fn discovery_names_the_issuer_of_the_answers() {
    let host = host();
    let metadata = serde_json::to_value(Metadata::new(&host.issuer, &host.keys)).unwrap();
    assert_eq!(metadata["issuer"], host.issuer.as_str());
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        json!(["ES256"])
    );
}
