//! A generic HTTP task: a request that is to be sent to the target of its queue.
//!
//! Owns the request's form in a payload, `{"http": {"method", "path", "body"}}`, and what may be in it. Headers are the
//! task's own ([`TaskOptions::headers`](crate::TaskOptions)), as those of a call are. It never sends anything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// How every payload of this kind begins: a map of one, and its key.
const BEFORE_REQUEST: &[u8] = b"\x81\xa4http";

/// App Engine's limit, and that of most servers.
const PATH_MAX: usize = 2083;

/// What the connection decides, and what the receiver has to be able to trust.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding"];

/// Only whoever delivers tasks says these.
const RESERVED_PREFIXES: [&str; 4] = ["x-appengine-", "x-cloudtasks-", "x-google-", "webhook-"];

/// An HTTP request that is queued as a task, beside calls of functions.
///
/// ```
/// use delay::taskqueue::{Method, Request};
///
/// let request = Request::new(Method::Post, "/mail?to=ada")?.body("Dear Ada");
/// assert_eq!(Request::read(&request.to_payload()?)?, Some(request));
/// assert!(Request::new(Method::Get, "https://example.com/").unwrap_err().is_invalid_request());
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    method: Method,
    path: String,
    #[serde(serialize_with = "bytes")]
    body: Vec<u8>,
}

/// What to do at the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // they are HTTP's
pub enum Method {
    Get,
    Head,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

#[derive(Serialize)]
struct Envelope<'a> {
    http: &'a Request,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    http: Request,
}

impl Request {
    /// A request without a body. The path is below the queue's target: it begins with `/` and may have a query.
    ///
    /// # Errors
    /// [`Error::is_invalid_request`] if the path is not one, or longer than 2083 bytes.
    pub fn new(method: Method, path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        check_path(&path)?;
        Ok(Self { method, path, body: Vec::new() })
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// What to do.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The payload of the task.
    ///
    /// # Errors
    /// [`Error::is_invalid_request`] if the method takes no body and there is one.
    pub fn to_payload(&self) -> Result<Vec<u8>> {
        if matches!(self.method, Method::Get | Method::Head | Method::Options) && !self.body.is_empty() {
            return Err(invalid(format!("{} takes no body: use POST, PUT or PATCH", self.method)));
        }
        let packed = codec::to_vec(&Envelope { http: self });
        packed.map_err(|error| Error::with_source(Kind::Encode, "cannot pack the request", error))
    }

    /// Whether a payload is a request's rather than a call's, by its first bytes.
    #[must_use]
    pub fn is_payload(payload: &[u8]) -> bool {
        payload.starts_with(BEFORE_REQUEST)
    }

    /// The request that a payload holds; nothing if it is not a request's.
    ///
    /// # Errors
    /// [`Error::is_decode`] if it is one and damaged, [`Error::is_invalid_request`] if its path is not one: payloads
    /// may come from anywhere.
    pub fn read(payload: &[u8]) -> Result<Option<Self>> {
        if !Self::is_payload(payload) {
            return Ok(None);
        }
        let Opened { http } = codec::from_slice(payload).map_err(|error| {
            Error::with_source(Kind::Decode, "the payload is a damaged HTTP request", error)
        })?;
        check_path(&http.path)?;
        Ok(Some(http))
    }
}

fn bytes<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(body)
}

fn invalid(text: String) -> Error {
    Error::new(Kind::InvalidRequest, text)
}

/// It is appended to the target: nothing in it may lead to another host, or out of the target's own path.
fn check_path(path: &str) -> Result<()> {
    let shown = limits::quoted(path);
    if path.len() > PATH_MAX {
        return Err(invalid(format!("the path takes {} bytes, {PATH_MAX} are allowed", path.len())));
    }
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(invalid(format!(
            "{shown} is not a path: it begins with one `/`; the host is the queue's"
        )));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>'))
    {
        return Err(invalid(format!(
            "{shown} is not a path: percent-encode all but printable ASCII, and \\ # \" < >"
        )));
    }
    let steps = path.split('?').next().unwrap_or_default().split('/');
    if steps.map(|step| step.to_ascii_lowercase().replace("%2e", ".")).any(|step| step == "." || step == "..")
    {
        return Err(invalid(format!(
            "{shown} is not a path: `.` and `..` could lead out of the queue's target"
        )));
    }
    Ok(())
}

/// What a header of an HTTP task may be: HTTP's alphabet, and none of those that the delivery itself sets.
pub(crate) fn check_header(name: &str, value: &str) -> Result<()> {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(in_token) {
        return Err(invalid(format!("{} is not the name of a header", limits::quoted(name))));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        return Err(invalid(format!(
            "the header `{name}` is set by whoever delivers the task: leave it out"
        )));
    }
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err(invalid(format!("the value of the header `{name}` is not printable ASCII: encode it")));
    }
    Ok(())
}

impl Method {
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// As HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            invalid(format!("{} is not a method: use one of {all}", limits::quoted(text)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_map_that_any_language_reads() {
        let payload = Request::new(Method::Put, "/a").unwrap().body([0, 255]).to_payload().unwrap();
        let expected = b"\x81\xa4http\x83\xa6method\xa3PUT\xa4path\xa2/a\xa4body\xc4\x02\x00\xff";
        assert_eq!(payload, expected);
    }

    #[test]
    fn a_call_is_no_request() {
        let call = codec::InvocationWriter::new("f", 0).finish().unwrap().bytes;
        assert_eq!(Request::read(&call).unwrap(), None);
        assert_eq!(Request::read(b"").unwrap(), None);
    }

    #[test]
    fn a_path_leads_nowhere_but_below_the_target() {
        for good in ["/", "/a/b?c=d/../e", "/%20", "/...", &format!("/{}", "x".repeat(2082))] {
            Request::new(Method::Get, good).unwrap();
        }
        let long = format!("/{}", "x".repeat(2083));
        for bad in [
            "",
            "a",
            "//evil.com/",
            "https://evil.com/",
            "/\\evil.com",
            "/a/../b",
            "/..",
            "/a/.",
            "/%2e%2E/a",
            "/.%2e",
            "/a b",
            "/a\r\nHost: b",
            "/\0",
            "/ä",
            "/a#b",
            "/\"",
            &long,
        ] {
            assert!(Request::new(Method::Get, bad).unwrap_err().is_invalid_request(), "{bad:?}");
        }
    }

    #[test]
    fn damaged_and_foreign_requests_are_refused() {
        let whole = Request::new(Method::Post, "/a").unwrap().body("b").to_payload().unwrap();
        for end in BEFORE_REQUEST.len()..whole.len() {
            assert!(Request::read(&whole[..end]).unwrap_err().is_decode());
        }
        let evil = b"\x81\xa4http\x83\xa6method\xa3GET\xa4path\xa3//e\xa4body\xc4\x00";
        assert!(Request::read(evil).unwrap_err().is_invalid_request());
        let unknown = b"\x81\xa4http\x84\xa6method\xa3GET\xa4path\xa1/\xa4body\xc4\x00\xa1x\x01";
        assert!(Request::read(unknown).unwrap_err().is_decode());
    }

    #[test]
    fn what_takes_no_body_has_none() {
        let get = Request::new(Method::Get, "/").unwrap().body("b");
        assert!(get.to_payload().unwrap_err().is_invalid_request());
    }

    #[test]
    fn headers_cannot_pretend_or_break_out() {
        check_header("X-Tenant", "a b\t~").unwrap();
        for (name, value) in [
            ("", "a"),
            ("a b", "a"),
            ("a:", "a"),
            ("a\r\nb", "a"),
            ("ä", "a"),
            ("a", "b\r\nc: d"),
            ("a", "\0"),
            ("Host", "a"),
            ("content-LENGTH", "1"),
            ("Transfer-Encoding", "chunked"),
            ("X-AppEngine-QueueName", "q"),
            ("X-CloudTasks-TaskName", "n"),
            ("webhook-signature", "v1,"),
        ] {
            assert!(check_header(name, value).unwrap_err().is_invalid_request(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn methods_survive_their_names() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        assert!("get".parse::<Method>().unwrap_err().is_invalid_request());
    }
}
