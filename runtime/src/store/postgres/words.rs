//! What a store URL says, word by word, and what the environment says where the URL is silent, as libpq reads it. Owns
//! the names of all options; what they mean is for `address`, `tls` and `settings`.
//!
//! No error of this file repeats the URL: a password may stand where nobody expects one.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Kind, Result};

/// libpq's options and the environment variables that fill them.
const LIBPQ: [(&str, &str); 24] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("application_name", "PGAPPNAME"),
    ("options", "PGOPTIONS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
    // Where the system says who we are, and where our files are.
    ("", "USER"),
    ("", "HOME"),
];

/// The options that are the store's own.
const OWN: [&str; 9] = [
    "schema",
    "durability",
    "pool",
    "statement_timeout",
    "prepare",
    "notify",
    "skip_locked",
    "advisory_locks",
    "bundle",
];

/// The words of one URL. It has no `Debug`: it holds the password.
pub(super) struct Words {
    said: BTreeMap<String, String>,
    home: Option<String>,
    login: Option<String>,
}

impl Words {
    /// Reads `postgres://user:password@host:port,host:port/database?option=value`, every part of which may be missing.
    pub(super) fn parse(url: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut said = url_words(url)?;
        let named = said.contains_key("host");
        for (option, variable) in
            LIBPQ.iter().filter(|(option, variable)| !option.is_empty() && !variable.is_empty())
        {
            // An address from the environment belongs to the host from the environment.
            let fits = *option != "hostaddr" || !named;
            if fits
                && !said.contains_key(*option)
                && let Some(value) = environment(variable)
            {
                said.insert((*option).to_owned(), value);
            }
        }
        said.retain(|_, value| !value.is_empty());
        Ok(Self { said, home: environment("HOME"), login: environment("USER") })
    }

    pub(super) fn get(&self, option: &str) -> Option<&str> {
        self.said.get(option).map(String::as_str)
    }

    /// The parts of a list.
    pub(super) fn list(&self, option: &str) -> Vec<&str> {
        self.get(option).map(|list| list.split(',').collect()).unwrap_or_default()
    }

    /// A file below the user's home.
    pub(super) fn at_home(&self, file: &str) -> Option<std::path::PathBuf> {
        self.home.as_ref().map(|home| std::path::Path::new(home).join(file))
    }

    /// The user as the system knows them.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// One of several values.
    pub(super) fn choice<T: Copy>(&self, option: &str, default: T, choices: &[(&str, T)]) -> Result<T> {
        let Some(said) = self.get(option) else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| *name == said);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            invalid(format!("`{option}={said}` makes no sense: `{option}` is one of {}", known.join(", ")))
        })
    }

    /// `on` or `off`.
    pub(super) fn switch(&self, option: &str, default: bool) -> Result<bool> {
        self.choice(option, default, &[("on", true), ("off", false)])
    }

    /// A number of at least `least`.
    pub(super) fn number(&self, option: &str, least: u64) -> Result<Option<u64>> {
        let Some(said) = self.get(option) else { return Ok(None) };
        match said.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(invalid(format!(
                "`{option}={said}` makes no sense: `{option}` is a number from {least} up"
            ))),
        }
    }

    /// A length of time: libpq's plain number in `unit`, or with a unit of its own such as `30s`.
    pub(super) fn length(&self, option: &str, unit: Duration, default: Duration) -> Result<Duration> {
        let Some(said) = self.get(option) else { return Ok(default) };
        let plain = said.parse::<u32>().ok().map(|number| unit * number);
        plain.or_else(|| humantime::parse_duration(said).ok()).ok_or_else(|| {
            invalid(format!("`{option}={said}` makes no sense: `{option}` is a length of time such as `30s`"))
        })
    }
}

pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(Kind::InvalidOption, text)
}

fn url_words(url: &str) -> Result<BTreeMap<String, String>> {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    if database.contains('@') {
        return Err(invalid(
            "the store URL has an `@` behind its first `/`: in a user's name or a password write `%2F` for `/`, `%3F` for `?` and `%40` for `@`",
        ));
    }
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut said = BTreeMap::new();
    for (option, value) in [("user", user), ("password", password), ("dbname", database)] {
        said.insert(option.to_owned(), decode(option, value)?);
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',').filter(|host| !host.is_empty()) {
        let (name, port) = split_port(host);
        names.push(decode("host", name.trim_start_matches('[').trim_end_matches(']'))?);
        ports.push(port);
    }
    said.insert("host".to_owned(), names.join(","));
    if ports.iter().any(|port| !port.is_empty()) {
        said.insert("port".to_owned(), ports.join(","));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (option, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !known().any(|known| known == option) {
            return Err(unknown(option));
        }
        said.insert(option.to_owned(), decode(option, value)?);
    }
    said.retain(|_, value| !value.is_empty());
    Ok(said)
}

/// The port behind the last colon, unless that is part of an IPv6 address in brackets.
fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

fn known() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().chain(LIBPQ.into_iter().map(|(option, _)| option).filter(|option| !option.is_empty()))
}

fn unknown(option: &str) -> Error {
    let libpq: Vec<_> = LIBPQ.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
    invalid(format!(
        "`{option}` is not an option of a Postgres store: its own are {}; of libpq's it knows {}",
        OWN.join(", "),
        libpq.join(", ")
    ))
}

fn decode(option: &str, value: &str) -> Result<String> {
    let bad_escape = value.split('%').skip(1).any(|rest| {
        let code = rest.as_bytes().get(..2);
        !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    });
    let text = percent_decode_str(value).decode_utf8().ok().filter(|_| !bad_escape);
    text.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        invalid(format!(
            "the {option} in the store URL has a `%` that begins no character: write `%25` for `%`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(url: &str) -> Words {
        Words::parse(url, &|_| None).unwrap()
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let words =
            words("postgres://ada:s%40cret@h1:5433,[::1]:5434,h3/jobs%20x?schema=own&sslmode=require");
        assert_eq!(words.get("user"), Some("ada"));
        assert_eq!(words.get("password"), Some("s@cret"));
        assert_eq!(words.list("host"), ["h1", "::1", "h3"]);
        assert_eq!(words.list("port"), ["5433", "5434", ""]);
        assert_eq!(words.get("dbname"), Some("jobs x"));
        assert_eq!(words.get("schema"), Some("own"));
    }

    #[test]
    fn every_part_of_a_url_may_be_missing() {
        for url in ["postgres:", "postgres://", "postgresql:///", "postgres://?"] {
            let words = words(url);
            assert!(words.said.is_empty(), "{url}: {:?}", words.said);
        }
        assert_eq!(words("postgres:///jobs").get("dbname"), Some("jobs"));
        assert_eq!(words("postgres://%2Frun%2Fpg/jobs").get("host"), Some("/run/pg"));
        assert_eq!(words("postgres:///jobs?host=/run/pg").get("host"), Some("/run/pg"));
    }

    #[test]
    fn the_environment_fills_what_the_url_leaves_out_and_nothing_else() {
        let environment = |name: &str| match name {
            "PGUSER" => Some("env".to_owned()),
            "PGHOST" => Some("elsewhere".to_owned()),
            "PGHOSTADDR" => Some("10.0.0.1".to_owned()),
            "PGPASSWORD" => Some("hush".to_owned()),
            _ => None,
        };
        let words = Words::parse("postgres://ada@h1/jobs", &environment).unwrap();
        assert_eq!(words.get("user"), Some("ada"));
        assert_eq!(words.get("host"), Some("h1"));
        assert_eq!(words.get("hostaddr"), None);
        assert_eq!(words.get("password"), Some("hush"));
        let words = Words::parse("postgres:///jobs", &environment).unwrap();
        assert_eq!((words.get("host"), words.get("hostaddr")), (Some("elsewhere"), Some("10.0.0.1")));
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_known_ones() {
        let error = Words::parse("postgres://h/jobs?shema=own", &|_| None).err().unwrap();
        assert!(error.is_invalid_option());
        for expected in ["`shema`", "schema", "durability", "sslmode", "target_session_attrs"] {
            assert!(error.to_string().contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_password_that_was_not_escaped_is_not_repeated_by_the_error() {
        for url in
            ["postgres://ada:hush/hush@h/jobs", "postgres://ada:hush%zz@h/jobs", "postgres://ada:hu%@h/hush"]
        {
            let error = Words::parse(url, &|_| None).err().unwrap();
            assert!(!error.chain().contains("hush"), "{error}");
            assert!(error.to_string().contains("write `%2"), "{error}");
        }
    }
}
