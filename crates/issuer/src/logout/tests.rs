use super::*;
use crate::id_token::{self, Authentication, IdTokenClaims};
use crate::keys::{Algorithm, KeyState, SigningKey, VerifyError};

struct World {
    keys: KeySet,
    issuer: Issuer,
}

impl World {
    fn new() -> Self {
        let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        Self {
            keys: KeySet::new([(KeyState::Active, key)]).unwrap(),
            issuer: Issuer::parse("https://i").unwrap(),
        }
    }

    /// A token that ran out in 1970.
    fn expired_token(&self, issuer: &str, typ: &str) -> String {
        let authentication = Authentication {
            auth_time: 0,
            acr: None,
            amr: vec![],
            sid: "ses_1".into(),
            org_id: "org_1".into(),
            session_expiry: None,
        };
        let issuer = Issuer::parse(issuer).unwrap();
        let claims = IdTokenClaims::new(&issuer, "app", "usr_1", authentication, 0);
        self.keys.sign(Algorithm::EdDsa, typ, &claims).unwrap()
    }

    fn check(&self, query: &str) -> Result<CheckedLogout, LogoutError> {
        LogoutRequest::parse(&Params::from_urlencoded(query).unwrap())?
            .check(&self.keys, &self.issuer)
    }
}

#[test]
fn expired_hint_of_ours_is_accepted() {
    let world = World::new();
    let token = world.expired_token("https://i", id_token::TYP);
    let checked = world
        .check(&format!("id_token_hint={token}&client_id=app"))
        .unwrap();
    let hint = checked.hint.unwrap();
    assert_eq!(
        (hint.sub.as_str(), hint.sid.as_str(), hint.exp),
        ("usr_1", "ses_1", 300)
    );
    assert_eq!(checked.client_id.as_deref(), Some("app"));
}

#[test]
fn foreign_hint_is_refused() {
    let world = World::new();
    let stranger = World::new().expired_token("https://i", id_token::TYP);
    let access = world.expired_token("https://i", "at+jwt");
    let elsewhere = world.expired_token("https://j", id_token::TYP);
    let several =
        serde_json::json!({"iss": "https://i", "aud": ["app"], "sub": "u", "sid": "s", "exp": 1});
    let several = world
        .keys
        .sign(Algorithm::EdDsa, id_token::TYP, &several)
        .unwrap();
    for (token, error) in [
        (stranger, HintError::NotOurs(VerifyError::UnknownKey)),
        (access, HintError::NotOurs(VerifyError::Type)),
        (elsewhere, HintError::Issuer),
        (several, HintError::NotOurs(VerifyError::Claims)),
        ("x".to_owned(), HintError::NotOurs(VerifyError::Malformed)),
    ] {
        let refused = world.check(&format!("id_token_hint={token}")).unwrap_err();
        assert_eq!(refused, LogoutError::Hint(error));
    }
}

#[test]
fn hint_and_client_must_agree() {
    let world = World::new();
    let token = world.expired_token("https://i", id_token::TYP);
    let refused = world
        .check(&format!("id_token_hint={token}&client_id=other"))
        .unwrap_err();
    assert_eq!(refused, LogoutError::OtherClient);
    let nobody = world
        .check("post_logout_redirect_uri=https://a/bye")
        .unwrap_err();
    assert_eq!(nobody, LogoutError::UnknownClient);
}

#[test]
fn return_is_to_a_registered_uri_with_state() {
    let world = World::new();
    let registered = vec![
        "https://a/bye?x=1".to_owned(),
        "http://127.0.0.1/bye".to_owned(),
    ];
    let back = |query: &str| world.check(query).unwrap().return_url(&registered);
    let query = "client_id=app&state=a%26b&post_logout_redirect_uri=https://a/bye?x%3D1";
    assert_eq!(
        back(query).unwrap().as_deref(),
        Some("https://a/bye?x=1&state=a%26b")
    );
    assert_eq!(back("client_id=app").unwrap(), None);
    for uri in [
        "https://a/bye",
        "https://a/bye?x%3D1%26y",
        "http://127.0.0.1:9/bye",
        "https://evil/",
    ] {
        let query = format!("client_id=app&post_logout_redirect_uri={uri}");
        assert_eq!(
            back(&query).unwrap_err(),
            LogoutError::UnregisteredUri,
            "{uri}"
        );
    }
}

#[test]
fn empty_request_is_fine_and_a_double_is_not() {
    let world = World::new();
    let checked = world.check("").unwrap();
    assert!(checked.hint.is_none() && checked.client_id.is_none());
    assert_eq!(
        world.check("state=a&state=b").unwrap_err(),
        LogoutError::Duplicate(Duplicate)
    );
    let long = format!("client_id={}", "a".repeat(256));
    assert_eq!(world.check(&long).unwrap_err(), LogoutError::TooLong);
}
