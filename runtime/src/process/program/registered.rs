//! Programs that are known only when the process runs: given to the builder by name, called by name.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Serialize;

use super::Program;
use crate::call::TaskBuilder;
use crate::codec::{self, ArgumentError, Arguments, invocation_prefix};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::handler::Attempt;
use crate::registry::{Options, Place, Registration};

/// The programs of a runtime by their identities.
#[derive(Debug, Default)]
pub(crate) struct Programs(HashMap<&'static str, Program>);

impl Programs {
    pub(crate) fn insert(&mut self, registration: &'static Registration, program: Program) {
        self.0.insert(registration.function, program);
    }
}

/// The identity of a program that is called `name`.
fn identity(name: &str) -> &'static str {
    // Identities live as long as the process, as those of functions do; there are as many as a program has names.
    static IDENTITIES: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
    let mut identities =
        IDENTITIES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let identity = format!("global:{name}");
    match identities.get(identity.as_str()) {
        Some(identity) => identity,
        None => {
            let leaked: &'static str = Box::leak(identity.into_boxed_str());
            identities.insert(leaked);
            leaked
        }
    }
}

/// How the `nth` program that a builder was given is registered.
///
/// # Errors
/// A name that is none, or a mistake in the program's options.
pub(crate) fn registration(name: &str, nth: u32, program: &Program) -> Result<&'static Registration> {
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        let name = crate::limits::quoted(name);
        let text = format!("{name} is not a program's name: use 1 to 200 bytes without control characters");
        return Err(Error::new(Kind::InvalidOption, text));
    }
    let settings = &program.0.settings;
    if let Some(mistake) = &settings.mistake {
        return Err(mistake.clone());
    }
    if settings.checkpoint.is_some() && !settings.suspendable {
        let text =
            format!("the program `{name}` has checkpoints but is not suspendable: add `.suspendable(true)`");
        return Err(Error::new(Kind::InvalidOption, text));
    }
    Ok(Box::leak(Box::new(Registration {
        function: identity(name),
        aliases: &[],
        place: Place::new("programs", "of the builder", "nth", nth),
        known_path: true,
        parameters: &[],
        states: &[],
        options: settings.options,
        start,
    })))
}

/// Looks the program up by the identity that it was registered under, and hands the arguments on as they are.
fn start(ctx: Context, arguments: Arguments<'_>) -> Result<Attempt, ArgumentError> {
    let found = ctx.state::<Programs>().and_then(|programs| programs.0.get(ctx.function())).cloned();
    let program = found.ok_or_else(|| ArgumentError::unpackable("its program is not here".to_owned()))?;
    let keep = program.0.settings.options.keep_result.is_some();
    Ok(program.attempt(ctx, arguments.into_map(), keep))
}

/// A call of the program that a runtime knows by this name, with arguments that serialize as a map or a struct. `T` is what
/// its result is, if that is kept.
///
/// ```
/// use delay::process::program::task;
///
/// #[derive(serde::Serialize)]
/// struct Arguments<'a> {
///     title: &'a str,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let client = delay::Client::open("memory:").await?;
/// task::<String>("report", &Arguments { title: "Q3" }).delay("5m").add(&client).await?;
/// # Ok(()) }
/// ```
pub fn task<T>(name: &str, arguments: &(impl Serialize + ?Sized)) -> TaskBuilder<T> {
    let function = identity(name);
    let packed = codec::to_vec(arguments).map_err(|error| {
        Error::with_source(Kind::Encode, format!("{function}: the arguments cannot be stored"), error)
    });
    let packed = packed.and_then(|packed| match Arguments::parse(&packed) {
        Ok(_) => Ok([invocation_prefix(function), packed].concat()),
        Err(error) => {
            let text = format!("{function}: the arguments are not a map by name: pass a struct or a map");
            Err(Error::with_source(Kind::Encode, text, error))
        }
    });
    TaskBuilder::packed(function, &Options::DEFAULT, packed)
}
