//! Which tokens are let in, and every way not to be.

mod foreign;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

const ISSUER: &str = "https://accounts.google.com";
const AUDIENCE: &str = "https://example.com/tasks";
const EMAIL: &str = "tasks@example.iam.gserviceaccount.com";
const ISSUED: i64 = 1_700_000_000;

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn policy() -> Policy {
    Policy::new(ISSUER, AUDIENCE, Callers::Emails(vec![EMAIL.to_owned()]))
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "1017", "email": EMAIL, "email_verified": true,
        "iat": ISSUED, "exp": ISSUED + 3600})
}

/// `changes` over the right claims; `null` takes one away.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    let object = claims.as_object_mut().expect("claims");
    object.retain(|_, value| !value.is_null());
    claims
}

/// An issuer with one key on P-256.
struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "e1",
            "x": part(&point[1..33]), "y": part(&point[33..])})
    }

    fn keys(&self) -> Jwks {
        keys(&[self.jwk()])
    }

    fn token(&self, header: Value, claims: Value) -> String {
        let message = format!("{}.{}", part(header.to_string()), part(claims.to_string()));
        let signature = self.key.sign(&self.random, message.as_bytes()).unwrap();
        format!("Bearer {message}.{}", part(signature))
    }

    fn signed(&self, claims: Value) -> String {
        self.token(json!({"alg": "ES256", "kid": "e1"}), claims)
    }
}

fn keys(keys: &[Value]) -> Jwks {
    Jwks::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

fn rsa(kid: &str, n: &str) -> Value {
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": n, "e": "AQAB"})
}

#[test]
fn a_right_token_is_let_in() {
    let issuer = Issuer::new();
    let caller = policy().verify(&issuer.keys(), &issuer.signed(claims()), second(ISSUED)).unwrap();
    assert_eq!((caller.subject.as_deref(), caller.email.as_deref()), (Some("1017"), Some(EMAIL)));
    let lower = issuer.signed(claims()).replace("Bearer", "bearer");
    assert!(policy().verify(&issuer.keys(), &lower, second(ISSUED)).is_ok());
    let many = issuer.signed(with(json!({"aud": ["https://other.example", AUDIENCE]})));
    assert!(policy().verify(&issuer.keys(), &many, second(ISSUED)).is_ok());
    let nameless = issuer.token(json!({"alg": "ES256"}), claims());
    assert!(policy().verify(&issuer.keys(), &nameless, second(ISSUED)).is_ok());
}

#[test]
fn a_token_of_another_implementation_is_let_in() {
    let set = keys(&[rsa("old", foreign::SMALL_N), rsa("r1", foreign::RSA_N)]);
    let token = format!("Bearer {}", foreign::RSA_TOKEN);
    let caller = policy().verify(&set, &token, second(ISSUED)).unwrap();
    assert_eq!(caller.email.as_deref(), Some(EMAIL));
    let refusal = policy().verify(&set, &token, second(ISSUED + 3660)).unwrap_err();
    assert_eq!(refusal, Reason::Claim("exp").into());
}

#[test]
fn an_rsa_key_that_is_too_short_is_refused() {
    let set = keys(&[rsa("s1", foreign::SMALL_N)]);
    let refusal = policy().verify(&set, &format!("Bearer {}", foreign::SMALL_TOKEN), second(ISSUED));
    assert_eq!(refusal.unwrap_err(), Reason::Wrong.into());
}

#[test]
fn a_claim_that_was_not_agreed_is_refused() {
    let issuer = Issuer::new();
    for (changes, claim) in [
        (json!({"iss": "https://evil.example"}), "iss"),
        (json!({"iss": null}), "iss"),
        (json!({"aud": "https://example.com/"}), "aud"),
        (json!({"aud": ["https://other.example"]}), "aud"),
        (json!({"aud": []}), "aud"),
        (json!({"aud": null}), "aud"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": ISSUED - 60}), "exp"),
        (json!({"nbf": ISSUED + 61}), "nbf"),
        (json!({"iat": ISSUED + 61}), "iat"),
        (json!({"email": "somebody@example.com"}), "email"),
        (json!({"email_verified": false}), "email"),
        (json!({"email_verified": null}), "email"),
        (json!({"email": null}), "email"),
    ] {
        let refusal = policy().verify(&issuer.keys(), &issuer.signed(with(changes.clone())), second(ISSUED));
        assert_eq!(refusal.unwrap_err(), Reason::Claim(claim).into(), "{changes}");
    }
}

#[test]
fn clocks_may_be_a_minute_off() {
    let issuer = Issuer::new();
    for (changes, now, good) in [
        (json!({}), ISSUED + 3659, true),
        (json!({}), ISSUED + 3660, false),
        (json!({}), ISSUED - 60, true),
        (json!({}), ISSUED - 61, false),
        (json!({"nbf": ISSUED + 60}), ISSUED, true),
        (json!({"exp": ISSUED as f64 + 0.5, "iat": null}), ISSUED, true),
        (json!({"exp": 1e300, "iat": -1e300, "nbf": -1e300}), ISSUED, true),
    ] {
        let verdict = policy().verify(&issuer.keys(), &issuer.signed(with(changes)), second(now));
        assert_eq!(verdict.is_ok(), good, "{now}");
    }
}

#[test]
fn callers_are_named_or_knowingly_not() {
    let issuer = Issuer::new();
    let verify = |callers, changes| {
        Policy::new(ISSUER, AUDIENCE, callers).verify(
            &issuer.keys(),
            &issuer.signed(with(changes)),
            second(ISSUED),
        )
    };
    let subjects = || Callers::Subjects(vec!["1017".to_owned()]);
    assert!(verify(subjects(), json!({})).is_ok());
    assert_eq!(verify(subjects(), json!({"sub": "1018"})).unwrap_err(), Reason::Claim("sub").into());
    assert!(verify(Callers::Emails(Vec::new()), json!({})).is_err(), "nobody is named");
    let anyone = verify(Callers::Anyone, json!({"email_verified": false})).unwrap();
    assert_eq!(anyone.email, None, "an address that nobody verified is not told");
}

#[test]
fn no_algorithm_but_the_two_has_a_way_in() {
    let issuer = Issuer::new();
    let body = part(claims().to_string());
    for alg in ["none", "None", "HS256", "HS512", "RS384", "PS256", "ES384", "EdDSA", "es256", ""] {
        let token = issuer.token(json!({"alg": alg, "kid": "e1"}), claims());
        let refusal = policy().verify(&issuer.keys(), &token, second(ISSUED)).unwrap_err();
        assert_eq!(refusal, Reason::Algorithm.into(), "{alg}");
        let bare = format!("Bearer {}.{body}.", part(json!({"alg": alg, "kid": "e1"}).to_string()));
        assert_eq!(
            policy().verify(&issuer.keys(), &bare, second(ISSUED)).unwrap_err(),
            Reason::Algorithm.into()
        );
    }
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    // HMAC keyed with the public key, and a header that says so, or claims the other algorithm.
    let issuer = Issuer::new();
    let public = issuer.key.public_key().as_ref();
    for alg in ["HS256", "ES256", "RS256"] {
        let header = part(json!({"alg": alg, "kid": "e1"}).to_string());
        let message = format!("{header}.{}", part(claims().to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(public).unwrap();
        mac.update(message.as_bytes());
        let token = format!("Bearer {message}.{}", part(mac.finalize().into_bytes()));
        assert!(policy().verify(&issuer.keys(), &token, second(ISSUED)).is_err(), "{alg}");
    }
    let claimed = issuer.token(json!({"alg": "RS256", "kid": "e1"}), claims());
    let refusal = policy().verify(&issuer.keys(), &claimed, second(ISSUED)).unwrap_err();
    assert!(refusal.is_unknown_key(), "a key has one algorithm, by its kind");
}

#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let (issuer, evil) = (Issuer::new(), Issuer::new());
    let header = json!({"alg": "ES256", "kid": "e1", "jwk": evil.jwk(), "jku": "https://evil.example/jwks"});
    let refusal = policy().verify(&issuer.keys(), &evil.token(header, claims()), second(ISSUED)).unwrap_err();
    assert_eq!(refusal, Reason::Wrong.into());
    let unknown = evil.token(json!({"alg": "ES256", "kid": "e2"}), claims());
    assert!(policy().verify(&issuer.keys(), &unknown, second(ISSUED)).unwrap_err().is_unknown_key());
    let none = policy().verify(&keys(&[]), &issuer.signed(claims()), second(ISSUED)).unwrap_err();
    assert!(none.is_unknown_key());
}

#[test]
fn changed_and_malformed_tokens_are_refused() {
    let issuer = Issuer::new();
    let good = issuer.signed(claims());
    let [header, payload, signature] = good["Bearer ".len()..].split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let other = part(with(json!({"email": "evil@example.com"})).to_string());
    let short = &signature[..signature.len() - 6];
    for (token, reason) in [
        (format!("Bearer {header}.{other}.{signature}"), Reason::Wrong),
        (format!("Bearer {header}.{payload}.{short}"), Reason::Wrong),
        (format!("Bearer {header}.{payload}."), Reason::Wrong),
        (format!("Bearer {header}.{payload}.{}", part([0; 64])), Reason::Wrong),
        (format!("Bearer {header}.{payload}.{signature}="), Reason::Malformed("authorization")),
        (format!("Bearer {header}.{payload}"), Reason::Malformed("authorization")),
        (format!("Bearer {header}.{payload}.{signature}.x"), Reason::Malformed("authorization")),
        (format!("Bearer {header}.a+b/.{signature}"), Reason::Malformed("authorization")),
        (format!("Basic {header}.{payload}.{signature}"), Reason::Malformed("authorization")),
        (format!("{header}.{payload}.{signature}"), Reason::Malformed("authorization")),
        (format!("Bearer {}.{payload}.{signature}", part("[]")), Reason::Malformed("authorization")),
        (format!("Bearer {}.{payload}.{signature}", part("{}")), Reason::Malformed("authorization")),
        (
            format!("Bearer {}.{payload}.{signature}", part(r#"{"alg":"none","alg":"ES256"}"#)),
            Reason::Malformed("authorization"),
        ),
        (format!("Bearer {}", "a".repeat(20_000)), Reason::Malformed("authorization")),
        (String::new(), Reason::Malformed("authorization")),
        (
            issuer.token(json!({"alg": "ES256", "kid": "e1", "crit": ["exp"]}), claims()),
            Reason::Malformed("authorization"),
        ),
        (issuer.signed(json!({"iss": 7})), Reason::Malformed("authorization")),
        (issuer.signed(json!({"aud": {"a": 1}})), Reason::Malformed("authorization")),
        (issuer.signed(with(json!({"exp": "never"}))), Reason::Malformed("authorization")),
    ] {
        let refusal = policy().verify(&issuer.keys(), &token, second(ISSUED)).unwrap_err();
        assert_eq!(refusal, reason.into(), "{token}");
        assert_eq!(
            (refusal.status(), refusal.to_string().as_str()),
            (401, "the request is not authenticated")
        );
    }
    assert!(policy().verify(&issuer.keys(), &good, second(ISSUED)).is_ok());
}

#[test]
fn keys_for_something_else_are_passed_over() {
    let issuer = Issuer::new();
    let change = |name: &str, value: Value| {
        let mut key = issuer.jwk();
        key[name] = value;
        key
    };
    let set = keys(&[
        change("use", json!("enc")),
        change("alg", json!("ES384")),
        change("crv", json!("P-384")),
        change("kty", json!("OKP")),
        change("x", json!("AAAA")),
        change("y", json!("not base64!")),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "RSA", "kid": "r"}),
        json!(7),
    ]);
    assert!(set.is_empty());
    assert_eq!(keys(&[json!(7), issuer.jwk()]).len(), 1);
    for text in ["", "{}", "[]", "{\"keys\": 7}"] {
        assert!(Jwks::parse(text).unwrap_err().is_decode(), "{text}");
    }
    let many = json!({"keys": vec![issuer.jwk(); 65]}).to_string();
    assert!(Jwks::parse(&many).unwrap_err().to_string().contains("65"));
}
