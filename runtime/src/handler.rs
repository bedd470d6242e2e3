//! What a registered function hands to the executor: an attempt, ready to be run, and what it returns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;

use crate::codec;
use crate::error::chain;
use crate::failure::{BoxError, Class, Failure};
use crate::outcome::Outcome;

/// An attempt with its arguments decoded. Nothing has run yet.
pub struct Attempt(pub(crate) Kind);

pub(crate) enum Kind {
    /// Polled where the worker runs.
    Future(Pin<Box<dyn Future<Output = Returned> + Send>>),
    /// Called on the blocking pool.
    Blocking(Box<dyn FnOnce() -> Returned + Send>),
}

impl Attempt {
    /// Of an `async` function.
    #[must_use]
    pub fn future(future: impl Future<Output = Returned> + Send + 'static) -> Self {
        Self(Kind::Future(Box::pin(future)))
    }

    /// Of a plain function.
    #[must_use]
    pub fn blocking(call: impl FnOnce() -> Returned + Send + 'static) -> Self {
        Self(Kind::Blocking(Box::new(call)))
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Future(_) => "Attempt::future",
            Kind::Blocking(_) => "Attempt::blocking",
        })
    }
}

/// What a function returned, ready for the state machine.
#[derive(Debug)]
pub struct Returned(pub(crate) Outcome);

impl Returned {
    /// A `Result` whose value is not kept.
    pub fn result<T, E: Into<BoxError>>(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self(Outcome::Succeeded(None)),
            Err(error) => Self::error(&*error.into()),
        }
    }

    /// A `Result` whose value is kept.
    pub fn keep_result<T: Serialize, E: Into<BoxError>>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::keep_value(value),
            Err(error) => Self::error(&*error.into()),
        }
    }

    /// A value that is not kept.
    pub fn value<T>(_: T) -> Self {
        Self(Outcome::Succeeded(None))
    }

    /// A value that is kept.
    #[allow(clippy::needless_pass_by_value)] // the expansion has nothing else to do with it
    pub fn keep_value<T: Serialize>(value: T) -> Self {
        match codec::to_vec(&value) {
            Ok(value) => Self(Outcome::Succeeded(Some(value))),
            // It ran; running it again would not make the value storable.
            Err(error) => {
                let text = format!("the function succeeded, but its value cannot be kept: {error}");
                Self(Outcome::Failed(Class::Permanent, text))
            }
        }
    }

    fn error(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(Outcome::Failed(Failure::class_of(error), chain(error)))
    }
}

/// A value whose type is not written as `Result<…>` in the signature.
#[derive(Debug)]
pub struct Plain<T>(pub T);

/// How a plain value becomes [`Returned`].
pub trait PlainValue<T> {
    /// Not kept.
    fn returned(self) -> Returned;
    /// Kept.
    fn keep(self) -> Returned
    where
        T: Serialize;
}

impl<T> PlainValue<T> for Plain<T> {
    fn returned(self) -> Returned {
        Returned::value(self.0)
    }

    fn keep(self) -> Returned
    where
        T: Serialize,
    {
        Returned::keep_value(self.0)
    }
}

/// Appears in a type error where a function's return type is an alias of `Result`: its `Err` would pass for success.
#[derive(Debug)]
pub struct WriteTheReturnTypeAsResult;

impl<T, E> Plain<Result<T, E>> {
    /// Wins over the trait's method, and has another type.
    pub fn returned(self) -> WriteTheReturnTypeAsResult {
        WriteTheReturnTypeAsResult
    }

    /// Wins over the trait's method, and has another type.
    pub fn keep(self) -> WriteTheReturnTypeAsResult {
        WriteTheReturnTypeAsResult
    }
}

/// Appears in a type error where a plain function returns a boxed future, which nobody would poll.
#[derive(Debug)]
pub struct MakeTheFunctionAsync;

impl<F: Future + ?Sized> Plain<Pin<Box<F>>> {
    /// Wins over the trait's method, and has another type.
    pub fn returned(self) -> MakeTheFunctionAsync {
        MakeTheFunctionAsync
    }

    /// Wins over the trait's method, and has another type.
    pub fn keep(self) -> MakeTheFunctionAsync {
        MakeTheFunctionAsync
    }
}
