//! The user's own `Result`, `String`, `std` and the like are not taken for the standard library's.
#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct String;
struct Vec;
struct Box;
struct Default;
struct Clone;
struct IntoIterator;
struct Duration;
#[derive(::std::clone::Clone)]
struct Pool;
struct Handle;
struct Function;
struct Registration;

#[allow(non_snake_case)]
fn Ok() {}
#[allow(non_snake_case)]
fn Some() {}
#[allow(non_snake_case)]
fn None() {}

mod std {}
mod core {}
mod delay {}
mod inventory {}
mod __private {}

#[::delay::func("a", retry(limit = 3), timeout = "1500ms")]
async fn a(
    _ctx: &::delay::Context,
    _to: &str,
    _bytes: &[u8],
    _file: &::std::path::Path,
    #[default] _count: u32,
    #[default = 7] _other: u32,
    #[state] _db: &Pool,
    #[state] _own: Pool,
    #[rest] _more: &[u64],
) -> ::std::result::Result<(), ::std::io::Error> {
    ::std::result::Result::Ok(())
}

#[::delay::func("b", keep_result = "1d")]
fn b(_ctx: &::delay::Context) -> u32 {
    1
}

#[::delay::func("c")]
static COUNT: _ = async |_ctx: &::delay::Context| {};

#[::delay::main(flavor = "current_thread")]
async fn main() {}
