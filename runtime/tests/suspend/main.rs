//! Suspension keeps what a program does: the spec suite, generated modules and guests, each three ways.

#![allow(clippy::unwrap_used)]

mod differential;
mod guests;
mod hostile;
mod imports;
mod machine;
mod refusals;
mod smith;
mod snapshots;
mod spec;
