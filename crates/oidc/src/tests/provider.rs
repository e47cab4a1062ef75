//! An identity provider in this process, which can be told to misbehave.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{HttpClient, HttpError, HttpErrorKind};

pub(super) const ISSUER: &str = "https://idp.example/tenant";
pub(super) const CLIENT_ID: &str = "client-1";
pub(super) const SECRET: &str = "a secret: with/odd+characters";
pub(super) const REDIRECT_URI: &str = "https://app.example/sso/oidc/con_1/callback";
pub(super) const CODE: &str = "code-1";
pub(super) const ACCESS_TOKEN: &str = "access-token-1";

/// A signature key with the id it is published under.
pub(super) struct Key {
    pub(super) kid: &'static str,
    pub(super) alg: &'static str,
    material: Material,
}

enum Material {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(super) fn rsa(kid: &'static str, alg: &'static str, size: KeySize) -> Self {
        Self {
            kid,
            alg,
            material: Material::Rsa(RsaKeyPair::generate(size).expect("a key")),
        }
    }

    pub(super) fn ecdsa(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self {
            kid,
            alg: "ES256",
            material: Material::Ecdsa(pair),
        }
    }

    pub(super) fn ed25519(kid: &'static str) -> Self {
        Self {
            kid,
            alg: "EdDSA",
            material: Material::Ed25519(Ed25519KeyPair::generate().expect("a key")),
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": encode(public.modulus().big_endian_without_leading_zero()),
                    "e": encode(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Material::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65])})
            }
            Material::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": self.alg, "kid": self.kid, "typ": "JWT"})
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let random = SystemRandom::new();
        let signature = match &self.material {
            Material::Rsa(pair) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if self.alg == "PS256"
                {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, input.as_bytes(), &mut signature)
                    .expect("a signature");
                signature
            }
            Material::Ecdsa(pair) => pair
                .sign(&random, input.as_bytes())
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Material::Ed25519(pair) => pair.sign(input.as_bytes()).as_ref().to_vec(),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What the provider answers; every part can be changed before it is asked.
pub(super) struct Provider {
    pub(super) metadata: Mutex<Value>,
    pub(super) key_set: Mutex<Value>,
    pub(super) key_set_status: Mutex<u16>,
    pub(super) cache_control: Mutex<Option<&'static str>>,
    pub(super) userinfo: Mutex<Value>,
    /// The whole token response; without one the endpoint refuses.
    pub(super) token_response: Mutex<Option<Value>>,
    /// What the token endpoint expects of PKCE.
    pub(super) code_challenge: Mutex<String>,
    pub(super) client_auth: Mutex<&'static str>,
    /// The last form that was posted, with the path.
    pub(super) posted: Mutex<(String, HashMap<String, String>)>,
    /// What a posted form is answered in the place of what it asks for.
    pub(super) failure: Mutex<Option<http::Response<Vec<u8>>>>,
    /// Signed userinfo in the place of the plain one.
    pub(super) signed_userinfo: Mutex<Option<String>>,
    pub(super) userinfo_fetches: AtomicUsize,
    pub(super) key_fetches: AtomicUsize,
    pub(super) exchanges: AtomicUsize,
}

impl Provider {
    pub(super) fn new(keys: &[&Key]) -> Self {
        Self {
            metadata: Mutex::new(json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://idp.example/tenant/authorize?realm=1",
                "token_endpoint": "https://idp.example/tenant/token",
                "jwks_uri": "https://idp.example/tenant/keys",
                "userinfo_endpoint": "https://idp.example/tenant/userinfo",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "HS256"],
            })),
            key_set: Mutex::new(key_set(keys)),
            key_set_status: Mutex::new(200),
            cache_control: Mutex::new(None),
            userinfo: Mutex::new(json!({"sub": "subject-1"})),
            token_response: Mutex::new(None),
            code_challenge: Mutex::new(String::new()),
            client_auth: Mutex::new("client_secret_basic"),
            posted: Mutex::default(),
            failure: Mutex::default(),
            signed_userinfo: Mutex::default(),
            userinfo_fetches: AtomicUsize::new(0),
            key_fetches: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
        }
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        *self.key_set.lock().unwrap() = key_set(keys);
    }

    pub(super) fn key_fetches(&self) -> usize {
        self.key_fetches.load(Ordering::SeqCst)
    }

    pub(super) fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }

    fn token(&self, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.method(), http::Method::POST);
        let form: HashMap<String, String> = url::form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        *self.posted.lock().unwrap() = ("/tenant/token".to_owned(), form.clone());
        if let Some(failure) = self.failure.lock().unwrap().clone() {
            return failure;
        }
        assert_eq!(form["grant_type"], "authorization_code");
        assert_eq!(form["code"], CODE);
        assert_eq!(form["redirect_uri"], REDIRECT_URI);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
        if challenge != *self.code_challenge.lock().unwrap() || !self.knows_client(request, &form) {
            return answer(
                400,
                &json!({"error": "invalid_grant", "error_description": "no such code"}),
            );
        }
        match &*self.token_response.lock().unwrap() {
            Some(response) => answer(200, response),
            None => answer(401, &json!({"error": "invalid_client"})),
        }
    }

    fn knows_client(
        &self,
        request: &http::Request<Vec<u8>>,
        form: &HashMap<String, String>,
    ) -> bool {
        let header = request
            .headers()
            .get("authorization")
            .map(|header| header.to_str().unwrap());
        match *self.client_auth.lock().unwrap() {
            "client_secret_basic" => {
                // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
                let encode = |text: &str| {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let wanted = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(SECRET)));
                header == Some(&format!("Basic {wanted}")) && !form.contains_key("client_secret")
            }
            "client_secret_post" => {
                header.is_none()
                    && form["client_id"] == CLIENT_ID
                    && form["client_secret"] == SECRET
            }
            "private_key_jwt" => {
                header.is_none()
                    && form["client_id"] == CLIENT_ID
                    && form["client_assertion_type"]
                        == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    && !form.contains_key("client_secret")
            }
            _ => {
                header.is_none()
                    && form["client_id"] == CLIENT_ID
                    && !form.contains_key("client_secret")
            }
        }
    }
}

fn key_set(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

pub(super) fn answer(status: u16, body: &Value) -> http::Response<Vec<u8>> {
    http::Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .expect("a response")
}

#[async_trait]
impl HttpClient for Provider {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        // Gives other logins their turn, so that concurrent fetches really overlap.
        tokio::task::yield_now().await;
        assert_eq!(
            request.uri().host(),
            Some("idp.example"),
            "nobody else is ever asked"
        );
        Ok(match request.uri().path() {
            "/tenant/.well-known/openid-configuration" => {
                answer(200, &self.metadata.lock().unwrap())
            }
            "/tenant/keys" => {
                self.key_fetches.fetch_add(1, Ordering::SeqCst);
                let status = *self.key_set_status.lock().unwrap();
                if status == 0 {
                    return Err(HttpError::new(HttpErrorKind::Unreachable));
                }
                let mut response = answer(status, &self.key_set.lock().unwrap());
                if let Some(value) = *self.cache_control.lock().unwrap() {
                    response
                        .headers_mut()
                        .insert("cache-control", value.parse().expect("a header"));
                }
                response
            }
            "/tenant/token" => self.token(&request),
            "/tenant/par" => {
                let form: HashMap<String, String> = url::form_urlencoded::parse(request.body())
                    .into_owned()
                    .collect();
                let known = self.knows_client(&request, &form);
                *self.posted.lock().unwrap() = ("/tenant/par".to_owned(), form);
                match self.failure.lock().unwrap().clone() {
                    Some(failure) => failure,
                    None if known => answer(
                        201,
                        &json!({"request_uri": "urn:pushed:1", "expires_in": 60}),
                    ),
                    None => answer(401, &json!({"error": "invalid_client"})),
                }
            }
            "/tenant/userinfo" => {
                self.userinfo_fetches.fetch_add(1, Ordering::SeqCst);
                if let Some(token) = &*self.signed_userinfo.lock().unwrap() {
                    let mut response = answer(200, &Value::Null);
                    *response.body_mut() = token.clone().into_bytes();
                    let jwt = "application/jwt; charset=utf-8".parse().expect("a header");
                    response.headers_mut().insert("content-type", jwt);
                    return Ok(response);
                }
                assert_eq!(
                    request.headers()["authorization"],
                    format!("Bearer {ACCESS_TOKEN}")
                );
                answer(200, &self.userinfo.lock().unwrap())
            }
            path => panic!("unexpected request to {path}"),
        })
    }
}
