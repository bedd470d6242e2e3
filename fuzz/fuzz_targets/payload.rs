//! See `runtime/src/fuzzing.rs`, `payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| delay::fuzzing::payload(data));
