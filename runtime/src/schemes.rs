//! The stores by URL scheme. Each engine adds a line to a table at link time; where the platform's linker cannot do
//! that, the table is written out.

#[cfg(any(feature = "sqlite", feature = "cli", test))]
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
#[cfg(feature = "cli")]
use crate::store::QueueBook;
#[cfg(feature = "cli")]
use crate::store::finding::{Bounds, Finding};
use crate::store::memory::MemoryStore;
#[cfg(feature = "cli")]
use crate::store::migration::Migration;
#[cfg(all(feature = "postgres", feature = "cli"))]
use crate::store::postgres;
#[cfg(feature = "postgres")]
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::{Pending, Retention, Store};

/// One kind of store.
pub(crate) struct Scheme {
    name: &'static str,
    example: &'static str,
    open: fn(Url, Retention) -> Pending<'static, Arc<dyn Store>>,
    /// Opens what is there, and only to read it.
    #[cfg(feature = "cli")]
    look: fn(Url) -> Pending<'static, Box<Look>>,
    /// What `open` would do to the tables.
    #[cfg(feature = "cli")]
    migration: fn(Url) -> Pending<'static, Migration>,
    /// What is wrong with the place.
    #[cfg(feature = "cli")]
    doctor: fn(Url, Bounds) -> Pending<'static, Vec<Finding>>,
}

/// A store that is only read.
#[cfg(feature = "cli")]
pub(crate) type Look = dyn QueueBook + Send + Sync;

// The one place that may: linkme's table lives in a link section, and the compiler counts naming one as unsafe.
#[allow(unsafe_code)]
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "freebsd"))]
mod table {
    #[linkme::distributed_slice]
    pub(super) static SCHEMES: [super::Scheme];
    #[linkme::distributed_slice(SCHEMES)]
    static MEMORY: super::Scheme = super::MEMORY;
    #[cfg(feature = "sqlite")]
    #[linkme::distributed_slice(SCHEMES)]
    static SQLITE: super::Scheme = super::SQLITE;
    #[cfg(feature = "postgres")]
    #[linkme::distributed_slice(SCHEMES)]
    static POSTGRES: super::Scheme = super::POSTGRES;

    pub(super) fn schemes() -> impl Iterator<Item = &'static super::Scheme> {
        SCHEMES.iter()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "freebsd")))]
mod table {
    static SCHEMES: &[super::Scheme] = &[
        super::MEMORY,
        #[cfg(feature = "sqlite")]
        super::SQLITE,
        #[cfg(feature = "postgres")]
        super::POSTGRES,
    ];

    pub(super) fn schemes() -> impl Iterator<Item = &'static super::Scheme> {
        SCHEMES.iter()
    }
}

const MEMORY: Scheme = Scheme {
    name: "memory",
    example: "memory:",
    open: |_, retention| {
        Box::pin(async move { Ok(Arc::new(MemoryStore::new(Clock::System, retention)) as Arc<dyn Store>) })
    },
    #[cfg(feature = "cli")]
    look: |_| Box::pin(async { Err(gone()) }),
    #[cfg(feature = "cli")]
    migration: |_| Box::pin(async { Err(gone()) }),
    #[cfg(feature = "cli")]
    doctor: |_, _| Box::pin(async { Err(gone()) }),
};

#[cfg(feature = "sqlite")]
const SQLITE: Scheme = Scheme {
    name: "sqlite",
    example: "sqlite:jobs.db",
    open: |url, retention| {
        Box::pin(async move {
            let options = url.sqlite(retention)?;
            let opened = blocking(move || crate::store::sqlite::SqliteStore::open(options)).await?;
            Ok(Arc::new(opened) as Arc<dyn Store>)
        })
    },
    #[cfg(feature = "cli")]
    look: |url| {
        Box::pin(async move {
            let options = url.sqlite(Retention::default())?;
            let opened = blocking(move || crate::store::sqlite::SqliteLook::open(&options)).await?;
            Ok(Box::new(opened) as Box<Look>)
        })
    },
    #[cfg(feature = "cli")]
    migration: |url| {
        Box::pin(async move {
            let options = url.sqlite(Retention::default())?;
            blocking(move || crate::store::sqlite::migration(&options)).await
        })
    },
    #[cfg(feature = "cli")]
    doctor: |url, _| {
        Box::pin(async move {
            let options = url.sqlite(Retention::default())?;
            blocking(move || crate::store::sqlite::examine(&options)).await
        })
    },
};

#[cfg(feature = "postgres")]
const POSTGRES: Scheme = Scheme {
    name: "postgres",
    example: "postgres://user@host/database",
    open: |url, retention| {
        Box::pin(async move {
            let options = PostgresOptions { retention, ..PostgresOptions::new(url.text) };
            Ok(Arc::new(PostgresStore::open(options).await?) as Arc<dyn Store>)
        })
    },
    #[cfg(feature = "cli")]
    look: |url| {
        Box::pin(async move {
            let opened = postgres::PostgresLook::open(&PostgresOptions::new(url.text)).await?;
            Ok(Box::new(opened) as Box<Look>)
        })
    },
    #[cfg(feature = "cli")]
    migration: |url| Box::pin(async move { postgres::migration(&PostgresOptions::new(url.text)).await }),
    #[cfg(feature = "cli")]
    doctor: |url, bounds| {
        Box::pin(async move { postgres::examine(&PostgresOptions::new(url.text), bounds).await })
    },
};

#[cfg(feature = "sqlite")]
async fn blocking<T: Send + 'static>(open: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| Error::with_source(Kind::Other, "cannot open the store", error))?
}

/// Opens the store that a URL names.
pub(crate) async fn open(url: &str, retention: Retention) -> Result<Arc<dyn Store>> {
    let (scheme, parsed) = scheme_of(url)?;
    (scheme.open)(parsed, retention).await
}

/// Opens the store that a URL names to look at it: it must be there, and nothing of it is changed.
#[cfg(feature = "cli")]
pub(crate) async fn look(url: &str) -> Result<Box<Look>> {
    let (scheme, parsed) = scheme_of(url)?;
    (scheme.look)(parsed).await
}

/// What opening the store for work would do to its tables.
#[cfg(feature = "cli")]
pub(crate) async fn migration(url: &str) -> Result<Migration> {
    let (scheme, parsed) = scheme_of(url)?;
    (scheme.migration)(parsed).await
}

/// What is wrong, or soon will be, with the place where a store's tasks live.
#[cfg(feature = "cli")]
pub(crate) async fn doctor(url: &str, bounds: Bounds) -> Result<Vec<Finding>> {
    let (scheme, parsed) = scheme_of(url)?;
    (scheme.doctor)(parsed, bounds).await
}

fn scheme_of(url: &str) -> Result<(&'static Scheme, Url)> {
    let parsed = Url::parse(url)?;
    match table::schemes().find(|scheme| scheme.name == parsed.scheme) {
        Some(scheme) => Ok((scheme, parsed)),
        None => Err(unknown(&parsed.scheme)),
    }
}

/// What a tool learns that looks for a store which is not on any disk.
#[cfg(feature = "cli")]
fn gone() -> Error {
    let text =
        "a memory store lives inside one process and ends with it: there is nothing to look at from outside";
    Error::new(Kind::InvalidOption, text)
}

/// Removes or empties a store that nobody has open: what a benchmark leaves behind.
#[cfg(feature = "cli")]
pub(crate) async fn remove(url: &str) -> Result<()> {
    let parsed = Url::parse(url)?;
    match parsed.scheme.as_str() {
        "sqlite" => std::fs::remove_file(parsed.place()?.0)
            .map_err(|error| Error::with_source(Kind::Other, "cannot remove the benchmark's store", error)),
        #[cfg(feature = "postgres")]
        "postgres" => Box::pin(postgres::clear(&PostgresOptions::new(parsed.text))).await,
        _ => Ok(()),
    }
}

fn unknown(scheme: &str) -> Error {
    let known: Vec<_> = table::schemes().map(|scheme| format!("`{}`", scheme.example)).collect();
    let mut text = format!("no store has the scheme `{scheme}`: this program knows {}", known.join(" and "));
    if ["postgres", "postgresql"].contains(&scheme) {
        text.push_str("; PostgreSQL needs the feature `postgres` of the `delay-func` dependency");
    } else if scheme == "sqlite" {
        text.push_str("; SQLite needs the feature `sqlite` of the `delay-func` dependency");
    }
    Error::new(Kind::UnknownScheme, text)
}

/// A scheme, and what is the scheme's own to read: it may hold a password, and no error here repeats it.
struct Url {
    scheme: String,
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]
    text: String,
}

impl Url {
    fn parse(url: &str) -> Result<Self> {
        let Some((scheme, _)) = url.split_once(':') else {
            let text = format!("`{url}` is not a store URL: write for example `sqlite:{url}`");
            return Err(Error::new(Kind::UnknownScheme, text));
        };
        let scheme = match scheme.to_ascii_lowercase() {
            long if long == "postgresql" => "postgres".to_owned(),
            scheme => scheme,
        };
        Ok(Self { scheme, text: url.to_owned() })
    }

    /// A path and options: `scheme:path?key=value&flag`.
    #[cfg(any(feature = "sqlite", feature = "cli", test))]
    fn place(&self) -> Result<(PathBuf, Vec<(String, String)>)> {
        let rest = self.text.split_once(':').map_or("", |(_, rest)| rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let options = query.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (key.to_owned(), value.to_owned())
        });
        Ok((unescape(path)?, options.collect()))
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(self, retention: Retention) -> Result<crate::store::sqlite::SqliteOptions> {
        use crate::store::sqlite::{Durability, SqliteOptions, Tenancy};
        let (path, given) = self.place()?;
        let mut options = SqliteOptions { retention, ..SqliteOptions::new(&path) };
        for (key, value) in &given {
            match (key.as_str(), value.as_str()) {
                ("durability", "disk") => options.durability = Durability::Disk,
                ("durability", "process") => options.durability = Durability::Process,
                ("shared", "") => options.tenancy = Tenancy::Shared,
                _ => {
                    let text = format!(
                        "`{key}={value}` is not an option of a SQLite store: there are `durability=disk`, \
                         `durability=process` and `shared`"
                    );
                    return Err(Error::new(Kind::InvalidOption, text));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(any(feature = "sqlite", feature = "cli", test))]
/// `%3F` stands for a question mark, and so on; the bytes need not be UTF-8 where file names need not.
fn unescape(path: &str) -> Result<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            let text = format!(
                "`{path}` has a `%` that is not followed by two hexadecimal digits: write `%25` for it"
            );
            return Err(Error::new(Kind::InvalidOption, text));
        };
        bytes.push(byte);
        rest = &tail[2..];
    }
    #[cfg(unix)]
    return Ok(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes)));
    #[cfg(not(unix))]
    String::from_utf8(bytes)
        .map(PathBuf::from)
        .map_err(|error| Error::with_source(Kind::InvalidOption, "the store's path is not text", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_scheme_names_the_known_ones() {
        let error = open("mysql://localhost/jobs", Retention::default()).await.unwrap_err();
        assert!(error.is_unknown_scheme());
        assert!(error.to_string().contains("`memory:`"), "{error}");
    }

    #[tokio::test]
    async fn a_bare_path_is_taken_for_a_forgotten_scheme() {
        let error = open("jobs.db", Retention::default()).await.unwrap_err();
        assert!(error.to_string().contains("`sqlite:jobs.db`"), "{error}");
    }

    #[test]
    fn paths_are_taken_as_written_and_unescaped() {
        for (url, path) in [
            ("sqlite:a.db", "a.db"),
            ("sqlite:///v/a.db?shared", "/v/a.db"),
            ("SQLITE:a%3Fb%20c.db", "a?b c.db"),
        ] {
            assert_eq!(Url::parse(url).unwrap().place().unwrap().0, PathBuf::from(path));
        }
        assert!(Url::parse("sqlite:a%2").unwrap().place().is_err());
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_mistyped_option_is_refused_with_the_right_ones() {
        let error = Url::parse("sqlite:a.db?durable=yes").unwrap().sqlite(Retention::default()).unwrap_err();
        assert!(error.is_invalid_option());
        assert!(error.to_string().contains("durability=process"), "{error}");
    }
}
