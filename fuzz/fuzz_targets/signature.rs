//! See `runtime/src/fuzzing.rs`, `signature`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| delay::fuzzing::signature(data));
