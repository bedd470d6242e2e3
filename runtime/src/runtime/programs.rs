//! The programs that a builder was given: registered beside the linked functions, and provided as state.

use std::any::{Any, TypeId};
use std::collections::HashMap;

use super::Builder;
use crate::error::Result;
use crate::process::program::{Program, Programs, registration};
use crate::registry::{Registration, Registry};

/// Names and programs, in the order in which they were given.
#[derive(Default)]
pub(super) struct Given(Vec<(String, Program)>);

impl Builder {
    /// Runs a WebAssembly program as the function `global:name`; [`task`](crate::process::program::task) calls it.
    ///
    /// A program whose file is known when this one is compiled is better declared with
    /// [`delay::program`](macro@crate::program), whose stub knows its parameters.
    pub fn program(mut self, name: impl Into<String>, program: Program) -> Self {
        self.programs.0.push((name.into(), program));
        self
    }
}

impl Given {
    /// The registry with the programs in it, which go among the states.
    pub(super) fn join(
        self,
        registry: Option<&'static Registry>,
        states: &mut HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    ) -> Result<&'static Registry> {
        let mut programs = Programs::default();
        let mut registrations: Vec<&'static Registration> = Vec::new();
        for ((name, program), nth) in self.0.into_iter().zip(1..) {
            let registered = registration(&name, nth, &program)?;
            registrations.push(registered);
            programs.insert(registered, program);
        }
        states.insert(TypeId::of::<Programs>(), Box::new(programs));
        registry.map_or_else(|| Registry::linked_and(&registrations), Ok)
    }
}
