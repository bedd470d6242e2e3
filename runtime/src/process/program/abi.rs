//! The interface between a program and its host: what a program imports, and what it exports.
//!
//! # What a program exports
//! A function, `run` unless told otherwise, without parameters. It returns nothing, or an `i32`:
//!
//! | status | meaning | what was written with `output` |
//! |---|---|---|
//! | 0, or none | success | the result, as one MessagePack value; nothing is `nil` |
//! | 1 | failure, to be retried by policy | a text that says why |
//! | 2 | failure that no retry will help | a text that says why |
//! | 3 | the task is not wanted any more | a text that says why |
//!
//! Its memory, if it has one, is the one that it exports as `memory`, or its first. Addresses and lengths are `i32`, read
//! without a sign.
//!
//! # What it can import
//! All from module `delay`:
//!
//! | function | signature | what it does |
//! |---|---|---|
//! | `input_size` | `() -> i32` | how many bytes the arguments take |
//! | `input` | `(to, offset, length) -> i32` | copies of the arguments, one MessagePack map by name; how many bytes |
//! | `output` | `(from, length)` | adds to the result |
//! | `log` | `(level, from, length)` | a line for the log: 0 error, 1 warning, 2 info, 3 debug, else trace |
//! | `progress` | `(done: i64, total: i64)` | says how far it is |
//! | `clock` | `(which) -> i64` | nanoseconds: 0 since 1970, 1 of the program's own life, however often suspended |
//! | `random` | `(to, length)` | random bytes |
//! | `attempt` | `() -> i32` | which attempt this is, the first being 1 |
//! | `enqueue` | `(call, length, options, length) -> i32` | adds a task; 0 added, 1 its name is taken |
//! | `step` | `(key, length, to, room) -> i32` | the value of a step that is done, and its length; -1 if it is not |
//! | `step_done` | `(key, length, from, length)` | keeps a step's value; it is on disk when this returns |
//!
//! `enqueue` takes a payload, `{"function": identity, "arguments": {…}}`, and a map of options, or nothing: `queue`,
//! `name`, `delay` in milliseconds, `priority`. The same call at the same place has the same task id however often it is
//! repeated after a crash, so it is added once.
//!
//! `step` and `step_done` go around an effect that must not be repeated: if the step is done, take its value; if not, do
//! it, and say so. Between the effect and `step_done` a crash can still repeat it.
//!
//! # In C
//! ```c
//! #define DELAY(name) __attribute__((import_module("delay"), import_name(#name)))
//! DELAY(input_size) unsigned input_size(void);
//! DELAY(input) unsigned input(void *to, unsigned offset, unsigned length);
//! DELAY(output) void output(const void *from, unsigned length);
//!
//! __attribute__((export_name("run"))) int run(void) {
//!     static unsigned char arguments[1024];
//!     unsigned size = input(arguments, 0, sizeof arguments);
//!     output(arguments, size); /* the arguments are the result */
//!     return 0;
//! }
//! ```
//! `clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o echo.wasm echo.c`
//!
//! What breaks these rules, an address outside the memory for example, ends the program with
//! [`Trap::AbiViolation`](crate::process::trap::Trap).

use crate::process::engine::{Import, Kind};

/// The module that everything is imported from.
pub const MODULE: &str = "delay";

macro_rules! imports {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal ($($parameter:ident),*) -> ($($result:ident),*);)+) => {
        /// What a program can import, in the order of the table above.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Service { $($(#[$doc])+ $variant,)+ }

        impl Service {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, parameters and results.
            #[must_use]
            pub fn signature(self) -> (&'static str, &'static [Kind], &'static [Kind]) {
                match self {
                    $(Self::$variant => ($name, &[$(Kind::$parameter),*], &[$(Kind::$result),*]),)+
                }
            }
        }
    };
}

imports! {
    /// The size of the arguments.
    InputSize = "input_size" () -> (I32);
    /// The arguments.
    Input = "input" (I32, I32, I32) -> (I32);
    /// The result.
    Output = "output" (I32, I32) -> ();
    /// A line for the log.
    Log = "log" (I32, I32, I32) -> ();
    /// How far it is.
    Progress = "progress" (I64, I64) -> ();
    /// The time.
    Clock = "clock" (I32) -> (I64);
    /// Random bytes.
    Random = "random" (I32, I32) -> ();
    /// Which attempt this is.
    Attempt = "attempt" () -> (I32);
    /// Adds a task.
    Enqueue = "enqueue" (I32, I32, I32, I32) -> (I32);
    /// What a step came to.
    Step = "step" (I32, I32, I32, I32) -> (I32);
    /// Keeps what a step came to.
    StepDone = "step_done" (I32, I32, I32, I32) -> ();
}

impl Service {
    /// What an import asks for.
    ///
    /// # Errors
    /// A text: nothing of this name, or another signature.
    pub fn find(import: &Import<'_>) -> Result<Self, String> {
        let Import { module, name, parameters, results } = *import;
        let named = Self::ALL.iter().copied().find(|service| service.signature().0 == name);
        let Some(service) = named.filter(|_| module == MODULE) else {
            let names: Vec<&str> = Self::ALL.iter().map(|service| service.signature().0).collect();
            return Err(format!(
                "it imports `{module}.{name}`; there is `{MODULE}` with {}",
                names.join(", ")
            ));
        };
        let (_, takes, gives) = service.signature();
        if (takes, gives) == (parameters, results) {
            return Ok(service);
        }
        Err(format!(
            "it imports `{module}.{name}` as {}, and it is {}",
            shown(parameters, results),
            shown(takes, gives)
        ))
    }

    pub(super) fn number(self) -> u32 {
        self as u32
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

fn shown(parameters: &[Kind], results: &[Kind]) -> String {
    let list = |kinds: &[Kind]| {
        kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
    };
    format!("({}) -> ({})", list(parameters), list(results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_list() {
        for service in Service::ALL {
            assert_eq!(Service::from_number(service.number()), Some(*service));
        }
    }

    #[test]
    fn the_documentation_names_each_of_them() {
        let docs = include_str!("abi.rs");
        for service in Service::ALL {
            let (name, takes, _) = service.signature();
            let row = docs.lines().find(|line| line.starts_with(&format!("//! | `{name}` | `(")));
            let row = row.unwrap_or_else(|| panic!("{name} is missing"));
            let commas = row.split('`').nth(3).unwrap().matches(',').count();
            assert_eq!(commas, takes.len().saturating_sub(1), "{row}");
        }
    }

    #[test]
    fn a_wrong_import_is_told_what_there_is() {
        let import = |module, name, parameters| Import { module, name, parameters, results: &[] };
        assert_eq!(Service::find(&import("delay", "output", &[Kind::I32; 2])), Ok(Service::Output));
        let unknown = Service::find(&import("env", "output", &[])).unwrap_err();
        assert!(unknown.contains("`env.output`") && unknown.contains("step_done"), "{unknown}");
        let other = Service::find(&import("delay", "output", &[Kind::I64])).unwrap_err();
        assert_eq!(other, "it imports `delay.output` as (i64) -> (), and it is (i32, i32) -> ()");
    }
}
