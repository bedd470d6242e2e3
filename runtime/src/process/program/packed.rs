//! A program's arguments on their way into it: what the code behind `#[delay::program]` writes them with.

use serde::Serialize;

use super::Program;
use crate::codec::{ArgumentError, Invocation, InvocationWriter};
use crate::context::Context;
use crate::handler::Attempt;

/// Arguments, packed anew after they were decoded: a program gets all of its parameters, in their order, under their
/// names of today, however old the call is.
#[derive(Debug)]
pub struct Packed(InvocationWriter);

impl Packed {
    /// So many arguments to come.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(InvocationWriter::new("", count))
    }

    /// The next one.
    #[must_use]
    pub fn argument<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.0.argument(name, value);
        self
    }

    /// The attempt of a program with these arguments, whose result is kept.
    ///
    /// # Errors
    /// An argument cannot be packed.
    pub fn keep(self, ctx: Context, program: &Program) -> Result<Attempt, ArgumentError> {
        Ok(program.attempt(ctx, self.finish()?, true))
    }

    /// The attempt of a program with these arguments, whose result is dropped.
    ///
    /// # Errors
    /// An argument cannot be packed.
    pub fn attempt(self, ctx: Context, program: &Program) -> Result<Attempt, ArgumentError> {
        Ok(program.attempt(ctx, self.finish()?, false))
    }

    fn finish(self) -> Result<Vec<u8>, ArgumentError> {
        let packed = self.0.finish().map_err(|error| ArgumentError::unpackable(error.to_string()))?;
        let invocation = Invocation::parse(&packed.bytes);
        let arguments = invocation.map_err(|error| ArgumentError::unpackable(error.to_string()))?.arguments;
        Ok(arguments.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_a_map_by_name_in_the_order_of_its_parameters() {
        let packed = Packed::new(2).argument("b", &1u8).argument("a", "x").finish().unwrap();
        assert_eq!(packed, b"\x82\xa1b\x01\xa1a\xa1x");
    }
}
