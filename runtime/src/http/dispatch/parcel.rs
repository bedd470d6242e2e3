//! A task as a request: where to, with which headers, signed.

use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::past::Past;
use crate::error::{Error, Kind, Result};
use crate::http::door::PUSH_PATH;
use crate::http::key::Keys;
use crate::http::target::Target;
use crate::http::task_headers::TaskHeaders;
use crate::request as http;
use crate::store::Claim;
use crate::task::TaskOptions;

/// What only the dispatcher says.
const OWN: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const OWN_PREFIXES: [&str; 3] = ["x-appengine-", "x-cloudtasks-", "webhook-"];

/// The request of one attempt.
///
/// # Errors
/// The task cannot be sent to this target, now or later.
pub(super) fn request(
    claim: Claim,
    options: &TaskOptions,
    target: &Target,
    keys: &Keys,
    past: &Past,
) -> Result<Request<Bytes>> {
    let about = about(&claim, past);
    let id = format!("{}_{}", claim.fence.id, claim.attempt);
    let (method, path, content_type, body) = content(claim)?;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("delay/", env!("CARGO_PKG_VERSION"))));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &options.headers {
        add_own(&mut headers, name, value);
    }
    for (name, value) in about.pairs() {
        insert(&mut headers, &name, &value)?;
    }
    for (name, value) in keys.sign(&id, SystemTime::now().into(), &body)?.headers() {
        insert(&mut headers, name, value)?;
    }
    let mut request = Request::new(Bytes::from(body));
    (*request.method_mut(), *request.uri_mut()) = (method, target.url(&path)?);
    *request.headers_mut() = headers;
    Ok(request)
}

/// Method, path, content type and body.
fn content(claim: Claim) -> Result<(Method, String, Option<&'static str>, Vec<u8>)> {
    let Some(request) = http::Request::read(&claim.payload)? else {
        return Ok((Method::POST, PUSH_PATH.to_owned(), Some("application/msgpack"), claim.payload));
    };
    let method = match request.method() {
        http::Method::Get => Method::GET,
        http::Method::Head => Method::HEAD,
        http::Method::Post => Method::POST,
        http::Method::Put => Method::PUT,
        http::Method::Patch => Method::PATCH,
        http::Method::Delete => Method::DELETE,
        http::Method::Options => Method::OPTIONS,
    };
    Ok((method, request.path().to_owned(), None, request.bytes().to_vec()))
}

fn about(claim: &Claim, past: &Past) -> TaskHeaders {
    let retries = claim.attempt.saturating_sub(1);
    TaskHeaders {
        queue_name: Some(claim.queue.clone()),
        // A task without a name is given one by the original; the id is a name, too.
        task_name: Some(claim.name.clone().unwrap_or_else(|| claim.fence.id.to_string())),
        task_retry_count: Some(u64::from(retries)),
        task_execution_count: Some(u64::from(retries.saturating_sub(past.unserved))),
        task_eta: Some(claim.eta),
        task_previous_response: past.status,
        task_retry_reason: past.status.map(|status| format!("HTTP status {status}")),
        ..TaskHeaders::default()
    }
}

/// Adds a header of the task, unless it is one that decides who sends what, or none at all.
fn add_own(headers: &mut HeaderMap, name: &str, value: &str) {
    let lower = name.to_ascii_lowercase();
    let ours = OWN.contains(&lower.as_str()) || OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    let pair = HeaderName::try_from(lower).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
    match pair {
        Some((name, value)) if !ours => {
            let known = [CONTENT_TYPE, USER_AGENT].contains(&name);
            if known {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        _ => tracing::debug!(header = name, "a task's header is not sent"),
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<()> {
    let refuse = || Error::new(Kind::InvalidOption, format!("the header `{name}` cannot be written"));
    let name = HeaderName::try_from(name).map_err(|_| refuse())?;
    headers.insert(name, HeaderValue::try_from(value).map_err(|_| refuse())?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::key::Key;
    use crate::id::TaskId;
    use crate::store::Fence;
    use crate::time::Timestamp;

    fn claim(name: Option<&str>, attempt: u32) -> Claim {
        Claim {
            fence: Fence::new(TaskId::new(), 1, name.is_some()),
            attempt,
            crashes: 0,
            age: Duration::ZERO,
            queue: "mail".to_owned(),
            name: name.map(str::to_owned),
            priority: 0,
            eta: Timestamp::from_micros(1_500_000_000_250_000),
            options: None,
            payload: vec![1, 2, 3],
            retry: None,
        }
    }

    fn made(claim: Claim, headers: &[(&str, &str)], past: &Past) -> Request<Bytes> {
        let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = TaskOptions { headers: pairs.collect(), ..TaskOptions::default() };
        let keys = Keys::new(Key::generate().parse().unwrap());
        request(claim, &options, &"https://a.example".parse().unwrap(), &keys, past).unwrap()
    }

    #[test]
    fn the_headers_are_those_of_the_original() {
        let past = Past { status: Some(503), unserved: 1 };
        let made = made(claim(Some("t-1"), 4), &[], &past);
        for (name, value) in [
            ("x-appengine-queuename", "mail"),
            ("x-appengine-taskname", "t-1"),
            ("x-appengine-taskretrycount", "3"),
            ("x-appengine-taskexecutioncount", "2"),
            ("x-appengine-tasketa", "1500000000.25"),
            ("x-appengine-taskpreviousresponse", "503"),
            ("x-appengine-taskretryreason", "HTTP status 503"),
            ("content-type", "application/msgpack"),
        ] {
            assert_eq!(made.headers()[name], value, "{name}");
        }
        assert_eq!(made.uri(), "https://a.example/_ah/queue/go/delay");
        assert!(made.headers()["webhook-id"].to_str().unwrap().ends_with("_4"));
    }

    #[test]
    fn a_task_that_is_a_request_goes_to_its_own_path() {
        let request = http::Request::new(http::Method::Put, "/users/7?x=1").unwrap().body("body");
        let claim = Claim { payload: request.to_payload().unwrap(), ..claim(None, 1) };
        let made = made(claim, &[("Content-Type", "text/plain")], &Past::default());
        assert_eq!(
            (made.method(), made.uri().to_string().as_str()),
            (&Method::PUT, "https://a.example/users/7?x=1")
        );
        assert_eq!(
            (&made.body()[..], &made.headers()["content-type"]),
            (&b"body"[..], &HeaderValue::from_static("text/plain"))
        );
        assert!(made.headers().contains_key("webhook-signature"));
    }

    #[test]
    fn a_tasks_headers_travel_but_not_those_that_say_who_sends() {
        let given = [
            ("Tenant", "acme"),
            ("Tenant", "globex"),
            ("Content-Type", "text/plain"),
            ("Authorization", "Bearer x"),
            ("X-AppEngine-QueueName", "other"),
            ("X-CloudTasks-TaskName", "other"),
            ("Webhook-Id", "x"),
            ("Host", "evil.org"),
            ("Transfer-Encoding", "chunked"),
            ("not a name", "x"),
            ("Broken", "a\r\nHost: evil.org"),
        ];
        let made = made(claim(None, 1), &given, &Past::default());
        let headers = made.headers();
        assert_eq!(headers.get_all("tenant").iter().collect::<Vec<_>>(), ["acme", "globex"]);
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["x-appengine-queuename"], "mail");
        for absent in ["authorization", "x-cloudtasks-taskname", "host", "transfer-encoding", "broken"] {
            assert!(!headers.contains_key(absent), "{absent}");
        }
        assert_ne!(headers["webhook-id"], "x");
        assert!(!headers.contains_key("x-appengine-taskpreviousresponse"));
    }
}
