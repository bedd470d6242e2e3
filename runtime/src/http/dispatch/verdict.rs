//! What a target's reply means for the task and for the pace. Pure.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};

use super::pace::Load;
use crate::error::Result;
use crate::failure::Class;
use crate::http::answer::OUTCOME;
use crate::http::line::Reply;
use crate::outcome::Outcome;

/// What is kept of a reply's text.
const LONGEST_REASON: usize = 1000;

/// What a reply comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) load: Load,
    /// The status, if there was a reply.
    pub(super) status: Option<u16>,
}

/// Judges a reply. 200 to 299 is success; what another program of ours adds in `Delay-Outcome` counts more.
pub(super) fn judge(reply: Result<Reply>) -> Verdict {
    let Reply { status, headers, text } = match reply {
        Ok(reply) => reply,
        Err(error) => {
            let outcome = Outcome::Failed(Class::Retry, error.chain());
            return Verdict { outcome, load: Load::TooMuch(None), status: None };
        }
    };
    let why = || reason(status, &text);
    let wait = retry_after(&headers);
    let again = || Outcome::Failed(wait.map_or(Class::Retry, Class::RetryIn), why());
    let word = headers.get(OUTCOME).and_then(|word| word.to_str().ok());
    let (outcome, load) = match word {
        Some("failed") if status.is_success() => (Outcome::Failed(Class::Permanent, why()), Load::Served),
        Some("cancelled") if status.is_success() => (Outcome::Failed(Class::Cancel, why()), Load::Served),
        _ if status.is_success() => (Outcome::Succeeded(None), Load::Served),
        // The function's own wish, not the target's.
        Some("again") => (again(), Load::Served),
        _ if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            (again(), Load::TooMuch(wait))
        }
        _ => (Outcome::Failed(Class::Retry, why()), Load::Served),
    };
    Verdict { outcome, load, status: Some(status.as_u16()) }
}

/// `Retry-After` in seconds, or until a date, which a queue reads as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(Duration::from_secs(86_400)))
}

fn reason(status: StatusCode, text: &str) -> String {
    let mut reason = format!("the target answered {}", status.as_u16());
    if status.is_redirection() {
        reason.push_str(" (redirects are not followed)");
    }
    let text = text.trim();
    if !text.is_empty() {
        let text: String = text.chars().take(LONGEST_REASON).collect();
        reason.push_str(": ");
        reason.push_str(&text);
    }
    reason
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn reply(status: u16, outcome: Option<&'static str>, retry_after: Option<&'static str>) -> Verdict {
        let mut headers = HeaderMap::new();
        outcome.map(|word| headers.insert(OUTCOME, HeaderValue::from_static(word)));
        retry_after.map(|text| headers.insert(RETRY_AFTER, HeaderValue::from_static(text)));
        let status = StatusCode::from_u16(status).unwrap();
        judge(Ok(Reply { status, headers, text: "why".to_owned() }))
    }

    #[test]
    fn every_status_has_its_verdict() {
        let ten = Duration::from_secs(10);
        let (done, served) = (None, Load::Served);
        for (status, word, after, class, load) in [
            (200, None, None, done, served),
            (204, None, None, done, served),
            (202, Some("held"), None, done, served),
            (202, Some("kept"), None, done, served),
            (202, Some("failed"), None, Some(Class::Permanent), served),
            (202, Some("cancelled"), None, Some(Class::Cancel), served),
            (302, None, None, Some(Class::Retry), served),
            (401, None, None, Some(Class::Retry), served),
            (404, None, None, Some(Class::Retry), served),
            (404, Some("failed"), None, Some(Class::Retry), served),
            (422, Some("refused"), None, Some(Class::Retry), served),
            (429, None, None, Some(Class::Retry), Load::TooMuch(None)),
            (500, None, None, Some(Class::Retry), served),
            (500, Some("again"), None, Some(Class::Retry), served),
            (503, Some("again"), Some("10"), Some(Class::RetryIn(ten)), served),
            (503, None, Some("10"), Some(Class::RetryIn(ten)), Load::TooMuch(Some(ten))),
            (503, None, Some("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Class::Retry), Load::TooMuch(None)),
        ] {
            let verdict = reply(status, word, after);
            let found = match &verdict.outcome {
                Outcome::Succeeded(None) => None,
                Outcome::Failed(class, why) => {
                    assert!(why.contains(&status.to_string()) && why.contains("why"), "{why}");
                    Some(*class)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (found, verdict.load, verdict.status),
                (class, load, Some(status)),
                "{status} {word:?}"
            );
        }
    }

    #[test]
    fn no_answer_is_a_failure_and_slows_down() {
        let error = crate::error::Error::new(crate::error::Kind::Unavailable, "there was no answer");
        let verdict = judge(Err(error));
        assert_eq!((verdict.load, verdict.status), (Load::TooMuch(None), None));
        assert!(matches!(verdict.outcome, Outcome::Failed(Class::Retry, _)));
    }
}
