//! The store's own options: what a URL says beyond how to connect.

use std::time::Duration;

use super::words::{Words, invalid};
use crate::error::Result;

/// How safe an acknowledged task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of the process and of the server, not the loss of the server's power:
    /// `synchronous_commit = off`.
    Process,
    /// Survives the loss of power: each commit waits for the server's disk. What the server is configured for is never
    /// lowered: a synchronous standby that it waits for is waited for.
    #[default]
    Disk,
    /// Survives the loss of the whole server: each commit waits for a synchronous standby, too.
    Replicated,
}

/// What a store does and with how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The schema that holds the tables.
    pub(super) schema: String,
    /// How safe an acknowledged task is.
    pub(super) durability: Durability,
    /// The most connections at a time.
    pub(super) pool: usize,
    /// The most time that one statement may take.
    pub(super) statement_timeout: Duration,
    /// Whether statements are prepared under names; poolers that part transactions of one connection cannot have it.
    pub(super) prepare: bool,
    /// Whether others are woken by NOTIFY; else they look from time to time.
    pub(super) notify: bool,
    /// Whether a claim steps over rows that others lock; else it waits for them.
    pub(super) skip_locked: bool,
    /// Whether migrations and upkeep are made one by one with advisory locks; else guarded updates alone keep order.
    pub(super) advisory_locks: bool,
    /// From how many plain successes of a turn on they are kept by the bundle; 0: never.
    pub(super) bundle: usize,
}

impl Settings {
    pub(super) fn read(words: &Words) -> Result<Self> {
        let durability = [
            ("process", Durability::Process),
            ("disk", Durability::Disk),
            ("replicated", Durability::Replicated),
        ];
        Ok(Self {
            schema: schema(words.get("schema").unwrap_or("delay"))?,
            durability: words.choice("durability", Durability::default(), &durability)?,
            pool: words.number("pool", 2)?.map_or(8, |most| usize::try_from(most).unwrap_or(usize::MAX)),
            statement_timeout: words.length(
                "statement_timeout",
                Duration::from_millis(1),
                Duration::from_secs(30),
            )?,
            prepare: words.switch("prepare", true)?,
            notify: words.switch("notify", true)?,
            skip_locked: words.switch("skip_locked", true)?,
            advisory_locks: words.switch("advisory_locks", true)?,
            bundle: words
                .number("bundle", 0)?
                .map_or(16, |least| usize::try_from(least).unwrap_or(usize::MAX)),
        })
    }
}

/// A name that the server takes as it is: it cuts longer ones off, and keeps `pg_…` for itself.
fn schema(name: &str) -> Result<String> {
    let trouble = match name {
        "public" | "information_schema" => "belongs to others",
        _ if name.starts_with("pg_") => "begins with `pg_`, which PostgreSQL keeps for itself",
        _ if name.len() > 63 => "is longer than the 63 bytes of a name in PostgreSQL",
        _ if name.contains(char::is_control) => "has a control character",
        _ => return Ok(name.to_owned()),
    };
    Err(invalid(format!("`schema={}` cannot be: the name {trouble}", name.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &str) -> Result<Settings> {
        Settings::read(&Words::parse(&format!("postgres:///jobs?{options}"), &|_| None)?)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = read("").unwrap();
        assert_eq!((settings.schema.as_str(), settings.durability), ("delay", Durability::Disk));
        assert!(settings.prepare && settings.notify && settings.skip_locked && settings.advisory_locks);
        assert_eq!(settings.bundle, 16);
    }

    #[test]
    fn every_option_is_read() {
        let settings = read(
            "schema=my jobs&durability=replicated&pool=3&statement_timeout=250&prepare=off&notify=off&skip_locked=off\
             &advisory_locks=off&bundle=3",
        );
        let expected = Settings {
            schema: "my jobs".to_owned(),
            durability: Durability::Replicated,
            pool: 3,
            statement_timeout: Duration::from_millis(250),
            prepare: false,
            notify: false,
            skip_locked: false,
            advisory_locks: false,
            bundle: 3,
        };
        assert_eq!(settings.unwrap(), expected);
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_what_can() {
        let long = format!("schema={}", "x".repeat(64));
        for (options, teaches) in [
            ("durability=yes", "`process`, `disk`, `replicated`"),
            ("pool=1", "from 2 up"),
            ("notify=no", "`on`, `off`"),
            ("statement_timeout=soon", "`30s`"),
            ("schema=public", "belongs to others"),
            ("schema=pg_own", "keeps for itself"),
            (long.as_str(), "63 bytes"),
        ] {
            let error = read(options).unwrap_err();
            assert!(error.is_invalid_option(), "{error}");
            assert!(error.to_string().contains(teaches), "{error}");
        }
    }
}
