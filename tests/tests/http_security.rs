//! What strangers send, and what senders get wrong: the table of bad input at the doors, over real sockets. After each case
//! the process lives, and a good request still gets in.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delay::http::oidc::{Callers, Issuer, Jwks, Policy};
use delay::http::{Auth, Door, PUSH_PATH, serve};
use delay::{Context, Runtime, TaskState};
use delay_tests::served::{Served, payload, sign};
use delay_tests::web::{Call, Reply, Scripted, seconds, talk};
use delay_tests::{Dice, soon};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1 << 20;

/// How often the function has run.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[delay::func("run")]
async fn run(ctx: &Context, #[state] runs: &Runs, text: String) {
    let _ = (ctx, text);
    runs.0.fetch_add(1, Ordering::SeqCst);
}

async fn served(runs: &Runs) -> Served {
    Served::start(|builder| builder.state(runs.clone()), |door| door).await
}

async fn good() -> Call {
    Call::post(PUSH_PATH, payload(Run::task("good".into())).await)
}

/// A good request gets in: whatever came before has hurt nobody.
async fn assert_alive(served: &Served, runs: &Runs) {
    let before = runs.count();
    assert_eq!(served.signed(good().await).send(served.address).await.status, 200);
    assert_eq!(runs.count(), before + 1);
}

#[tokio::test]
async fn a_body_of_one_mebibyte_and_one_byte_gets_413_and_one_of_a_mebibyte_is_read() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let large = served.signed(Call::post(PUSH_PATH, vec![0xc0; MIB + 1])).send(served.address).await;
    assert_eq!(large.status, 413);
    let most = served.signed(Call::post(PUSH_PATH, vec![0xc0; MIB])).send(served.address).await;
    assert_eq!(most.status, 202, "no invocation, but not too large: {}", most.text);
    assert_eq!(served.tasks().await.len(), 1);
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn an_endless_chunked_body_gets_413_as_soon_as_it_is_too_large() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("POST {PUSH_PATH} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let endless = async {
        let chunk = [b"10000\r\n", &[0xc0; 0x10000][..], b"\r\n"].concat();
        // Until nobody reads it any more.
        while writer.write_all(&chunk).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut said = Vec::new();
        let _ = reader.read_buf(&mut said).await;
        said
    };
    let said = tokio::select! {
        said = soon("an answer", answer) => said,
        () = endless => unreachable!("it waits for ever"),
    };
    assert!(said.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&said));
    assert_eq!(served.tasks().await, []);
    assert_alive(&served, &runs).await;
    served.stop().await;
}

/// Bodies that are no invocation, and a word of the reason.
async fn malformed() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = good().await.body;
    let mut dice = Dice::new(7);
    let random = (0..5000).map(|_| dice.below(256) as u8).collect();
    let nested = [&b"\x82\xa8function\xa1f\xa9arguments\x81\xa1x"[..], &[0x91; 1024], &[1]].concat();
    vec![
        ("nesting of 1,024", nested, "deep"),
        ("an array that says 4 billion", b"\xdd\xff\xff\xff\xff".to_vec(), "claims"),
        ("a string that says more than there is", b"\x82\xdb\xff\xff\xff\xfffunction".to_vec(), "claims"),
        ("trailing bytes", [&good[..], b"\xc0\xc0"].concat(), "follow"),
        ("an empty body", Vec::new(), ""),
        ("random bytes", random, ""),
        ("half an invocation", good[..good.len() / 2].to_vec(), ""),
        ("a bomb of maps", vec![0xdf; 5000], ""),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_invocation_are_held_with_the_reason_and_202() {
    let runs = Runs::default();
    let served = served(&runs).await;
    for (n, (what, body, reason)) in malformed().await.into_iter().enumerate() {
        let reply = served.signed(Call::post(PUSH_PATH, body.clone())).send(served.address).await;
        assert_eq!(
            (reply.status, reply.header("delay-outcome")),
            (202, Some("held")),
            "{what}: {}",
            reply.text
        );
        assert!(reply.text.contains(reason), "{what}: {}", reply.text);
        let tasks = served.tasks().await;
        let kept =
            tasks.iter().find(|task| Some(&*task.id.to_string()) == reply.header("delay-task")).unwrap();
        assert_eq!((tasks.len(), kept.state, &kept.payload), (n + 1, TaskState::Held, &body), "{what}");
        assert!(
            kept.error.as_deref().is_some_and(|error| error.contains(reason)),
            "{what}: {:?}",
            kept.error
        );
    }
    assert_eq!(runs.count(), 0);
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_invocation_get_422_where_nothing_is_kept() {
    let runs = Runs::default();
    let served = Served::start(|builder| builder.state(runs.clone()), Door::without_store).await;
    for (what, body, reason) in malformed().await {
        let reply = served.signed(Call::post(PUSH_PATH, body)).send(served.address).await;
        assert_eq!(reply.status, 422, "{what}");
        assert!(reply.text.contains(reason), "{what}: {}", reply.text);
    }
    assert_eq!((runs.count(), served.tasks().await.len()), (0, 0));
    assert_alive(&served, &runs).await;
    served.stop().await;
}

async fn assert_refused(served: &Served, runs: &Runs, what: &str, call: &Call) {
    let Reply { status, text, .. } = call.send(served.address).await;
    assert_eq!((status, text.as_str()), (401, "the request is not authenticated"), "{what}");
    assert_eq!((runs.count(), served.tasks().await.len()), (0, 0), "{what}: something ran, or was written");
}

#[tokio::test]
async fn a_missing_wrong_stale_or_truncated_signature_gets_401_and_nothing_runs() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let good = good().await;
    let change = |name: &str, change: &dyn Fn(&str) -> Option<String>| {
        let mut call = sign(&served.keys, "id", 0, good.clone());
        call.headers = call
            .headers
            .into_iter()
            .filter_map(|(found, value)| {
                let value = if found == name { change(&value)? } else { value };
                Some((found, value))
            })
            .collect();
        call
    };
    let stranger = delay::http::Keys::new(delay::http::Key::generate().parse().unwrap());
    let mut other_body = sign(&served.keys, "id", 0, good.clone());
    *other_body.body.last_mut().unwrap() ^= 1;
    for (what, call) in [
        ("no headers", good.clone()),
        ("no id", change("webhook-id", &|_| None)),
        ("no timestamp", change("webhook-timestamp", &|_| None)),
        ("no signature", change("webhook-signature", &|_| None)),
        ("another id", change("webhook-id", &|_| Some("other".into()))),
        (
            "another time",
            change("webhook-timestamp", &|time| Some((time.parse::<i64>().unwrap() - 1).to_string())),
        ),
        ("a truncated signature", change("webhook-signature", &|text| Some(text[..text.len() - 8].into()))),
        ("an empty signature", change("webhook-signature", &|_| Some("v1,".into()))),
        ("a stranger's signature", sign(&stranger, "id", 0, good.clone())),
        ("another body", other_body),
        ("six minutes old", sign(&served.keys, "id", -360, good.clone())),
        ("six minutes ahead", sign(&served.keys, "id", 360, good.clone())),
    ] {
        assert_refused(&served, &runs, what, &call).await;
    }
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn a_replayed_request_gets_401_and_does_not_run_again() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let call = served.signed(good().await);
    assert_eq!(call.send(served.address).await.status, 200);
    assert_eq!(call.send(served.address).await.status, 401);
    assert_eq!((runs.count(), served.tasks().await.len()), (1, 1));
    served.stop().await;
}

#[tokio::test]
async fn a_spoofed_header_of_a_task_service_lets_nobody_in() {
    let runs = Runs::default();
    let served = served(&runs).await;
    for prefix in ["X-AppEngine-", "X-CloudTasks-"] {
        let call = good().await.header(&format!("{prefix}QueueName"), "default");
        let call = call.header(&format!("{prefix}TaskName"), "1").header("X-Forwarded-For", "127.0.0.1");
        assert_refused(&served, &runs, prefix, &call).await;
    }
    served.stop().await;
}

#[tokio::test]
async fn names_that_are_none_get_400() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let long = "x".repeat(10_000);
    for name in ["../../etc/passwd", "a/b", "it's", "\"quoted\"", "a b", "ä", "<script>", &long] {
        for header in ["X-AppEngine-QueueName", "X-AppEngine-TaskName", "X-CloudTasks-TaskName"] {
            let reply = served.signed(good().await.header(header, name)).send(served.address).await;
            assert_eq!(reply.status, 400, "{header}: {name}");
            assert!(reply.text.len() < 300, "it repeats what was sent: {}", reply.text);
        }
    }
    // The server itself refuses a NUL: no header can hold one.
    let call = served.signed(good().await.header("X-AppEngine-TaskName", "a\0b"));
    assert_eq!(call.send(served.address).await.status, 400);
    assert_eq!((runs.count(), served.tasks().await.len()), (0, 0));
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn broken_counts_and_times_get_400() {
    let runs = Runs::default();
    let served = served(&runs).await;
    for (header, value) in [
        ("X-AppEngine-TaskRetryCount", "-1"),
        ("X-AppEngine-TaskRetryCount", "1e3"),
        ("X-AppEngine-TaskETA", "soon"),
        ("X-AppEngine-TaskPreviousResponse", "20"),
    ] {
        let reply = served.signed(good().await.header(header, value)).send(served.address).await;
        assert_eq!(reply.status, 400, "{header}: {value}");
    }
    let twice = good().await.header("X-AppEngine-TaskName", "a").header("X-CloudTasks-TaskName", "b");
    assert_eq!(served.signed(twice).send(served.address).await.status, 400);
    assert_eq!(runs.count(), 0);
    served.stop().await;
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let large =
        served.signed(good().await.header("Tenant", &"x".repeat(65 * 1024))).send(served.address).await;
    assert_eq!(large.status, 431);
    let huge = served.signed(good().await.header("Tenant", &"x".repeat(MIB))).send(served.address).await;
    assert_eq!(huge.status, 431);
    let many = (0..1000).fold(good().await, |call, n| call.header(&format!("x-{n}"), "x"));
    assert_eq!(served.signed(many).send(served.address).await.status, 431);
    assert_eq!(runs.count(), 0);
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn slow_headers_are_cut_off_within_ten_seconds() {
    let runs = Runs::default();
    let served = served(&runs).await;
    let began = Instant::now();
    let silent = talk(served.address, b"");
    let half = talk(served.address, b"POST /_ah/queue/go/delay HTTP/1.1\r\nHost: te");
    let dripping = async {
        let (mut reader, mut writer) = TcpStream::connect(served.address).await.unwrap().into_split();
        let drip = async {
            let mut drops = tokio::time::interval(Duration::from_millis(300));
            writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            while writer.write_all(b"x: y\r\n").await.is_ok() {
                drops.tick().await;
            }
            std::future::pending::<()>().await;
        };
        let mut said = Vec::new();
        tokio::select! {
            _ = reader.read_to_end(&mut said) => {}
            () = drip => unreachable!("it waits for ever"),
        }
    };
    let (silent, half, ()) =
        soon("the end of three connections", async { tokio::join!(silent, half, dripping) }).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "the slow ones were let be for {took:?}");
    for said in [silent.unwrap(), half.unwrap()] {
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    }
    assert_alive(&served, &runs).await;
    served.stop().await;
}

#[tokio::test]
async fn a_server_beyond_the_loopback_without_auth_does_not_start() {
    let rt = Runtime::builder("memory:").state(Runs::default()).build().await.unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let served = soon("the refusal", serve(listener, Door::new(&rt, Auth::none()))).await;
        let error = served.unwrap_err();
        assert!(error.is_invalid_option() && error.to_string().contains("Auth::signed"), "{error}");
    }
    let error = Door::new(&rt, Auth::none()).router().unwrap_err();
    assert!(error.is_invalid_option() && error.to_string().contains("loopback"), "{error}");
    rt.stop().await.unwrap();
}

#[tokio::test]
async fn on_the_loopback_a_door_may_do_without_auth() {
    let runs = Runs::default();
    let rt = Runtime::builder("memory:").state(runs.clone()).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Door::new(&rt, Auth::none())));
    assert_eq!(good().await.send(address).await.status, 200);
    assert_eq!(runs.count(), 1);
    // A page of some web site, in a browser on this machine.
    for (header, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(good().await.header(header, value).send(address).await.status, 401);
    }
    assert_eq!(runs.count(), 1);
    rt.stop().await.unwrap();
    server.await.unwrap().unwrap();
}

/// An issuer of tokens on P-256.
struct Tokens {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://app.example/_ah/queue/go/delay";
const CALLER: &str = "tasks@project.example";

impl Tokens {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn issuer(&self) -> Issuer {
        Issuer::new(Jwks::parse(&self.keys()).unwrap())
    }

    /// As an issuer publishes them.
    fn keys(&self) -> String {
        let point = self.key.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let key = serde_json::json!({"kty": "EC", "crv": "P-256", "kid": "1", "x": x, "y": y});
        serde_json::json!({"keys": [key]}).to_string()
    }

    fn token(&self, algorithm: &str, audience: &str, expires: i64) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(serde_json::json!({"alg": algorithm, "kid": "1"}));
        let now = seconds(0).as_micros() / 1_000_000;
        let claims = part(serde_json::json!({
            "iss": ISSUER, "aud": audience, "exp": now + expires, "iat": now, "email": CALLER, "email_verified": true,
        }));
        let message = format!("{header}.{claims}");
        if algorithm == "none" {
            return format!("{message}.");
        }
        let signature = self.key.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_fetched_and_what_is_no_set_of_keys_is_refused() {
    let (tokens, rt) = (Tokens::new(), Runtime::open("memory:").await.unwrap());
    let keys = tokens.keys();
    let site = Scripted::start(move |_, heard| {
        Some(match heard.line.as_str() {
            "GET /keys" => format!("200 OK\r\n\r\n{keys}"),
            "GET /none" => "200 OK\r\n\r\n{\"keys\": []}".to_owned(),
            "GET /text" => "200 OK\r\n\r\nhello".to_owned(),
            _ => "404 Not Found".to_owned(),
        })
    })
    .await;
    let url = |path: &str| format!("http://{}{path}", site.address);
    for path in ["/none", "/text", "/nowhere"] {
        Issuer::fetched(&rt, &url(path)).await.unwrap_err();
    }
    let issuer = Issuer::fetched(&rt, &url("/keys")).await.unwrap();
    let policy = Policy::new(ISSUER, AUDIENCE, Callers::Emails(vec![CALLER.to_owned()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Runtime::builder("memory:").state(Runs::default()).build().await.unwrap();
    let server = tokio::spawn(serve(listener, Door::new(&door, Auth::token(policy, issuer))));
    let authorization = format!("Bearer {}", tokens.token("ES256", AUDIENCE, 600));
    assert_eq!(good().await.header("Authorization", &authorization).send(address).await.status, 200);
    rt.stop().await.unwrap();
    door.stop().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_of_no_algorithm_for_somebody_else_or_expired_gets_401_and_a_good_one_gets_in() {
    let (runs, tokens) = (Runs::default(), Tokens::new());
    let rt = Runtime::builder("memory:").state(runs.clone()).build().await.unwrap();
    let policy = Policy::new(ISSUER, AUDIENCE, Callers::Emails(vec![CALLER.to_owned()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Door::new(&rt, Auth::token(policy, tokens.issuer()))));
    let bearer = |token: String| format!("Bearer {token}");
    for (what, authorization) in [
        ("alg=none", bearer(tokens.token("none", AUDIENCE, 600))),
        ("HMAC", bearer(tokens.token("HS256", AUDIENCE, 600))),
        ("a wrong audience", bearer(tokens.token("ES256", "https://other.example", 600))),
        ("expired", bearer(tokens.token("ES256", AUDIENCE, -600))),
        ("another issuer's key", bearer(Tokens::new().token("ES256", AUDIENCE, 600))),
        ("no token", "Bearer ".to_owned()),
        ("another scheme", format!("Basic {}", tokens.token("ES256", AUDIENCE, 600))),
    ] {
        let reply = good().await.header("Authorization", &authorization).send(address).await;
        assert_eq!(reply.status, 401, "{what}");
    }
    assert_eq!(good().await.send(address).await.status, 401, "no header");
    assert_eq!(runs.count(), 0);
    let good_token = bearer(tokens.token("ES256", AUDIENCE, 600));
    // What Cloud Tasks sends: the same task twice is one run.
    for _ in 0..2 {
        let call = good().await.header("Authorization", &good_token).header("X-CloudTasks-TaskName", "42");
        let call = call.header("X-CloudTasks-QueueName", "mail").header("X-CloudTasks-TaskRetryCount", "0");
        assert_eq!(call.send(address).await.status, 200);
    }
    assert_eq!(runs.count(), 1);
    rt.stop().await.unwrap();
    server.await.unwrap().unwrap();
}
