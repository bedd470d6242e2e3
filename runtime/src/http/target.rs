//! Where requests may be sent: origins, and URLs below them. A target is data (of a queue, of a file); what may be reached
//! is code's to say.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use axum::http::uri::{Authority, PathAndQuery, Scheme};

use crate::error::{Error, Kind, Result};
use crate::limits;

/// A scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// Where a queue's tasks are sent: an origin, and a path below which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    base: String,
}

impl Target {
    pub(super) fn origin(&self) -> Origin {
        let port = self.authority.port_u16();
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = self.authority.host().to_ascii_lowercase();
        Origin { scheme: self.scheme.clone(), host, port: port.unwrap_or(usual) }
    }

    /// The URL of `path`, which begins with a slash, below this target.
    pub(super) fn url(&self, path: &str) -> Result<Uri> {
        let whole = format!("{}{path}", self.base);
        let refuse = || {
            let text = format!("{} is not a path below {self}", limits::quoted(path));
            Error::new(Kind::InvalidOption, text)
        };
        // Dots would lead out of the base, and a receiver may read `//host` as another one.
        let dots = path.split(['?', '#']).next().unwrap_or_default().split('/').any(|part| part == "..");
        if !path.starts_with('/') || path.starts_with("//") || dots {
            return Err(refuse());
        }
        let path = whole.parse::<PathAndQuery>().map_err(|_| refuse())?;
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        uri.path_and_query(path).build().map_err(|_| refuse())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let text = format!("{} is not where tasks can be sent: {why}", limits::quoted(text));
            Error::new(Kind::InvalidOption, text)
        };
        let uri = text.parse::<Uri>().map_err(|_| refuse("use a URL such as `https://app.example.com`"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let (Some(scheme), Some(authority)) = (scheme, parts.authority) else {
            return Err(refuse(
                "it has to begin with `https://` or `http://` (App Engine's `version.service` names nothing here)",
            ));
        };
        if authority.as_str().contains('@') {
            return Err(refuse("a name and a password have no place in it"));
        }
        let path = parts.path_and_query;
        if path.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(refuse("a query has no place in it"));
        }
        let base = path.map_or_else(String::new, |path| path.path().trim_end_matches('/').to_owned());
        Ok(Self { scheme, authority, base })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_url_without_secrets_and_without_a_query() {
        for good in ["https://app.example.com", "http://127.0.0.1:8080/", "https://[::1]/base/"] {
            good.parse::<Target>().unwrap();
        }
        for bad in [
            "",
            "v1.mail",
            "app.example.com",
            "ftp://a",
            "https://u:p@a",
            "https://a/?x=1",
            "file:///etc",
            "https://",
        ] {
            assert!(bad.parse::<Target>().unwrap_err().is_invalid_option(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_compared_by_what_it_means() {
        let origin = |text: &str| text.parse::<Target>().unwrap().origin();
        assert_eq!(origin("https://App.example.com"), origin("https://app.example.com:443/x"));
        assert_ne!(origin("https://app.example.com"), origin("http://app.example.com"));
        assert_ne!(origin("http://app.example.com:81"), origin("http://app.example.com"));
        assert_ne!(origin("https://app.example.com.evil.org"), origin("https://app.example.com"));
    }

    #[test]
    fn no_path_leads_out_of_the_target() {
        let target: Target = "https://a.example/base/".parse().unwrap();
        assert_eq!(target.url("/x?y=1").unwrap(), "https://a.example/base/x?y=1");
        for bad in
            ["x", "//evil.org/x", "/../x", "/x/../../y", "@evil.org", "/a b", "/a\r\nHost: evil.org", ""]
        {
            assert!(target.url(bad).is_err(), "{bad:?}");
        }
    }
}
