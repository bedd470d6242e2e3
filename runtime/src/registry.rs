//! The functions that are linked into this program: what an attribute registers, and the checks at start.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::codec::{ArgumentError, Arguments};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::handler::Attempt;
use crate::limits::check_queue;
use crate::retry::Retry;
use crate::states::{State, States};

/// A delayed function's stub: what `#[delay::func]` makes beside the function.
pub trait Function {
    /// What [`Handle::result`](crate::Handle::result) gives: the function's value if it is kept, `()` if not.
    type Value;

    /// How the function is registered.
    fn registration() -> &'static Registration;

    /// The function's identity, `package/path.rs:key` or `global:key`: what its tasks are stored under.
    #[must_use]
    fn id() -> &'static str {
        Self::registration().function
    }
}

/// One registered function. Written by the attribute as a literal.
#[derive(Debug)]
pub struct Registration {
    /// Its identity.
    pub function: &'static str,
    /// Identities that it had before, whose tasks it runs, too.
    pub aliases: &'static [&'static str],
    /// Where it stands.
    pub place: Place,
    /// Whether the file's path inside the package is known; if not, the identity may depend on the machine.
    pub known_path: bool,
    /// The parameters that the payload holds, as written.
    pub parameters: &'static [&'static str],
    /// The state that it needs.
    pub states: &'static [State],
    /// What the attribute says about its tasks.
    pub options: Options,
    /// Decodes the arguments; running what comes back is the attempt.
    pub start: fn(Context, Arguments<'_>) -> Result<Attempt, ArgumentError>,
}

/// Where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The path inside the package.
    pub file: &'static str,
    /// The line of the key.
    pub line: u32,
}

impl Place {
    /// The place of an attribute, as the attribute writes it.
    #[must_use]
    pub const fn new(package: &'static str, version: &'static str, file: &'static str, line: u32) -> Self {
        Self { package, version, file, line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}:{}", self.package, self.version, self.file, self.line)
    }
}

/// What the attribute says about a function's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The queue that they wait in.
    pub queue: &'static str,
    /// Lower runs first.
    pub priority: i16,
    /// When they run again.
    pub retry: Option<Retry>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How long a value is kept, if at all.
    pub keep_result: Option<Duration>,
    /// The cron expressions at whose times it is called by itself.
    pub cron: &'static [&'static str],
    /// The time zone of the expressions.
    pub time_zone: &'static str,
    /// What its process may use, if it runs in one of its own.
    pub isolate: Option<Isolate>,
}

/// What the process of an isolated function may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolate {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// CPU time.
    pub cpu: Option<Duration>,
}

impl Options {
    /// What holds where the attribute says nothing.
    pub const DEFAULT: Self = Self {
        queue: "default",
        priority: 0,
        retry: None,
        timeout: None,
        keep_result: None,
        cron: &[],
        time_zone: "UTC",
        isolate: None,
    };

    /// In a process of its own.
    #[must_use]
    pub const fn isolate(mut self, memory: Option<u64>, cpu: Option<Duration>) -> Self {
        self.isolate = Some(Isolate { memory, cpu });
        self
    }

    /// On this schedule.
    #[must_use]
    pub const fn cron(mut self, expressions: &'static [&'static str], time_zone: &'static str) -> Self {
        (self.cron, self.time_zone) = (expressions, time_zone);
        self
    }
}

/// What inventory collects.
#[derive(Debug)]
pub struct Entry(pub fn() -> &'static Registration);

inventory::collect!(Entry);

/// All functions of the program, by identity and alias.
#[derive(Debug)]
pub(crate) struct Registry {
    by_id: HashMap<&'static str, &'static Registration>,
    /// In the order of their identities, without aliases.
    functions: Vec<&'static Registration>,
}

impl Registry {
    /// The linked functions; collected and checked once.
    ///
    /// # Errors
    /// If two functions claim one identity: both places are named.
    pub(crate) fn linked() -> Result<&'static Self> {
        static LINKED: OnceLock<Result<Registry>> = OnceLock::new();
        let linked =
            LINKED.get_or_init(|| Self::collect(inventory::iter::<Entry>().map(|entry| (entry.0)())));
        linked.as_ref().map_err(Clone::clone)
    }

    /// The linked functions, and these.
    ///
    /// # Errors
    /// As [`linked`](Self::linked).
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    pub(crate) fn linked_and(more: &[&'static Registration]) -> Result<&'static Self> {
        if more.is_empty() {
            return Self::linked();
        }
        let linked = inventory::iter::<Entry>().map(|entry| (entry.0)());
        Self::collect(linked.chain(more.iter().copied())).map(|registry| &*Box::leak(Box::new(registry)))
    }

    /// Just these functions, whatever else is linked.
    #[cfg(feature = "cli")]
    pub(crate) fn of(registrations: &[&'static Registration]) -> Result<&'static Self> {
        Self::collect(registrations.iter().copied()).map(|registry| &*Box::leak(Box::new(registry)))
    }

    pub(crate) fn collect(registrations: impl IntoIterator<Item = &'static Registration>) -> Result<Self> {
        let mut by_id: HashMap<&'static str, &'static Registration> = HashMap::new();
        let mut functions = Vec::new();
        for registration in registrations {
            match by_id.entry(registration.function) {
                Slot::Vacant(slot) => {
                    slot.insert(registration);
                    functions.push(registration);
                }
                // One file compiled twice, into the binary and into the library of a package: the same function.
                Slot::Occupied(slot) if slot.get().place == registration.place => {}
                Slot::Occupied(slot) => {
                    return Err(duplicate(registration.function, slot.get(), registration));
                }
            }
        }
        for registration in &functions {
            for alias in registration.aliases {
                match by_id.entry(alias) {
                    Slot::Vacant(slot) => drop(slot.insert(registration)),
                    Slot::Occupied(slot) if std::ptr::eq(*slot.get(), *registration) => {}
                    Slot::Occupied(slot) => return Err(duplicate(alias, slot.get(), registration)),
                }
            }
            check_queue(registration.options.queue)?;
            if !registration.known_path {
                tracing::warn!(
                    function = registration.function,
                    "the file of this function is not inside its package: its identity may change with the machine"
                );
            }
        }
        functions.sort_unstable_by_key(|registration| registration.function);
        Ok(Self { by_id, functions })
    }

    /// The function with this identity or alias.
    pub(crate) fn find(&self, function: &str) -> Option<&'static Registration> {
        self.by_id.get(function).copied()
    }

    /// All functions, in the order of their identities.
    #[cfg(any(feature = "cli", feature = "cron"))]
    pub(crate) fn functions(&self) -> &[&'static Registration] {
        &self.functions
    }

    /// Every identity that this program answers to, aliases included.
    pub(crate) fn identities(&self) -> Vec<String> {
        let mut all: Vec<String> = self.by_id.keys().map(|id| (*id).to_owned()).collect();
        all.sort_unstable();
        all
    }

    /// Refuses to go on if a function needs what is not there; names all that is missing at once.
    pub(crate) fn check_states(&self, states: &States) -> Result<()> {
        let missing: Vec<String> = self
            .functions
            .iter()
            .flat_map(|function| function.states.iter().map(move |state| (function, state)))
            .filter(|(_, state)| !states.has(state))
            .map(|(function, state)| {
                format!("\n  {} for {} ({})", state.name(), function.function, function.place)
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let text =
            format!("state that functions need is missing: provide it with `.state(…)`:{}", missing.concat());
        Err(Error::new(Kind::MissingState, text))
    }

    /// Whether a function runs in a process of its own.
    #[cfg(feature = "process")]
    pub(crate) fn has_isolated(&self) -> bool {
        self.functions.iter().any(|registration| registration.options.isolate.is_some())
    }

    /// Refuses a worker that could run nothing.
    pub(crate) fn check_not_empty(&self) -> Result<()> {
        if !self.functions.is_empty() {
            return Ok(());
        }
        let text = "no delayed function is linked into this program, so a worker has nothing to run: a crate that is \
                    never named is not linked; add `use my_jobs as _;` or `delay::require!(my_jobs);`";
        Err(Error::new(Kind::NoFunctions, text))
    }
}

fn duplicate(id: &str, one: &Registration, other: &Registration) -> Error {
    let text = format!(
        "two functions are registered as `{id}`: one at {}, one at {}: give one of them another key",
        one.place, other.place
    );
    Error::new(Kind::DuplicateFunction, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(
        function: &'static str,
        aliases: &'static [&'static str],
        line: u32,
    ) -> &'static Registration {
        Box::leak(Box::new(Registration {
            function,
            aliases,
            place: Place { package: "app", version: "1.0.0", file: "src/a.rs", line },
            known_path: true,
            parameters: &[],
            states: &[],
            options: Options::DEFAULT,
            start: |_, _| unreachable!("never run here"),
        }))
    }

    #[test]
    fn two_functions_of_one_identity_are_refused_with_both_places() {
        let error = Registry::collect([registration("a:k", &[], 3), registration("a:k", &[], 9)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("src/a.rs:3") && error.contains("src/a.rs:9"), "{error}");
    }

    #[test]
    fn one_file_compiled_twice_is_one_function() {
        let registry = Registry::collect([registration("a:k", &[], 3), registration("a:k", &[], 3)]).unwrap();
        assert_eq!(registry.functions.len(), 1);
    }

    #[test]
    fn an_alias_leads_to_its_function() {
        let registry = Registry::collect([registration("a:new", &["a:old"], 3)]).unwrap();
        assert_eq!(registry.find("a:old").unwrap().function, "a:new");
        assert!(registry.find("a:other").is_none());
    }

    #[test]
    fn an_alias_that_is_somebody_elses_identity_is_refused() {
        let error =
            Registry::collect([registration("a:k", &[], 3), registration("a:l", &["a:k"], 9)]).unwrap_err();
        assert!(error.is_duplicate_function());
    }

    #[test]
    fn a_program_without_functions_learns_how_to_link_them() {
        let error = Registry::collect([]).unwrap().check_not_empty().unwrap_err();
        assert!(error.is_no_functions());
        assert!(error.to_string().contains("use my_jobs as _;"), "{error}");
    }
}
