//! ID tokens that are wrong in one way each.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_support::{on_every_server, server::TestServer};

use super::{
    ADMIN, Key, Minting, PROVIDER, SECRET, Said, Tenant, Way, changed, input, now, refuse_all, way,
};

on_every_server!(
    forged_signatures_and_headers_let_nobody_in,
    wrong_claims_let_nobody_in,
    rules_of_single_providers_let_nobody_else_in,
);

fn minted(mint: impl Fn(&Minting<'_>) -> String + Send + Sync + 'static) -> impl Fn(&mut Tenant) {
    let mint = std::sync::Arc::new(mint);
    move |tenant: &mut Tenant| {
        let mint = std::sync::Arc::clone(&mint);
        tenant.mint = Some(Box::new(move |minting| mint(minting)));
    }
}

fn header(changes: Value) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.header = changes.clone()
}

fn claims(changes: Value) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.claims = changes.clone()
}

fn key_set(keys: impl Fn(&Key) -> Value + Send + Sync + 'static) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| {
        tenant.keys = Some(Said::Json(200, json!({"keys": keys(&tenant.key)})));
    }
}

/// HMAC under something that both sides know.
fn hmac_under(secret: &[u8], minting: &Minting<'_>) -> String {
    let header = changed(minting.header.clone(), &json!({"alg": "HS256"}));
    let input = input(&header.to_string(), &minting.claims.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Signed by a key of the forger's own, under a header with these members.
fn forged(changes: Value) -> impl Fn(&mut Tenant) {
    minted(move |minting| {
        let own = Key::new("forged");
        let mut changes = changes.clone();
        if changes.get("jwk").is_some() {
            changes["jwk"] = own.jwk();
        }
        let header = changed(minting.header.clone(), &changes).to_string();
        own.sign(&header, &minting.claims.to_string())
    })
}

/// Lures to an address of the tenant's, under a key id that is not published.
fn lure(member: &'static str) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| {
        let url = format!("{}/lure", tenant.issuer);
        forged(json!({"kid": "forged", member: url}))(tenant);
    }
}

fn bent_signature(minting: &Minting<'_>, bend: fn(&mut Vec<u8>)) -> String {
    let token = minting
        .key
        .sign(&minting.header.to_string(), &minting.claims.to_string());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bend(&mut signature);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The same signature as a DER sequence of two integers, which JWS does not use (RFC 7518 §3.4).
fn to_der(signature: &mut Vec<u8>) {
    let integer = |part: &[u8]| [&[2, 33, 0], part].concat();
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    *signature = [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat();
}

async fn forged_signatures_and_headers_let_nobody_in(server: TestServer) {
    let p = PROVIDER;
    let twice = |text: String| {
        let (first, rest) = text.split_at(1);
        format!("{first}\"sub\":\"victim\",\"alg\":\"ES256\",{rest}")
    };
    let ways = vec![
        way(
            "a signature with a flipped bit",
            ("signature", p),
            minted(|m| bent_signature(m, |s| s[10] ^= 1)),
        ),
        way(
            "a signature cut short",
            ("signature", p),
            minted(|m| bent_signature(m, |s| s.truncate(40))),
        ),
        way(
            "a signature of zeros",
            ("signature", p),
            minted(|m| bent_signature(m, |s| s.fill(0))),
        ),
        way(
            "a signature in DER",
            ("signature", p),
            minted(|m| bent_signature(m, to_der)),
        ),
        way(
            "claims that were not signed",
            ("signature", p),
            minted(|m| {
                let token = m.key.sign(&m.header.to_string(), &m.claims.to_string());
                let other = changed(m.claims.clone(), &json!({"sub": "victim"})).to_string();
                let parts: Vec<&str> = token.split('.').collect();
                format!(
                    "{}.{}.{}",
                    parts[0],
                    URL_SAFE_NO_PAD.encode(other),
                    parts[2]
                )
            }),
        ),
        way(
            "another key under the published id",
            ("signature", p),
            forged(json!({})),
        ),
        way(
            "another key that its header brings (jwk)",
            ("signature", p),
            forged(json!({"jwk": {}})),
        ),
        way(
            "a key at an address that the header names (jku)",
            ("unknown_key", p),
            lure("jku"),
        ),
        way(
            "a certificate at an address that the header names (x5u)",
            ("unknown_key", p),
            lure("x5u"),
        ),
        way(
            "a certificate that the header brings (x5c)",
            ("signature", p),
            forged(json!({"x5c": ["MIIB"]})),
        ),
        way(
            "alg none",
            ("alg", ADMIN),
            minted(|m| {
                let header = changed(m.header.clone(), &json!({"alg": "none"}));
                format!("{}.", input(&header.to_string(), &m.claims.to_string()))
            }),
        ),
        way(
            "alg None with a signature",
            ("alg", ADMIN),
            header(json!({"alg": "None"})),
        ),
        way("no alg", ("alg", ADMIN), header(json!({"alg": null}))),
        way(
            "an alg that is no text",
            ("alg", ADMIN),
            header(json!({"alg": ["ES256"]})),
        ),
        way(
            "HS256 under the public key",
            ("alg", ADMIN),
            minted(|m| hmac_under(m.key.jwk().to_string().as_bytes(), m)),
        ),
        way(
            "HS256 under the client secret",
            ("alg", ADMIN),
            minted(|m| hmac_under(SECRET.as_bytes(), m)),
        ),
        way(
            "HS256 under nothing",
            ("alg", ADMIN),
            minted(|m| hmac_under(b"", m)),
        ),
        way(
            "RS256 over a key of P-256",
            ("unknown_key", p),
            header(json!({"alg": "RS256"})),
        ),
        way(
            "ES512, which nobody allowed",
            ("alg", ADMIN),
            header(json!({"alg": "ES512"})),
        ),
        way(
            "a critical extension",
            ("crit", p),
            header(json!({"crit": ["exp"]})),
        ),
        way(
            "an unencoded payload",
            ("crit", p),
            header(json!({"b64": false})),
        ),
        way("a token within", ("crit", p), header(json!({"cty": "JWT"}))),
        way(
            "a logout token's type",
            ("typ", p),
            header(json!({"typ": "logout+jwt"})),
        ),
        way(
            "an access token's type",
            ("typ", p),
            header(json!({"typ": "at+jwt"})),
        ),
        way(
            "an access token's type in full",
            ("typ", p),
            header(json!({"typ": "application/at+jwt"})),
        ),
        way(
            "a security event's type",
            ("typ", p),
            header(json!({"typ": "secevent+jwt"})),
        ),
        way(
            "a type that is no text",
            ("typ", p),
            header(json!({"typ": 1})),
        ),
        way(
            "an encrypted token",
            ("id_token_encrypted", p),
            minted(|_| "a.b.c.d.e".to_owned()),
        ),
        way(
            "a header that names an encryption",
            ("id_token_encrypted", p),
            header(json!({"enc": "A256GCM"})),
        ),
        way(
            "no token at all",
            ("malformed", p),
            minted(|_| "nonsense".to_owned()),
        ),
        way(
            "a token without end",
            ("malformed", p),
            minted(|_| "a".repeat(70_000)),
        ),
        way(
            "a member twice in the claims",
            ("malformed", p),
            minted(move |m| {
                m.key
                    .sign(&m.header.to_string(), &twice(m.claims.to_string()))
            }),
        ),
        way(
            "a member twice in the header",
            ("malformed", p),
            minted(move |m| {
                m.key
                    .sign(&twice(m.header.to_string()), &m.claims.to_string())
            }),
        ),
        way(
            "claims that are no object",
            ("malformed", p),
            minted(|m| m.key.sign(&m.header.to_string(), "[]")),
        ),
        way(
            "an unknown key id",
            ("unknown_key", p),
            header(json!({"kid": "key-2"})),
        ),
        way(
            "a key that was withdrawn",
            ("unknown_key", p),
            key_set(|_| json!([Key::new("key-2").jwk()])),
        ),
        way(
            "no key id and two keys",
            ("ambiguous_key", p),
            |tenant: &mut Tenant| {
                key_set(|key| json!([key.jwk(), Key::new("key-2").jwk()]))(tenant);
                tenant.header = json!({"kid": null});
            },
        ),
        way(
            "two keys of one id",
            ("ambiguous_key", p),
            key_set(|key| json!([key.jwk(), Key::new("key-1").jwk()])),
        ),
        way(
            "a key for encryption",
            ("unknown_key", p),
            key_set(|key| json!([changed(key.jwk(), &json!({"use": "enc"}))])),
        ),
        way(
            "a key of another algorithm",
            ("unknown_key", p),
            key_set(|key| json!([changed(key.jwk(), &json!({"alg": "ES384"}))])),
        ),
        way(
            "a point that is not on the curve",
            ("signature", p),
            key_set(|key| {
                let mut jwk = key.jwk();
                jwk["y"] = jwk["x"].clone();
                json!([jwk])
            }),
        ),
        way(
            "a symmetric key in the key set",
            ("malformed", p),
            key_set(|_| json!([{"kty": "oct", "kid": "key-1", "k": "c2VjcmV0"}])),
        ),
        way(
            "an RSA key of 1,024 bits",
            ("malformed", p),
            key_set(
                |_| json!([{"kty": "RSA", "kid": "key-1", "use": "sig", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xc5; 128])}]),
            ),
        ),
    ];
    refuse_all(&server, ways).await;
}

async fn wrong_claims_let_nobody_in(server: TestServer) {
    let p = PROVIDER;
    let hour = 3600;
    let mut ways = vec![
        way(
            "another issuer",
            ("iss", ADMIN),
            claims(json!({"iss": "https://other.example"})),
        ),
        way(
            "the issuer with a slash",
            ("iss", ADMIN),
            |t: &mut Tenant| t.claims = json!({"iss": format!("{}/", t.issuer)}),
        ),
        way(
            "another tenant of the provider",
            ("iss", ADMIN),
            |t: &mut Tenant| t.claims = json!({"iss": format!("{}0", t.issuer)}),
        ),
        way(
            "no issuer",
            ("claim_missing", p),
            claims(json!({"iss": null})),
        ),
        way(
            "another audience",
            ("aud", ADMIN),
            claims(json!({"aud": "somebody-else"})),
        ),
        way(
            "another audience beside ours",
            ("aud", ADMIN),
            claims(json!({"aud": ["vestibule", "somebody-else"]})),
        ),
        way(
            "another audience beside ours, which azp names",
            ("aud", ADMIN),
            claims(json!({"aud": ["vestibule", "api"], "azp": "vestibule"})),
        ),
        way(
            "no audience",
            ("claim_missing", p),
            claims(json!({"aud": null})),
        ),
        way(
            "a list of no audience",
            ("aud", ADMIN),
            claims(json!({"aud": []})),
        ),
        way(
            "an audience that is a number",
            ("claim_missing", p),
            claims(json!({"aud": 7})),
        ),
        way(
            "another authorized party",
            ("azp", p),
            claims(json!({"azp": "somebody-else"})),
        ),
        way(
            "issued in an hour",
            ("not_yet_valid", p),
            claims(json!({"iat": now() + hour, "exp": now() + 2 * hour})),
        ),
        way(
            "issued an hour before the login",
            ("iat", p),
            claims(json!({"iat": now() - hour})),
        ),
        way(
            "issued at no time",
            ("claim_missing", p),
            claims(json!({"iat": null})),
        ),
        way(
            "over for an hour",
            ("exp", p),
            claims(json!({"exp": now() - hour})),
        ),
        way(
            "over at no time",
            ("claim_missing", p),
            claims(json!({"exp": null})),
        ),
        way(
            "over at a text",
            ("claim_missing", p),
            claims(json!({"exp": "tomorrow"})),
        ),
        way(
            "valid in an hour",
            ("not_yet_valid", p),
            claims(json!({"nbf": now() + hour})),
        ),
        way("no nonce", ("nonce", p), claims(json!({"nonce": null}))),
        way(
            "the nonce of another login",
            ("nonce", p),
            claims(json!({"nonce": "of-another-login"})),
        ),
        way(
            "a nonce that is a number",
            ("claim_missing", p),
            claims(json!({"nonce": 1})),
        ),
        way(
            "another access token",
            ("at_hash", p),
            claims(json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})),
        ),
        way(
            "a hash that is a number",
            ("claim_missing", p),
            claims(json!({"at_hash": 1})),
        ),
        way(
            "no subject",
            ("claim_missing", p),
            claims(json!({"sub": null})),
        ),
        way(
            "an empty subject",
            ("claim_missing", p),
            claims(json!({"sub": ""})),
        ),
        way(
            "a subject without end",
            ("claim_missing", p),
            claims(json!({"sub": "x".repeat(256)})),
        ),
        way(
            "a subject that is a number",
            ("claim_missing", p),
            claims(json!({"sub": 1})),
        ),
        way(
            "a subject of several",
            ("claim_missing", p),
            claims(json!({"sub": ["ada", "bob"]})),
        ),
        way(
            "signed in in an hour",
            ("not_yet_valid", p),
            claims(json!({"auth_time": now() + hour})),
        ),
        way(
            "a session that is a number",
            ("claim_missing", p),
            claims(json!({"sid": 1})),
        ),
        way(
            "methods that are a number",
            ("claim_missing", p),
            claims(json!({"amr": 1})),
        ),
        way(
            "a class that is a number",
            ("claim_missing", p),
            claims(json!({"acr": 2})),
        ),
        way(
            "a join claim of several values",
            ("claim_missing", p),
            claims(json!({"oid": ["one", "two"]})),
        ),
        way(
            "a join claim of nobody",
            ("not_provisioned", "directory"),
            claims(json!({"oid": "nobody"})),
        ),
        way(
            "a login of a day ago, where a new one was asked for",
            ("auth_time", p),
            claims(json!({"auth_time": now() - 24 * hour})),
        ),
        way(
            "a login of no time, where a new one was asked for",
            ("auth_time", p),
            claims(json!({"auth_time": null})),
        ),
        way(
            "an old login, where a login was demanded",
            ("auth_time", p),
            claims(json!({"auth_time": now() - hour})),
        ),
    ];
    for (name, asked) in [
        (
            "a login of a day ago, where a new one was asked for",
            &[("max_age", "60")],
        ),
        (
            "a login of no time, where a new one was asked for",
            &[("max_age", "60")],
        ),
        (
            "an old login, where a login was demanded",
            &[("prompt", "login")],
        ),
    ] {
        let found: Option<&mut Way> = ways.iter_mut().find(|way| way.name == name);
        found.unwrap().asked = asked;
    }
    refuse_all(&server, ways).await;
}

async fn rules_of_single_providers_let_nobody_else_in(server: TestServer) {
    let google = |name, bend: Value| Way {
        settings: json!({"provider": "google"}),
        ..way(name, ("required_claim", ADMIN), claims(bend))
    };
    let listed = |name, bend: Value| Way {
        settings: json!({"provider": "google", "hosted_domains": ["acme.example", "acme.org"]}),
        ..way(name, ("required_claim", ADMIN), claims(bend))
    };
    let ways = vec![
        google("a Google account of nobody's domain", json!({})),
        google(
            "a Google account of another domain",
            json!({"hd": "evil.test"}),
        ),
        google(
            "a Google account that spells the domain otherwise",
            json!({"hd": "ACME.test"}),
        ),
        google(
            "a Google account of several domains",
            json!({"hd": ["acme.test"]}),
        ),
        google(
            "a Google account with the address alone",
            json!({"hd": null, "email": "ada@acme.test", "email_verified": true}),
        ),
        google(
            "a Google account below the domain",
            json!({"hd": "evil.acme.test"}),
        ),
        listed(
            "a Google account of a verified domain that is not listed",
            json!({"hd": "acme.test"}),
        ),
        listed(
            "a Google account of no listed domain",
            json!({"hd": "acme.net"}),
        ),
        Way {
            settings: json!({"provider": "google"}),
            ..way(
                "Google's other spelling at another provider",
                ("iss", ADMIN),
                claims(json!({"hd": "acme.test", "iss": "accounts.google.com"})),
            )
        },
        way(
            "an issuer without its scheme, not from Google",
            ("iss", ADMIN),
            |tenant: &mut Tenant| {
                let short = tenant.issuer.strip_prefix("http://").unwrap().to_owned();
                tenant.claims = json!({"iss": short});
            },
        ),
        way(
            "an address in the place of the lasting id",
            ("claim_missing", PROVIDER),
            claims(json!({"oid": null, "email": "ada@acme.test"})),
        ),
    ];
    refuse_all(&server, ways).await;
}
