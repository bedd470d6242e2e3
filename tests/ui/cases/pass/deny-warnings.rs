//! Nothing that the attributes write is warned about, whether it is used or not.
#![deny(warnings, missing_docs, unreachable_pub, unused, rust_2018_idioms, single_use_lifetimes)]
#![deny(missing_debug_implementations, unused_qualifications, unused_results, non_camel_case_types)]
#![deny(let_underscore_drop, unit_bindings, trivial_casts, elided_lifetimes_in_paths)]

use delay::Context;

/// A pool.
#[derive(Clone, Debug)]
pub struct Pool;

/// Documented, and never called.
#[delay::func("unused", keep_result = "1d")]
pub async fn unused(_ctx: &Context, _to: &str, #[default = 1] _copies: u32, #[state] _db: &Pool) -> Result<u32, delay::BoxError> {
    Ok(1)
}

#[delay::func("private")]
fn private(_: &Context, mut count: u32, #[rest] _more: &[u32], #[state] _db: Pool) -> u32 {
    count += 1;
    count
}

#[allow(non_snake_case)]
#[delay::func("misnamed")]
async fn misNamed(_ctx: &Context, someCount: u32) {
    drop(someCount.to_string());
}

#[deprecated = "use unused"]
#[delay::func("deprecated")]
async fn deprecated(_ctx: &Context) {}

#[must_use]
#[delay::func("must_use")]
fn important(_ctx: &Context) -> u32 {
    1
}

/// Greets.
#[delay::func("greet")]
pub static GREET: _ = async |_ctx: &Context, _name: String| {};

#[delay::func("silent")]
#[allow(unused_variables)]
static SILENT: _ = |ctx: &Context, name: String| {};

#[delay::main(worker_threads = 1)]
async fn main() {}
