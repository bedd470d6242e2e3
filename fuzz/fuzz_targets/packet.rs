//! See `runtime/src/fuzzing.rs`, `packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| delay::fuzzing::packet(data));
