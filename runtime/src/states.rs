//! State: values that are provided once and lent to every attempt, by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A type of state that a function needs.
#[derive(Clone, Copy)]
pub struct State {
    id: fn() -> TypeId,
    name: fn() -> &'static str,
}

impl State {
    /// The state of type `T`.
    #[must_use]
    pub const fn of<T: Any + Send + Sync>() -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T> }
    }

    pub(crate) fn id(&self) -> TypeId {
        (self.id)()
    }

    pub(crate) fn name(&self) -> &'static str {
        (self.name)()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values.
#[derive(Clone, Default)]
pub(crate) struct States(Arc<HashMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl States {
    /// Puts them together.
    pub(crate) fn new(states: HashMap<TypeId, Box<dyn Any + Send + Sync>>) -> Self {
        Self(Arc::new(states))
    }

    /// The value of type `T`.
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Whether there is one.
    pub(crate) fn has(&self, state: &State) -> bool {
        self.0.contains_key(&state.id())
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states", self.0.len())
    }
}
